"""Where the patches of an image are seen in another one, by depth and cameras of both.

`python -m training town places --depth` writes these; the format is described in
docs/how-to/synthetic_town.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.files import read_bytes
from fol_vpr.json_text import parse_json

FOLDER = '.depth'
"""Beside the images of a place; what lists images does not look into hidden folders."""
_MAX_BYTES = 2**26
# Neighbours in the depth image that differ by more than this factor are on two sides of an edge.
_EDGE = 1.25
_TOLERANCE, _LEAST = 0.05, 0.1
_NEWTON_STEPS = 6


@dataclass(frozen=True, eq=False)
class View:
    """A photograph's geometry. Points are [N, 2], x and y in shares of its sides.

    Attributes:
        depth: [H, W] float32, metres along the camera's axis at the middles of the pixels; 0
            where nothing is known.
        intrinsics: fx, fy, cx, cy in these pixels, from the outer corner of the first one.
        distortion: of the lens, 0 for none: a point at radius r from the middle, in half widths,
            is that of a pinhole camera at r · (1 + d · r²) / (1 + d · R²), R being the corners'.
        rotation: [3, 3], columns right, down and forward in the world.
        position: [3], metres.
    """

    depth: np.ndarray
    intrinsics: tuple[float, float, float, float]
    distortion: float
    rotation: np.ndarray
    position: np.ndarray

    def metres(self, points: np.ndarray) -> np.ndarray:
        """[N], the depth at points; 0 outside, where none is known, and across an edge."""
        height, width = self.depth.shape
        inside = np.all((points >= 0) & (points <= 1), axis=1)
        at = np.where(inside[:, None], points, 0.5) * [width, height] - 0.5
        at = np.clip(at, 0, [width - 1, height - 1])
        low = np.minimum(at.astype(int), [max(width - 2, 0), max(height - 2, 0)])
        share = at - low
        x, y = np.stack([low, np.minimum(low + 1, [width - 1, height - 1])]).transpose(2, 0, 1)
        corners = self.depth[y[:, None], x[None]]
        least, most = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
        smooth = inside & (least > 0) & (most <= _EDGE * least)
        across, down = (np.stack([1 - share[:, k], share[:, k]]) for k in (0, 1))
        # Over a plane the inverse of the depth is linear in the image.
        inverse = (down[:, None] * across[None] / np.where(smooth, corners, 1.0)).sum(axis=(0, 1))
        return np.where(smooth, 1 / inverse, 0.0)

    def in_world(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is seen at points: its positions [N, 3], and whether they are known [N]."""
        fx, fy, cx, cy = self.intrinsics
        height, width = self.depth.shape
        metres = self.metres(points)
        flat = points * [width, height] - np.array([cx, cy])
        flat = flat * self._factor((flat**2).sum(axis=1))[:, None] / [fx, fy]
        rays = np.concatenate([flat, np.ones((len(flat), 1))], axis=1) @ self.rotation.T
        return rays * metres[:, None] + self.position, metres > 0

    def in_photograph(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where positions [N, 3] in the world are: points [N, 2], and their depths [N]."""
        fx, fy, cx, cy = self.intrinsics
        height, width = self.depth.shape
        local = (positions - self.position) @ self.rotation
        metres = local[:, 2]
        flat = local[:, :2] / np.where(metres > 0, metres, 1.0)[:, None] * [fx, fy]
        if self.distortion:
            flat = flat * self._inverse_factor((flat**2).sum(axis=1))[:, None]
        return (flat + np.array([cx, cy])) / [width, height], metres

    def sees(self, points: np.ndarray, metres: np.ndarray) -> np.ndarray:
        """[N] bool, whether what is at these points at such depths is what this view shows."""
        shown = self.metres(points)
        return (shown > 0) & (np.abs(shown - metres) < _TOLERANCE * metres + _LEAST)

    def _factor(self, square: np.ndarray) -> np.ndarray:
        """From the photograph to a pinhole's, by squared distances from the middle in pixels."""
        height, width = self.depth.shape
        corner = self.distortion * (1 + (height / width) ** 2)
        result: np.ndarray = (1 + self.distortion * square * (2 / width) ** 2) / (1 + corner)
        return result

    def _inverse_factor(self, square: np.ndarray) -> np.ndarray:
        """The other way round, by Newton's method: a cubic equation in the factor."""
        found = np.ones_like(square)
        slope = self._factor(square) - self._factor(np.zeros_like(square))
        start = self._factor(np.zeros_like(square))
        for _ in range(_NEWTON_STEPS):
            # found · factor(found² · square) = 1
            value = found * (start + slope * found**2) - 1
            found = found - value / (start + 3 * slope * found**2)
        return found


def read_view(image: Path) -> View | None:
    """Depth and camera of an image; None where it has none.

    Raises:
        InputError: they are damaged; the file is named.
    """
    folder = image.parent / FOLDER
    path = folder / 'cameras.json'
    if not path.exists():
        return None
    remedy = (
        f'draw the places again with `python -m training town places --depth`, or delete {folder} '
        'to learn without depth'
    )
    try:
        known = parse_json(_content(path, 'cameras of a place', remedy))
        unit, camera = float(known['unit']), known['views'].get(image.name)
        if camera is None:
            return None
        file, (width, height) = folder / camera['depth'], camera['size']
        numbers = [float(camera['distortion']), *map(float, camera['intrinsics'])]
        pose = [_numbers(camera['rotation'], (3, 3)), _numbers(camera['position'], (3,))]
        distortion, fx, fy, cx, cy = numbers
        if min(unit, fx, fy) <= 0 or distortion < 0:
            raise ValueError(f'unit {unit}, intrinsics {fx}, {fy}, distortion {distortion}')
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f'{path} does not hold the cameras of a place ({error!r}), expected unit and, for '
            f'{image.name}, depth, size, intrinsics, distortion, rotation and position; {remedy}'
        ) from error
    data = np.frombuffer(_content(file, 'a depth image', remedy), np.uint8)
    depth = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if depth is None or depth.dtype != np.uint16 or depth.shape != (height, width):
        raise InputError(
            f'{file} is no depth image, expected a PNG of 16 bits with {width} x {height} pixels; '
            f'{remedy}'
        )
    metres = depth.astype(np.float32) * np.float32(unit)
    return View(metres, (fx, fy, cx, cy), distortion, *pose)


