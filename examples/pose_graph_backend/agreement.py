"""How well a closure fits a prediction of it, and what that is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import gtsam
import numpy as np

from examples.pose_graph_backend.closures import Closure
from examples.pose_graph_backend.geometry import chi_square, mahalanobis, transported
from examples.pose_graph_backend.track import Motion

# Standard deviations of the translation from which on its direction is told by a prediction.
OBSERVABLE = 4.0


@dataclass(frozen=True)
class Agreement:
    """How well something fits a closure.

    Attributes:
        distance: squared Mahalanobis distance.
        allowed: the largest one that passes.
        chance: probability that a wrong closure would have passed as well.
        direction: whether the direction of a translation without length was compared, too.
    """

    distance: float
    allowed: float
    chance: float
    direction: bool = False

    @property
    def passed(self) -> bool:
        """Whether it fits."""
        return self.distance <= self.allowed

    @property
    def excess(self) -> float:
        """How much of what is allowed was used."""
        return self.distance / self.allowed

    @property
    def told(self) -> str:
        """In words, for people."""
        return f'chi-square {self.distance:.1f} of {self.allowed:.1f} allowed'


@dataclass(frozen=True)
class Spread:
    """Where closures could point if they were wrong: over how much ground the robot has moved.

    Attributes:
        area: of the ellipse of two standard deviations around all nodes, m².
    """

    area: float

    @classmethod
    def of(cls, positions: np.ndarray) -> Spread:
        """That of positions [N, 3] in metres, along the two axes in which they vary most."""
        if len(positions) < 2:
            return cls(0.0)
        variances = np.linalg.eigvalsh(np.cov(positions.T))[1:]
        return cls(4 * math.pi * math.sqrt(max(0.0, float(np.prod(variances)))))


def compared(
    closure: Closure,
    predicted: Motion,
    spread: Spread,
    gate: float,
    *,
    rotation_only: bool = False,
) -> Agreement:
    """Compare what a closure says with a prediction of it.

    Heights and tilts hardly vary on a robot that drives, so neither makes chance less likely: the
    probability that a wrong closure passes is taken over the ground and the heading alone.

    Args:
        predicted: pose of the base at `to` in that at `from`.
        gate: probability with which a right closure passes.
        rotation_only: leave the translation out.
    """
    measured = closure.measured
    assert measured is not None
    if measured.metric and not rotation_only:
        return _compared_poses(closure, predicted, spread, gate)
    if not measured.metric and not rotation_only:
        cameras = closure.mount_from.inverse().compose(predicted.pose).compose(closure.mount_to)
        moved = Motion(cameras, transported(predicted.covariance, closure.mount_to))
        way = float(np.linalg.norm(cameras.translation()))
        variances = np.linalg.eigvalsh(moved.covariance[3:, 3:])
        if way > OBSERVABLE * math.sqrt(max(0.0, float(variances[-1]))):
            return _compared_directions(closure, moved, gate)
    rotation, noise = closure.rotation_of_bases()
    error = gtsam.Rot3.Logmap(rotation.inverse() * predicted.pose.rotation())
    covariance = noise + predicted.covariance[:3, :3]
    return _agreement(error, covariance, _heading(covariance, gate), gate)


def _compared_poses(closure: Closure, predicted: Motion, spread: Spread, gate: float) -> Agreement:
    pose, noise = closure.of_bases()
    difference = pose.between(predicted.pose)
    covariance = transported(noise, difference) + predicted.covariance
    variances = np.linalg.eigvalsh(covariance[3:, 3:])[1:]
    passing = math.pi * chi_square(gate, 2) * math.sqrt(float(np.prod(variances)))
    ground = min(1.0, passing / spread.area) if spread.area > 0 else 1.0
    chance = ground * _heading(covariance, gate)
    return _agreement(gtsam.Pose3.Logmap(difference), covariance, chance, gate)


def _compared_directions(closure: Closure, predicted: Motion, gate: float) -> Agreement:
    """Compare rotation and direction of translation, both of the sensors."""
    measured = closure.measured
    assert measured is not None
    towards = gtsam.Unit3(measured.pose.translation())
    translation = predicted.pose.translation()
    rotation = gtsam.Rot3.Logmap(measured.pose.rotation().between(predicted.pose.rotation()))
    error = np.concatenate([rotation, towards.localCoordinates(gtsam.Unit3(translation))])
    jacobian = np.zeros((5, 6))
    jacobian[:3, :3] = np.eye(3)
    turned = predicted.pose.rotation().matrix()
    jacobian[3:, 3:] = towards.basis().T @ turned / np.linalg.norm(translation)
    covariance = jacobian @ predicted.covariance @ jacobian.T + measured.covariance
    cone = chi_square(gate, 2) * math.sqrt(float(np.linalg.det(covariance[3:, 3:]))) / 4
    chance = min(1.0, cone) * _heading(covariance, gate)
    return _agreement(error, covariance, chance, gate, direction=True)


def _heading(covariance: np.ndarray, gate: float) -> float:
    """Share of all headings that passes, by a covariance that begins with the rotation."""
    variance = float(np.linalg.eigvalsh(covariance[:3, :3])[-1])
    return min(1.0, math.sqrt(chi_square(gate, 2) * variance) / math.pi)


def _agreement(
    error: np.ndarray, covariance: np.ndarray, chance: float, gate: float, direction: bool = False
) -> Agreement:
    allowed = chi_square(gate, len(error))
    return Agreement(mahalanobis(error, covariance), allowed, max(chance, 1e-12), direction)
