"""Refines one relative motion for each of several image pairs, all pairs at once.

The estimator is that of `motion_fit.refine_motions`: Gauss-Newton over SO(3) x S² on Sampson
distances, with Tukey's and Mallows' weights. Here each motion has matches of its own. An image has
a few hundred matches with a reference, so that NumPy spends most of its time on the calls and
little on the numbers: the pairs are padded to the same number of matches and share the calls, and
derivatives are written as products of vectors instead of matrices of all nine entries. Compiled
code has no use for that, and takes one pair after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from fol_vpr.geometry.two_view.epipolar import (
    CameraMotion,
    compiled_motions,
    packed_rays,
    ray_noise,
    stack_motions,
)
from fol_vpr.geometry.two_view.motion_fit import (
    MAX_LEVERAGE,
    MAX_STEP,
    leverages,
    medians,
    refine_compiled,
    spread,
    tukey_weights,
)
from fol_vpr.geometry.viewing_rays import Rays

# Inliers hardly change after this many Gauss-Newton steps, nor by smaller steps (radians: half a
# pixel of a 640 px wide image).
MAX_STEPS = 8
CONVERGED = 1e-3


class _Errors(NamedTuple):
    """Sampson distances of P motions, and what their derivatives are made of.

    Attributes:
        residuals: [P, K] pixels of a 640 px wide image.
        root: [P, K] inverse standard deviation of the algebraic error.
        lines_q, lines_r: [P, 2, K] epipolar lines times the covariance of the rays.
    """

    residuals: np.ndarray
    root: np.ndarray
    lines_q: np.ndarray
    lines_r: np.ndarray


class JointRays:
    """Matched rays of P image pairs, padded to the largest number of matches K.

    Args:
        pairs: rays of the query and of the reference for each pair, all valid, at least one match
            in each.
    """

    def __init__(self, pairs: Sequence[tuple[Rays, Rays]]) -> None:
        longest = max(len(query) for query, _ in pairs)
        self.counted = np.zeros((len(pairs), longest), bool)
        directions = np.zeros((2, len(pairs), 3, longest))
        directions[:, :, 2] = 1.0
        to_pixels = np.zeros((2, len(pairs), longest, 2, 2))
        to_pixels[..., 0, 0] = to_pixels[..., 1, 1] = 1.0
        for row, pair in enumerate(pairs):
            count = len(pair[0])
            self.counted[row, :count] = True
            for image, rays in enumerate(pair):
                directions[image, row, :2, :count] = rays.xy.T
                to_pixels[image, row, :count] = rays.to_pixels
        self._q, self._r = directions
        self._noise_q, self._noise_r = np.moveaxis(ray_noise(to_pixels), 0, 2)
        self._square_q = _dot(self._q, self._q)
        self._square_r = _dot(self._r, self._r)

    def inliers(self, motion: CameraMotion, limit: float) -> list[np.ndarray]:
        """For each pair the matches [K] bool within the limit of its motion."""
        within = self._within(motion, limit)
        return [row[mask] for row, mask in zip(within, self.counted, strict=True)]

    def motions(self, essentials: np.ndarray, limit: float) -> CameraMotion:
        """Of the four motions of each essential matrix [P, 3, 3] the one with most in front.

        Inliers count by their parallax, as in `RayPairs.fraction_in_front`.

        Args:
            essentials: one for each pair.
            limit: largest Sampson distance of an inlier, pixels of a 640 px wide image.

        Returns:
            P motions.
        """
        rotation, direction = _decomposed(essentials)
        # All four have the same essential matrix up to its sign; the other sign of the direction
        # has the other sign of both depths.
        within = self._within(CameraMotion(rotation[0], direction), limit)
        seen = rotation @ self._r
        of_q, of_r = self._depth_numerators(seen, direction)
        cosines = _dot(self._q, seen)
        over = self._square_q * self._square_r - cosines * cosines + 1e-18
        near = over / (np.abs(of_q) + 1e-12 * over) + over / (np.abs(of_r) + 1e-12 * over)
        parallax = np.minimum(near, 1.0) * within
        ahead = (parallax * ((of_q > 0) & (of_r > 0))).sum(axis=-1)
        behind = (parallax * ((of_q < 0) & (of_r < 0))).sum(axis=-1)
        fractions = np.stack([ahead, behind]) / np.maximum(parallax.sum(axis=-1), 1e-300)
        return _best_of_four(rotation, direction, fractions)

    def refined(self, start: CameraMotion, limit: float) -> CameraMotion:
        """The P motions after refinement, each by the matches of its own pair alone.

        Args:
            start: P motions.
            limit: pixels (640 px wide image) beyond which a match is an outlier in any case.
        """
        motion = start
        moving = np.ones(len(start), bool)
        for _ in range(MAX_STEPS):
            step = self._step(motion, limit)
            longest = np.abs(step).max(axis=1)
            step *= (moving * np.minimum(1.0, MAX_STEP / np.maximum(longest, 1e-12)))[:, None]
            motion = motion.perturbed(step)
            moving &= longest >= CONVERGED
            if not moving.any():
                break
        return motion

    def _within(self, motion: CameraMotion, limit: float) -> np.ndarray:
        near = np.abs(self._errors(motion.essential).residuals) <= limit
        return np.asarray(self.counted & near)

    def _errors(self, essential: np.ndarray) -> _Errors:
        lines = essential @ self._r
        error = _dot(self._q, lines)
        lines_q, of_q = _times_noise(self._noise_q, lines)
        back = np.swapaxes(essential, 1, 2)[:, :2] @ self._q
        lines_r, of_r = _times_noise(self._noise_r, back)
        root = 1 / np.sqrt(of_q + of_r + 1e-18)
        return _Errors(error * root, root, lines_q, lines_r)

    def _depth_numerators(
        self, seen: np.ndarray, direction: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numerators of the depths in query and in reference [..., P, K], over a positive number.

        Args:
            seen: [..., P, 3, K] rays of the reference in the axes of the query.
            direction: [P, 3].
        """
        row = direction[:, None]
        along_q, along_r = (row @ self._q)[:, 0], (row @ seen)[..., 0, :]
        cosines = _dot(self._q, seen)
        return (
            self._square_r * along_q - cosines * along_r,
            cosines * along_q - self._square_q * along_r,
        )

    def _step(self, motion: CameraMotion, limit: float) -> np.ndarray:
        """[P, 5] Gauss-Newton steps of `CameraMotion.perturbed`."""
        errors = self._errors(motion.essential)
        seen = motion.rotation @ self._r
        jacobian = self._jacobian(motion, errors, seen)
        weights = self._weights(motion, errors.residuals, jacobian, seen, limit)
        weighted = jacobian * weights[:, None]
        normal = weighted @ np.swapaxes(jacobian, 1, 2)
        damping = 1e-9 * np.trace(normal, axis1=1, axis2=2) + 1e-12
        normal += damping[:, None, None] * np.eye(5)
        gradient = weighted @ errors.residuals[..., None]
        return np.asarray(-np.linalg.solve(normal, gradient)[..., 0])

    def _jacobian(self, motion: CameraMotion, errors: _Errors, seen: np.ndarray) -> np.ndarray:
        """[P, 5, K] derivatives of the residuals by a step of `CameraMotion.perturbed`.

        A change D of the essential matrix changes a residual by `a D r - q D b`: `a` is `q` over
        the standard deviation of the error, less what the change of the lines in the query adds to
        that; `b` is what the lines in the reference add.
        """
        root = errors.root
        scaled = errors.residuals * root * root
        a = self._q * root[:, None]
        a[:, :2] -= scaled[:, None] * errors.lines_q
        b = motion.rotation[:, :, :2] @ (scaled[:, None] * errors.lines_r)
        found = np.empty((len(root), 5, root.shape[1]))
        found[:, :2] = np.swapaxes(motion.tangents, 1, 2) @ (_cross(seen, a) - _cross(b, self._q))
        row = motion.direction[:, None]
        # By s x (a x t) = a (s · t) - t (s · a), for D = [t]x [w]x R and a rotation vector w.
        found[:, 2:] = a * (row @ seen) - self._q * (row @ b)
        found[:, 2:] -= motion.direction[:, :, None] * (_dot(seen, a) - _dot(b, self._q))[:, None]
        return found

    def _weights(
        self,
        motion: CameraMotion,
        residuals: np.ndarray,
        jacobian: np.ndarray,
        seen: np.ndarray,
        limit: float,
    ) -> np.ndarray:
        """[P, K] weights of the matches, 0 for padding; see `motion_fit.refine_motions`."""
        distances = np.where(self.counted, np.abs(residuals), np.inf)
        weights = tukey_weights(distances, spread(distances, limit)[:, None])
        leverage = leverages(jacobian[:, :2], weights)
        usual = medians(leverage, weights > 0)[:, None]
        of_q, of_r = self._depth_numerators(seen, motion.direction)
        behind = ((of_q < 0) | (of_r < 0)) & (leverage > usual)
        bound = MAX_LEVERAGE * usual
        weights *= bound / np.maximum(leverage, bound + 1e-18)
        return np.asarray(weights * ~behind)


