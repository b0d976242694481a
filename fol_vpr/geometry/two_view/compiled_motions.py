"""Loops over matched rays for the refinement and the comparison of relative motions.

The same estimator as in motion_fit.py and epipolar.py, which say what is computed and why. There
NumPy makes some sixty calls for a step of all motions; here a step of a motion is one loop.

Numba's cache of a function does not see changes in other files. So what these functions call is
in this file, and settings of the NumPy version are arguments.
"""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.compiled import compiled


@compiled
def pack_rays(
    query_xy: np.ndarray,
    query_to_pixels: np.ndarray,
    reference_xy: np.ndarray,
    reference_to_pixels: np.ndarray,
) -> np.ndarray:
    """What the other functions take of K matched rays, the `xy` and `to_pixels` of `Rays`.

    Returns:
        [10, K] float64: x and y of the query's rays, x and y of the reference's, then for each of
        both the covariance of `epipolar.ray_noise`.
    """
    count = len(query_xy)
    found = np.empty((10, count))
    for image in range(2):
        xy = query_xy if image == 0 else reference_xy
        to_pixels = query_to_pixels if image == 0 else reference_to_pixels
        for k in range(count):
            a, b = to_pixels[k, 0, 0], to_pixels[k, 0, 1]
            c, d = to_pixels[k, 1, 0], to_pixels[k, 1, 1]
            over = 1 / (a * d - b * c) ** 2
            found[2 * image, k], found[2 * image + 1, k] = xy[k, 0], xy[k, 1]
            found[4 + 3 * image, k] = (d * d + b * b) * over
            found[5 + 3 * image, k] = -(c * d + a * b) * over
            found[6 + 3 * image, k] = (a * a + c * c) * over
    return found


@compiled
def median(values: np.ndarray, count: int) -> float:
    """Median of the first `count` values, which it reorders; 0 of none."""
    if count == 0:
        return 0.0
    middle = (count - 1) // 2
    low, high = 0, count - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break
    found = values[middle]
    if count % 2 == 0:
        above = values[middle + 1]
        for i in range(middle + 2, count):
            above = min(above, values[i])
        found = (found + above) / 2
    return float(found)


@compiled
def solve(matrix: np.ndarray, vector: np.ndarray) -> None:
    """Replace a vector [N] by the solution of the system of a matrix [N, N], which is lost."""
    count = len(vector)
    for column in range(count):
        pivot = column
        for row in range(column + 1, count):
            if abs(matrix[row, column]) > abs(matrix[pivot, column]):
                pivot = row
        if pivot != column:
            for i in range(column, count):
                matrix[column, i], matrix[pivot, i] = matrix[pivot, i], matrix[column, i]
            vector[column], vector[pivot] = vector[pivot], vector[column]
        for row in range(column + 1, count):
            factor = matrix[row, column] / matrix[column, column]
            for i in range(column + 1, count):
                matrix[row, i] -= factor * matrix[column, i]
            vector[row] -= factor * vector[column]
    for row in range(count - 1, -1, -1):
        for i in range(row + 1, count):
            vector[row] -= matrix[row, i] * vector[i]
        vector[row] /= matrix[row, row]


@compiled
def turn(rotation: np.ndarray, x: float, y: float, z: float) -> None:
    """Turn a rotation [3, 3] by a rotation vector, see `rigid.rotation_from_vector`."""
    angle = math.sqrt(x * x + y * y + z * z)
    first = math.sin(angle) / angle if angle > 1e-8 else 1.0
    half = math.sin(angle / 2) / (angle / 2) if angle > 1e-8 else 1.0
    second = half * half / 2
    for column in range(3):
        u, v, w = rotation[0, column], rotation[1, column], rotation[2, column]
        a, b, c = y * w - z * v, z * u - x * w, x * v - y * u
        rotation[0, column] = u + first * a + second * (y * c - z * b)
        rotation[1, column] = v + first * b + second * (z * a - x * c)
        rotation[2, column] = w + first * c + second * (x * b - y * a)


@compiled
def tangents(direction: np.ndarray) -> np.ndarray:
    """[3, 2], see `CameraMotion.tangents`."""
    x, y, z = direction
    sign = math.copysign(1.0, z)
    a = -1 / (sign + z)
    b = x * y * a
    found = np.empty((3, 2))
    found[0, 0], found[0, 1] = 1 + sign * x * x * a, b
    found[1, 0], found[1, 1] = sign * b, sign + y * y * a
    found[2, 0], found[2, 1] = -sign * x, -y
    return found


