"""Calibrations as lines of text: `ost.ini` and `ost.txt` of ROS, and `cameras.txt` of COLMAP."""

from __future__ import annotations

import re

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.sources.cameras.values import DescribedCamera, number, pinhole, shown, whole

_SECTION = re.compile(r'\[(.+)\]')
_COLMAP_LINE = re.compile(r'\d+\s+[A-Z][A-Z_]*\s+\d+\s+\d+(\s+\S+)+')
_OTHER_SECTIONS = ('image', 'externals')
# Parameters by model: f stands for both focal lengths. Coefficients that a model does not have
# are zero in the model of OpenCV that contains it.
_COLMAP = {
    'SIMPLE_PINHOLE': ('f cx cy', '', ''),
    'PINHOLE': ('fx fy cx cy', '', ''),
    'SIMPLE_RADIAL': ('f cx cy', 'k1', 'plumb_bob'),
    'RADIAL': ('f cx cy', 'k1 k2', 'plumb_bob'),
    'OPENCV': ('fx fy cx cy', 'k1 k2 p1 p2', 'plumb_bob'),
    'FULL_OPENCV': ('fx fy cx cy', 'k1 k2 p1 p2 k3 k4 k5 k6', 'rational_polynomial'),
    'OPENCV_FISHEYE': ('fx fy cx cy', 'k1 k2 k3 k4', 'equidistant'),
    'SIMPLE_RADIAL_FISHEYE': ('f cx cy', 'k1', 'equidistant'),
    'RADIAL_FISHEYE': ('f cx cy', 'k1 k2', 'equidistant'),
}


def is_ini(text: str) -> bool:
    """Whether a text is a calibration in the INI format of Videre, as ROS writes it."""
    lines = _lines(text)
    return '[image]' in lines and 'camera matrix' in lines


def ini_cameras(text: str) -> list[DescribedCamera]:
    """Cameras of an INI calibration: five coefficients are plumb_bob, eight rational_polynomial.

    Raises:
        InputError: a value is missing or is no number.
    """
    sections: dict[str, list[str]] = {}
    name = ''
    for line in _lines(text):
        if match := _SECTION.fullmatch(line):
            name = match[1]
        sections.setdefault(name, []).append(line)
    image = sections.get('image', [])
    size = tuple(whole(_after(image, key, 1)[0], key) for key in ('width', 'height'))
    found = []
    for name, lines in sections.items():
        if name in _OTHER_SECTIONS or 'camera matrix' not in lines:
            continue
        matrix = _after(lines, 'camera matrix', 3)
        lens = [number(word, 'a distortion') for word in _after(lines, 'distortion', 1)]
        if len(lens) not in (5, 8):
            raise InputError(f'distortion of {name} has {len(lens)} numbers, expected 5 or 8')
        found.append(
            DescribedCamera(
                name=name,
                size=(size[0], size[1]),
                matrix=np.array(
                    [number(word, 'a number of the camera matrix') for word in matrix]
                ),
                model='plumb_bob' if len(lens) == 5 else 'rational_polynomial',
                coefficients=np.array(lens),
            )
        )
    return found


def is_colmap(text: str) -> bool:
    """Whether a text is a `cameras.txt` of COLMAP."""
    lines = [line for line in _lines(text) if not line.startswith('#')]
    return bool(lines) and all(_COLMAP_LINE.fullmatch(line) for line in lines)


def colmap_cameras(text: str) -> list[DescribedCamera]:
    """Cameras of a `cameras.txt` of COLMAP, whose pixel centres are at 0.5 instead of 0.

    Raises:
        InputError: a value is missing or is no number.
    """
    found = []
    for line in _lines(text):
        if line.startswith('#'):
            continue
        identity, kind, width, height, *words = line.split()
        focal, lens, model = _COLMAP.get(kind, ('', '', kind))
        values = [number(word, f'a parameter of camera {identity}') for word in words]
        first, last = focal.split(), lens.split()
        if kind in _COLMAP and len(values) != len(first) + len(last):
            raise InputError(
                f'camera {identity} of the model {shown(kind)} has {len(values)} parameters, '
                f'expected {focal} {lens}'.rstrip()
            )
        # Of a model that is not known here, the parameters have no names.
        by_name = dict(zip(first + last, values, strict=False))
        padded = np.zeros(max(4, len(last)) if model else 0)
        for index, name in enumerate(last):
            padded[index] = by_name[name]
        matrix = np.eye(3)
        if kind in _COLMAP:
            f = by_name.get('f', 0.0)
            matrix = pinhole(by_name.get('fx', f), by_name.get('fy', f), by_name['cx'] - 0.5,
                             by_name['cy'] - 0.5)  # fmt: skip
        size = whole(width, 'the width'), whole(height, 'the height')
        found.append(DescribedCamera(identity, size, matrix, model, padded))
    return found


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and line[0] != ';']


def _after(lines: list[str], key: str, count: int) -> list[str]:
    """The words of the lines after a key."""
    if key not in lines:
        raise InputError(f'{key!r} is missing')
    at = lines.index(key) + 1
    words = ' '.join(lines[at : at + count]).split()
    if not words:
        raise InputError(f'{key!r} has no value')
    return words
