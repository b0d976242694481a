"""What two views have in common, from their exact depths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.town.camera.renderer import PinholeCamera
from training.town.camera.shading import FAR

_STEP = 6


@dataclass(frozen=True, eq=False)
class View:
    """A camera and what it sees.

    Attributes:
        depth: [H, W] float32, metres along the camera's axis.
    """

    camera: PinholeCamera
    depth: np.ndarray


def seen_share(view: View, other: View) -> float:
    """Share of the surface in `view` that `other` sees too, in 0 .. 1; the sky does not count.

    A point is seen when it falls into the other picture at the depth that is there, within 5 %.
    """
    height, width = view.depth.shape
    rays = view.camera.rays(width, height)[::_STEP, ::_STEP]
    depth = view.depth[::_STEP, ::_STEP]
    solid = depth < 0.9 * FAR
    if not solid.any():
        return 0.0
    points = rays[solid] * depth[solid][:, None] + view.camera.position
    right, forward, up = other.camera.axes()
    local = points - other.camera.position
    z = local @ forward
    height, width = other.depth.shape
    focal = width / 2 / np.tan(other.camera.fov / 2)
    front = z > 0.1
    safe = np.where(front, z, 1.0)
    x = np.floor(local @ right / safe * focal + width / 2).astype(int)
    y = np.floor(height / 2 - local @ up / safe * focal).astype(int)
    inside = front & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    there = other.depth[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    same = inside & (np.abs(there - z) < 0.05 * z + 0.1)
    return float(same.mean())


def overlap(view: View, other: View) -> float:
    """Share that each of two views sees of the other's surface, the lesser of both."""
    return min(seen_share(view, other), seen_share(other, view))
