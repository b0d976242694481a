"""Loops over the points of three views for bundle adjustment; see bundle_adjustment.py."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled
from fol_vpr.geometry.two_view.compiled_motions import (
    essential_matrix,
    median,
    pack_rays,
    sampson,
    solve,
    turn,
)


@compiled
def linearise(
    xy: np.ndarray,
    to_pixels: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    to_second: np.ndarray,
    position: np.ndarray,
    points: np.ndarray,
    residuals: np.ndarray,
    by_pose: np.ndarray,
    by_baseline: np.ndarray,
    steps: np.ndarray,
    steps_by_pose: np.ndarray,
) -> None:
    """Reprojection errors of K points with the points eliminated, and their derivatives.

    Args:
        xy: [3, K, 2] rays in the query, the first and the second image.
        to_pixels: [3, K, 2, 2] likewise.
        rotation, translation: [3, 3] and [3], of `BundleState`.
        to_second: [3, 3] from the axes of the first camera to those of the second.
        position: [3] of the second camera in the first.
        points: [K, 3] of `BundleState`.
        residuals: [K, 6], to be written as the following ones, which are those of
            `ReducedResiduals`.
        by_pose: [K, 6, 6].
        by_baseline: [K, 6, 6].
        steps: [K, 3], its `points`.
        steps_by_pose: [K, 3, 6], its `points_by_pose`.
    """
    error, by_point, moved = np.empty(6), np.empty((6, 3)), np.empty((2, 6))
    inverse, to_point, left = np.empty((3, 3)), np.empty((3, 6)), np.empty((6, 6))
    rotated, shifted, seen, by_seen = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    second = np.empty((2, 6))
    for k in range(len(points)):
        point = points[k]
        for i in range(3):
            shifted[i] = point[i] - position[i]
            rotated[i] = (
                rotation[i, 0] * point[0] + rotation[i, 1] * point[1] + rotation[i, 2] * point[2]
            )
        for view in range(3):
            for i in range(3):
                if view == 0:
                    seen[i] = rotated[i] + translation[i]
                elif view == 1:
                    seen[i] = point[i]
                else:
                    seen[i] = (
                        to_second[i, 0] * shifted[0]
                        + to_second[i, 1] * shifted[1]
                        + to_second[i, 2] * shifted[2]
                    )
            depth = seen[2] if abs(seen[2]) > 1e-6 else 1e-6
            x, y = seen[0] / depth, seen[1] / depth
            u, v = x - xy[view, k, 0], y - xy[view, k, 1]
            for row in range(2):
                a, b = to_pixels[view, k, row, 0], to_pixels[view, k, row, 1]
                line = 2 * view + row
                error[line] = a * u + b * v
                by_seen[0], by_seen[1] = a / depth, b / depth
                by_seen[2] = -(a * x + b * y) / depth
                for i in range(3):
                    if view == 0:
                        total = by_seen[0] * rotation[0, i] + by_seen[1] * rotation[1, i]
                        by_point[line, i] = total + by_seen[2] * rotation[2, i]
                    elif view == 1:
                        by_point[line, i] = by_seen[i]
                    else:
                        total = by_seen[0] * to_second[0, i] + by_seen[1] * to_second[1, i]
                        by_point[line, i] = total + by_seen[2] * to_second[2, i]
                # By a rotation vector w, which moves what it turns by w x p.
                if view == 0:
                    for i in range(3):
                        one, two = (i + 1) % 3, (i + 2) % 3
                        moved[row, i] = by_seen[i]
                        moved[row, 3 + i] = (
                            rotated[one] * by_seen[two] - rotated[two] * by_seen[one]
                        )
                elif view == 2:
                    for i in range(3):
                        one, two = (i + 1) % 3, (i + 2) % 3
                        p, q = by_point[line, one], by_point[line, two]
                        second[row, i] = -by_point[line, i]
                        second[row, 3 + i] = shifted[two] * p - shifted[one] * q
        invert_normal(by_point, inverse)
        for i in range(3):
            for j in range(6):
                total = 0.0
                for m in range(3):
                    total += inverse[i, m] * by_point[j, m]
                to_point[i, j] = total
        for i in range(6):
            for j in range(6):
                total = 1.0 if i == j else 0.0
                for m in range(3):
                    total -= by_point[i, m] * to_point[m, j]
                left[i, j] = total
        for i in range(6):
            total = 0.0
            for j in range(6):
                total += left[i, j] * error[j]
                by_pose[k, i, j] = left[i, 0] * moved[0, j] + left[i, 1] * moved[1, j]
                by_baseline[k, i, j] = left[i, 4] * second[0, j] + left[i, 5] * second[1, j]
            residuals[k, i] = total
        for i in range(3):
            total = 0.0
            for j in range(6):
                total -= to_point[i, j] * error[j]
                steps_by_pose[k, i, j] = -(
                    to_point[i, 0] * moved[0, j] + to_point[i, 1] * moved[1, j]
                )
            steps[k, i] = total


@compiled
def invert_normal(by_point: np.ndarray, inverse: np.ndarray) -> None:
    """Write the inverse [3, 3] of the normal matrix of derivatives [6, 3], damped a little."""
    a = b = c = d = e = f = 0.0
    for i in range(6):
        x, y, z = by_point[i]
        a, b, c = a + x * x, b + x * y, c + x * z
        d, e, f = d + y * y, e + y * z, f + z * z
    damping = 1e-9 * (a + d + f)
    a, d, f = a + damping, d + damping, f + damping
    xx, xy, xz = d * f - e * e, c * e - b * f, b * e - c * d
    over = 1 / (a * xx + b * xy + c * xz)
    inverse[0, 0], inverse[1, 1], inverse[2, 2] = (
        xx * over,
        (a * f - c * c) * over,
        (a * d - b * b) * over,
    )
    inverse[0, 1] = inverse[1, 0] = xy * over
    inverse[0, 2] = inverse[2, 0] = xz * over
    inverse[1, 2] = inverse[2, 1] = (b * c - a * e) * over


@compiled
def normal_equations(
    residuals: np.ndarray, by_pose: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """[7, 6] normal matrix of the pose and, in the last row, the gradient.

    Args:
        residuals: [K, 6].
        by_pose: [K, 6, 6].
        weights: [K].
    """
    found = np.zeros((7, 6))
    for k in range(len(weights)):
        for line in range(6):
            for i in range(6):
                weighted = weights[k] * by_pose[k, line, i]
                for j in range(6):
                    found[i, j] += weighted * by_pose[k, line, j]
                found[6, i] += weighted * residuals[k, line]
    return found


@compiled
def weigh(
    residuals: np.ndarray,
    limit: float,
    settings: tuple[float, float, float],
    weights: np.ndarray,
    scratch: np.ndarray,
) -> None:
    """Tukey's weights of the points, see `bundle_adjustment.adjusted`.

    Args:
        residuals: [K, 6].
        limit: pixels beyond which an observation does not count.
        settings: of `adjust`.
        weights: [K], to be written.
        scratch: [K], of any content.
    """
    tukey, mad_to_sigma, min_sigma = settings
    within = 0
    for k in range(len(weights)):
        square = 0.0
        for line in range(6):
            square += residuals[k, line] * residuals[k, line]
        weights[k] = math.sqrt(square / 3)
        scratch[within] = weights[k]
        within += weights[k] <= limit
    sigma = max(mad_to_sigma * median(scratch, within), 1e-6) if within else limit
    scale = 1 / (tukey * max(sigma, min_sigma))
    for k in range(len(weights)):
        scaled = min(weights[k] * scale, 1.0)
        weights[k] = (1 - scaled * scaled) ** 2


@compiled
def adjust(
    xy: np.ndarray,
    to_pixels: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    to_second: np.ndarray,
    position: np.ndarray,
    points: np.ndarray,
    residuals: np.ndarray,
    by_pose: np.ndarray,
    by_baseline: np.ndarray,
    steps: np.ndarray,
    steps_by_pose: np.ndarray,
    weights: np.ndarray,
    limit: float,
    max_steps: int,
    converged: float,
    settings: tuple[float, float, float],
) -> None:
    """As `bundle_adjustment.bundle_adjust`; all arguments up to `limit` as of `linearise`.

    Args:
        xy: see there.
        to_pixels: likewise.
        rotation: likewise, replaced by the refined one; and so are the translation and the points.
        translation: likewise.
        to_second: likewise.
        position: likewise.
        points: likewise.
        residuals: likewise, at the end; and so are the following ones.
        by_pose: likewise.
        by_baseline: likewise.
        steps: likewise.
        steps_by_pose: likewise.
        weights: [K], to be written.
        limit: pixels beyond which an observation does not count.
        max_steps: most Gauss-Newton steps.
        converged: metres and radians; a step whose largest entry is smaller is the last one.
        settings: TUKEY and MAD_TO_SIGMA of motion_fit.py, and its MIN_SIGMA.
    """
    scratch, normal, step = np.empty(len(weights)), np.empty((6, 6)), np.empty(6)
    for number in range(max_steps + 1):
        linearise(
            xy, to_pixels, rotation, translation, to_second, position, points,
            residuals, by_pose, by_baseline, steps, steps_by_pose,
        )  # fmt: skip
        weigh(residuals, limit, settings, weights, scratch)
        if number == max_steps or (number and np.abs(step).max() < converged):
            break
        found = normal_equations(residuals, by_pose, weights)
        trace = 0.0
        for i in range(6):
            trace += found[i, i]
        for i in range(6):
            step[i] = -found[6, i]
            for j in range(6):
                normal[i, j] = found[i, j]
            normal[i, i] += 1e-9 * trace
        solve(normal, step)
        for k in range(len(points)):
            for axis in range(3):
                moved = steps[k, axis]
                for i in range(6):
                    moved += steps_by_pose[k, axis, i] * step[i]
                points[k, axis] += moved
        turn(rotation, step[3], step[4], step[5])
        for axis in range(3):
            translation[axis] += step[axis]


@compiled
def triangulate(
    rays: np.ndarray, rotation: np.ndarray, direction: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Matched rays that agree with a motion, and how far away they meet.

    Args:
        rays: [10, K] of `compiled_motions.pack_rays`.
        rotation: [3, 3] and `direction` [3] of the motion; see `CameraMotion`.
        direction: likewise.
        limit: largest Sampson distance, pixels.

    Returns:
        [M] their rows, and [M] the depths in the first image, in units of the translation's
        length.
    """
    r, t, e = rotation, direction, essential_matrix(rotation, direction)
    rows, depths = np.empty(rays.shape[1], np.int64), np.empty(rays.shape[1])
    count = 0
    for k in range(rays.shape[1]):
        if not abs(sampson(rays, e, k)) <= limit:
            continue
        qx, qy, rx, ry = rays[0, k], rays[1, k], rays[2, k], rays[3, k]
        sx = r[0, 0] * rx + r[0, 1] * ry + r[0, 2]
        sy = r[1, 0] * rx + r[1, 1] * ry + r[1, 2]
        sz = r[2, 0] * rx + r[2, 1] * ry + r[2, 2]
        cosine, theirs = qx * sx + qy * sy + sz, t[0] * sx + t[1] * sy + t[2] * sz
        ours = t[0] * qx + t[1] * qy + t[2]
        square_q, square_r = qx * qx + qy * qy + 1, rx * rx + ry * ry + 1
        of_q = square_r * ours - cosine * theirs
        of_r = cosine * ours - square_q * theirs
        if of_q > 0 and of_r > 0:
            rows[count], depths[count] = k, of_q / (square_q * square_r - cosine * cosine + 1e-18)
            count += 1
    return rows[:count], depths[:count]


def compile_all() -> None:
    """Compile what is above."""
    xy, to_pixels, points = np.zeros((3, 8, 2)), np.zeros((3, 8, 2, 2)), np.ones((8, 3))
    (by_pose, by_baseline), residuals = np.zeros((2, 8, 6, 6)), np.zeros((8, 6))
    adjust(
        xy, to_pixels, np.eye(3), np.ones(3), np.eye(3), np.ones(3), points, residuals, by_pose,
        by_baseline, np.zeros((8, 3)), np.zeros((8, 3, 6)), np.ones(8), 4.0, 1, 1e-4,
        (4.685, 1.4826, 0.25),
    )  # fmt: skip
    rays = pack_rays(xy[0], to_pixels[0], xy[1], to_pixels[1])
    triangulate(rays, np.eye(3), np.ones(3), 4.0)
