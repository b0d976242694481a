"""TUM RGB-D: rgb.txt, rgb/, groundtruth.txt.

The ground truth is the pose of the optical centre of the colour camera in the frame of the motion
capture, z up (Sturm et al., "A Benchmark for the Evaluation of RGB-D SLAM Systems", IROS 2012;
cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats).
"""

from __future__ import annotations

from pathlib import Path

from fol_vpr.errors import InputError
from fol_vpr.sources.datasets.axes import base_of_camera, rotations_of
from fol_vpr.sources.datasets.contents import (
    Contents,
    located,
    required,
    those_there,
    track_of,
    with_poses_note,
)
from fol_vpr.sources.tables import table_text, time_unit
from fol_vpr.sources.trajectories import OPTICAL_IN_BASE, number_lines, row_of, tum_poses

TITLE = 'TUM RGB-D'
MARKS = ('rgb.txt', 'groundtruth.txt')
_ARCHIVE = 'it is in the .tgz of the sequence, cvg.cit.tum.de/data/datasets/rgbd-dataset/download'


def read(folder: Path, max_gap: float, variant: str) -> Contents:
    """Read a sequence.

    Args:
        folder: of the sequence, or rgb/ in it.
        max_gap: seconds between two poses that are interpolated; 0 takes the usual.
        variant: none.

    Raises:
        InputError: a file is missing or damaged.
    """
    del variant
    root = folder.parent if folder.name == 'rgb' and not (folder / MARKS[0]).exists() else folder
    table = required(root / 'rgb.txt', TITLE, f'the list of the colour images, {_ARCHIVE}')
    truth = required(root / 'groundtruth.txt', TITLE, f'the ground truth, {_ARCHIVE}')
    rows = _associations(table)
    there, notes = those_there([name for _, name in rows], root, table, TITLE, _ARCHIVE)
    rows = [rows[index] for index in there]
    stamps, positions, turns = tum_poses(truth, number_lines(truth, 'eight numbers'))
    rotations = base_of_camera(rotations_of(turns))
    locations = located((s for s, _ in rows), track_of(stamps, positions, rotations, max_gap))
    notes += with_poses_note(locations, len(rows), truth.name)
    notes.append('it has no calibration of its own: give --camera FILE for poses in metres')
    return Contents(
        title=TITLE,
        root=root,
        files=[name for _, name in rows],
        locations=locations,
        session_id=root.resolve().name,
        frame_id='map',
        is_drive=True,
        mount=OPTICAL_IN_BASE,
        tables=(table, truth),
        notes=notes,
    )


def _associations(table: Path) -> list[tuple[int, str]]:
    """Time in nanoseconds and path of each image, by time."""
    lines = [
        (f'{table}, line {number}', text.split())
        for number, text in enumerate(table_text(table).splitlines(), start=1)
        if text.strip() and not text.lstrip().startswith('#')
    ]
    for where, fields in lines:
        if len(fields) < 2:
            raise InputError(f'{where} has {len(fields)} fields, expected: timestamp filename')
    unit = time_unit([fields[0] for _, fields in lines], str(table))
    found = []
    for where, fields in lines:
        stamp_ns = int(row_of(where, ('timestamp',), fields, unit).cells['stamp_ns'])
        found.append((stamp_ns, fields[1]))
    if not found:
        raise InputError(f'{table} names no image, expected lines of: timestamp filename')
    return sorted(found, key=lambda each: each[0])
