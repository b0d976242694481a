"""Rotation and direction of translation between two calibrated images, and what rays say of them.

The pose is that of the reference's camera in the query's: a point at `X` in the reference is at
`R X + t` in the query, and its rays obey `q · (t × R r) = 0` (Longuet-Higgins).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.geometry.rigid import cross_matrix, rotation_from_vector
from fol_vpr.geometry.viewing_rays import Rays

# Which of many: by number, by a mask, by indices, or by a slice.
RowSelection = int | slice | list[int] | np.ndarray


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """Poses of the reference's camera in the query's, one or many.

    Attributes:
        rotation: [..., 3, 3].
        direction: [..., 3], unit vectors.
    """

    rotation: np.ndarray
    direction: np.ndarray

    def __getitem__(self, rows: RowSelection) -> CameraMotion:
        """Some of many."""
        return CameraMotion(self.rotation[rows], self.direction[rows])

    def __len__(self) -> int:
        return len(self.rotation)

    @property
    def essential(self) -> np.ndarray:
        """[..., 3, 3] matrices of which `q @ E @ r` is 0."""
        return np.asarray(cross_matrix(self.direction) @ self.rotation)

    def perturbed(self, step: np.ndarray) -> CameraMotion:
        """After steps [..., 5]: two along the sphere of directions, three of rotation."""
        along = (self.tangents @ step[..., :2, None])[..., 0]
        direction = self.direction + along
        length = np.linalg.norm(direction, axis=-1, keepdims=True)
        return CameraMotion(
            rotation_from_vector(step[..., 2:]) @ self.rotation, direction / length
        )

    @property
    def tangents(self) -> np.ndarray:
        """[..., 3, 2] unit vectors across the direction, and across each other."""
        away = np.argmin(np.abs(self.direction), axis=-1)[..., None, None]
        across = cross_matrix(self.direction)
        first = np.take_along_axis(across, away, axis=-1)
        first = first / np.linalg.norm(first, axis=-2, keepdims=True)
        return np.concatenate([first, across @ first], axis=-1)

    @property
    def essential_derivatives(self) -> np.ndarray:
        """[..., 5, 3, 3] derivatives of the essential matrices by a step."""
        tangents = np.swapaxes(self.tangents, -1, -2)
        rotation = self.rotation[..., None, :, :]
        by_direction = cross_matrix(tangents) @ rotation
        across = cross_matrix(self.direction)[..., None, :, :]
        by_rotation = across @ cross_matrix(np.eye(3)) @ rotation
        return np.concatenate([by_direction, by_rotation], axis=-3)


def stack_motions(motions: Sequence[CameraMotion]) -> CameraMotion:
    """Single motions as many."""
    return CameraMotion(
        np.stack([motion.rotation for motion in motions]),
        np.stack([motion.direction for motion in motions]),
    )


def decompose_essential(essential: np.ndarray) -> CameraMotion:
    """The four motions that an essential matrix may stand for (Hartley and Zisserman, 9.6.2)."""
    u, _, vt = np.linalg.svd(essential)
    u, vt = u * np.sign(np.linalg.det(u)), vt * np.sign(np.linalg.det(vt))
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    direction = u[:, 2]
    one, other = u @ quarter @ vt, u @ quarter.T @ vt
    return CameraMotion(
        np.stack([one, one, other, other]),
        np.stack([direction, -direction, direction, -direction]),
    )


class RayPairs:
    """Rays of matches in query and reference, prepared for residuals.

    What is asked of them is linear in the essential matrix or in the rotation, so it is a product
    of that with what the rays alone say.

    Args:
        query, reference: [K], all valid.
    """

    def __init__(self, query: Rays, reference: Rays) -> None:
        self._rays = (query, reference)
        self._q, self._r = (np.ascontiguousarray(rays.directions.T) for rays in (query, reference))
        self._noise_q, self._noise_r = (_noise(rays) for rays in (query, reference))
        # `q @ M @ r` of a matrix M is the product of its nine numbers with these.
        self._both = (self._q[:, None] * self._r).reshape(9, -1)
        self._square_q = np.einsum('ik,ik->k', self._q, self._q)
        self._square_r = np.einsum('ik,ik->k', self._r, self._r)

    def __len__(self) -> int:
        return int(self._q.shape[1])

    def __getitem__(self, rows: slice) -> RayPairs:
        """Some of them."""
        query, reference = self._rays
        return RayPairs(query[rows], reference[rows])

    @property
    def query_xy(self) -> np.ndarray:
        """[2, K] x / z and y / z in the query."""
        return self._q[:2]

    def residuals(self, essential: np.ndarray) -> np.ndarray:
        """Signed Sampson distances in pixels, [..., K] for essential matrices [..., 3, 3]."""
        _, of_q, _, of_r = self._lines(essential)
        return np.asarray(self._errors(essential) / np.sqrt(of_q + of_r + 1e-18))

    def linearised(self, motion: CameraMotion) -> tuple[np.ndarray, np.ndarray]:
        """Residuals [..., K], and [..., 5, K] derivatives by a step of `perturbed`."""
        essential = motion.essential
        weighted_q, of_q, weighted_r, of_r = self._lines(essential)
        root = 1 / np.sqrt(of_q + of_r + 1e-18)
        residuals = self._errors(essential) * root
        # A number of the matrix turns the error, and the lines that its variance depends on.
        share = residuals * root * root
        by_line_q = self._q * root[..., None, :]
        by_line_q[..., :2, :] -= share[..., None, :] * weighted_q
        by_matrix = by_line_q[..., :, None, :] * self._r
        by_line_r = share[..., None, :] * weighted_r
        by_matrix[..., :2, :] -= self._q[:, None] * by_line_r[..., None, :, :]
        many = residuals.shape[:-1]
        changes = motion.essential_derivatives.reshape(*many, 5, 9)
        return residuals, changes @ by_matrix.reshape(*many, 9, -1)

    def _errors(self, essential: np.ndarray) -> np.ndarray:
        """[..., K] of `q @ E @ r`."""
        return np.asarray(essential.reshape(*essential.shape[:-2], 9) @ self._both)

    def _lines(
        self, essential: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For query and reference: epipolar lines' x and y times the noise, and the variance."""
        back = np.swapaxes(essential, -1, -2)
        in_query = _in_noise(self._noise_q, essential[..., :2, :] @ self._r)
        return *in_query, *_in_noise(self._noise_r, back[..., :2, :] @ self._q)

    def depth_fractions(self, motion: CameraMotion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[..., K] each: depths in query and in reference, over the third, which is positive.

        They are those of where both rays come closest, in units of the translation's length.
        """
        rotation = motion.rotation.reshape(*motion.rotation.shape[:-2], 9)
        across = rotation @ self._both
        along_q = motion.direction @ self._q
        in_reference = np.swapaxes(motion.rotation, -1, -2) @ motion.direction[..., None]
        along_r = in_reference[..., 0] @ self._r
        of_q = self._square_r * along_q - across * along_r
        of_r = across * along_q - self._square_q * along_r
        return of_q, of_r, self._square_q * self._square_r - across * across + 1e-18

    def depths(self, motion: CameraMotion) -> tuple[np.ndarray, np.ndarray]:
        """[..., K] depths in query and reference, in units of the translation's length."""
        of_q, of_r, over = self.depth_fractions(motion)
        return of_q / over, of_r / over

    def fraction_in_front(self, motion: CameraMotion, limit: float) -> np.ndarray:
        """[...] share of the matches within the limit (pixels) that both cameras have ahead.

        Each counts by its parallax: the side of those at infinity is noise.
        """
        within = np.abs(self.residuals(motion.essential)) <= limit
        of_q, of_r = self.depths(motion)
        parallax = np.minimum(1 / (1e-12 + np.abs(of_q)) + 1 / (1e-12 + np.abs(of_r)), 1.0)
        parallax *= within
        ahead = (parallax * ((of_q > 0) & (of_r > 0))).sum(axis=-1)
        return np.asarray(ahead / np.maximum(parallax.sum(axis=-1), 1e-300))


def _noise(rays: Rays) -> np.ndarray:
    """[3, K] covariance of the rays for an error of one pixel: of x, of both, of y."""
    (a, b), (c, d) = rays.to_pixels.transpose(1, 2, 0)
    square = (a * d - b * c) ** 2
    return np.asarray(np.stack([d * d + b * b, -(c * d + a * b), a * a + c * c]) / square)


def _in_noise(noise: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The product [..., 2, K] of a symmetric matrix with vectors, and of that with them again."""
    x, y = lines[..., 0, :], lines[..., 1, :]
    weighted = np.empty_like(lines)
    weighted[..., 0, :] = noise[0] * x + noise[1] * y
    weighted[..., 1, :] = noise[1] * x + noise[2] * y
    return weighted, weighted[..., 0, :] * x + weighted[..., 1, :] * y
