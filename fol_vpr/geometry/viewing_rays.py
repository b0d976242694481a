"""Viewing rays of pixels in the camera's optical frame, for pinhole cameras and lens models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from fol_vpr.datatypes import Camera
from fol_vpr.errors import InputError

REFERENCE_WIDTH = 640.0
"""Errors are given in pixels of an image whose longer side has this many pixels."""
# Newton steps of the undistortion, and the error in pixels below which no further one is made.
MAX_NEWTON_STEPS = 4
CONVERGED = 1e-7
# Largest reprojection error of a ray in pixels; rays beyond it are invalid.
MAX_REPROJECTION_ERROR = 0.05


@dataclass(frozen=True, eq=False)
class Rays:
    """Viewing rays of K pixels.

    Attributes:
        xy: [K, 2] float64, x / z and y / z in the optical frame; NaN where the lens model has no
            direction in front of the camera for the pixel.
        to_pixels: [K, 2, 2] derivative of the position in a 640 px wide image by `xy`. It
            converts errors of rays to pixels, in the middle and at the edge of any lens.
    """

    xy: np.ndarray
    to_pixels: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        """[K] bool: whether the pixel has a direction."""
        return np.asarray(np.isfinite(self.xy).all(axis=1))

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, rows: np.ndarray | slice) -> Rays:
        """The rays of these rows, by a mask, by indices or by a slice."""
        return Rays(self.xy[rows], self.to_pixels[rows])

    @cached_property
    def scale(self) -> float:
        """Median number of pixels of a 640 px wide image per unit of `xy`."""
        return math.sqrt(median(_determinants(self.to_pixels)))

    @property
    def directions(self) -> np.ndarray:
        """[K, 3] with z = 1."""
        return np.concatenate([self.xy, np.ones((len(self.xy), 1))], axis=1)


def pixels_to_rays(camera: Camera, xy: np.ndarray, size: tuple[int, int]) -> Rays:
    """Viewing rays of pixels: OpenCV's undistortion, refined by Newton's method.

    Args:
        camera: the calibration.
        xy: [K, 2] pixel positions; (0, 0) is the centre of the top left pixel.
        size: width and height of their image in pixels, which may be scaled from the calibrated
            size.

    Raises:
        InputError: the image has another aspect ratio than the calibration.
    """
    scale = _scale(camera, size)
    # Pixel centres are at whole numbers, so the image starts at -0.5 at any resolution.
    pixels = (np.asarray(xy, dtype=np.float64).reshape(-1, 2) + 0.5) / scale - 0.5
    if not len(pixels):
        return Rays(np.zeros((0, 2)), np.zeros((0, 2, 2)))
    found = _first_guess(camera, pixels)
    to_640 = scale[:, None] * REFERENCE_WIDTH / max(size)
    if not camera.model:
        return Rays(found, _repeated(camera.matrix[:2, :2] * to_640, len(found)))
    seen, derivative = _project(camera, found)
    for _ in range(MAX_NEWTON_STEPS):
        error = pixels - seen
        # A comparison with NaN is false: those pixels have no direction.
        if not (np.abs(error) > CONVERGED).any():
            break
        found = found + _solve(derivative, error)
        seen, derivative = _project(camera, found)
    returned = np.abs(seen - pixels).max(axis=1)
    # Beyond the radius where the distortion polynomial decreases, two directions share a pixel.
    wrong = ~(returned <= MAX_REPROJECTION_ERROR) | ~(_determinants(derivative) > 0)
    found[wrong] = np.nan
    return Rays(found, derivative * to_640)


def project_to_pixels(camera: Camera, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Project points to pixels.

    Args:
        camera: the calibration.
        points: [K, 3] in the camera's optical frame.
        size: width and height of the image in pixels.

    Returns:
        [K, 2] pixel positions; NaN for points behind the camera.

    Raises:
        InputError: the image has another aspect ratio than the calibration.
    """
    ahead = points[:, 2] > 1e-6
    if not camera.model and ahead.all():
        seen = _project_pinhole(camera, points[:, :2] / points[:, 2:])
        return np.asarray((seen + 0.5) * _scale(camera, size) - 0.5)
    found = np.full((len(points), 2), np.nan)
    if ahead.any():
        seen, _ = _project(camera, points[ahead, :2] / points[ahead, 2:])
        found[ahead] = (seen + 0.5) * _scale(camera, size) - 0.5
    return found


