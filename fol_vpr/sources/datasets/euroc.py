"""EuRoC MAV and other recordings in its ASL layout: mav0/cam0, mav0/state_groundtruth_estimate0.

The ground truth is the pose of the sensor frame that its sensor.yaml places in the body, which is
the frame of the IMU; T_BS in a sensor.yaml is the pose of that sensor in the body (Burri et al.,
"The EuRoC micro aerial vehicle datasets", IJRR 2016).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.files import printable, read_text
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.sources.cameras import read_calibration
from fol_vpr.sources.cameras.documents import read_documents
from fol_vpr.sources.cameras.values import pose_of
from fol_vpr.sources.datasets.axes import base_in_body, mount, rotations_of
from fol_vpr.sources.datasets.contents import (
    Contents,
    located,
    number_table,
    required,
    those_there,
    track_of,
    unit_quaternions,
    with_poses_note,
)
from fol_vpr.sources.tables import table_text, time_unit
from fol_vpr.sources.trajectories import row_of

TITLE = 'EuRoC'
TRUTH = 'state_groundtruth_estimate0'
_ARCHIVE = 'it is in the .zip of the sequence (ASL format), research-collection.ethz.ch'
_MAX_YAML = 200_000


def find(folder: Path) -> tuple[Path, str] | None:
    """The folder mav0 and the camera that a path means, None where it means none."""
    for mav in (folder, folder / 'mav0'):
        if mav.name == 'mav0' and mav.is_dir():
            return mav, 'cam0'
    for camera in (folder, folder.parent):
        if camera.name.startswith('cam') and (camera.parent / TRUTH).is_dir():
            return camera.parent, camera.name
    return (folder, 'cam0') if (folder / 'cam0').is_dir() and (folder / TRUTH).is_dir() else None


def read(folder: Path, max_gap: float, variant: str) -> Contents:
    """Read a sequence.

    Args:
        folder: of the sequence, mav0/ in it, or mav0/cam1/ for another camera.
        max_gap: seconds between two poses that are interpolated; 0 takes the usual.
        variant: none.

    Raises:
        InputError: a file is missing or damaged.
    """
    del variant
    found = find(folder)
    if found is None:
        raise InputError(f'{folder / "mav0"} is missing: the recording of {TITLE}; {_ARCHIVE}')
    mav, name = found
    table = required(mav / name / 'data.csv', TITLE, f'the list of images, {_ARCHIVE}')
    sensor = required(mav / name / 'sensor.yaml', TITLE, f'the calibration, {_ARCHIVE}')
    truth = required(mav / TRUTH / 'data.csv', TITLE, f'the ground truth, {_ARCHIVE}')
    rows = _images(table)
    images = mav / name / 'data'
    there, notes = those_there([file for _, file in rows], images, table, TITLE, _ARCHIVE)
    rows = [rows[index] for index in there]
    calibration = read_calibration(sensor)
    if calibration.pose is None:
        raise InputError(f'{sensor} has no T_BS, expected the pose of the camera in the body')
    camera_in_body = rotation_matrix(calibration.pose.orientation)
    base = base_in_body(camera_in_body)
    states = number_table(truth, 8, 'timestamp, p_x, p_y, p_z, q_w, q_x, q_y, q_z')
    turns = rotations_of(unit_quaternions(states.values[:, [4, 5, 6, 3]], truth))
    truth_in_body = _pose_in_body(mav / TRUTH / 'sensor.yaml')
    body_turns = turns @ rotation_matrix(truth_in_body.orientation).T
    positions = states.values[:, :3] - body_turns @ truth_in_body.position
    track = track_of(states.stamps, positions, body_turns @ base, max_gap)
    locations = located((stamp for stamp, _ in rows), track)
    notes += with_poses_note(locations, len(rows), f'{TRUTH}/data.csv')
    notes.append(f'poses are of the body, {name} has its mount in it')
    mounted = mount(base.T @ camera_in_body, base.T @ calibration.pose.position)
    return Contents(
        title=TITLE,
        root=images,
        files=[file for _, file in rows],
        locations=locations,
        session_id=mav.resolve().parent.name,
        frame_id='map',
        is_drive=True,
        camera=replace(calibration.camera, mount=mounted),
        mount=mounted,
        tables=(table, sensor, truth),
        notes=notes,
    )


def _images(table: Path) -> list[tuple[int, str]]:
    """Time in nanoseconds and name of each image, by time."""
    lines = [
        (f'{table}, line {number}', [cell.strip() for cell in text.split(',')])
        for number, text in enumerate(table_text(table).splitlines(), start=1)
        if text.strip() and not text.lstrip().startswith('#')
    ]
    if not lines:
        raise InputError(f'{table} names no image, expected lines of: timestamp [ns],filename')
    for where, fields in lines:
        if len(fields) < 2 or not fields[1]:
            raise InputError(
                f'{where} holds {printable(",".join(fields), 80)!r}, expected: timestamp '
                '[ns],filename'
            )
    unit = time_unit([fields[0] for _, fields in lines], str(table))
    found = [
        (int(row_of(where, ('timestamp',), fields, unit).cells['stamp_ns']), fields[1])
        for where, fields in lines
    ]
    return sorted(found, key=lambda each: each[0])


def _pose_in_body(path: Path) -> Pose:
    """T_BS of the ground truth; the body itself where there is no such file."""
    if not path.exists():
        return Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
    try:
        (content, *_) = read_documents(read_text(path, 'a sensor.yaml', _MAX_YAML))
        return pose_of(content.get('T_BS'), 'T_BS')
    except (InputError, ValueError) as error:
        raise InputError(f'{path} cannot be used: {error}') from error
