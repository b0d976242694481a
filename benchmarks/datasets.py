"""Sets of images with ground truth that the measurements of recall share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fol_vpr.datatypes import Camera, Pose
from fol_vpr.evaluation.ground_truth import read_ground_truth
from fol_vpr.sources import ImageFolder

# Folder, references, queries.
REAL = (('gardens_point', 'day_right', 'day_left'), ('corridor', 'ref', 'query'))


@dataclass(frozen=True)
class PlaceSet:
    """References, queries, and which references show the place of each query."""

    name: str
    references: list[Path]
    queries: list[Path]
    positives: list[frozenset[int]]


def place_sets(folders: Sequence[Path]) -> list[PlaceSet]:
    """The real sets of $FOL_VPR_SHARED where it is set, and folders with one folder a place.

    Raises:
        InputError: an image folder or a ground truth cannot be read.
    """
    shared = os.environ.get('FOL_VPR_SHARED')
    found = [] if shared is None else [_real(Path(shared) / 'data', *parts) for parts in REAL]
    return found + [_of_places(folder) for folder in folders]


def _real(data: Path, name: str, references: str, queries: str) -> PlaceSet:
    of_map, asked = (
        [data / name / part / file for file in ImageFolder(data / name / part).files]
        for part in (references, queries)
    )
    truth = read_ground_truth(data / name / 'ground_truth.csv', len(asked), len(of_map))
    return PlaceSet(name, of_map, asked, [positives or frozenset() for positives in truth])


def tum_camera(path: Path) -> Camera:
    """The camera that a settings file of ORB-SLAM describes, for the TUM RGB-D sequences.

    The poses of these sequences are those of the optical frame, so that the mount is the identity.
    """
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    fx, fy, cx, cy, *distortion = (
        file.getNode(f'Camera.{name}').real()
        for name in ('fx', 'fy', 'cx', 'cy', 'k1', 'k2', 'p1', 'p2', 'k3')
    )
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    mount = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    return Camera((640, 480), matrix, 'plumb_bob', np.array(distortion), mount)


def _of_places(folder: Path) -> PlaceSet:
    """The first view of every place is its reference, the others are queries."""
    references: list[Path] = []
    queries: list[Path] = []
    positives: list[frozenset[int]] = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        first, *others = sorted(place.iterdir())
        positives += [frozenset([len(references)])] * len(others)
        references.append(first)
        queries += others
    return PlaceSet(folder.parent.name, references, queries, positives)
