"""Random ground truths, trajectories, tables and drives of data sets, with what they mean."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fol_vpr.evaluation.ground_truth import read_ground_truth
from fol_vpr.geometry.rigid import quaternion, rotation_from_vector, rotation_matrix
from fol_vpr.sources.datasets import open_dataset
from fol_vpr.sources.positions import read_locations
from fol_vpr.sources.trajectories import read_trajectory
from fol_vpr.sources.utm_positions import Location

Random = np.random.Generator
_QUERIES, _REFERENCES, _POSES = 12, 15, 8
_UNITS = {'s': 10**9, 'ms': 10**6, 'us': 10**3, 'ns': 1}
_FIRST_NS = 1_500_000_000_000_000_000
_TURN = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Optical axes in those of a base that looks the same way."""


@dataclass(frozen=True)
class Case:
    """A kind of file or folder.

    Attributes:
        make: writes one into a folder, odd or not; gives its path, the file that may be damaged,
            and what it means.
        read: reads it, in the same terms.
    """

    make: Callable[[Random, Path, bool], tuple[Path, Path, Any]]
    read: Callable[[Path], Any]


def _written(path: Path, text: str, random: Random, odd: bool) -> Path:
    """A text file; odd ones have other line ends, a byte order mark, or comments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    way = int(random.integers(4)) if odd else 0
    text = {1: text.replace('\n', '\r\n'), 2: '\ufeff' + text, 3: text + '\n# the end\n'}.get(
        way, text
    )
    path.write_text(text, 'utf-8', newline='')
    return path


# ---- ground truth by index


def _positives(random: Random) -> list[list[int]]:
    found = []
    for query in range(_QUERIES):
        first = max(0, query - int(random.integers(3)))
        found.append(list(range(first, min(_REFERENCES, first + int(random.integers(5))))))
    return found


def _truth_csv(random: Random, folder: Path, odd: bool) -> tuple[Path, Path, Any]:
    positives = _positives(random)
    delimiter = str(random.choice([';', '\t', ','])) if odd else ','
    listed = odd and random.random() < 0.5
    rows = []
    for query, references in enumerate(positives):
        cell = ' '.join(map(str, references))
        if listed:
            cell = f'"{references}"'
        rows.append(f'{query}{delimiter}{cell}')
    text = f'query_index{delimiter}ref_indices\n' + '\n'.join(rows) + '\n'
    path = _written(folder / 'truth.csv', text, random, odd)
    return path, path, [frozenset(each) for each in positives]


def _truth_array(random: Random, folder: Path, odd: bool) -> tuple[Path, Path, Any]:
    positives = _positives(random)
    meant = [frozenset(each) for each in positives]
    path = folder / 'truth.npy'
    way = int(random.integers(4)) if odd else 0
    if way == 1:  # a list or an array for each query
        array = np.empty(_QUERIES, dtype=object)
        for query, references in enumerate(positives):
            array[query] = np.array(references, np.int32) if query % 2 else references
    elif way == 2:  # the first and the last
        meant = [frozenset(range(max(0, q - 1), q + 2)) for q in range(_QUERIES)]
        array = np.array([[q, q - 1, q + 1] for q in range(_QUERIES)], float)
    else:
        array = np.empty((_QUERIES, 2), dtype=object)
        for query, references in enumerate(positives):
            given = references or [-1]
            if way == 3 and references and references[-1] == _REFERENCES - 1:
                given = [*references, _REFERENCES, _REFERENCES + 1]
            array[query] = [query, given]
    with path.open('wb') as file:
        if array.dtype == np.dtype(object):
            header = {'descr': '|O', 'fortran_order': False, 'shape': array.shape}
            np.lib.format.write_array_header_1_0(file, header)
            pickle.dump(array, file, protocol=int(random.integers(2, 6)))
        else:
            np.save(file, array)
    return path, path, meant


def _read_truth(path: Path) -> list[frozenset[int]]:
    return read_ground_truth(path, _QUERIES, _REFERENCES)


# ---- poses


def _track(random: Random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stamps [N] in nanoseconds, whole in microseconds, positions [N, 3] and axes [N, 3, 3]."""
    stamps = _FIRST_NS + np.arange(_POSES) * 100_000_000
    positions = random.normal(0, 50, (_POSES, 3)).round(4)
    rotations = rotation_from_vector(random.normal(0, 1, (_POSES, 3)))
    return stamps, positions, rotations


