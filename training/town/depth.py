"""Depth of the views of a place, and their cameras, as files that training reads.

They lie in a hidden folder beside the images, where nothing that lists images looks. The format is
described in docs/how-to/synthetic_town.md.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from training.town.camera.effects import unbent
from training.town.camera.renderer import GBuffer, PinholeCamera
from training.town.camera.shading import FAR, Shader

FOLDER = '.depth'
_UNIT = 1 / 256
_NEAREST, _FARTHEST = 0.1, 0.9 * FAR


class DepthView(NamedTuple):
    """What a view of a place shows, in metres.

    Attributes:
        depth: [H, W] uint16, along the camera's axis, in 1/256 m; 0 is the sky, or too far.
        camera: that saw it.
        distortion: of its lens, see `Condition.distortion`.
    """

    depth: np.ndarray
    camera: PinholeCamera
    distortion: float


def depth_view(seen: GBuffer, shader: Shader, distortion: float) -> DepthView:
    """The depth of a picture at half its size, bent as the lens bends the picture.

    Each value is exact at the middle of its pixel: the ray through it meets the plane of the
    surface that the picture has there.
    """
    height, width = seen.surface.shape
    ratio = height / width
    x = ((np.arange(width // 2) + 0.5) / (width // 2) * 2 - 1)[None]
    y = (((np.arange(height // 2) + 0.5) / (height // 2) * 2 - 1) * ratio)[:, None]
    factor = unbent(x, y, distortion, ratio)
    x, y = x * factor, y * factor
    column = ((x + 1) / 2 * width).astype(int)
    row = ((y / ratio + 1) / 2 * height).astype(int)
    half = math.tan(seen.camera.fov / 2)
    depth = shader.depth(
        GBuffer(
            seen.camera,
            seen.albedo[row, column],
            seen.surface[row, column],
            seen.camera.rays_at(x * half, -y * half),
        )
    )
    known = (depth > _NEAREST) & (depth < _FARTHEST)
    stored = np.where(known, np.round(depth / _UNIT), 0).astype(np.uint16)
    return DepthView(stored, seen.camera, distortion)


def write_depth(place: Path, views: Mapping[str, DepthView]) -> None:
    """Write depth and cameras of the views of a place, in place of those of earlier views.

    Args:
        place: the folder of its images.
        views: by the names of these; none where no depth is asked for.
    """
    folder = place / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    if not views:
        return
    folder.mkdir()
    cameras = {}
    for name, view in views.items():
        file = f'{Path(name).stem}.png'
        done, data = cv2.imencode('.png', view.depth)
        assert done
        (folder / file).write_bytes(data.tobytes())
        cameras[name] = {'depth': file, **_camera(view)}
    text = json.dumps({'unit': _UNIT, 'views': cameras}, indent=1)
    (folder / 'cameras.json').write_text(text + '\n')


def _camera(view: DepthView) -> dict[str, Any]:
    height, width = view.depth.shape
    focal = width / 2 / math.tan(view.camera.fov / 2)
    right, forward, up = view.camera.axes()
    return {
        'size': [width, height],
        'intrinsics': [round(value, 6) for value in (focal, focal, width / 2, height / 2)],
        'distortion': view.distortion,
        'rotation': np.stack([right, -up, forward], axis=1).round(7).tolist(),
        'position': view.camera.position.round(5).tolist(),
    }
