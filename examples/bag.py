"""Answer the images of a bag in their order, as the node does, and print the states.

    python examples/bag.py MAP.folmap BAG [ODOMETRY_TOPIC]

Prints a line for each image, and at the end how many images had which state. BAG may be a folder
of images too; odometry makes the answers surer.
"""

from __future__ import annotations

import sys
from collections import Counter

import fol_vpr


def main(path: str, bag: str, odometry: str | None = None) -> None:
    """Print an answer for each image of the bag."""
    counts: Counter[str] = Counter()
    source = fol_vpr.open_source(bag, odom_topic=odometry)
    with fol_vpr.PlaceRecognizer.for_map(path) as recognizer:
        for answer in recognizer.follow(source):
            print(f'{answer.stamp_ns / 1e9:.3f} {answer}')
            counts[answer.state.name] += 1
    print(', '.join(f'{state} {count}' for state, count in counts.most_common()))


if __name__ == '__main__':
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except fol_vpr.FolVprError as error:
        sys.exit(f'error: {error}')
