"""Motions of the robot's base: between the ends of a closure, and by odometry."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, Vector3

from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import compose, inverse, rotation_matrix
from fol_vpr.ros.messages.conversions import pose_from_message
from fol_vpr.sources.bags.poses import slerp

NS = 1_000_000_000
ODOMETRY_GAP_NS = NS
STANDING = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))


def measured_motion(candidate: Any) -> Pose:
    """Pose of the camera `to` in the camera `from`, in metres, with a covariance.

    Args:
        candidate: fol_vpr_msgs/LoopClosureCandidate.

    Raises:
        InputError: the candidate has no transform, one without a length, or one whose covariance
            is not positive definite.
    """
    if not candidate.has_transform:
        raise InputError('it has no transform')
    if not candidate.metric_scale:
        raise InputError('its translation is a direction without a length, expected metres')
    measured = pose_from_message(candidate.from_t_to)
    smallest = None if measured.covariance is None else np.linalg.eigvalsh(measured.covariance)[0]
    if smallest is None or smallest <= 0:
        raise InputError(
            'the covariance of its transform is unknown or not positive definite: the smallest '
            f'eigenvalue is {0 if smallest is None else smallest:.3g}, expected over 0'
        )
    return measured


def base_motion(cameras: Pose, mount_from: Pose, mount_to: Pose) -> Pose:
    """Pose of the base at `to` in the base at `from`, with the covariance of `cameras` alone.

    Args:
        cameras: pose of the camera `to` in the camera `from`.
        mount_from, mount_to: pose of either camera in the base frame, taken as exact.
    """
    exact = [replace(mount, covariance=None) for mount in (mount_from, mount_to)]
    return compose(compose(exact[0], cameras), inverse(exact[1]))


def covariance_at_end(pose: Pose) -> np.ndarray:
    """[6, 6] covariance over x, y, z, rotation about X, Y, Z in the axes of the frame `to`.

    Args:
        pose: of `to` in `from`, its covariance in the axes of `from` as geometry_msgs has it.
    """
    turned = np.kron(np.eye(2), rotation_matrix(pose.orientation).T)
    covariance = turned @ np.asarray(pose.covariance) @ turned.T
    return np.asarray(0.5 * (covariance + covariance.T))


def transform_message(pose: Pose) -> Transform:
    """geometry_msgs/Transform of a pose."""
    x, y, z = (float(value) for value in pose.position)
    qx, qy, qz, qw = (float(value) for value in pose.orientation)
    return Transform(
        translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
    )


class OdometrySamples:
    """Poses of the base by odometry, interpolated between samples at most a second apart."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._poses: list[Pose] = []

    def add(self, stamp_ns: int, pose: Pose) -> None:
        """Append a pose; one that is not later than the last is ignored."""
        if not self._stamps or stamp_ns > self._stamps[-1]:
            self._stamps.append(stamp_ns)
            self._poses.append(replace(pose, covariance=None))

    def motion(self, start_ns: int, end_ns: int) -> Pose | None:
        """Pose of the base at `end_ns` in that at `start_ns`; None where either is not known."""
        start, end = self._at(start_ns), self._at(end_ns)
        return None if start is None or end is None else compose(inverse(start), end)

    def _at(self, stamp_ns: int) -> Pose | None:
        after = bisect_left(self._stamps, stamp_ns)
        if after == len(self._stamps):
            return None
        if self._stamps[after] == stamp_ns:
            return self._poses[after]
        if after == 0 or self._stamps[after] - self._stamps[after - 1] > ODOMETRY_GAP_NS:
            return None
        earlier, later = self._poses[after - 1 : after + 1]
        span = self._stamps[after] - self._stamps[after - 1]
        share = (stamp_ns - self._stamps[after - 1]) / span
        position = (1 - share) * earlier.position + share * later.position
        return Pose(position, slerp(earlier.orientation, later.orientation, share))
