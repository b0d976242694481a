"""Loops over matched rays for the pure rotation that fits them; see `models.fit_rotation`."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled


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


def compile_all() -> None:
    """Compile what is above."""
    xy, to_pixels, rotation = np.zeros((8, 2)), np.tile(np.eye(2), (8, 1, 1)), np.eye(3)
    covariance(xy, xy, squared_distances(xy, to_pixels, xy, rotation), 1.0)
    normal_equations(xy, to_pixels, xy, rotation, 4.0)
