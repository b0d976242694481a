"""Odometry as it came in: where it was at any time, and how uncertain any part of the way is."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

import gtsam
import numpy as np

from examples.pose_graph_backend.geometry import symmetric
from examples.pose_graph_backend.settings import GraphSettings

SAMPLE_PERIOD_NS = 50_000_000
# Variances of a sample in which nothing moved; they only keep covariances invertible.
STANDSTILL = 1e-10


class Motion(NamedTuple):
    """A pose relative to another one, and its covariance [6, 6]."""

    pose: gtsam.Pose3
    covariance: np.ndarray


class OdometryPath:
    """The odometry of one run.

    The covariance between any two times takes no walk along the track: a step with the covariance
    Q that ends at the pose T adds Ad(T) Q Ad(T)ᵀ, which is the same noise as the origin sees it,
    and what happened between two times is a difference of two sums, seen from the later pose.
    """

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._stamps: list[int] = []
        self._poses: list[gtsam.Pose3] = []
        self._sums: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest_ns(self) -> int:
        """Stamp of the last message; there has to be one."""
        return self._stamps[-1]

    def add(self, stamp_ns: int, pose: gtsam.Pose3) -> bool:
        """Take the next message; False where it is not newer than the ones before."""
        if self._stamps and stamp_ns <= self._stamps[-1]:
            return False
        if len(self._stamps) > 1 and stamp_ns - self._stamps[-2] < SAMPLE_PERIOD_NS:
            for samples in (self._stamps, self._poses, self._sums):
                samples.pop()
        if self._stamps:
            adjoint = pose.AdjointMap()
            noise = self._noise(self._poses[-1].between(pose))
            self._sums.append(self._sums[-1] + adjoint @ noise @ adjoint.T)
        else:
            self._sums.append(np.zeros((6, 6)))
        self._stamps.append(stamp_ns)
        self._poses.append(pose)
        return True

    def _noise(self, step: gtsam.Pose3) -> np.ndarray:
        """Covariance [6, 6] of a step."""
        settings = self._settings
        way = float(np.linalg.norm(step.translation()))
        turn = float(np.linalg.norm(gtsam.Rot3.Logmap(step.rotation())))
        rotation = settings.rotation_noise**2 * way + settings.turning_noise**2 * turn
        position = settings.position_noise**2 * way
        return np.diag(np.repeat([rotation + STANDSTILL, position + STANDSTILL], 3))

    def covers(self, stamp_ns: int) -> bool:
        """Whether there is odometry at a time, or close enough on both sides of it."""
        if not self._stamps or not self._stamps[0] <= stamp_ns <= self._stamps[-1]:
            return False
        place = bisect_left(self._stamps, stamp_ns)
        if self._stamps[place] == stamp_ns:
            return True
        gap_ns = self._stamps[place] - self._stamps[place - 1]
        return gap_ns <= 1e9 * self._settings.odometry_gap

    def pose(self, stamp_ns: int) -> gtsam.Pose3:
        """Pose of the base in the frame of the odometry, at a time that is covered."""
        return self._at(stamp_ns)[0]

    def _at(self, stamp_ns: int) -> tuple[gtsam.Pose3, np.ndarray]:
        place = bisect_left(self._stamps, stamp_ns)
        if self._stamps[place] == stamp_ns:
            return self._poses[place], self._sums[place]
        before, after = self._stamps[place - 1], self._stamps[place]
        share = (stamp_ns - before) / (after - before)
        pose = self._poses[place - 1].slerp(share, self._poses[place])
        return pose, (1 - share) * self._sums[place - 1] + share * self._sums[place]

    def motion(self, from_ns: int, to_ns: int) -> Motion:
        """Pose at one time in the frame of another time, forwards or backwards."""
        start, start_sum = self._at(from_ns)
        end, end_sum = self._at(to_ns)
        sign = 1.0 if from_ns <= to_ns else -1.0
        adjoint = end.inverse().AdjointMap()
        noise = symmetric(adjoint @ (sign * (end_sum - start_sum)) @ adjoint.T)
        return Motion(start.between(end), noise + STANDSTILL * np.eye(6))
