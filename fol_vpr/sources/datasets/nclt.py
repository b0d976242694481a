"""NCLT: lb3/Cam5/<microseconds>.tiff, groundtruth_<date>.csv.

The ground truth is the pose of the body (x forward, y right, z down) north, east and down of a
point that all sessions share, with roll, pitch and heading in radians. The Ladybug's sensors stand
upright, so that the files lie on their side (Carlevaris-Bianco et al., IJRR 2016;
robots.engin.umich.edu/nclt and its read_ground_truth.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.files import natural_key
from fol_vpr.sources.datasets.axes import DOWN_IS_Z, NED_IN_ENU, rotations_from_euler
from fol_vpr.sources.datasets.contents import (
    Contents,
    images_in,
    located,
    number_table,
    track_of,
    with_poses_note,
)
from fol_vpr.sources.tables import time_unit

TITLE = 'NCLT'
_SITE = 'robots.engin.umich.edu/nclt'
CAMERAS = tuple(f'Cam{number}' for number in range(6))
_AHEAD = 'Cam5'


def find(folder: Path) -> tuple[Path, Path] | None:
    """The session and the folder of the camera that a path means, None where it means none."""
    if folder.name in CAMERAS:
        return _session(folder), folder
    nested = list(folder.glob('*/lb3'))
    for images in (folder / 'lb3', folder, *(nested if len(nested) == 1 else ())):
        there = [name for name in (_AHEAD, *CAMERAS) if (images / name).is_dir()]
        if there:
            return _session(images / there[0]), images / there[0]
    return None


def _session(camera: Path) -> Path:
    return camera.parents[1] if camera.parent.name == 'lb3' else camera.parent


def read(folder: Path, max_gap: float, variant: str) -> Contents:
    """Read a session.

    Args:
        folder: of the session, or lb3/CamN in it; otherwise Cam5, which looks ahead.
        max_gap: seconds between two poses that are interpolated; 0 takes the usual.
        variant: none.

    Raises:
        InputError: a file is missing or damaged.
    """
    del variant
    found = find(folder)
    if found is None:
        raise InputError(
            f'{folder / "lb3" / _AHEAD} is missing: the images of {TITLE}, in <date>_lb3.tar.gz '
            f'of {_SITE}'
        )
    session, images = found
    truth = _truth(session)
    names = sorted(
        (name for name in images_in(images) if name.endswith(('.tiff', '.png', '.jpg'))),
        key=natural_key,
    )
    stems = [Path(name).stem for name in names]
    if not names or not all(stem.isascii() and stem.isdigit() for stem in stems):
        raise InputError(f'{images} holds no images named by their microseconds, as 1326031.tiff')
    unit = time_unit(stems, str(images))
    stamps = [unit.stamp_ns(stem) for stem in stems]
    poses = number_table(truth, 7, 'microseconds, x, y, z, roll, pitch, heading')
    rotations = NED_IN_ENU @ rotations_from_euler(poses.values[:, 3:]) @ DOWN_IS_Z
    track = track_of(poses.stamps, poses.values[:, :3] @ NED_IN_ENU.T, rotations, max_gap)
    locations = located(stamps, track)
    notes = with_poses_note(locations, len(names), truth.name)
    notes.append(
        f'images of {images.name} are turned upright, 90 degrees clockwise; poses are of the '
        'body, east, north and up; its distortion is a table, so the camera is uncalibrated'
    )
    return Contents(
        title=TITLE,
        root=images,
        files=names,
        locations=locations,
        session_id=session.resolve().name,
        frame_id='map',
        is_drive=True,
        tables=(truth,),
        notes=notes,
        finish=upright,
    )


def upright(image: np.ndarray) -> np.ndarray:
    """An image of a Ladybug turned 90 degrees clockwise; one that stands upright stays so."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(np.rot90(image, -1)) if width > height else image


def _truth(session: Path) -> Path:
    date = session.resolve().name
    names = [
        f'groundtruth_{date}.csv',
        f'ground_truth/groundtruth_{date}.csv',
        f'../groundtruth_{date}.csv',
        f'../ground_truth/groundtruth_{date}.csv',
        f'../../ground_truth/groundtruth_{date}.csv',
    ]
    there = [session / name for name in names if (session / name).is_file()]
    others = sorted(session.glob('groundtruth*.csv'))
    if not there and len(others) != 1:
        raise InputError(
            f'{session / names[0]} is missing: the ground truth of {TITLE}, '
            f'groundtruth_{date}.csv of {_SITE}'
        )
    return (there or others)[0]