def _meaning(locations: list[Location]) -> list[list[float]]:
    """Stamps and poses as numbers, rounded to what text files keep."""
    found = []
    for each in locations:
        assert each.pose is not None
        axes = rotation_matrix(each.pose.orientation)
        stamp = (each.stamp_ns or 0) - _FIRST_NS
        found.append([float(stamp), *each.pose.position.round(3), *axes.ravel().round(2)])
    return (np.array(found) + 0.0).tolist()


def _stamp(stamp_ns: int, unit: str) -> str:
    whole, rest = divmod(int(stamp_ns), _UNITS[unit])
    return f'{whole}.{rest:09d}'[:-3] if unit == 's' else str(whole)


def _tum(random: Random, folder: Path, odd: bool) -> tuple[Path, Path, Any]:
    stamps, positions, rotations = _track(random)
    unit = str(random.choice(list(_UNITS))) if odd else 's'
    blank = '\t' if odd and random.random() < 0.5 else ' '
    rows = []
    for stamp, xyz, axes in zip(stamps, positions, rotations, strict=True):
        turn = quaternion(axes) * (random.choice([-1, 1]) if odd else 1)
        numbers = [_stamp(stamp, unit), *(f'{v:.7f}' for v in (*xyz, *turn))]
        rows.append(blank.join(numbers))
    if odd:
        rows = [rows[index] for index in random.permutation(len(rows))]
    path = _written(folder / 'groundtruth.txt', '\n'.join(rows) + '\n', random, odd)
    return path, path, _expected(stamps, positions, rotations)


def _euroc_states(random: Random, folder: Path, odd: bool) -> tuple[Path, Path, Any]:
    stamps, positions, rotations = _track(random)
    header = '#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], ' \
             'q_RS_y [], q_RS_z [], v' + ', b' * 8 + '\n'  # fmt: skip
    rows = []
    for stamp, xyz, axes in zip(stamps, positions, rotations, strict=True):
        x, y, z, w = quaternion(axes)
        rows.append(
            ','.join([str(stamp), *(f'{v:.7f}' for v in (*xyz, w, x, y, z)), *['0.1'] * 9])
        )
    text = ('' if odd and random.random() < 0.5 else header) + '\n'.join(rows) + '\n'
    # A comment after rows without a header would be a row of another width.
    path = _written(folder / 'data.csv', text, random, odd and text.startswith('#'))
    return path, path, _expected(stamps, positions, rotations)


def _kitti_file(random: Random, folder: Path, odd: bool) -> tuple[Path, Path, Any]:
    stamps, positions, rotations = _track(random)
    rows, seconds = [], []
    for stamp, xyz, axes in zip(stamps, positions, rotations, strict=True):
        matrix = np.column_stack([_TURN.T @ axes @ _TURN, _TURN.T @ xyz])
        rows.append(' '.join(f'{value:.9e}' for value in matrix.ravel()))
        seconds.append(_stamp(stamp, 's'))
    path = _written(folder / '00.txt', '\n'.join(rows) + '\n', random, odd)
    times = folder / 'times.txt'
    _written(times, '\n'.join(seconds) + '\n', random, odd)
    return path, path, _expected(stamps, positions, rotations)


def _expected(stamps: np.ndarray, positions: np.ndarray, rotations: np.ndarray) -> Any:
    rows = np.column_stack(
        [stamps - _FIRST_NS, positions.round(3), rotations.reshape(-1, 9).round(2)]
    )
    return (rows + 0.0).tolist()


def _read_track(path: Path) -> Any:
    return _meaning(read_trajectory(path))


# ---- tables of images

_FILES = [f'rgb/{number}.jpg' for number in (1, 2, 10, 11, 100)]


def _positions(random: Random, folder: Path, odd: bool) -> tuple[Path, Path, Any]:
    xy = random.normal(0, 100, (len(_FILES), 2)).round(3)
    delimiter = str(random.choice([';', '\t', ','])) if odd else ','
    bare = odd and random.random() < 0.5
    names = [name.removesuffix('.jpg') if bare else name for name in _FILES]
    columns = ['note', 'image', 'X [m]', 'Y [m]'] if odd else ['file', 'x', 'y']
    rows = []
    for name, (x, y) in zip(names, xy, strict=True):
        cells = [name, f'{x}', f'{y}']
        rows.append(delimiter.join(['"a, b; c"', *cells] if odd else cells))
    if odd and random.random() < 0.5:
        rows.append(delimiter.join(['', 'rgb/999.jpg', '0', '0']))
    text = delimiter.join(columns) + '\n' + '\n'.join(rows) + '\n'
    path = _written(folder / 'positions.csv', text, random, odd)
    return path, path, {index: tuple(pair) for index, pair in enumerate(xy.tolist())}


