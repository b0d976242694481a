"""Sets of images with ground truth that the measurements of recall share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.evaluation.ground_truth import Positives, read_ground_truth
from fol_vpr.sources import ImageFolder

# Folder, references, queries.
REAL = (('gardens_point', 'day_right', 'day_left'), ('corridor', 'ref', 'query'))


@dataclass(frozen=True)
class PlaceSet:
    """References, queries, and which references show the place of each query."""

    name: str
    references: list[Path]
    queries: list[Path]
    positives: Positives


def place_sets(folders: Sequence[Path]) -> list[PlaceSet]:
    """The real sets of $FOL_VPR_SHARED where it is set, and folders with one folder a place.

    Raises:
        InputError: an image folder or a ground truth cannot be read.
    """
    shared = os.environ.get('FOL_VPR_SHARED')
    found = [] if shared is None else [_real(Path(shared) / 'data', *parts) for parts in REAL]
    return found + [_of_places(folder) for folder in folders]


def _real(data: Path, name: str, references: str, queries: str) -> PlaceSet:
    folders = [data / name / part for part in (references, queries)]
    images = [[folder / file for file in ImageFolder(folder).files] for folder in folders]
    sizes = len(images[1]), len(images[0])
    truth = read_ground_truth(data / name / 'ground_truth.csv', *sizes)
    return PlaceSet(name, *images, truth)


def _of_places(folder: Path) -> PlaceSet:
    """The first view of every place is its reference, the others are queries."""
    references: list[Path] = []
    queries: list[Path] = []
    positives: Positives = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        first, *others = sorted(place.iterdir())
        positives += [frozenset([len(references)])] * len(others)
        references.append(first)
        queries += others
    return PlaceSet(folder.parent.name, references, queries, positives)
