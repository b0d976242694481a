"""Build a map of a folder of photographs, and ask where others were taken.

    python examples/photographs.py FOLDER MAP.folmap PHOTO...

Prints a line for each photograph: state, cause, best hypothesis. Each is decided by itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fol_vpr


def main(folder: str, output: str, *photographs: str) -> None:
    """Build the map where it is not there yet, and print an answer for each photograph."""
    if not Path(output).exists():
        info = fol_vpr.build_map(folder, output)
        print(f'{output}: {info.places} places of {folder}')
    # A single photograph is LOCALIZED only where one image is declared to be enough.
    settings = {'verification.consecutive': 1}
    with fol_vpr.PlaceRecognizer.for_map(output, settings=settings) as recognizer:
        for photograph in photographs:
            answer = recognizer.query(photograph)
            print(f'{Path(photograph).name}: {answer}')


if __name__ == '__main__':
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except fol_vpr.FolVprError as error:
        sys.exit(f'error: {error}')
