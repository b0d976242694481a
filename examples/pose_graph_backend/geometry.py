"""Rigid motions with covariances, between the conventions of ROS and of GTSAM.

ROS states a covariance over x, y, z, rotation about X, Y, Z of the frame that the pose is in.
GTSAM states it over rotation, then translation, of the frame that the pose is of: a pose T that is
off by ξ is T · exp(ξ). All covariances [6, 6] in this folder are GTSAM's unless a name says ros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import gtsam
import numpy as np


def pose3(position: Sequence[float], quaternion: Sequence[float]) -> gtsam.Pose3:
    """A pose of a position in metres and a unit quaternion x, y, z, w.

    Raises:
        ValueError: they are none.
    """
    numbers = np.array([*position, *quaternion], np.float64)
    norm = float(np.linalg.norm(numbers[3:]))
    if not np.isfinite(numbers).all() or abs(norm - 1) > 0.01:
        raise ValueError(
            f'the pose is {numbers.round(3).tolist()}, expected x y z in metres and a unit '
            'quaternion qx qy qz qw'
        )
    x, y, z, w = numbers[3:] / norm
    return gtsam.Pose3(gtsam.Rot3.Quaternion(w, x, y, z), numbers[:3])


def quaternion_of(pose: gtsam.Pose3) -> tuple[float, float, float, float]:
    """Unit quaternion x, y, z, w of a pose."""
    turned = pose.rotation().toQuaternion()
    return turned.x(), turned.y(), turned.z(), turned.w()


def covariance_from_ros(covariance: np.ndarray, pose: gtsam.Pose3) -> np.ndarray:
    """A ROS covariance [6, 6] of a pose in GTSAM's convention."""
    back = pose.rotation().matrix().T
    jacobian = np.zeros((6, 6))
    jacobian[:3, 3:] = back
    jacobian[3:, :3] = back
    stated = np.asarray(covariance, np.float64).reshape(6, 6)
    return symmetric(jacobian @ stated @ jacobian.T)


def direction_covariance(covariance: np.ndarray, pose: gtsam.Pose3) -> np.ndarray:
    """A ROS covariance [6, 6] of a pose whose translation is a direction, over 5 dimensions.

    These are the rotation, in the frame that the pose is of, and the two ways in which a direction
    can be off, as `gtsam.EssentialMatrixConstraint` counts them.
    """
    jacobian = np.zeros((5, 6))
    jacobian[:3, 3:] = pose.rotation().matrix().T
    jacobian[3:, :3] = gtsam.Unit3(pose.translation()).basis().T
    stated = np.asarray(covariance, np.float64).reshape(6, 6)
    return symmetric(jacobian @ stated @ jacobian.T)


def composed(first: np.ndarray, second: np.ndarray, pose_of_second: gtsam.Pose3) -> np.ndarray:
    """Covariance of A · B from those of A and B, which are independent."""
    return np.asarray(transported(first, pose_of_second) + second)


def transported(covariance: np.ndarray, onwards: gtsam.Pose3) -> np.ndarray:
    """Covariance of A · B from that of A, where B is exact."""
    adjoint = onwards.inverse().AdjointMap()
    return symmetric(adjoint @ covariance @ adjoint.T)


def symmetric(matrix: np.ndarray) -> np.ndarray:
    """The matrix without what rounding made of its symmetry."""
    return np.asarray(0.5 * (matrix + matrix.T))


def mahalanobis(error: np.ndarray, covariance: np.ndarray) -> float:
    """Squared Mahalanobis distance of an error [N] under a covariance [N, N]."""
    return float(error @ np.linalg.solve(covariance, error))


def chi_square(probability: float, dimensions: int) -> float:
    """What a chi-square distributed number stays under with a probability.

    By the approximation of Wilson and Hilferty (1931), within 3 % from 2 dimensions on.
    """
    spread = 2 / (9 * dimensions)
    z = NormalDist().inv_cdf(probability)
    return float(dimensions * (1 - spread + z * math.sqrt(spread)) ** 3)
