"""Which closures agree with each other, along the odometry between their ends.

Two right closures and the odometry between them form a loop that closes; a wrong one closes with
right ones only by chance. The largest set in which each agrees with each is believed: pairwise
consistency maximisation (Mangelson et al., ICRA 2018). It is kept up while closures arrive: a set
that is larger than the best one has to hold the newest closure.
"""

from __future__ import annotations

import gtsam
import numpy as np

from examples.pose_graph_backend.agreement import Agreement, Spread, compared
from examples.pose_graph_backend.closures import Closure
from examples.pose_graph_backend.geometry import composed
from examples.pose_graph_backend.settings import GraphSettings
from examples.pose_graph_backend.track import Motion, OdometryPath


class ConsistentSet:
    """All closures that still count, and the largest set of them that agrees."""

    def __init__(self, track: OdometryPath, settings: GraphSettings) -> None:
        self._track = track
        self._settings = settings
        self._closures: dict[int, Closure] = {}
        self._agree: dict[int, dict[int, float]] = {}
        self.best: set[int] = set()

    def add(self, closure: Closure, spread: Spread) -> None:
        """Compare a closure with all others, and look whether they form a larger set now."""
        new = closure.closure_id
        self._agree[new] = {}
        for other in self._closures.values():
            found = self._pair(closure, other, spread)
            if found.passed:
                self._agree[new][other.closure_id] = found.chance
                self._agree[other.closure_id][new] = found.chance
        self._closures[new] = closure
        grown = self._clique(new, self.best)
        if len(grown) <= len(self.best):
            grown = self._clique(new, set())
        if len(grown) > len(self.best):
            self.best = grown

    def remove(self, closure_id: int) -> None:
        """Forget a closure."""
        self._closures.pop(closure_id, None)
        for other in self._agree.pop(closure_id, {}):
            self._agree[other].pop(closure_id)
        if closure_id in self.best:
            self.best.discard(closure_id)
            found = [self._clique(seed, self.best) for seed in self._closures]
            self.best = max([self.best, *found], key=len)

    def chance(self, closure_id: int) -> float:
        """Least probability with which a wrong closure would agree with one of the best set."""
        agree = self._agree[closure_id]
        return min((agree[other] for other in self.best if other in agree), default=1.0)

    def _clique(self, seed: int, preferred: set[int]) -> set[int]:
        """A set of closures that all agree, grown from one of them greedily."""
        chosen, left = {seed}, set(self._agree[seed])
        if preferred <= left:
            chosen |= preferred
            left = {each for each in left - chosen if chosen <= self._agree[each].keys()}
        while left:
            following = max(
                left, key=lambda each: (each in preferred, len(left & self._agree[each].keys()))
            )
            chosen.add(following)
            left &= self._agree[following].keys()
        return chosen

    def _pair(self, one: Closure, other: Closure, spread: Spread) -> Agreement:
        """Whether one closure follows from the other and the odometry between them."""
        ends = self._track.motion(one.stamp_from_ns, other.stamp_from_ns)
        starts = self._track.motion(other.stamp_to_ns, one.stamp_to_ns)
        assert one.measured is not None and other.measured is not None
        metric = one.measured.metric and other.measured.metric
        if metric:
            pose, covariance = other.of_bases()
        else:
            rotation, noise = other.rotation_of_bases()
            pose, covariance = gtsam.Pose3(rotation, np.zeros(3)), np.eye(6)
            covariance[:3, :3] = noise
        covariance = composed(ends.covariance, covariance, pose)
        covariance = composed(covariance, starts.covariance, starts.pose)
        predicted = Motion(ends.pose.compose(pose).compose(starts.pose), covariance)
        return compared(one, predicted, spread, self._settings.gate, rotation_only=not metric)
