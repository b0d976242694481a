"""Numbers, matrices and poses in the mappings of a calibration file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.geometry.rigid import inverse, quaternion

_MAX_NUMBERS = 64
_TRUNCATED = ('...', '…')
_ROTATION_TOLERANCE = 0.02


@dataclass(frozen=True)
class DescribedCamera:
    """A camera as a file describes it, before its numbers are checked.

    Attributes:
        name: of the camera in the file, such as cam0; empty where the file has one without name.
        size: width and height in pixels, None where the file does not tell.
        matrix: [3, 3] or [9], the intrinsics K in pixels.
        model: name of the lens model in the file; None where it names none.
        coefficients: [n], in the order of that model.
        pose: of the camera in `body`, or None.
        body: what `pose` is given in, in words.
        problem: why the camera cannot be used; empty if it can.
    """

    name: str
    size: tuple[int, int] | None
    matrix: np.ndarray
    model: str | None
    coefficients: np.ndarray
    pose: Pose | None = None
    body: str = ''
    problem: str = ''


def number(value: Any, name: str) -> float:
    """A finite number, also where the file has it as a text.

    Raises:
        InputError: it is no finite number; the message shows it.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = value if abs(value) < 1e300 else math.inf
    else:
        try:
            found = float(value) if isinstance(value, str) else math.nan
        except ValueError:
            found = math.nan
    if not math.isfinite(found):
        raise InputError(f'{name} is {shown(value)}, expected a finite number')
    return float(found)


def whole(value: Any, name: str) -> int:
    """A positive whole number of pixels.

    Raises:
        InputError: it is none; the message shows it.
    """
    try:
        found = number(value, name)
    except InputError:
        found = 0.5
    if found != int(found) or not 0 < found < 1e6:
        raise InputError(f'{name} is {shown(value)}, expected a whole number of pixels over 0')
    return int(found)


def numbers(value: Any, name: str, counts: tuple[int, ...] = ()) -> np.ndarray:
    """[n] float64 numbers of a list, of nested lists, or of a mapping with `data`.

    Args:
        value: as read from the file.
        name: of the value in messages.
        counts: how many numbers are allowed; empty allows any.

    Raises:
        InputError: it is no list of that many finite numbers; the message shows the first one
            that is none.
    """
    if isinstance(value, dict) and 'data' in value:
        rows, columns = value.get('rows'), value.get('cols')
        value = value['data']
        if isinstance(value, list) and rows is not None and columns is not None:
            expected = number(rows, f'rows of {name}') * number(columns, f'cols of {name}')
            if expected != len(value):
                raise InputError(
                    f'{name}: {len(value)} numbers, but rows {shown(rows)}, cols {shown(columns)}'
                )
    if not isinstance(value, list):
        if isinstance(value, (int, float)) and 1 in (counts or (1,)):
            value = [value]
        else:
            raise InputError(f'{name} is {shown(value)}, expected a list of numbers')
    flat: list[Any] = []
    for each in value:
        flat.extend(each if isinstance(each, list) else [each])
        if len(flat) > _MAX_NUMBERS:
            raise InputError(f'{name} has more than {_MAX_NUMBERS} numbers')
    if any(each in _TRUNCATED for each in flat if isinstance(each, str)):
        raise InputError(
            f'{name} was cut short when it was printed; print it again with '
            '`ros2 topic echo --once --full-length TOPIC`'
        )
    found = np.array([number(each, f'a number of {name}') for each in flat])
    if counts and len(found) not in counts:
        raise InputError(
            f'{name} has {len(found)} numbers, expected {" or ".join(map(str, counts))}'
        )
    return found


def pinhole(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """[3, 3] the matrix K of focal lengths and centre in pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def pose_of(value: Any, name: str, *, inverted: bool = False) -> Pose:
    """The pose of a [4, 4] or [3, 4] matrix that moves points from one frame to another.

    Args:
        value: as read from the file.
        name: of the value in messages.
        inverted: whether the pose is that of the inverse motion.

    Raises:
        InputError: the matrix is no rigid motion.
    """
    flat = numbers(value, name, (12, 16))
    matrix = flat.reshape(-1, 4)[:3]
    turn = matrix[:, :3]
    error = np.abs(turn @ turn.T - np.eye(3)).max()
    if not error < _ROTATION_TOLERANCE or np.linalg.det(turn) < 0:
        raise InputError(f'{name} is no rotation and translation')
    # The file may round: the nearest rotation.
    left, _, right = np.linalg.svd(turn)
    pose = Pose(matrix[:, 3], quaternion(left @ right))
    return inverse(pose) if inverted else pose


def shown(value: Any) -> str:
    """A value of a file for a message, never expanded: long lists are counted."""
    if isinstance(value, (list, dict)):
        return f'a {"list" if isinstance(value, list) else "mapping"} of {len(value)}'
    return repr(printable(value, 60)) if isinstance(value, str) else printable(str(value), 60)