def _content(path: Path, what: str, remedy: str) -> bytes:
    try:
        return read_bytes(path, what, _MAX_BYTES)
    except InputError as error:
        raise InputError(f'{error}; {remedy}') from error


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    found = np.array(value, dtype=float)
    if found.shape != shape:
        raise ValueError(f'{value} is not of the shape {list(shape)}')
    return found


def seen_at(
    first: View, second: View, frames: tuple[np.ndarray, np.ndarray], patches: int
) -> np.ndarray:
    """Where the patch centres of an image are seen in an image of another view of the place.

    Args:
        first, second: the views.
        frames: of the two images, [3, 3], from shares of their sides to those of the photograph.
        patches: in each direction.

    Returns:
        [patches², 2] float32, row by row, in shares of the second image's sides; -1 where the
        second photograph does not show it.
    """
    middles = (np.arange(patches) + 0.5) / patches
    x, y = np.meshgrid(middles, middles)
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    positions, known = first.in_world(_mapped(frames[0], centres))
    points, metres = second.in_photograph(positions)
    seen = known & second.sees(points, metres)
    found = _mapped(np.linalg.inv(frames[1].astype(float)), points)
    return np.where(seen[:, None], found, -1).astype(np.float32)


def _mapped(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[N, 2], points under a perspective map [3, 3]."""
    moved = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ frame.T
    result: np.ndarray = moved[:, :2] / moved[:, 2:]
    return result