class CompiledJointRays:
    """As `JointRays`, by the `module` compiled_motions.py."""

    def __init__(self, module: ModuleType, pairs: Sequence[tuple[Rays, Rays]]) -> None:
        self._module = module
        self._rays = [packed_rays(module, *pair) for pair in pairs]

    def inliers(self, motion: CameraMotion, limit: float) -> list[np.ndarray]:
        """As `JointRays.inliers`."""
        return [
            self._module.within(rays, motion.rotation[row], motion.direction[row], limit)
            for row, rays in enumerate(self._rays)
        ]

    def motions(self, essentials: np.ndarray, limit: float) -> CameraMotion:
        """As `JointRays.motions`."""
        rotation, direction = _decomposed(essentials)
        fractions = np.empty((2, 2, len(essentials)))
        for row, rays in enumerate(self._rays):
            turned = np.ascontiguousarray(rotation[:, row])
            both = np.stack([direction[row]] * 2)
            fractions[:, :, row] = self._module.in_front(rays, turned, both, limit)
        return _best_of_four(rotation, direction, fractions)

    def refined(self, start: CameraMotion, limit: float) -> CameraMotion:
        """As `JointRays.refined`."""
        found = [
            refine_compiled(
                self._module, rays, start[row : row + 1], limit, MAX_STEPS, CONVERGED
            ).motion[0]
            for row, rays in enumerate(self._rays)
        ]
        return stack_motions(found)


