"""Pixels as directions in the camera's frame, with what the lens does to them undone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fol_vpr.datatypes import Camera
from fol_vpr.errors import InputError

REFERENCE_WIDTH = 640.0
"""Errors are in pixels of an image whose longer side has this many."""
NEWTON_STEPS = 4
# In pixels: how well the ray must give its pixel again, and how well is well enough.
WORST_RETURN = 0.05
CONVERGED = 1e-7


@dataclass(frozen=True, eq=False)
class Rays:
    """Where pixels look.

    Attributes:
        xy: [K, 2] float64, x / z and y / z in the optical frame; NaN where the lens model gives
            no direction in front of the camera.
        to_pixels: [K, 2, 2] derivative of the position in a 640 px wide image by `xy`: with it an
            error means the same in the middle and at the edge of any lens.
    """

    xy: np.ndarray
    to_pixels: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        """[K] bool: those that have a direction."""
        return np.asarray(np.isfinite(self.xy).all(axis=1))

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, rows: np.ndarray | slice) -> Rays:
        """Some of them, by a mask, by indices or by a slice."""
        return Rays(self.xy[rows], self.to_pixels[rows])

    @property
    def scale(self) -> float:
        """Pixels of a 640 px wide image per unit of `xy`, in the middle of the sorted ones."""
        return float(np.sqrt(np.median(_determinants(self.to_pixels))))

    @property
    def directions(self) -> np.ndarray:
        """[K, 3], with z of 1."""
        return np.concatenate([self.xy, np.ones((len(self.xy), 1))], axis=1)


def pixels_to_rays(camera: Camera, xy: np.ndarray, size: tuple[int, int]) -> Rays:
    """Directions of pixels.

    Args:
        xy: [K, 2] pixel positions, the centre of the top left pixel being (0, 0).
        size: width and height of the image that they are in; a scaled one of the calibrated.

    Raises:
        InputError: the image has another shape than the calibrated ones.
    """
    scale = _scale(camera, size)
    # A pixel covers half a pixel around its centre, at any resolution.
    pixels = (np.asarray(xy, dtype=np.float64).reshape(-1, 2) + 0.5) / scale - 0.5
    if not len(pixels):
        return Rays(np.zeros((0, 2)), np.zeros((0, 2, 2)))
    found = _first_guess(camera, pixels)
    seen, derivative = _project(camera, found)
    for _ in range(NEWTON_STEPS if camera.model else 0):
        error = pixels - seen
        # False where it is NaN: that pixel has no direction.
        if not (np.abs(error) > CONVERGED).any():
            break
        found = found + _solve(derivative, error)
        seen, derivative = _project(camera, found)
    returned = np.abs(seen - pixels).max(axis=1)
    # Beyond the radius where a polynomial turns round, it maps two directions to one pixel.
    wrong = ~(returned <= WORST_RETURN) | ~(_determinants(derivative) > 0)
    found[wrong] = np.nan
    return Rays(found, derivative * (scale[:, None] * REFERENCE_WIDTH / max(size)))


def project_to_pixels(camera: Camera, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[K, 2] pixel positions of points [K, 3] in the camera's frame; NaN for those behind it.

    Args:
        size: width and height of the image, as of `pixels_to_rays`.
    """
    ahead = points[:, 2] > 1e-6
    found = np.full((len(points), 2), np.nan)
    if ahead.any():
        seen, _ = _project(camera, points[ahead, :2] / points[ahead, 2:])
        found[ahead] = (seen + 0.5) * _scale(camera, size) - 0.5
    return found


def camera_fits(camera: Camera, size: tuple[int, int]) -> bool:
    """Whether images of this size are of the calibrated shape, perhaps scaled."""
    wide, high = size[0] / camera.size[0], size[1] / camera.size[1]
    # Half a pixel of rounding on either side is no other shape.
    return abs(wide - high) * min(camera.size) <= 1.0 or abs(wide / high - 1) <= 0.005


def matching_camera(camera: Camera | None, size: tuple[int, int]) -> Camera | None:
    """The camera, or None where it is not one of images of this shape."""
    return camera if camera is not None and camera_fits(camera, size) else None


def _scale(camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """[2] factors from the calibrated image to one of this size."""
    if not camera_fits(camera, size):
        raise InputError(
            f'the camera is calibrated for images of {camera.size[0]}x{camera.size[1]} pixels, '
            f'the image has {size[0]}x{size[1]}, which is another shape: give the calibration of '
            'the images as they are, or none'
        )
    return np.array([size[0] / camera.size[0], size[1] / camera.size[1]])


def _first_guess(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    if not camera.model:
        return np.asarray((pixels - camera.matrix[:2, 2]) @ np.linalg.inv(camera.matrix[:2, :2]).T)
    if camera.model == 'equidistant':
        points = cv2.fisheye.undistortPoints(pixels[:, None], camera.matrix, camera.distortion)
    else:
        points = cv2.undistortPoints(pixels[:, None], camera.matrix, camera.distortion)
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)


def _project(camera: Camera, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[K, 2] pixels of directions x / z, y / z, and [K, 2, 2] their derivatives by these."""
    if not camera.model:
        linear, centre = camera.matrix[:2, :2], camera.matrix[:2, 2]
        return directions @ linear.T + centre, np.tile(linear, (len(directions), 1, 1))
    points = np.concatenate([directions, np.ones((len(directions), 1))], axis=1)[:, None]
    fisheye = camera.model == 'equidistant'
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    with np.errstate(all='ignore'):
        pixels, by_all = project(
            points, np.zeros(3), np.zeros(3), camera.matrix, camera.distortion
        )
    # At a distance of 1, moving the camera aside turns the directions. OpenCV's columns are the
    # focal lengths, centre, four coefficients, rotation and translation for the one, rotation and
    # translation first for the other.
    aside = by_all[:, 11:13] if fisheye else by_all[:, 3:5]
    return pixels.reshape(-1, 2), np.asarray(aside, dtype=np.float64).reshape(-1, 2, 2)


def _solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """[K, 2] solutions of 2x2 systems; NaN where one has none."""
    (a, b), (c, d) = matrices.transpose(1, 2, 0)
    with np.errstate(all='ignore'):
        scaled = vectors / (a * d - b * c)[:, None]
    x, y = scaled.T
    return np.stack([d * x - b * y, a * y - c * x], axis=1)


def _determinants(matrices: np.ndarray) -> np.ndarray:
    """[K] of matrices [K, 2, 2]."""
    (a, b), (c, d) = matrices.transpose(1, 2, 0)
    return np.asarray(a * d - b * c)
