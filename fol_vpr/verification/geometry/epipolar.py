"""Rotation and direction of translation between two calibrated images, and how well known.

The pose is that of the reference's camera in the query's: a point at `X` in the reference is at
`R X + t` in the query, and its rays obey `q · (t × R r) = 0` (Longuet-Higgins).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fol_vpr.rigid import cross_matrix, rotation_about
from fol_vpr.verification.geometry.rays import Rays

STEPS = 15
CONVERGED = 1e-5
# Tukey's weight: of the spread of good matches, this many keep 95 % of what least squares knows.
TUKEY = 4.685
# Times the usual leverage, beyond which a match counts less.
LEVERAGE = 3.0
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False)
class Motion:
    """Pose of the reference's camera in the query's: rotation [3, 3] and unit direction [3]."""

    rotation: np.ndarray
    direction: np.ndarray

    @property
    def essential(self) -> np.ndarray:
        """[3, 3] matrix of which `q @ E @ r` is 0."""
        return np.asarray(cross_matrix(self.direction) @ self.rotation)

    def moved(self, step: np.ndarray) -> Motion:
        """After a step [5]: two along the sphere of directions, three of rotation."""
        direction = self.direction + self.tangents @ step[:2]
        turned = rotation_about(step[2:]) @ self.rotation
        return Motion(turned, direction / np.linalg.norm(direction))

    @property
    def tangents(self) -> np.ndarray:
        """[3, 2] unit vectors across the direction, and across each other."""
        away = np.eye(3)[np.argmin(np.abs(self.direction))]
        first = np.cross(self.direction, away)
        first /= np.linalg.norm(first)
        return np.stack([first, np.cross(self.direction, first)], axis=1)


@dataclass(frozen=True, eq=False)
class Fit:
    """A motion as refined from rays.

    Attributes:
        residuals: [K] Sampson distances in pixels of a 640 px wide image.
        sigma: their robust standard deviation, pixels.
        weights: [K], 0 where a match did not count, to 1.
        jacobian: [K, 5] derivatives of the residuals by a step of `Motion.moved`.
        behind: [K] bool, matches that would clearly lie behind a camera.
    """

    motion: Motion
    residuals: np.ndarray
    sigma: float
    weights: np.ndarray
    jacobian: np.ndarray
    behind: np.ndarray

    def cost(self, limit: float) -> float:
        """What the matches speak against the motion; one behind a camera does as an outlier."""
        worst = np.where(self.behind, np.maximum(np.abs(self.residuals), limit), self.residuals)
        return float(robust_cost(worst, limit))


class Pairs:
    """Rays of matches in query and reference, prepared for residuals.

    Args:
        query, reference: [K], all valid.
    """

    def __init__(self, query: Rays, reference: Rays) -> None:
        self.query, self.reference = query, reference
        self.q, self.r = query.directions, reference.directions
        self._noise_q, self._noise_r = (_noise(rays) for rays in (query, reference))

    def __getitem__(self, rows: np.ndarray) -> Pairs:
        """Some of them."""
        return Pairs(self.query[rows], self.reference[rows])

    def residuals(self, essential: np.ndarray) -> np.ndarray:
        """Signed Sampson distances in pixels, [..., K] for essential matrices [..., 3, 3]."""
        error, lines_q, lines_r = self._lines(essential)
        return np.asarray(error / np.sqrt(self._variance(lines_q, lines_r)))

    def linearised(self, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
        """Residuals [K], and their derivatives [K, 5] by a step of `Motion.moved`."""
        error, lines_q, lines_r = self._lines(motion.essential)
        variance = self._variance(lines_q, lines_r)
        error_by, lines_q_by, lines_r_by = self._lines(_essential_changes(motion))
        half_variance_by = _product(lines_q, self._noise_q, lines_q_by) + _product(
            lines_r, self._noise_r, lines_r_by
        )
        root = np.sqrt(variance)
        return error / root, ((error_by - half_variance_by * (error / variance)) / root).T

    def _lines(self, essential: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Errors [..., K], and x and y of the epipolar lines [..., 2, K] in both images."""
        lines_q = essential @ self.r.T
        lines_r = np.swapaxes(essential, -1, -2) @ self.q.T
        error = (self.q.T * lines_q).sum(axis=-2)
        return error, lines_q[..., :2, :], lines_r[..., :2, :]

    def _variance(self, lines_q: np.ndarray, lines_r: np.ndarray) -> np.ndarray:
        of_q = _product(lines_q, self._noise_q, lines_q)
        return np.asarray(of_q + _product(lines_r, self._noise_r, lines_r) + 1e-18)

    def depths(self, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
        """[K] depths in query and reference, in units of the translation's length."""
        turned = self.r @ motion.rotation.T
        normal = np.cross(turned, self.q)
        square = np.einsum('ki,ki->k', normal, normal) + 1e-18
        of_q = np.einsum('ki,ki->k', np.cross(turned, motion.direction), normal) / square
        of_r = np.einsum('ki,ki->k', np.cross(self.q, motion.direction), normal) / square
        return of_q, of_r

    def in_front(self, motion: Motion, limit: float) -> float:
        """Share of the matches within the limit (pixels) that lie in front of both cameras.

        Each counts by its parallax: the side of those at infinity is noise.
        """
        within = np.abs(self.residuals(motion.essential)) <= limit
        if not within.any():
            return 0.0
        of_q, of_r = (depths[within] for depths in self.depths(motion))
        parallax = np.minimum(1 / (1e-12 + np.abs(of_q)) + 1 / (1e-12 + np.abs(of_r)), 1.0)
        return float(np.sum(parallax * ((of_q > 0) & (of_r > 0))) / np.sum(parallax))


def _noise(rays: Rays) -> np.ndarray:
    """[3, K] covariance of the rays for an error of one pixel: of x, of both, of y."""
    inverse = np.linalg.inv(rays.to_pixels)
    covariance = inverse @ inverse.transpose(0, 2, 1)
    return np.stack([covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]])


