"""Loop closures as the graph takes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import gtsam
import numpy as np

from examples.pose_graph_backend.geometry import (
    covariance_from_ros,
    direction_covariance,
    transported,
)


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured between two sensors.

    Attributes:
        pose: of the later sensor frame (`to`) in that of `from`; the translation is in metres
            where `metric`, else a direction of length 1.
        covariance: [6, 6] where metric, else [5, 5]: rotation, and the direction.
        metric: whether the length of the translation was measured.
    """

    pose: gtsam.Pose3
    covariance: np.ndarray
    metric: bool

    @classmethod
    def from_ros(cls, pose: gtsam.Pose3, covariance: np.ndarray, *, metric: bool) -> Measurement:
        """From a pose with the covariance of geometry_msgs/PoseWithCovariance.

        Raises:
            ValueError: the covariance is not one; a measurement of unknown error is no constraint.
        """
        matrix = np.asarray(covariance, np.float64).reshape(6, 6)
        if not np.isfinite(matrix).all() or not np.isfinite(pose.matrix()).all():
            raise ValueError('the transform holds NaN or infinity')
        convert = covariance_from_ros if metric else direction_covariance
        converted = convert(matrix, pose)
        least = float(np.linalg.eigvalsh(converted)[0])
        if least < 0 or not matrix.any():
            raise ValueError(
                f'the covariance of the transform is none: its least eigenvalue is {least:.3g}, '
                'expected over 0'
            )
        return cls(pose, converted, metric)

    def widened(self, scale: float, rotation: float, position: float) -> Measurement:
        """With covariances times `scale`, and no axis surer than these standard deviations."""
        turn, way = rotation**2, position**2
        least = [turn] * 3 + ([way] * 3 if self.metric else [turn] * 2)
        values, vectors = np.linalg.eigh(scale * self.covariance)
        # Both floors hold, without turning the axes of what is larger.
        wide = vectors @ np.diag(np.maximum(values, 0.0)) @ vectors.T
        return replace(self, covariance=wide + np.diag(least))


@dataclass(frozen=True, eq=False)
class Closure:
    """Two times at which the robot was at one place.

    Attributes:
        closure_id: given back with the answer.
        stamp_from_ns, stamp_to_ns: the later time and the earlier one that it came back to.
        measured: None where no transform was measured.
        mount_from, mount_to: pose of either sensor frame in the base frame.
    """

    closure_id: int
    stamp_from_ns: int
    stamp_to_ns: int
    measured: Measurement | None
    mount_from: gtsam.Pose3 = field(default_factory=gtsam.Pose3)
    mount_to: gtsam.Pose3 = field(default_factory=gtsam.Pose3)

    def of_bases(self) -> tuple[gtsam.Pose3, np.ndarray]:
        """Pose of the base at `to` in the base at `from`, and its covariance [6, 6].

        Only of metric measurements: a direction of the camera is none of the base.
        """
        measured = self.measured
        assert measured is not None and measured.metric
        back = self.mount_to.inverse()
        pose = self.mount_from.compose(measured.pose).compose(back)
        return pose, transported(measured.covariance, back)

    def rotation_of_bases(self) -> tuple[gtsam.Rot3, np.ndarray]:
        """Rotation of the base at `to` in the base at `from`, and its covariance [3, 3]."""
        measured = self.measured
        assert measured is not None
        turned = self.mount_to.rotation()
        rotation = self.mount_from.rotation() * measured.pose.rotation() * turned.inverse()
        matrix = turned.matrix()
        return rotation, matrix @ measured.covariance[:3, :3] @ matrix.T


@dataclass(frozen=True)
class Answer:
    """What became of a closure; a later answer to the same one overrules it."""

    closure_id: int
    accepted: bool
    reason: str
