"""Build a map of one's own images and poses, and ask it.

    python examples/map_by_hand.py IMAGES POSES.csv MAP.folmap PHOTO

Each line of POSES.csv is: file name, x, y, yaw (metres, degrees; no heading line). Replace
`frames` by whatever has your images and poses. Prints what was built, and where PHOTO was taken.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import fol_vpr


def frames(folder: Path, table: Path) -> Iterator[fol_vpr.Frame]:
    """The images of a table, one at a time, with the pose of the robot's base at each."""
    with table.open(newline='') as lines:
        for number, (name, x, y, yaw) in enumerate(csv.reader(lines)):
            half = math.radians(float(yaw)) / 2
            yield fol_vpr.Frame(
                fol_vpr.read_photograph(folder / name).image,
                stamp_ns=number * 1_000_000_000,
                uri=name,
                pose=fol_vpr.Pose(
                    position=np.array([float(x), float(y), 0.0]),
                    orientation=np.array([0.0, 0.0, math.sin(half), math.cos(half)]),
                ),
            )


def main(folder: str, table: str, output: str, photograph: str) -> None:
    """Build the map, and print where the photograph was taken."""
    info = fol_vpr.build_map(frames(Path(folder), Path(table)), output, overwrite=True)
    print(f'{output}: {info.places} places, {info.poses} with a pose')
    with fol_vpr.PlaceRecognizer.for_map(output) as recognizer:
        answer = recognizer.query(photograph)
    print(answer)
    if answer.best is not None and answer.best.pose is not None:
        x, y, _ = answer.best.pose.position
        print(f'best guess: x {x:.2f} m, y {y:.2f} m')


if __name__ == '__main__':
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except fol_vpr.FolVprError as error:
        sys.exit(f'error: {error}')