def _read_positions(path: Path) -> Any:
    found = read_locations(path, path.parent, _FILES)
    return {
        index: tuple(each.pose.position[:2].tolist()) for index, each in found.items() if each.pose
    }


# ---- folders


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, 'PNG')
    return buffer.getvalue()


_IMAGE = _png()


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_IMAGE)


def _drive(name: str, random: Random, folder: Path, odd: bool) -> tuple[Path, Path, Any]:
    stamps, positions, rotations = _track(random)
    root = folder / name
    shutil.rmtree(root, ignore_errors=True)
    damaged = _DRIVES[name](random, root, odd, stamps, positions, rotations)
    left = sorted(set(range(_POSES)) - set(random.choice(_POSES, 3).tolist() if odd else []))
    for index, image in enumerate(sorted(root.rglob('*.png'))):
        if index not in left:
            image.unlink()  # a download that stopped
    rows = _expected(stamps, positions, rotations)
    return root, damaged, [rows[index] for index in left]


def _tum_folder(
    random: Random, root: Path, odd: bool, stamps: Any, positions: Any, rotations: Any
) -> Path:
    names = [f'rgb/{_stamp(stamp, "s")}.png' for stamp in stamps]
    listed = '\n'.join(f'{name[4:-4]} {name}' for name in names)
    _written(root / 'rgb.txt', f'# timestamp filename\n{listed}\n', random, odd)
    rows = []
    for stamp, xyz, axes in zip(stamps, positions, rotations, strict=True):
        turn = quaternion(axes @ _TURN)
        rows.append(' '.join([_stamp(stamp, 's'), *(f'{v:.7f}' for v in (*xyz, *turn))]))
    for name in names:
        _image(root / name)
    return _written(root / 'groundtruth.txt', '\n'.join(rows) + '\n', random, odd)


def _nclt_folder(
    random: Random, root: Path, odd: bool, stamps: Any, positions: Any, rotations: Any
) -> Path:
    over, down = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]]), np.diag([1.0, -1, -1])
    rows = []
    for stamp, xyz, axes in zip(stamps, positions, rotations, strict=True):
        r = over @ axes @ down
        angles = np.arctan2(r[2, 1], r[2, 2]), np.arcsin(-r[2, 0]), np.arctan2(r[1, 0], r[0, 0])
        rows.append(
            ','.join([str(stamp // 1000), *(f'{v:.7f}' for v in (*(over @ xyz), *angles))])
        )
        _image(root / 'lb3' / 'Cam5' / f'{stamp // 1000}.png')
    text = (f'{stamps[0] // 1000 - 1}' + ',nan' * 6 + '\n' if odd else '') + '\n'.join(rows) + '\n'
    return _written(root / 'groundtruth_nclt.csv', text, random, odd)


def _kitti_folder(
    random: Random, root: Path, odd: bool, stamps: Any, positions: Any, rotations: Any
) -> Path:
    rows = []
    for xyz, axes in zip(positions, rotations, strict=True):
        matrix = np.column_stack([_TURN.T @ axes @ _TURN, _TURN.T @ xyz])
        rows.append(' '.join(f'{value:.9e}' for value in matrix.ravel()))
    sequence = root / 'sequences' / '00'
    for frame in range(_POSES):
        _image(sequence / 'image_0' / f'{frame:06d}.png')
    seconds = '\n'.join(_stamp(stamp, 's') for stamp in stamps)
    _written(sequence / 'times.txt', f'{seconds}\n', random, odd)
    _written(sequence / 'calib.txt', 'P0: 7 0 6 0 0 7 1 0 0 0 1 0\n', random, odd)
    return _written(root / 'poses' / '00.txt', '\n'.join(rows) + '\n', random, odd)


_DRIVES: dict[str, Callable[..., Path]] = {
    'tum': _tum_folder, 'nclt': _nclt_folder, 'kitti': _kitti_folder,
}  # fmt: skip


def _read_drive(root: Path) -> Any:
    folder = root / 'sequences' / '00' if root.name == 'kitti' else root
    source = open_dataset(root.name, folder)
    found = [Location(each.pose, None, each.stamp_ns) for each in source.captures() if each.pose]
    source.frame(0)
    return _meaning(found)


CASES = {
    'ground truth, CSV': Case(_truth_csv, _read_truth),
    'ground truth, NumPy': Case(_truth_array, _read_truth),
    'trajectory of TUM': Case(_tum, _read_track),
    'states of EuRoC': Case(_euroc_states, _read_track),
    'poses of KITTI': Case(_kitti_file, _read_track),
    'table of positions': Case(_positions, _read_positions),
    **{f'folder of {name}': Case(partial(_drive, name), _read_drive) for name in _DRIVES},
}