@compiled
def essential_matrix(rotation: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """[3, 3], see `CameraMotion.essential`."""
    x, y, z = direction
    found = np.empty((3, 3))
    for column in range(3):
        u, v, w = rotation[0, column], rotation[1, column], rotation[2, column]
        found[0, column] = y * w - z * v
        found[1, column] = z * u - x * w
        found[2, column] = x * v - y * u
    return found


@compiled
def linearise(
    rays: np.ndarray,
    rotation: np.ndarray,
    direction: np.ndarray,
    residuals: np.ndarray,
    jacobian: np.ndarray,
    behind: np.ndarray,
) -> None:
    """Residuals of a motion, their derivatives, and which points are behind a camera.

    The derivatives are those of `JointRays`, as products of vectors.

    Args:
        rays: [10, K] of `pack_rays`.
        rotation: [3, 3].
        direction: [3].
        residuals: [K], to be written.
        jacobian: [5, K], to be written.
        behind: [K] bool, to be written.
    """
    e, t, along = essential_matrix(rotation, direction), direction, tangents(direction)
    for k in range(rays.shape[1]):
        qx, qy, rx, ry = rays[0, k], rays[1, k], rays[2, k], rays[3, k]
        # Epipolar lines in the query and in the reference, and these times the rays' covariance.
        lx = e[0, 0] * rx + e[0, 1] * ry + e[0, 2]
        ly = e[1, 0] * rx + e[1, 1] * ry + e[1, 2]
        lz = e[2, 0] * rx + e[2, 1] * ry + e[2, 2]
        mx = e[0, 0] * qx + e[1, 0] * qy + e[2, 0]
        my = e[0, 1] * qx + e[1, 1] * qy + e[2, 1]
        nx, ny = rays[4, k] * lx + rays[5, k] * ly, rays[5, k] * lx + rays[6, k] * ly
        ox, oy = rays[7, k] * mx + rays[8, k] * my, rays[8, k] * mx + rays[9, k] * my
        variance = nx * lx + ny * ly + ox * mx + oy * my + 1e-18
        root = 1 / math.sqrt(variance)
        residual = (qx * lx + qy * ly + lz) * root
        residuals[k] = residual
        scaled = residual * root * root
        ax, ay, az = qx * root - scaled * nx, qy * root - scaled * ny, root
        ox *= scaled
        oy *= scaled
        bx = rotation[0, 0] * ox + rotation[0, 1] * oy
        by = rotation[1, 0] * ox + rotation[1, 1] * oy
        bz = rotation[2, 0] * ox + rotation[2, 1] * oy
        # The reference's ray in the axes of the query.
        sx = rotation[0, 0] * rx + rotation[0, 1] * ry + rotation[0, 2]
        sy = rotation[1, 0] * rx + rotation[1, 1] * ry + rotation[1, 2]
        sz = rotation[2, 0] * rx + rotation[2, 1] * ry + rotation[2, 2]
        cx = sy * az - sz * ay - by + bz * qy
        cy = sz * ax - sx * az - bz * qx + bx
        cz = sx * ay - sy * ax - bx * qy + by * qx
        jacobian[0, k] = along[0, 0] * cx + along[1, 0] * cy + along[2, 0] * cz
        jacobian[1, k] = along[0, 1] * cx + along[1, 1] * cy + along[2, 1] * cz
        ahead = t[0] * sx + t[1] * sy + t[2] * sz
        other = t[0] * bx + t[1] * by + t[2] * bz
        across = sx * ax + sy * ay + sz * az - bx * qx - by * qy - bz
        jacobian[2, k] = ax * ahead - qx * other - t[0] * across
        jacobian[3, k] = ay * ahead - qy * other - t[1] * across
        jacobian[4, k] = az * ahead - other - t[2] * across
        cosine = qx * sx + qy * sy + sz
        ours = t[0] * qx + t[1] * qy + t[2]
        of_q = (rx * rx + ry * ry + 1) * ours - cosine * ahead
        of_r = cosine * ours - (qx * qx + qy * qy + 1) * ahead
        behind[k] = (of_q < 0) | (of_r < 0)


@compiled
def weigh(
    counted: np.ndarray,
    limit: float,
    settings: tuple[float, float, float, float],
    residuals: np.ndarray,
    jacobian: np.ndarray,
    weights: np.ndarray,
    behind: np.ndarray,
    scratch: np.ndarray,
) -> float:
    """Weights of the matches of a motion, see `motion_fit.refine_motions`.

    Args:
        counted: [K] bool, the matches that count.
        limit: pixels beyond which a match is an outlier in any case.
        settings: of `refine`.
        residuals: [K] of `linearise`.
        jacobian: [5, K] likewise.
        weights: [K], to be written.
        behind: [K] bool of `linearise`; left are those with a large leverage.
        scratch: [2, K], of any content.

    Returns:
        The robust standard deviation of the residuals, pixels.
    """
    count, values, leverage = len(residuals), scratch[0], scratch[1]
    tukey, mad_to_sigma, max_leverage, _ = settings
    within = 0
    for k in range(count):
        distance = abs(residuals[k])
        values[within] = distance
        within += counted[k] & (distance <= limit)
    sigma = max(mad_to_sigma * median(values, within), 1e-6) if within else limit
    scale = 1 / (tukey * sigma)
    a = b = c = 0.0
    for k in range(count):
        scaled = min(abs(residuals[k]) * scale, 1.0)
        weight = (1 - scaled * scaled) ** 2 if counted[k] else 0.0
        weights[k] = weight
        a += jacobian[0, k] * jacobian[0, k] * weight
        b += jacobian[0, k] * jacobian[1, k] * weight
        c += jacobian[1, k] * jacobian[1, k] * weight
    over = 1 / max(a * c - b * b, 1e-12 * a * c + 1e-300)
    some = 0
    for k in range(count):
        x, y = jacobian[0, k], jacobian[1, k]
        square = (c * x - 2 * b * y) * x + a * y * y
        leverage[k] = max(square, 0.0) * over
        values[some] = leverage[k]
        some += weights[k] > 0
    usual = median(values, some)
    bound = max_leverage * usual
    for k in range(count):
        behind[k] &= leverage[k] > usual
        weights[k] *= 0.0 if behind[k] else bound / max(leverage[k], bound + 1e-18)
    return sigma


@compiled
def gauss_newton_step(
    residuals: np.ndarray, weights: np.ndarray, jacobian: np.ndarray
) -> np.ndarray:
    """[5] step of `CameraMotion.perturbed`, from what `linearise` and `weigh` wrote."""
    normal, step = np.zeros((5, 5)), np.zeros(5)
    for i in range(5):
        for j in range(i + 1):
            total = 0.0
            for k in range(len(weights)):
                total += weights[k] * jacobian[i, k] * jacobian[j, k]
            normal[i, j] = normal[j, i] = total
        total = 0.0
        for k in range(len(weights)):
            total += weights[k] * jacobian[i, k] * residuals[k]
        step[i] = -total
    trace = 0.0
    for i in range(5):
        trace += normal[i, i]
    for i in range(5):
        normal[i, i] += 1e-9 * trace + 1e-12
    solve(normal, step)
    return step


@compiled
def refine(
    rays: np.ndarray,
    counted: np.ndarray,
    limit: float,
    steps: int,
    converged: float,
    settings: tuple[float, float, float, float],
    rotations: np.ndarray,
    directions: np.ndarray,
    residuals: np.ndarray,
    sigma: np.ndarray,
    weights: np.ndarray,
    jacobian: np.ndarray,
    behind: np.ndarray,
) -> None:
    """Refine B motions in place, each for itself; see `motion_fit.refine_motions`.

    Args:
        rays: [10, K] of `pack_rays`.
        counted: [B, K] bool, the matches that each motion is refined from.
        limit: pixels beyond which a match is an outlier in any case.
        steps: most steps.
        converged: radians; a step whose largest entry is smaller is the last one.
        settings: of motion_fit.py, TUKEY, MAD_TO_SIGMA, MAX_LEVERAGE and MAX_STEP.
        rotations: [B, 3, 3], the start, replaced by what was found.
        directions: [B, 3], likewise.
        residuals: [B, K], to be written as the following ones, which are those of `MotionFit`.
        sigma: [B].
        weights: [B, K].
        jacobian: [B, 5, K].
        behind: [B, K] bool.
    """
    scratch = np.empty((2, rays.shape[1]))
    for row in range(len(rotations)):
        rotation, direction = rotations[row], directions[row]
        for number in range(steps + 1):
            longest = 0.0
            if number > 0:
                step = gauss_newton_step(residuals[row], weights[row], jacobian[row])
                for i in range(5):
                    longest = max(longest, abs(step[i]))
                step *= min(1.0, settings[3] / max(longest, 1e-12))
                along = tangents(direction)
                for i in range(3):
                    direction[i] += along[i, 0] * step[0] + along[i, 1] * step[1]
                length = math.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
                direction /= length
                turn(rotation, step[2], step[3], step[4])
            linearise(rays, rotation, direction, residuals[row], jacobian[row], behind[row])
            sigma[row] = weigh(
                counted[row], limit, settings, residuals[row], jacobian[row], weights[row],
                behind[row], scratch,
            )  # fmt: skip
            if number > 0 and not longest >= converged:
                break


@compiled
def costs(rays: np.ndarray, essentials: np.ndarray, limit: float) -> np.ndarray:
    """[B] `motion_fit.robust_cost` of essential matrices [B, 3, 3]."""
    count = rays.shape[1]
    found, factors = np.empty(len(essentials)), np.empty(count)
    for row in range(len(essentials)):
        e = essentials[row]
        for k in range(count):
            scaled = sampson(rays, e, k) * (2 / limit)
            factors[k] = 1 + scaled * scaled
        # In another loop, so that the first one becomes vectors. A logarithm takes long.
        total, product = 0.0, 1.0
        for k in range(count):
            product *= factors[k]
            if product > 1e100:
                total += math.log(product)
                product = 1.0
        found[row] = (total + math.log(product)) / count
    return found


@compiled
def sampson(rays: np.ndarray, e: np.ndarray, k: int) -> float:
    """Signed Sampson distance of a match from an essential matrix [3, 3]."""
    qx, qy, rx, ry = rays[0, k], rays[1, k], rays[2, k], rays[3, k]
    lx = e[0, 0] * rx + e[0, 1] * ry + e[0, 2]
    ly = e[1, 0] * rx + e[1, 1] * ry + e[1, 2]
    lz = e[2, 0] * rx + e[2, 1] * ry + e[2, 2]
    mx = e[0, 0] * qx + e[1, 0] * qy + e[2, 0]
    my = e[0, 1] * qx + e[1, 1] * qy + e[2, 1]
    of_q = rays[4, k] * lx * lx + 2 * rays[5, k] * lx * ly + rays[6, k] * ly * ly
    of_r = rays[7, k] * mx * mx + 2 * rays[8, k] * mx * my + rays[9, k] * my * my
    return float((qx * lx + qy * ly + lz) / math.sqrt(of_q + of_r + 1e-18))


@compiled
def within(
    rays: np.ndarray, rotation: np.ndarray, direction: np.ndarray, limit: float
) -> np.ndarray:
    """[K] bool: which matches have at most that distance, pixels, from a motion."""
    e, found = essential_matrix(rotation, direction), np.empty(rays.shape[1], np.bool_)
    for k in range(len(found)):
        found[k] = abs(sampson(rays, e, k)) <= limit
    return found


@compiled
def in_front(
    rays: np.ndarray, rotations: np.ndarray, directions: np.ndarray, limit: float
) -> np.ndarray:
    """[2, B] fractions of `RayPairs.fraction_in_front` for B motions, and for their opposites.

    The opposite of a motion has the same rotation and essential matrix, and the other direction.
    """
    found = np.empty((2, len(rotations)))
    for row in range(len(rotations)):
        rotation, t = rotations[row], directions[row]
        e = essential_matrix(rotation, t)
        ahead = back = total = 0.0
        for k in range(rays.shape[1]):
            if not abs(sampson(rays, e, k)) <= limit:
                continue
            qx, qy, rx, ry = rays[0, k], rays[1, k], rays[2, k], rays[3, k]
            sx = rotation[0, 0] * rx + rotation[0, 1] * ry + rotation[0, 2]
            sy = rotation[1, 0] * rx + rotation[1, 1] * ry + rotation[1, 2]
            sz = rotation[2, 0] * rx + rotation[2, 1] * ry + rotation[2, 2]
            cosine, theirs = qx * sx + qy * sy + sz, t[0] * sx + t[1] * sy + t[2] * sz
            ours = t[0] * qx + t[1] * qy + t[2]
            square_q, square_r = qx * qx + qy * qy + 1, rx * rx + ry * ry + 1
            over = square_q * square_r - cosine * cosine + 1e-18
            of_q = square_r * ours - cosine * theirs
            of_r = cosine * ours - square_q * theirs
            tiny = 1e-12 * over
            parallax = min(over / (abs(of_q) + tiny) + over / (abs(of_r) + tiny), 1.0)
            total += parallax
            ahead += parallax if of_q > 0 and of_r > 0 else 0.0
            back += parallax if of_q < 0 and of_r < 0 else 0.0
        found[0, row], found[1, row] = ahead / max(total, 1e-300), back / max(total, 1e-300)
    return found


def compile_all() -> None:
    """Compile what is above."""
    xy, to_pixels = np.zeros((8, 2)), np.tile(np.eye(2), (8, 1, 1))
    rays = pack_rays(xy, to_pixels, xy, to_pixels)
    motion = np.eye(3)[None], np.eye(3)[:1]
    counted = np.ones((1, 8), bool)
    written = np.empty((1, 8)), np.empty(1), np.empty((1, 8)), np.empty((1, 5, 8)), counted.copy()
    refine(rays, counted, 4.0, 1, 1e-5, (4.685, 1.4826, 3.0, 0.3), *motion, *written)
    costs(rays, motion[0], 4.0)
    in_front(rays, *motion, 4.0)
    within(rays, motion[0][0], motion[1][0], 4.0)
