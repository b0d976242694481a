"""Rotations, and composition and inversion of poses with their covariances.

A covariance [6, 6] is over x, y, z (metres) and the rotation about X, Y, Z (radians), all in the
axes of the frame that the pose is *in*, as in geometry_msgs/PoseWithCovariance: the true pose is
`position + d[:3]`, `exp(d[3:]) @ rotation`. A pose without covariance is taken as exact.
"""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import Pose


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] of a unit quaternion x, y, z, w [4]."""
    x, y, z, w = quaternion
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

    It is the eigenvector of the largest eigenvalue of Bar-Itzhack's symmetric matrix (J. Guidance
    23(6), 2000), which is stable for every angle.
    """
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    vector: np.ndarray = np.linalg.eigh(k)[1][:, -1]
    return vector if vector[3] >= 0 else -vector


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
    q = quaternion(rotation)
    sine = float(np.linalg.norm(q[:3]))
    angle = 2 * np.arctan2(sine, q[3])
    scale = 2.0 if sine < 1e-12 else angle / sine
    return np.asarray(scale * q[:3])


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
        turned = np.kron(np.eye(2), rotation)
        rotated = turned @ second.covariance @ turned.T
        covariance = rotated if covariance is None else covariance + rotated
    turned_to = rotation @ rotation_matrix(second.orientation)
    return Pose(first.position + lever, quaternion(turned_to), covariance)


def inverse(pose: Pose) -> Pose:
    """Pose of A in B from the pose of B in A, with its covariance to first order."""
    back = rotation_matrix(pose.orientation).T
    covariance = None
    if pose.covariance is not None:
        jacobian = np.kron(np.eye(2), -back)
        jacobian[:3, 3:] = -back @ cross_matrix(pose.position)
        covariance = jacobian @ pose.covariance @ jacobian.T
    return Pose(-back @ pose.position, quaternion(back), covariance)
