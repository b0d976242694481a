"""Relative motion of two calibrated cameras, and its epipolar residuals for matched rays.

The motion is the pose of the reference's camera in the query's camera: a point at `X` in the
reference is at `R X + t` in the query, and its rays satisfy `q · (t × R r) = 0`
(Longuet-Higgins).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from fol_vpr import compiled
from fol_vpr.geometry.rigid import cross_matrix, rotation_from_vector
from fol_vpr.geometry.viewing_rays import Rays

# Selects rows by number, mask, indices or slice.
RowSelection = int | slice | list[int] | np.ndarray


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """Poses of the reference's camera in the query's camera, one or many, up to scale.

    Attributes:
        rotation: [..., 3, 3].
        direction: [..., 3] unit vectors, the direction of the translation.
    """

    rotation: np.ndarray
    direction: np.ndarray

    def __getitem__(self, rows: RowSelection) -> CameraMotion:
        """The motions of these rows."""
        return CameraMotion(self.rotation[rows], self.direction[rows])

    def __len__(self) -> int:
        return len(self.rotation)

    @property
    def essential(self) -> np.ndarray:
        """[..., 3, 3] essential matrices E, with `q @ E @ r = 0` for exact rays."""
        return np.asarray(cross_matrix(self.direction) @ self.rotation)

    def perturbed(self, step: np.ndarray) -> CameraMotion:
        """The motions after steps [..., 5]: two along `tangents`, then a rotation vector."""
        along = (self.tangents @ step[..., :2, None])[..., 0]
        direction = self.direction + along
        length = np.linalg.norm(direction, axis=-1, keepdims=True)
        return CameraMotion(
            rotation_from_vector(step[..., 2:]) @ self.rotation, direction / length
        )

    @property
    def tangents(self) -> np.ndarray:
        """[..., 3, 2] two unit vectors perpendicular to the direction and to each other."""
        # Without a branch or a square root, after Duff et al., "Building an orthonormal basis,
        # revisited" (JCGT 6(1), 2017).
        x, y, z = np.moveaxis(self.direction, -1, 0)
        sign = np.copysign(1.0, z)
        a = -1 / (sign + z)
        b = x * y * a
        found = np.empty((*self.direction.shape, 2))
        found[..., 0, 0], found[..., 0, 1] = 1 + sign * x * x * a, b
        found[..., 1, 0], found[..., 1, 1] = sign * b, sign + y * y * a
        found[..., 2, 0], found[..., 2, 1] = -sign * x, -y
        return found

    @property
    def essential_derivatives(self) -> np.ndarray:
        """[..., 5, 3, 3] derivatives of the essential matrices by a step of `perturbed`."""
        tangents = np.swapaxes(self.tangents, -1, -2)
        rotation = self.rotation[..., None, :, :]
        by_direction = cross_matrix(tangents) @ rotation
        across = cross_matrix(self.direction)[..., None, :, :]
        by_rotation = across @ cross_matrix(np.eye(3)) @ rotation
        return np.concatenate([by_direction, by_rotation], axis=-3)


def stack_motions(motions: Sequence[CameraMotion]) -> CameraMotion:
    """Put single motions into one `CameraMotion` of many."""
    return CameraMotion(
        np.stack([motion.rotation for motion in motions]),
        np.stack([motion.direction for motion in motions]),
    )


def decompose_essential(essential: np.ndarray) -> CameraMotion:
    """The four motions of an essential matrix [3, 3] (Hartley and Zisserman, section 9.6.2)."""
    u, _, vt = np.linalg.svd(essential)
    u, vt = u * np.sign(np.linalg.det(u)), vt * np.sign(np.linalg.det(vt))
    quarter_turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    direction = u[:, 2]
    one, other = u @ quarter_turn @ vt, u @ quarter_turn.T @ vt
    return CameraMotion(
        np.stack([one, one, other, other]),
        np.stack([direction, -direction, direction, -direction]),
    )


class RayPairs:
    """Matched rays of query and reference, prepared for the residuals of many motions.

    Errors and depths are linear in the essential matrix or in the rotation, so everything that
    depends on the rays alone is computed once.

    Args:
        query, reference: K viewing rays each, all valid.
    """

    def __init__(self, query: Rays, reference: Rays) -> None:
        self._rays = (query, reference)

    def __len__(self) -> int:
        return len(self._rays[0])

    def __getitem__(self, rows: slice) -> RayPairs:
        """The pairs of these rows."""
        query, reference = self._rays
        return RayPairs(query[rows], reference[rows])

    @property
    def query_xy(self) -> np.ndarray:
        """[2, K] x / z and y / z of the query's rays."""
        return np.asarray(self._rays[0].xy.T)

    # What follows is not needed where the compiled module computes.

    @cached_property
    def _q(self) -> np.ndarray:
        """[3, K] the query's rays."""
        return np.ascontiguousarray(self._rays[0].directions.T)

    @cached_property
    def _r(self) -> np.ndarray:
        """[3, K] the reference's rays."""
        return np.ascontiguousarray(self._rays[1].directions.T)

    @cached_property
    def _noise_q(self) -> np.ndarray:
        return ray_noise(self._rays[0].to_pixels)

    @cached_property
    def _noise_r(self) -> np.ndarray:
        return ray_noise(self._rays[1].to_pixels)

    @cached_property
    def _both(self) -> np.ndarray:
        """[9, K]: `q @ M @ r` is the product of the nine entries of M with these."""
        return np.asarray((self._q[:, None] * self._r).reshape(9, -1))

    @cached_property
    def _square_q(self) -> np.ndarray:
        return np.asarray(np.einsum('ik,ik->k', self._q, self._q))

    @cached_property
    def _square_r(self) -> np.ndarray:
        return np.asarray(np.einsum('ik,ik->k', self._r, self._r))

    @cached_property
    def packed(self) -> np.ndarray:
        """[10, K], see `compiled_motions.pack_rays`; only where that is ready."""
        module = compiled_motions()
        assert module is not None
        return packed_rays(module, *self._rays)

    def residuals(self, essential: np.ndarray) -> np.ndarray:
        """Signed Sampson distances [..., K] for essential matrices [..., 3, 3].

        They are in pixels of a 640 px wide image.
        """
        _, of_q, _, of_r = self._lines(essential)
        return np.asarray(self._errors(essential) / np.sqrt(of_q + of_r + 1e-18))

    def linearised(self, motion: CameraMotion) -> tuple[np.ndarray, np.ndarray]:
        """Residuals [..., K], and [..., 5, K] derivatives by a step of `perturbed`."""
        essential = motion.essential
        weighted_q, of_q, weighted_r, of_r = self._lines(essential)
        root = 1 / np.sqrt(of_q + of_r + 1e-18)
        residuals = self._errors(essential) * root
        # An entry of the matrix changes the error, and the epipolar lines that scale it.
        scaled = residuals * root * root
        by_line_q = self._q * root[..., None, :]
        by_line_q[..., :2, :] -= scaled[..., None, :] * weighted_q
        by_matrix = by_line_q[..., :, None, :] * self._r
        by_line_r = scaled[..., None, :] * weighted_r
        by_matrix[..., :2, :] -= self._q[:, None] * by_line_r[..., None, :, :]
        many = residuals.shape[:-1]
        changes = motion.essential_derivatives.reshape(*many, 5, 9)
        return residuals, changes @ by_matrix.reshape(*many, 9, -1)

    def _errors(self, essential: np.ndarray) -> np.ndarray:
        """[..., K] algebraic errors `q @ E @ r`."""
        return np.asarray(essential.reshape(*essential.shape[:-2], 9) @ self._both)

    def _lines(
        self, essential: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Epipolar lines for query and for reference.

        Returns:
            For the query, then for the reference: x and y of the lines multiplied by the
            covariance of the rays [..., 2, K], and the variance of the error [..., K].
        """
        back = np.swapaxes(essential, -1, -2)
        in_query = _in_noise(self._noise_q, essential[..., :2, :] @ self._r)
        return *in_query, *_in_noise(self._noise_r, back[..., :2, :] @ self._q)

    def depth_fractions(self, motion: CameraMotion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Depths of where both rays come closest, as fractions.

        Returns:
            [..., K] each: numerators of the depths in query and in reference, in units of the
            translation's length, and their common denominator, which is positive.
        """
        rotation = motion.rotation.reshape(*motion.rotation.shape[:-2], 9)
        cosines = rotation @ self._both
        along_q = motion.direction @ self._q
        in_reference = np.swapaxes(motion.rotation, -1, -2) @ motion.direction[..., None]
        along_r = in_reference[..., 0] @ self._r
        of_q = self._square_r * along_q - cosines * along_r
        of_r = cosines * along_q - self._square_q * along_r
        return of_q, of_r, self._square_q * self._square_r - cosines * cosines + 1e-18

    def depths(self, motion: CameraMotion) -> tuple[np.ndarray, np.ndarray]:
        """Depths [..., K] in query and in reference, in units of the translation's length."""
        of_q, of_r, over = self.depth_fractions(motion)
        return of_q / over, of_r / over

    def fraction_in_front(self, motion: CameraMotion, limit: float) -> np.ndarray:
        """[...] fraction of the inliers that lie in front of both cameras.

        Inliers are weighted by their parallax, because the sign of the depth of points near
        infinity is noise.

        Args:
            motion: one or many.
            limit: largest Sampson distance of an inlier, pixels of a 640 px wide image.
        """
        module = compiled_motions()
        if module is not None and motion.rotation.ndim <= 3:
            rotations = np.ascontiguousarray(motion.rotation).reshape(-1, 3, 3)
            directions = np.ascontiguousarray(motion.direction).reshape(-1, 3)
            found = module.in_front(self.packed, rotations, directions, limit)[0]
            return np.asarray(found.reshape(motion.rotation.shape[:-2]))
        within = np.abs(self.residuals(motion.essential)) <= limit
        of_q, of_r = self.depths(motion)
        parallax = np.minimum(1 / (1e-12 + np.abs(of_q)) + 1 / (1e-12 + np.abs(of_r)), 1.0)
        parallax *= within
        ahead = (parallax * ((of_q > 0) & (of_r > 0))).sum(axis=-1)
        return np.asarray(ahead / np.maximum(parallax.sum(axis=-1), 1e-300))


def compiled_motions() -> ModuleType | None:
    """The module compiled_motions.py where it is ready."""
    return compiled.ready('fol_vpr.geometry.two_view.compiled_motions')


def packed_rays(module: ModuleType, query: Rays, reference: Rays) -> np.ndarray:
    """[10, K], see `compiled_motions.pack_rays`, which is in that `module`."""
    arrays = (query.xy, query.to_pixels, reference.xy, reference.to_pixels)
    return np.asarray(module.pack_rays(*map(np.ascontiguousarray, arrays)))


def ray_noise(to_pixels: np.ndarray) -> np.ndarray:
    """[3, ...] covariance of rays for an error of one pixel: variance of x, covariance, of y.

    Args:
        to_pixels: [..., 2, 2] of `Rays`.
    """
    a, b = to_pixels[..., 0, 0], to_pixels[..., 0, 1]
    c, d = to_pixels[..., 1, 0], to_pixels[..., 1, 1]
    square = (a * d - b * c) ** 2
    return np.asarray(np.stack([d * d + b * b, -(c * d + a * b), a * a + c * c]) / square)


def _in_noise(noise: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products N l [..., 2, K] of covariances N with lines l, and l · N l [..., K]."""
    x, y = lines[..., 0, :], lines[..., 1, :]
    weighted = np.empty_like(lines)
    weighted[..., 0, :] = noise[0] * x + noise[1] * y
    weighted[..., 1, :] = noise[1] * x + noise[2] * y
    return weighted, weighted[..., 0, :] * x + weighted[..., 1, :] * y
