"""What a camera in a hand sees: turned, nearer or further, and with things before it.

All of the geometry is one perspective map, so that it stays known where each point was in the
photograph: rotations of a pinhole camera are such maps, and so is a rolling shutter under a
constant speed of the image, which shears and stretches it.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.data.images.camera_config import HandheldConfig

Rng = np.random.Generator


def corners(config: HandheldConfig, aspect: float, rng: Rng) -> np.ndarray:
    """Corners [4, 2] of what is seen, in shares of the photograph's sides, as `warp` has them.

    Args:
        config: how much of everything.
        aspect: width by height of the photograph.
        rng: what is drawn from.
    """
    side = np.exp(-rng.uniform(0, np.log(config.scale)))
    square = side * (np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) - 0.5)
    square = square + rng.uniform(-0.5, 0.5, 2) * (1 - side)
    # While the rows are read from top to bottom, the image moves on at a constant speed.
    moved = config.rolling_shutter * rng.uniform(-1, 1, 2)
    square = square + np.outer(square[:, 1], moved)
    half = np.tan(np.radians(config.field_of_view) / 2) * 2
    focal = np.array([half, half / aspect])
    rays = np.concatenate([square * focal, np.ones((4, 1))], axis=1)
    limits = np.radians([config.pitch, config.yaw, config.roll])
    turned = rays @ _rotation(*(limits * rng.uniform(-1, 1, 3))).T
    result: np.ndarray = turned[:, :2] / turned[:, 2:] / focal + 0.5
    return result


def _rotation(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Rotation [3, 3] about x, then y, then z, radians."""
    c, s = np.cos([pitch, yaw, roll]), np.sin([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
    about_y = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
    about_z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def put_before(view: np.ndarray, config: HandheldConfig, rng: Rng) -> np.ndarray:
    """Something near that reaches into the image from its border, blurred as it is out of focus.

    Args:
        view: RGB [S, S, 3] uint8; it is not changed.
        config: how far it reaches.
        rng: what is drawn from.
    """
    size = view.shape[0]
    low, high = config.near_share
    reach = rng.uniform(low, high) * size
    width = rng.uniform(0.1, 0.6) * size
    angle = rng.uniform(0, 2 * np.pi)
    inwards = np.array([np.cos(angle), np.sin(angle)])
    # From the border, opposite to where it points, some way along that border.
    border = size / 2 * (1 - inwards / np.abs(inwards).max())
    border = border + rng.uniform(-0.4, 0.4) * size * np.array([-inwards[1], inwards[0]])
    centre = border + inwards * (reach - size) / 2
    box = (centre.tolist(), (size + reach, width), float(np.degrees(angle)))
    mask = np.zeros((size, size), np.float32)
    if rng.random() < 0.5:
        cv2.ellipse(mask, box, 1.0, -1)
    else:
        cv2.fillConvexPoly(mask, cv2.boxPoints(box).round().astype(np.int32), 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.005, 0.03) * size)[..., None]
    colour = rng.uniform(0, 255, 3) * rng.uniform(0.2, 1)
    coarse = rng.standard_normal((6, 6, 1), dtype=np.float32)
    texture = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)[..., None]
    thing = (colour * (1 + 0.25 * texture)).astype(np.float32)
    return np.asarray(np.clip(view * (1 - soft) + thing * soft, 0, 255).astype(np.uint8))