def camera_fits(camera: Camera, size: tuple[int, int]) -> bool:
    """Whether images of this size (width, height) have the calibrated aspect ratio."""
    wide, high = size[0] / camera.size[0], size[1] / camera.size[1]
    # Tolerates rounding by half a pixel on either side.
    return abs(wide - high) * min(camera.size) <= 1.0 or abs(wide / high - 1) <= 0.005


def matching_camera(camera: Camera | None, size: tuple[int, int]) -> Camera | None:
    """The camera, or None where its calibration has another aspect ratio than `size`."""
    return camera if camera is not None and camera_fits(camera, size) else None


def median(values: np.ndarray) -> float:
    """As `np.median` of numbers [K], in a third of its time where they are few."""
    ordered = np.sort(values).tolist()
    count = len(ordered)
    if not count or math.isnan(ordered[-1]):
        return math.nan
    return float((ordered[(count - 1) // 2] + ordered[count // 2]) / 2)


def _scale(camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """[2] factors of x and y from the calibrated image size to `size`."""
    if not camera_fits(camera, size):
        raise InputError(
            f'the camera is calibrated for images of {camera.size[0]}x{camera.size[1]} pixels, '
            f'the image has {size[0]}x{size[1]}, which is another shape: give the calibration of '
            'the images as they are, or none'
        )
    return np.array([size[0] / camera.size[0], size[1] / camera.size[1]])


def _first_guess(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    # OpenCV takes focal lengths and centre of K and leaves out its skew, so K is applied here.
    distorted = (pixels - camera.matrix[:2, 2]) @ np.linalg.inv(camera.matrix[:2, :2]).T
    if not camera.model:
        return np.asarray(distorted)
    lens = cv2.fisheye if camera.model == 'equidistant' else cv2
    points = lens.undistortPoints(distorted[:, None], np.eye(3), camera.distortion)
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)


def _project(camera: Camera, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [K, 2] of directions x / z and y / z [K, 2], and their derivatives [K, 2, 2]."""
    linear, centre = camera.matrix[:2, :2], camera.matrix[:2, 2]
    if not camera.model:
        return _project_pinhole(camera, directions), _repeated(linear, len(directions))
    points = np.concatenate([directions, np.ones((len(directions), 1))], axis=1)[:, None]
    fisheye = camera.model == 'equidistant'
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    with np.errstate(all='ignore'):
        distorted, by_all = project(points, np.zeros(3), np.zeros(3), np.eye(3), camera.distortion)
    # For points with z = 1, the derivative by x and y of the translation is the one by x / z and
    # y / z. cv2.fisheye has the translation in columns 11 to 13, after focal lengths, centre,
    # coefficients and rotation; cv2 has it in columns 3 to 5, after the rotation.
    by_xy = by_all[:, 11:13] if fisheye else by_all[:, 3:5]
    pixels = distorted.reshape(-1, 2) @ linear.T + centre
    return pixels, linear @ np.asarray(by_xy, dtype=np.float64).reshape(-1, 2, 2)


def _project_pinhole(camera: Camera, directions: np.ndarray) -> np.ndarray:
    """Pixels [K, 2] of directions x / z and y / z [K, 2] without a lens."""
    return np.asarray(directions @ camera.matrix[:2, :2].T + camera.matrix[:2, 2])


def _repeated(matrix: np.ndarray, count: int) -> np.ndarray:
    """[count, 2, 2] copies of a matrix [2, 2]; NumPy's `tile` takes five times as long."""
    found = np.empty((count, 2, 2))
    found[:] = matrix
    return found


def _solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """[K, 2] solutions of K systems with matrices [K, 2, 2]; NaN where one is singular."""
    (a, b), (c, d) = matrices.transpose(1, 2, 0)
    with np.errstate(all='ignore'):
        scaled = vectors / (a * d - b * c)[:, None]
    x, y = scaled.T
    return np.stack([d * x - b * y, a * y - c * x], axis=1)


def _determinants(matrices: np.ndarray) -> np.ndarray:
    """[K] determinants of matrices [K, 2, 2]."""
    (a, b), (c, d) = matrices.transpose(1, 2, 0)
    return np.asarray(a * d - b * c)
