"""Oxford RobotCar: stereo/centre/<microseconds>.png, stereo.timestamps, gps/ins.csv.

Images are mosaics, gbrg of the stereo camera and rggb of the others. ins.csv gives the pose of the
INS, northing, easting and down of UTM; extrinsics/ins.txt of the development kit places it in the
frame of the vehicle, that of the stereo camera with x forward, y right, z down (Maddern et al.,
IJRR 2017; github.com/ori-mrg/robotcar-dataset-sdk).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.sources.datasets.axes import DOWN_IS_Z, NED_IN_ENU, rotations_from_euler
from fol_vpr.sources.datasets.contents import (
    Contents,
    geo_or_none,
    located,
    required,
    those_there,
    track_of,
    with_poses_note,
)
from fol_vpr.sources.tables import number_or_nan, read_table, time_unit
from fol_vpr.sources.trajectories import number_lines
from fol_vpr.sources.utm_positions import Location

TITLE = 'Oxford RobotCar'
_SITE = 'robotcar-dataset.robots.ox.ac.uk'
CAMERAS = ('stereo/centre', 'stereo/left', 'stereo/right', 'mono_left', 'mono_right', 'mono_rear')
_NEEDED = ('timestamp', 'northing', 'easting', 'down', 'roll', 'pitch', 'yaw')
_GOOD = 'INS_SOLUTION_GOOD'
INS_IN_VEHICLE = (-1.7132, 0.1181, 1.1948, -0.0125, 0.0400, 0.0050)
"""x, y, z in metres and roll, pitch, yaw in radians: extrinsics/ins.txt of the development kit."""


def find(folder: Path) -> tuple[Path, str] | None:
    """The traversal and the camera that a path means, None where it means none."""
    for camera in CAMERAS:
        parts = Path(camera).parts
        if folder.parts[-len(parts) :] == parts:
            return folder.parents[len(parts) - 1], camera
    there = [camera for camera in CAMERAS if (folder / camera).is_dir()]
    return (folder, there[0]) if there else None


def read(folder: Path, max_gap: float, variant: str) -> Contents:
    """Read a traversal.

    Args:
        folder: of the traversal, or of a camera in it, mono_left; otherwise stereo/centre.
        max_gap: seconds between two poses that are interpolated; 0 takes the usual.
        variant: none.

    Raises:
        InputError: a file is missing or damaged.
    """
    del variant
    found = find(folder)
    if found is None:
        raise InputError(
            f'{folder / CAMERAS[0]} is missing: the images of {TITLE}, in the archives '
            f'*_stereo_centre_*.tar of {_SITE}'
        )
    root, camera = found
    device = camera.partition('/')[0]
    archive = f'in every archive of {device} images, {_SITE}'
    table = required(root / f'{device}.timestamps', TITLE, f'the times, {archive}')
    truth = required(root / 'gps' / 'ins.csv', TITLE, f'the poses, in *_gps.tar of {_SITE}')
    lines = number_lines(table, 'a time in microseconds and a number of the chunk')
    unit = time_unit([fields[0] for _, fields in lines], str(table))
    names = [f'{fields[0]}.png' for _, fields in lines]
    there, notes = those_there(
        names, root / camera, table, TITLE, f'in *_{camera.replace("/", "_")}_*.tar of {_SITE}'
    )
    stamps = [unit.stamp_ns(lines[index][1][0]) for index in there]
    ins = _Ins(truth)
    locations = ins.locate(stamps, max_gap)
    notes += [*ins.notes, *with_poses_note(locations, len(there), truth.name)]
    pattern = 'gbrg' if device == 'stereo' else 'rggb'
    notes.append(
        f'images are mosaics, {pattern}; poses are of the vehicle, that is of the stereo camera, '
        'in UTM; its distortion is a table, so the camera is uncalibrated'
    )
    return Contents(
        title=TITLE,
        root=root / camera,
        files=[names[index] for index in there],
        locations=locations,
        session_id=root.resolve().name,
        frame_id='utm',
        is_drive=True,
        tables=(table, truth),
        notes=notes,
        finish=demosaicing(pattern),
    )


def demosaicing(pattern: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function that makes RGB of a mosaic that was decoded as a grey image [H, W, 3].

    Args:
        pattern: colours of the upper left 2 x 2 pixels, row by row: gbrg or rggb.
    """
    code = {'gbrg': cv2.COLOR_BayerGBRG2RGB, 'rggb': cv2.COLOR_BayerRGGB2RGB}[pattern]

    def finish(image: np.ndarray) -> np.ndarray:
        if not (image[..., 0] == image[..., 1]).all():
            return image  # somebody has made colours of it
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(image[..., 0]), code))

    return finish


class _Ins:
    """The rows of gps/ins.csv whose solution is good."""

    def __init__(self, path: Path) -> None:
        names, rows = read_table(path, (*_NEEDED, 'ins_status', 'latitude', 'longitude'))
        columns = [name for name, _ in names]
        missing = [name for name in _NEEDED if name not in columns]
        if missing:
            raise InputError(f'{path} has no column {", ".join(missing)}, expected ins.csv')
        at = {name: columns.index(name) for name in columns}
        self._path = path
        self.texts: list[str] = []
        self.values: list[list[float]] = []
        self.geo: list[list[float]] = []
        total = 0
        for where, cells in rows:
            total += 1
            if 'ins_status' in at and cells[at['ins_status']] != _GOOD:
                continue
            values = [number_or_nan(cells[at[name]]) for name in _NEEDED[1:]]
            if not all(map(math.isfinite, values)):
                raise InputError(f'{where} holds no numbers in {", ".join(_NEEDED[1:])}')
            self.texts.append(cells[at['timestamp']])
            self.values.append(values)
            self.geo.append(
                [
                    number_or_nan(cells[at[name]]) if name in at else math.nan
                    for name in ('latitude', 'longitude', 'altitude')
                ]
            )
        if not self.values:
            raise InputError(f'{path} has no row with {_GOOD} among {total}')
        self.notes = []
        if len(self.values) < total:
            self.notes.append(
                f'{total - len(self.values)} of {total} rows of {path.name} are not {_GOOD} and '
                'are left out'
            )

    def locate(self, stamps: list[int], max_gap: float) -> dict[int, Location]:
        """Poses of the vehicle, and geodetic positions of the INS."""
        unit = time_unit(self.texts, str(self._path))
        try:
            times = [unit.stamp_ns(text) for text in self.texts]
        except ValueError as error:
            raise InputError(f'{self._path}: {error}') from error
        values = np.array(self.values)
        turns = rotations_from_euler(values[:, 3:])
        extrinsics = np.array(INS_IN_VEHICLE)
        ins = rotations_from_euler(extrinsics[None, 3:])[0]
        vehicle = turns @ ins.T
        positions = values[:, :3] - vehicle @ extrinsics[:3]
        track = track_of(
            times, positions @ NED_IN_ENU.T, NED_IN_ENU @ vehicle @ DOWN_IS_Z, max_gap
        )
        order = np.argsort(times)
        sorted_times = np.array(times)[order]
        geo = np.array(self.geo)[order]
        found = {}
        for index, location in located(stamps, track).items():
            position = None
            if location.pose is not None:
                degrees = [
                    float(np.interp(stamps[index], sorted_times, geo[:, k])) for k in range(3)
                ]
                position = geo_or_none(*degrees)
            found[index] = Location(location.pose, position, location.stamp_ns)
        return found
