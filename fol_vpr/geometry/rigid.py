"""Rotations, and poses put one behind the other, with their covariances.

A covariance [6, 6] is over x, y, z and the rotation about X, Y, Z, all in the axes of the frame
that the pose is *in*, as geometry_msgs/PoseWithCovariance has it: the true pose is
`position + d[:3]`, `exp(d[3:]) @ rotation`. A pose without one counts as exact.
"""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import Pose


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """[3, 3] rotation of a unit quaternion x, y, z, w."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion x, y, z, w of a rotation [3, 3], as the largest eigenvector of Bar-Itzhack's
    symmetric matrix (J. Guidance 23(6), 2000), which is stable for every angle.
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
    """[..., 3, 3] matrices whose products are the cross products of vectors [..., 3]."""
    return np.asarray((vectors @ _GENERATORS.reshape(3, 9)).reshape(*vectors.shape, 3))


def rotation_from_vector(vectors: np.ndarray) -> np.ndarray:
    """[..., 3, 3] rotations about vectors [..., 3] by their length in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = cross_matrix(vectors)
    # sinc is sin(πx)/(πx), and (1 - cos a) / a² is sinc² of half the angle, halved.
    half = np.sinc(angle / (2 * np.pi))
    return np.asarray(np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * half**2 * cross @ cross)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Axis times angle in radians, 0 to π, of a rotation [3, 3]."""
    q = quaternion(rotation)
    sine = float(np.linalg.norm(q[:3]))
    angle = 2 * np.arctan2(sine, q[3])
    scale = 2.0 if sine < 1e-12 else angle / sine
    return np.asarray(scale * q[:3])


def compose(first: Pose, second: Pose) -> Pose:
    """Pose of C in A, of `first` (B in A) and `second` (C in B)."""
    rotation = rotation_matrix(first.orientation)
    lever = rotation @ second.position
    covariance = None
    if first.covariance is not None:
        moved = np.eye(6)
        moved[:3, 3:] = -cross_matrix(lever)
        covariance = moved @ first.covariance @ moved.T
    if second.covariance is not None:
        turned = np.kron(np.eye(2), rotation)
        carried = turned @ second.covariance @ turned.T
        covariance = carried if covariance is None else covariance + carried
    turned_to = rotation @ rotation_matrix(second.orientation)
    return Pose(first.position + lever, quaternion(turned_to), covariance)


def inverse(pose: Pose) -> Pose:
    """Pose of A in B, of that of B in A."""
    back = rotation_matrix(pose.orientation).T
    covariance = None
    if pose.covariance is not None:
        carried = np.kron(np.eye(2), -back)
        carried[:3, 3:] = -back @ cross_matrix(pose.position)
        covariance = carried @ pose.covariance @ carried.T
    return Pose(-back @ pose.position, quaternion(back), covariance)
