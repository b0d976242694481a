"""Renders textured walls for a camera, and serves such images as those of a map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from helpers.geometry.points import MATRIX, SIZE, normalised_square

from fol_vpr.datatypes import Place, PlaceHypothesis, Pose, PoseSource, RelativePose
from fol_vpr.geometry.rigid import (
    quaternion,
    rotation_from_vector,
    rotation_matrix,
    rotation_vector,
)

# Orientation of an optical frame (x right, y down, z forward) in a base (x forward, y left, z up).
OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
MOUNTS = {
    'ahead': Pose(np.array([0.2, 0.0, 1.3]), quaternion(OPTICAL)),
    'tilted': Pose(
        np.array([0.4, -0.1, 1.0]),
        quaternion(rotation_from_vector(np.array([0, 0.35, 0])) @ OPTICAL),
    ),
    'backwards': Pose(
        np.array([-0.3, 0.1, 0.8]),
        quaternion(rotation_from_vector(np.array([0, 0, np.pi])) @ OPTICAL),
    ),
}
# Corners of walls in the frame of the first camera, metres: two sides, a floor, and the end.
WALLS = (
    ((-12, -6, 14), (12, -6, 14), (12, 4, 14)),
    ((-3, -6, 4), (-3, -6, 14), (-3, 2, 14)),
    ((3.5, -6, 14), (3.5, -6, 4), (3.5, 2, 4)),
    ((-12, 2, 14), (12, 2, 14), (12, 2, 3.5)),
)


def picture(seed: int) -> np.ndarray:
    """[768, 768] uint8, the texture of a wall."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0, 255, (48, 48)).astype(np.float32), (768, 768))
    fine = cv2.GaussianBlur(rng.uniform(0, 255, (768, 768)).astype(np.float32), (0, 0), 2)
    grey = cv2.normalize(0.5 * coarse + 6 * fine, None, 20, 230, cv2.NORM_MINMAX)
    return grey.astype(np.uint8)


def drawn(camera_in_scene: Pose) -> np.ndarray:
    """[480, 640, 3] image of the walls from a pinhole camera at this pose."""
    return np.repeat(drawn_grey(camera_in_scene, MATRIX, SIZE)[:, :, None], 3, axis=2)


def drawn_grey(camera_in_scene: Pose, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[H, W] image of the walls from a pinhole camera with this matrix [3, 3]."""
    image = np.full((size[1], size[0]), 128, np.uint8)
    turn = rotation_matrix(camera_in_scene.orientation).T
    for seed, (origin, right, below) in enumerate(WALLS):
        o, r, b = (
            turn @ (np.array(p, float) - camera_in_scene.position) for p in (origin, right, below)
        )
        # A plane's point is o + u (r - o) + v (b - r), with u and v from 0 to 1.
        plane = np.stack([(r - o) / 768, (b - r) / 768, o], axis=1)
        homography = matrix @ plane
        wall = cv2.warpPerspective(picture(seed), homography, size)
        covers = cv2.warpPerspective(np.full((768, 768), 255, np.uint8), homography, size)
        x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        texels = np.stack([x, y, np.ones_like(x)], axis=2) @ np.linalg.inv(homography).T
        covers[texels[:, :, 2] <= 0] = 0
        image[covers == 255] = wall[covers == 255]
    return image


def assert_refined(found: PlaceHypothesis, base: Pose, metres: float, degrees: float) -> None:
    """The pose is refined, within these errors of the true one, and its covariance fits them."""
    assert found.pose_source == PoseSource.REFINED
    assert found.pose is not None and found.pose.covariance is not None
    np.testing.assert_allclose(found.pose.position, base.position, atol=metres)
    turn = rotation_matrix(found.pose.orientation) @ rotation_matrix(base.orientation).T
    assert np.linalg.norm(rotation_vector(turn)) < np.radians(degrees)
    error = np.concatenate([found.pose.position - base.position, rotation_vector(turn)])
    stated = RelativePose(found.pose.position, found.pose.orientation, found.pose.covariance, True)
    # The 99.9 % quantile of chi² with six degrees of freedom.
    assert normalised_square(stated, error) < 22.5


@dataclass
class ReferenceImages:
    """The images of a map, drawn from poses in the scene."""

    places: list[Place]
    jpegs: list[bytes]

    def image(self, number: int) -> bytes | None:
        return self.jpegs[number]

    def neighbours(self, number: int, reach: int) -> list[Place]:
        return [place for place in self.places if 0 < abs(place.index - number) <= reach]
