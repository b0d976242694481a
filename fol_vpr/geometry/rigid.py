"""Rotations, and composition and inversion of poses with their covariances.

A covariance [6, 6] is over x, y, z (metres) and the rotation about X, Y, Z (radians), all in the
axes of the frame that the pose is *in*, as in geometry_msgs/PoseWithCovariance: the true pose is
`position + d[:3]`, `exp(d[3:]) @ rotation`. A pose without covariance is taken as exact.
"""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.datatypes import Pose


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] of a unit quaternion x, y, z, w [4]."""
    # Python's numbers take a third of the time of NumPy's.
    x, y, z, w = quaternion.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def rotate_vectors(quaternions: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, 3], each turned by its unit quaternion x, y, z, w of [N, 4]."""
    axes, reals = quaternions[:, :3], quaternions[:, 3:]
    across = 2 * np.cross(axes, vectors)
    turned: np.ndarray = vectors + reals * across + np.cross(axes, across)
    return turned


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion x, y, z, w [4], with w at least 0, of a rotation matrix [3, 3].

    The largest of its numbers is computed first and the others from it (Shepperd, J. Guidance
    1(3), 1978), which is stable for every angle. Of a matrix that rounding or a file of few
    digits has made a little less than a rotation, it is the rotation within these digits.
    """
    return np.array(_quaternion(rotation))


def _quaternion(rotation: np.ndarray) -> list[float]:
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    squares = (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i)
    largest = max(range(4), key=squares.__getitem__)
    if largest == 3:
        found = h - f, c - g, d - b, squares[3]
    elif largest == 0:
        found = squares[0], d + b, c + g, h - f
    elif largest == 1:
        found = d + b, squares[1], h + f, c - g
    else:
        found = c + g, h + f, squares[2], d - b
    length = math.copysign(math.hypot(*found), found[3])
    return [number / length for number in found]


# The derivatives of a rotation about X, Y and Z.
_GENERATORS = np.array(
    [[[0.0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
     [[0, -1, 0], [1, 0, 0], [0, 0, 0]]]
)  # fmt: skip


def cross_matrix(vectors: np.ndarray) -> np.ndarray:
    """Matrices [..., 3, 3] with `cross_matrix(v) @ u` equal to the cross product `v × u`."""
    return np.asarray((vectors @ _GENERATORS.reshape(3, 9)).reshape(*vectors.shape, 3))


def rotation_from_vector(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3] in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = cross_matrix(vectors)
    # np.sinc(x) is sin(πx) / (πx), and (1 - cos a) / a² is half of the squared sinc of a / 2.
    half = np.sinc(angle / (2 * np.pi))
    return np.asarray(np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * half**2 * cross @ cross)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Rotation vector [3] of a rotation matrix [3, 3]: axis times angle, 0 to π radians."""
    x, y, z, w = _quaternion(rotation)
    sine = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 if sine < 1e-12 else 2 * math.atan2(sine, w) / sine
    return np.array([scale * x, scale * y, scale * z])


def compose(first: Pose, second: Pose) -> Pose:
    """Pose of C in A from `first`, the pose of B in A, and `second`, the pose of C in B.

    Errors of the two are taken as independent; the covariance is propagated to first order.
    """
    rotation = rotation_matrix(first.orientation)
    lever = rotation @ second.position
    covariance = None
    if first.covariance is not None:
        moved = np.eye(6)
        moved[:3, 3:] = -cross_matrix(lever)
        covariance = moved @ first.covariance @ moved.T
    if second.covariance is not None:
        turned = np.zeros((6, 6))
        turned[:3, :3] = turned[3:, 3:] = rotation
        rotated = turned @ second.covariance @ turned.T
        covariance = rotated if covariance is None else covariance + rotated
    turned_to = rotation @ rotation_matrix(second.orientation)
    return Pose.unchecked(first.position + lever, quaternion(turned_to), covariance)


def inverse(pose: Pose) -> Pose:
    """Pose of A in B from the pose of B in A, with its covariance to first order."""
    back = rotation_matrix(pose.orientation).T
    covariance = None
    if pose.covariance is not None:
        jacobian = np.zeros((6, 6))
        jacobian[:3, :3] = jacobian[3:, 3:] = -back
        jacobian[:3, 3:] = -back @ cross_matrix(pose.position)
        covariance = jacobian @ pose.covariance @ jacobian.T
    return Pose.unchecked(-back @ pose.position, quaternion(back), covariance)
