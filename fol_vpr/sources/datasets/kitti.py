"""KITTI odometry: sequences/NN with image_0 to image_3, times.txt and calib.txt; poses/NN.txt.

A pose maps points of the left grey camera (camera 0, z forward) to those of its first frame; a
projection matrix P of calib.txt is K [I | t] with t of camera 0 in the camera (devkit_odometry).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.files import natural_key
from fol_vpr.sources.datasets.axes import OPTICAL, mount
from fol_vpr.sources.datasets.contents import Contents, images_in, required
from fol_vpr.sources.tables import number_or_nan, table_text
from fol_vpr.sources.trajectories import kitti_poses, kitti_times, number_lines
from fol_vpr.sources.utm_positions import Location

TITLE = 'KITTI odometry'
_SITE = 'cvlibs.net/datasets/kitti/eval_odometry.php'
CAMERAS = ('image_0', 'image_1', 'image_2', 'image_3')


def find(folder: Path) -> tuple[Path, str] | None:
    """The folder of the sequence and the camera that a path means, None where it means none."""
    if folder.name in CAMERAS:
        return folder.parent, folder.name
    there = [name for name in CAMERAS if (folder / name).is_dir()]
    return (folder, there[0]) if there else None


def read(folder: Path, max_gap: float, variant: str) -> Contents:
    """Read a sequence.

    Args:
        folder: sequences/NN, or one of its cameras, sequences/NN/image_2; otherwise the first
            camera that is there is taken.
        max_gap: of no use, since every frame has its pose.
        variant: none.

    Raises:
        InputError: a file is missing or damaged.
    """
    del max_gap, variant
    found = find(folder)
    if found is None:
        raise InputError(
            f'{folder / CAMERAS[0]} is missing: the images of {TITLE}, in data_odometry_gray.zip '
            f'and data_odometry_color.zip of {_SITE}'
        )
    sequence, camera = found
    number = sequence.resolve().name
    times = required(
        sequence / 'times.txt', TITLE, f'the times, in data_odometry_calib.zip of {_SITE}'
    )
    calibration = required(
        sequence / 'calib.txt', TITLE, f'the calibration, in data_odometry_calib.zip of {_SITE}'
    )
    # Of a link the folder that it lies in comes first, and then that of what it links to.
    roots = [path.parents[1] for path in (sequence.absolute(), sequence.resolve())]
    beside = [root / 'poses' / f'{number}.txt' for root in roots]
    truth = required(
        next((each for each in beside if each.exists()), beside[0]),
        TITLE,
        f'the poses, in data_odometry_poses.zip of {_SITE}, which has them for 00 to 10',
    )
    stamps = kitti_times(times)
    poses = kitti_poses(number_lines(truth, 'twelve numbers'))
    if len(stamps) != len(poses):
        raise InputError(
            f'{truth} has {len(poses)} poses, but {times} {len(stamps)} times; are they of the '
            'same sequence?'
        )
    files, frames = _frames(sequence / camera, len(poses))
    notes = []
    if len(files) < len(poses):
        notes.append(f'{len(poses) - len(files)} of the {len(poses)} frames have no image')
    # A stamp of 0 would mean that the time is not known.
    locations = {
        index: Location(poses[frame], None, max(1, stamps[frame]))
        for index, frame in enumerate(frames)
    }
    mounted, matrix = _calibrated(calibration, CAMERAS.index(camera))
    notes.append(
        'poses are those of camera 0 with axes of REP-103, from its first frame; the times count '
        'from the start of the drive'
    )
    return Contents(
        title=TITLE,
        root=sequence / camera,
        files=files,
        locations=locations,
        session_id=number,
        frame_id='map',
        own_origin=True,
        is_drive=True,
        matrix=matrix,
        mount=mounted,
        tables=(times, calibration, truth),
        notes=notes,
    )


def _frames(folder: Path, count: int) -> tuple[list[str], list[int]]:
    """Names of the images, and the number of the frame of each, which its name is."""
    names = sorted(
        (name for name in images_in(folder) if name.endswith('.png') and name[0] != '.'),
        key=natural_key,
    )
    if not names:
        raise InputError(f'{folder} holds no image, expected 000000.png to {count - 1:06d}.png')
    frames = []
    for name in names:
        stem = name.removesuffix('.png')
        if not (stem.isascii() and stem.isdigit()) or int(stem) >= count:
            raise InputError(
                f'{folder / name} is no frame of this sequence, expected 000000.png to '
                f'{count - 1:06d}.png, for which there are poses'
            )
        frames.append(int(stem))
    return names, frames


def _calibrated(path: Path, camera: int) -> tuple[Pose, np.ndarray]:
    """The mount of a camera on the base, which is camera 0, and its matrix [3, 3]."""
    for number, line in enumerate(table_text(path).splitlines(), start=1):
        name, _, numbers = line.partition(':')
        if name.strip() != f'P{camera}':
            continue
        values = np.array([number_or_nan(field) for field in numbers.split()])
        if values.size != 12 or not np.isfinite(values).all() or values[0] <= 0:
            raise InputError(f'{path}, line {number} is no projection matrix of 12 numbers')
        projection = values.reshape(3, 4)
        matrix = projection[:, :3]
        # P = K [I | t], with t the origin of camera 0 in this camera.
        centre = -np.linalg.solve(matrix, projection[:, 3])
        return mount(OPTICAL, OPTICAL @ centre), matrix
    raise InputError(f'{path} has no line P{camera}: 12 numbers, the projection of the camera')
