"""Views cut from panoramas: what a pinhole camera at the middle of the sphere would have seen."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

WIDTH, HEIGHT = 512, 384
"""Size of a view in pixels."""
MIDDLE_GREY = 0.18
"""What automatic exposure makes of the mean luminance, of what is white."""

FACES: dict[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    'f': ((0, 1), (1, 1), (2, 1)),
    'b': ((0, -1), (1, 1), (2, -1)),
    'r': ((2, -1), (1, 1), (0, 1)),
    'l': ((2, 1), (1, 1), (0, -1)),
    'u': ((0, 1), (2, 1), (1, -1)),
    'd': ((0, 1), (2, -1), (1, 1)),
}
"""Faces of a cube: axis and sign of what points right, down and ahead in each; X right, Y down, Z
ahead in the face f."""


def rays(yaw: float, pitch: float, fov: float, roll: float) -> np.ndarray:
    """Where the pixels of a view look.

    Args:
        yaw: degrees to the right of the middle of the panorama.
        pitch: degrees up.
        fov: horizontal field of view, degrees.
        roll: degrees about the axis of the camera.

    Returns:
        [HEIGHT, WIDTH, 3] float64, X right, Y down, Z ahead in the panorama; not of length 1.
    """
    focal = WIDTH / 2 / np.tan(np.radians(fov / 2))
    x = (np.arange(WIDTH) - WIDTH / 2 + 0.5) / focal
    y = (np.arange(HEIGHT) - HEIGHT / 2 + 0.5) / focal
    x, y = np.meshgrid(x, y)
    camera = np.stack([x, y, np.ones_like(x)], -1)
    (cr, cp, cy), (sr, sp, sy) = (
        each(np.radians([roll, pitch, yaw])) for each in (np.cos, np.sin)
    )
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    turned: np.ndarray = camera @ about_z @ about_x @ about_y
    return turned


def view_of_cube(faces: Mapping[str, np.ndarray], directions: np.ndarray) -> np.ndarray:
    """A view cut from the faces of a cube.

    Args:
        faces: of each name in FACES an image [N, N, 3] uint8.
        directions: as `rays` gives them.

    Returns:
        [HEIGHT, WIDTH, 3] uint8, bilinear.
    """
    view = np.zeros((*directions.shape[:2], 3), np.uint8)
    for name, (right, down, ahead) in FACES.items():
        u, v, depth = (directions[..., axis] * sign for axis, sign in (right, down, ahead))
        seen = (depth >= abs(u)) & (depth >= abs(v))
        if seen.any():
            depth = np.where(seen, depth, 1)
            half = len(faces[name]) / 2
            view[seen] = _sampled(
                faces[name], (u / depth + 1) * half - 0.5, (v / depth + 1) * half - 0.5
            )[seen]
    return view


def view_of_sphere(panorama: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """A view cut from an equirectangular panorama.

    Args:
        panorama: [H, W, 3] uint8 or float32, W the whole circle; the same may be missing above
            and below.
        directions: as `rays` gives them.

    Returns:
        [HEIGHT, WIDTH, 3] of the same type, bilinear; beyond the panorama its edge is repeated.
    """
    height, width = panorama.shape[:2]
    x, y, z = (directions[..., axis] for axis in range(3))
    turn = np.arctan2(x, z) / (2 * np.pi) + 0.5
    below = np.arctan2(y, np.hypot(x, z)) / np.pi
    return _sampled(panorama, turn % 1 * width - 0.5, below * width / 2 + height / 2 - 0.5)


def exposed(light: np.ndarray, stops: float) -> np.ndarray:
    """The photograph that a camera with automatic exposure takes of what it sees.

    Args:
        light: [H, W, 3] float32, linear RGB of any unit, not negative.
        stops: how much brighter than the automatic exposure, which takes the geometric mean of the
            luminance for a grey of 18 % (ISO 12232); each stop doubles the light.

    Returns:
        [H, W, 3] uint8 sRGB (IEC 61966-2-1); what is too bright is white.
    """
    luminance = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    mean = np.exp(np.log(np.maximum(luminance, np.finfo(np.float32).tiny)).mean())
    linear = np.clip(light * (MIDDLE_GREY * 2**stops / mean), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    rounded: np.ndarray = np.rint(encoded * 255).astype(np.uint8)
    return rounded


def _sampled(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across, down = x.astype(np.float32), y.astype(np.float32)
    return cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