def joint_rays(pairs: Sequence[tuple[Rays, Rays]]) -> JointRays | CompiledJointRays:
    """Matched rays of P image pairs for what can compute them best; see `JointRays`."""
    module = compiled_motions()
    return JointRays(pairs) if module is None else CompiledJointRays(module, pairs)


def _decomposed(essentials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both rotations [2, P, 3, 3] and one direction [P, 3] of essential matrices [P, 3, 3]."""
    u, _, vt = np.linalg.svd(essentials)
    u *= np.sign(np.linalg.det(u))[:, None, None]
    vt *= np.sign(np.linalg.det(vt))[:, None, None]
    quarter_turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    return np.stack([u @ quarter_turn @ vt, u @ quarter_turn.T @ vt]), u[:, :, 2]


def _best_of_four(
    rotation: np.ndarray, direction: np.ndarray, fractions: np.ndarray
) -> CameraMotion:
    """Of the four motions of each of P essential matrices the best one.

    Args:
        rotation: [2, P, 3, 3] of `_decomposed`.
        direction: [P, 3] likewise.
        fractions: [2, 2, P] of inliers in front, for both signs of the direction and both
            rotations.
    """
    sign, turn = np.unravel_index(fractions.reshape(4, -1).argmax(axis=0), (2, 2))
    return CameraMotion(
        rotation[turn, np.arange(len(direction))], direction * (1.0 - 2.0 * sign)[:, None]
    )


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[..., K] scalar products of vectors [..., 3, K]."""
    found = first[..., 0, :] * second[..., 0, :]
    found += first[..., 1, :] * second[..., 1, :]
    found += first[..., 2, :] * second[..., 2, :]
    return np.asarray(found)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[P, 3, K] vector products of vectors [P, 3, K]."""
    x, y, z = first[:, 0], first[:, 1], first[:, 2]
    u, v, w = second[:, 0], second[:, 1], second[:, 2]
    found = np.empty_like(first)
    found[:, 0] = y * w - z * v
    found[:, 1] = z * u - x * w
    found[:, 2] = x * v - y * u
    return found


def _times_noise(noise: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """N l [P, 2, K] for covariances N [P, 3, K] and lines l, and l · N l [P, K]."""
    x, y = lines[:, 0], lines[:, 1]
    weighted = np.empty((len(lines), 2, lines.shape[2]))
    weighted[:, 0] = noise[:, 0] * x + noise[:, 1] * y
    weighted[:, 1] = noise[:, 1] * x + noise[:, 2] * y
    return weighted, weighted[:, 0] * x + weighted[:, 1] * y
