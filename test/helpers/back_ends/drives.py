"""Drives along known ways, their odometry with drift, and closures with known errors."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import gtsam
import numpy as np

from examples.pose_graph_backend.closures import Closure, Measurement
from examples.pose_graph_backend.pose_graph import PoseGraph

NS = 1_000_000_000
START = 1_700_000_000 * NS
SIGMAS = np.array([0.01, 0.01, 0.01, 0.03, 0.03, 0.03])


def odometry_of(truth: list[gtsam.Pose3], rng: np.random.Generator, *, scale=1.02, noise=1.0):
    """Poses that begin at the first one and drift: a wrong scale, and a random walk."""
    poses = [truth[0]]
    for before, after in itertools.pairwise(truth):
        step = before.between(after)
        way = float(np.linalg.norm(step.translation()))
        spread = np.repeat([0.006, 0.02], 3) * math.sqrt(way) * noise
        moved = gtsam.Pose3(step.rotation(), scale * step.translation())
        poses.append(
            poses[-1].compose(moved).compose(gtsam.Pose3.Expmap(spread * rng.normal(size=6)))
        )
    return poses


def circles(rounds: float = 2.0, radius: float = 15.0, step: float = 0.25) -> list[gtsam.Pose3]:
    """Poses along circles, one for every `step` metres, looking where they go."""
    count = round(rounds * 2 * math.pi * radius / step)
    poses = []
    for number in range(count + 1):
        angle = number * step / radius
        position = radius * np.array([math.sin(angle), 1 - math.cos(angle), 0.0])
        poses.append(gtsam.Pose3(gtsam.Rot3.Yaw(angle), position))
    return poses


@dataclass
class Drive:
    """A drive whose poses come ten times a second."""

    truth: list[gtsam.Pose3]
    odometry: list[gtsam.Pose3]

    @classmethod
    def around(cls, seed: int = 0, *, scale: float = 1.02, noise: float = 1.0, **way) -> Drive:
        truth = circles(**way)
        rng = np.random.default_rng(seed)
        return cls(truth, odometry_of(truth, rng, scale=scale, noise=noise))

    def stamp(self, number: int) -> int:
        return START + number * NS // 10

    def closure(
        self,
        closure_id: int,
        start: int,
        end: int,
        rng: np.random.Generator,
        *,
        off: gtsam.Pose3 | None = None,
        mount: gtsam.Pose3 | None = None,
        metric: bool = True,
    ) -> Closure:
        """What a camera would measure between two poses, with noise as it says; `off` is wrong."""
        mount = mount or gtsam.Pose3()
        here, there = (self.truth[n].compose(mount) for n in (start, end))
        pose = here.between(there).compose(off or gtsam.Pose3())
        pose = pose.compose(gtsam.Pose3.Expmap(SIGMAS * rng.normal(size=6)))
        covariance = np.diag(SIGMAS**2)
        if not metric:
            way = np.linalg.norm(pose.translation())
            pose = gtsam.Pose3(pose.rotation(), pose.translation() / way)
            covariance = np.diag([*SIGMAS[:3], 0.02, 0.02]) ** 2
        return Closure(
            closure_id,
            self.stamp(start),
            self.stamp(end),
            Measurement(pose, covariance, metric),
            mount,
            mount,
        )

    def run(self, graph: PoseGraph, closures: list[Closure], upto: int | None = None) -> dict:
        """Drive, giving each closure when its later pose is there; all answers in order."""
        waiting = sorted(closures, key=lambda closure: closure.stamp_from_ns)
        answers: dict[int, list] = {}
        for number, pose in enumerate(self.odometry[:upto]):
            found = list(graph.add_odometry(self.stamp(number), pose))
            while waiting and waiting[0].stamp_from_ns <= self.stamp(number):
                found += graph.add_closure(waiting.pop(0))
            for answer in found:
                answers.setdefault(answer.closure_id, []).append(answer)
        return answers

    def error(self, graph: PoseGraph) -> float:
        """Root mean square distance of all nodes from the truth, in metres."""
        stamps, poses = graph.trajectory()
        numbers = [round((stamp - START) / (NS // 10)) for stamp in stamps]
        misses = [
            np.sum((pose.translation() - self.truth[n].translation()) ** 2)
            for n, pose in zip(numbers, poses, strict=True)
        ]
        return float(np.sqrt(np.mean(misses)))
