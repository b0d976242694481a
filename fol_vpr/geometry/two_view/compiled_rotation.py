"""Loops over matched rays for a pure rotation or a homography; see models.py."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled
from fol_vpr.geometry.two_view.compiled_motions import median, solve, turn

# Sweeps of Jacobi's method; four suffice for a matrix of 4 x 4.
MAX_SWEEPS = 12


@compiled
def squared_distances(
    query_xy: np.ndarray, to_pixels: np.ndarray, reference_xy: np.ndarray, rotation: np.ndarray
) -> np.ndarray:
    """[K] as `models.squared_rotation_distances`, for `xy` and `to_pixels` of K rays."""
    r, count = rotation, len(query_xy)
    found = np.empty(count)
    for k in range(count):
        x, y = reference_xy[k, 0], reference_xy[k, 1]
        depth = max(r[2, 0] * x + r[2, 1] * y + r[2, 2], 1e-3)
        u = (r[0, 0] * x + r[0, 1] * y + r[0, 2]) / depth - query_xy[k, 0]
        v = (r[1, 0] * x + r[1, 1] * y + r[1, 2]) / depth - query_xy[k, 1]
        right = to_pixels[k, 0, 0] * u + to_pixels[k, 0, 1] * v
        down = to_pixels[k, 1, 0] * u + to_pixels[k, 1, 1] * v
        found[k] = (right * right + down * down) / 2
    return found


@compiled
def squared_transfers(
    matrix: np.ndarray, back: np.ndarray, query: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """[K] as `models.squared_transfer_distances`.

    Args:
        matrix: [3, 3] that takes the reference to the query.
        back: [3, 3] its inverse.
        query, reference: [K, 2] matched positions.
    """
    found = np.zeros(len(query))
    for way in range(2):
        m = matrix if way == 0 else back
        source = reference if way == 0 else query
        target = query if way == 0 else reference
        for k in range(len(query)):
            x, y = source[k, 0], source[k, 1]
            depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
            u = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / depth
            v = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / depth
            if not math.isfinite(u):
                u = -1e6 if u < 0 else 1e6
            if not math.isfinite(v):
                v = -1e6 if v < 0 else 1e6
            right, down = u - target[k, 0], v - target[k, 1]
            found[k] += (right * right + down * down) / 4
    return found


@compiled
def covariance(
    query_xy: np.ndarray, reference_xy: np.ndarray, squares: np.ndarray, scale: float
) -> np.ndarray:
    """[3, 3] sum of the products of unit rays, each with the weight of its squared distance.

    Args:
        query_xy, reference_xy: [K, 2].
        squares: [K] squared distances, pixels².
        scale: of the weights, pixels².
    """
    found = np.zeros((3, 3))
    for k in range(len(squares)):
        x, y, u, v = query_xy[k, 0], query_xy[k, 1], reference_xy[k, 0], reference_xy[k, 1]
        loss = 1 + squares[k] / scale
        weight = 1 / (loss * loss * math.sqrt((x * x + y * y + 1) * (u * u + v * v + 1)))
        x, y = weight * x, weight * y
        found[0, 0] += x * u
        found[0, 1] += x * v
        found[0, 2] += x
        found[1, 0] += y * u
        found[1, 1] += y * v
        found[1, 2] += y
        found[2, 0] += weight * u
        found[2, 1] += weight * v
        found[2, 2] += weight
    return found


@compiled
def normal_equations(
    query_xy: np.ndarray,
    to_pixels: np.ndarray,
    reference_xy: np.ndarray,
    rotation: np.ndarray,
    limit: float,
) -> np.ndarray:
    """[4, 4] products of the derivatives by a rotation vector and of the errors, with weights.

    Args:
        query_xy, reference_xy: [K, 2].
        to_pixels: [K, 2, 2] of the query's rays.
        rotation: [3, 3].
        limit: scale of the weights, pixels.
    """
    r, found, line = rotation, np.zeros((4, 4)), np.empty(4)
    for k in range(len(query_xy)):
        x, y = reference_xy[k, 0], reference_xy[k, 1]
        length = math.sqrt(x * x + y * y + 1)
        # The reference's unit ray in the axes of the query.
        a = (r[0, 0] * x + r[0, 1] * y + r[0, 2]) / length
        b = (r[1, 0] * x + r[1, 1] * y + r[1, 2]) / length
        c = (r[2, 0] * x + r[2, 1] * y + r[2, 2]) / length
        depth = max(c, 1e-3)
        u, v = a / depth - query_xy[k, 0], b / depth - query_xy[k, 1]
        error = (
            to_pixels[k, 0, 0] * u + to_pixels[k, 0, 1] * v,
            to_pixels[k, 1, 0] * u + to_pixels[k, 1, 1] * v,
        )
        loss = 1 + (error[0] * error[0] + error[1] * error[1]) / (2 * limit * limit)
        weight = 1 / (loss * loss)
        # A turn about X moves the ray by (0, -c, b), one about Y by (c, 0, -a).
        u, v = a / c, b / c
        for row in range(2):
            p, q = to_pixels[k, row, 0], to_pixels[k, row, 1]
            line[0] = -p * u * v - q * (1 + v * v)
            line[1] = p * (1 + u * u) + q * u * v
            line[2] = -p * v + q * u
            line[3] = error[row]
            for i in range(4):
                for j in range(4):
                    found[i, j] += weight * line[i] * line[j]
    return found


@compiled
def nearest_rotation(covariance: np.ndarray) -> np.ndarray:
    """[3, 3] the rotation R of largest trace of Rᵀ C, for the sum of products of rays C [3, 3].

    Its quaternion is the eigenvector of the largest eigenvalue of Horn's symmetric matrix (JOSA A
    4(4), 1987), found by Jacobi's rotations. It is that of Kabsch where all three singular values
    differ.
    """
    c = covariance
    n = np.empty((4, 4))
    n[0, 0] = c[0, 0] + c[1, 1] + c[2, 2]
    n[1, 1] = c[0, 0] - c[1, 1] - c[2, 2]
    n[2, 2] = c[1, 1] - c[0, 0] - c[2, 2]
    n[3, 3] = c[2, 2] - c[0, 0] - c[1, 1]
    n[0, 1] = n[1, 0] = c[2, 1] - c[1, 2]
    n[0, 2] = n[2, 0] = c[0, 2] - c[2, 0]
    n[0, 3] = n[3, 0] = c[1, 0] - c[0, 1]
    n[1, 2] = n[2, 1] = c[0, 1] + c[1, 0]
    n[1, 3] = n[3, 1] = c[0, 2] + c[2, 0]
    n[2, 3] = n[3, 2] = c[1, 2] + c[2, 1]
    axes = np.eye(4)
    for _ in range(MAX_SWEEPS):
        off = size = 0.0
        for i in range(4):
            size += n[i, i] * n[i, i]
            for j in range(i):
                off += n[i, j] * n[i, j]
        if not off > 1e-32 * size:
            break
        for i in range(4):
            for j in range(i):
                if n[i, j] == 0:
                    continue
                half = (n[j, j] - n[i, i]) / (2 * n[i, j])
                tangent = math.copysign(1.0, half) / (abs(half) + math.sqrt(half * half + 1))
                cosine = 1 / math.sqrt(tangent * tangent + 1)
                sine = tangent * cosine
                for k in range(4):
                    n[k, i], n[k, j] = (
                        cosine * n[k, i] - sine * n[k, j],
                        sine * n[k, i] + cosine * n[k, j],
                    )
                for k in range(4):
                    n[i, k], n[j, k] = (
                        cosine * n[i, k] - sine * n[j, k],
                        sine * n[i, k] + cosine * n[j, k],
                    )
                for k in range(4):
                    axes[k, i], axes[k, j] = (
                        cosine * axes[k, i] - sine * axes[k, j],
                        sine * axes[k, i] + cosine * axes[k, j],
                    )
    best = 0
    for i in range(1, 4):
        if n[i, i] > n[best, best]:
            best = i
    w, x, y, z = axes[0, best], axes[1, best], axes[2, best], axes[3, best]
    found = np.empty((3, 3))
    found[0, 0], found[0, 1], found[0, 2] = (
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)
    )  # fmt: skip
    found[1, 0], found[1, 1], found[1, 2] = (
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)
    )  # fmt: skip
    found[2, 0], found[2, 1], found[2, 2] = (
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)
    )  # fmt: skip
    return found


@compiled
def fit(
    query_xy: np.ndarray,
    to_pixels: np.ndarray,
    reference_xy: np.ndarray,
    limit: float,
    kabsch_steps: int,
    newton_steps: int,
) -> np.ndarray:
    """[3, 3] as `models.fit_rotation`.

    Args:
        query_xy, reference_xy: [K, 2], K at least 1.
        to_pixels: [K, 2, 2] of the query's rays.
        limit: scale of the weights, pixels.
        kabsch_steps, newton_steps: iterations.
    """
    rotation = np.eye(3)
    squares, scale = np.zeros(len(query_xy)), 1.0
    for _ in range(kabsch_steps):
        rotation = nearest_rotation(covariance(query_xy, reference_xy, squares, scale))
        squares = squared_distances(query_xy, to_pixels, reference_xy, rotation)
        scale = max(limit * limit, median(squares.copy(), len(squares)))
    for _ in range(newton_steps):
        products = normal_equations(query_xy, to_pixels, reference_xy, rotation, limit)
        damping = 1e-9 * (products[0, 0] + products[1, 1] + products[2, 2])
        normal, step = np.empty((3, 3)), np.empty(3)
        for i in range(3):
            step[i] = -products[i, 3]
            for j in range(3):
                normal[i, j] = products[i, j]
            normal[i, i] += damping
        solve(normal, step)
        turn(rotation, step[0], step[1], step[2])
    return rotation


def compile_all() -> None:
    """Compile what is above."""
    xy, to_pixels = np.eye(8, 2), np.tile(np.eye(2), (8, 1, 1))
    fit(xy, to_pixels, xy, 4.0, 1, 1)
    squared_distances(xy, to_pixels, xy, np.eye(3))
    squared_transfers(np.eye(3), np.eye(3), xy, xy)