def _product(left: np.ndarray, noise: np.ndarray, right: np.ndarray) -> np.ndarray:
    """[..., K] of vectors [..., 2, K] with a symmetric matrix between them."""
    across = left[..., 0, :] * right[..., 1, :] + left[..., 1, :] * right[..., 0, :]
    return np.asarray(
        left[..., 0, :] * noise[0] * right[..., 0, :]
        + across * noise[1]
        + left[..., 1, :] * noise[2] * right[..., 1, :]
    )


def _essential_changes(motion: Motion) -> np.ndarray:
    """[5, 3, 3] derivatives of the essential matrix by a step."""
    by_direction = [cross_matrix(tangent) @ motion.rotation for tangent in motion.tangents.T]
    across = cross_matrix(motion.direction)
    by_rotation = [across @ cross_matrix(axis) @ motion.rotation for axis in np.eye(3)]
    return np.stack(by_direction + by_rotation)


def motions_of(essential: np.ndarray) -> list[Motion]:
    """The four motions that an essential matrix may stand for (Hartley and Zisserman, 9.6.2)."""
    u, _, vt = np.linalg.svd(essential)
    u, vt = u * np.sign(np.linalg.det(u)), vt * np.sign(np.linalg.det(vt))
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    direction = u[:, 2]
    rotations = (u @ quarter @ vt, u @ quarter.T @ vt)
    return [Motion(r, sign * direction) for r in rotations for sign in (1.0, -1.0)]


def refine(pairs: Pairs, start: Motion, limit: float, steps: int = STEPS) -> Fit:
    """Gauss-Newton over SO(3) x S² on Sampson distances, with weights that bound every influence.

    A wrong match may be displaced ten times as far as the right ones, and so say a hundred times
    as much of the direction as each of them. Tukey's weight is for its residual, Mallows' for
    that leverage (Hampel et al., Robust Statistics, 1986, 6.3).

    Args:
        limit: pixels beyond which a match is none, whatever the spread of the others.
        steps: most that are made.
    """
    fit = _weighted(pairs, start, limit)
    for _ in range(steps):
        weighted = fit.jacobian * fit.weights[:, None]
        normal = weighted.T @ fit.jacobian
        damping = 1e-9 * np.trace(normal) * np.eye(5) + 1e-12 * np.eye(5)
        step = -np.linalg.solve(normal + damping, weighted.T @ fit.residuals)
        longest = float(np.abs(step).max())
        fit = _weighted(pairs, fit.motion.moved(step * min(1.0, 0.3 / max(longest, 1e-12))), limit)
        if longest < CONVERGED:
            break
    return fit


def _weighted(pairs: Pairs, motion: Motion, limit: float) -> Fit:
    residuals, jacobian = pairs.linearised(motion)
    sigma = spread(residuals, limit)
    weights = tukey_weights(residuals, sigma)
    # Of the direction alone: all matches say about as much of the rotation.
    by_direction = jacobian[:, :2]
    normal = (by_direction * weights[:, None]).T @ by_direction
    try:
        whitened = by_direction @ np.linalg.inv(np.linalg.cholesky(normal)).T
    except np.linalg.LinAlgError:
        return Fit(motion, residuals, sigma, weights, jacobian, np.zeros(len(residuals), bool))
    leverage = (whitened**2).sum(axis=1)
    usual = float(np.median(leverage[weights > 0])) if (weights > 0).any() else 0.0
    bound = LEVERAGE * usual / np.maximum(leverage, LEVERAGE * usual + 1e-18)
    of_q, of_r = pairs.depths(motion)
    behind = ((of_q < 0) | (of_r < 0)) & (leverage > usual)
    return Fit(motion, residuals, sigma, weights * bound * ~behind, jacobian, behind)


def spread(residuals: np.ndarray, limit: float) -> float:
    """Robust standard deviation of the residuals within the limit, in their unit."""
    within = np.abs(residuals)[np.abs(residuals) <= limit]
    if not len(within):
        return limit
    return max(MAD_TO_SIGMA * float(np.median(within)), 1e-6)


def tukey_weights(residuals: np.ndarray, sigma: float) -> np.ndarray:
    """[K] weights, from 1 to 0 at 4.7 standard deviations (Tukey's biweight)."""
    share = np.minimum(np.abs(residuals) / (TUKEY * sigma), 1.0)
    return np.asarray((1 - share**2) ** 2)


def robust_cost(residuals: np.ndarray, limit: float) -> np.ndarray:
    """What residuals [..., K] speak against a motion (Cauchy's loss, mean over the matches)."""
    return np.asarray(np.log1p((2 * residuals / limit) ** 2).mean(axis=-1))
