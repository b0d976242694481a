"""Which loop closures become constraints of the trajectory, and which do not, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gtsam
import numpy as np

from examples.pose_graph_backend.agreement import Agreement, Spread, compared
from examples.pose_graph_backend.closures import Answer, Closure
from examples.pose_graph_backend.consistency import ConsistentSet
from examples.pose_graph_backend.settings import GraphSettings
from examples.pose_graph_backend.solver import Solver
from examples.pose_graph_backend.track import Motion, OdometryPath


@dataclass(frozen=True, eq=False)
class _Constraint:
    """A closure that is believed, and whether its direction is, where that is all it has."""

    closure: Closure
    direction: bool

    @property
    def rotation_only(self) -> bool:
        """Whether nothing but its rotation is believed."""
        measured = self.closure.measured
        return measured is not None and not measured.metric and not self.direction


@dataclass(eq=False)
class _Waiting:
    """A closure that nothing was decided about yet, since a time, and why."""

    closure: Closure
    since_ns: int
    why: str


class PoseGraph:
    """Odometry and loop closures in, a corrected trajectory out, incrementally (iSAM2).

    A closure goes through these stages:

    1. It is held until odometry has both of its stamps.
    2. Odometry alone must allow it (chi-square).
    3. It must belong to the largest set of closures that agree with each other.
    4. The estimate with all closures so far must allow it, and the agreement must be worth
       something: a wrong closure would hardly have agreed as well. Else it waits for others.
    5. It becomes a constraint with robust noise.
    6. It leaves again where later closures pull the trajectory away from it, or where a larger set
       without it appears.
    """

    def __init__(self, settings: GraphSettings | None = None) -> None:
        self.settings = settings or GraphSettings()
        self.track = OdometryPath(self.settings)
        self._solver = Solver(self.track, self.settings)
        self._consistent = ConsistentSet(self.track, self.settings)
        self._held: dict[int, _Waiting] = {}
        self._pending: dict[int, _Waiting] = {}
        self._accepted: dict[int, _Constraint] = {}

    # ---- in

    def add_odometry(self, stamp_ns: int, pose: gtsam.Pose3) -> list[Answer]:
        """Take the pose of the base in the frame of the odometry; what that decides.

        Messages that are not newer than the last one are left out.
        """
        if not self.track.add(stamp_ns, pose):
            return []
        if self._moved(stamp_ns):
            self._solver.add_node(stamp_ns)
        answers: list[Answer] = []
        for each in [each for each in self._held.values() if self._known(each.closure)]:
            del self._held[each.closure.closure_id]
            answers += self._judge(each.closure)
        return answers + self._expired(stamp_ns)

    def add_closure(self, closure: Closure) -> list[Answer]:
        """Take a closure; what that decides, about this one or about earlier ones."""
        name = closure.closure_id
        if name in self._held or name in self._pending or name in self._accepted:
            return []
        if closure.measured is None:
            return [Answer(name, False, 'unused: no transform was measured')]
        if closure.stamp_from_ns == closure.stamp_to_ns:
            return [Answer(name, False, 'unused: both stamps are the same')]
        if self._known(closure):
            return self._judge(closure)
        why = 'there is no odometry at one of its stamps'
        self._held[name] = _Waiting(closure, self._now(), why)
        return []

    def finish(self) -> list[Answer]:
        """Answer what still waits, at the end of a run."""
        waiting = [*self._held.values(), *self._pending.values()]
        for name in self._pending:
            self._consistent.remove(name)
        self._held.clear()
        self._pending.clear()
        return [Answer(each.closure.closure_id, False, f'unused: {each.why}') for each in waiting]

    # ---- out

    def trajectory(self) -> tuple[list[int], list[gtsam.Pose3]]:
        """Stamps in nanoseconds and corrected poses of all nodes."""
        nodes = self._solver.nodes
        return list(nodes), [self._solver.estimate(node) for node in nodes]

    def pose(self, stamp_ns: int) -> gtsam.Pose3:
        """Corrected pose at a time that odometry covers: that of a node, and odometry from it."""
        node = self._solver.node_near(stamp_ns)
        return self._solver.estimate(node).compose(self.track.motion(node, stamp_ns).pose)

    def map_to_odom(self) -> gtsam.Pose3:
        """Pose of the odometry's frame in the map, by the last node; there has to be one."""
        node = self._solver.nodes[-1]
        return self._solver.estimate(node).compose(self.track.pose(node).inverse())

    @property
    def accepted(self) -> set[int]:
        """Closures that are constraints now."""
        return set(self._accepted)

    @property
    def waiting(self) -> dict[int, str]:
        """Closures without an answer, and what they wait for."""
        return {name: each.why for name, each in {**self._held, **self._pending}.items()}

    # ---- stages

    def _now(self) -> int:
        return self.track.newest_ns if len(self.track) else 0

    def _moved(self, stamp_ns: int) -> bool:
        if not self._solver.nodes:
            return True
        step = self.track.motion(self._solver.nodes[-1], stamp_ns).pose
        way = float(np.linalg.norm(step.translation()))
        turn = float(np.linalg.norm(gtsam.Rot3.Logmap(step.rotation())))
        return way >= self.settings.keyframe_distance or turn >= self.settings.keyframe_turn

    def _known(self, closure: Closure) -> bool:
        return all(self.track.covers(s) for s in (closure.stamp_from_ns, closure.stamp_to_ns))

    def _expired(self, now_ns: int) -> list[Answer]:
        """Answers to what has waited for too long."""
        answers = []
        for waiting, seconds in (
            (self._held, self.settings.hold),
            (self._pending, self.settings.patience),
        ):
            for name in [n for n, w in waiting.items() if now_ns - w.since_ns > 1e9 * seconds]:
                why = waiting.pop(name).why
                self._consistent.remove(name)
                answers.append(Answer(name, False, f'unused: {why} (after {seconds:g} s)'))
        return answers

    def _judge(self, closure: Closure) -> list[Answer]:
        """What a closure changes, both ends of which are known."""
        assert closure.measured is not None
        settings = self.settings
        widened = closure.measured.widened(
            settings.covariance_scale, settings.rotation_floor, settings.position_floor
        )
        closure = replace(closure, measured=widened)
        name, spread = closure.closure_id, Spread.of(self._solver.positions())
        odometry = self.track.motion(closure.stamp_from_ns, closure.stamp_to_ns)
        alone = compared(closure, odometry, spread, settings.gate)
        if not alone.passed:
            return [Answer(name, False, f'odometry rules it out: {alone.told}')]
        self._consistent.add(closure, spread)
        self._pending[name] = _Waiting(closure, self._now(), 'it contradicts other closures')
        return self._follow(spread)

    def _follow(self, spread: Spread) -> list[Answer]:
        """Let the constraints follow what agrees now."""
        answers: list[Answer] = []
        best = self._consistent.best
        for name in [name for name in self._accepted if name not in best]:
            reason = f'{len(best)} closures agree with each other and not with it'
            answers.append(self._take_out(name, reason))
        for name in [name for name in self._pending if name in best]:
            waiting = self._pending[name]
            predicted = self._predicted(waiting.closure)
            gate = compared(waiting.closure, predicted, spread, self.settings.gate)
            chance = min(gate.chance, self._consistent.chance(name))
            if not gate.passed:
                waiting.why = f'the closures before it rule it out: {gate.told}'
            elif chance > self._allowed_chance(waiting.closure):
                waiting.why = f'no other closure confirms it: agreement by chance {chance:.1g}'
            else:
                del self._pending[name]
                entered = self._accepted[name] = _Constraint(waiting.closure, gate.direction)
                near = self._residual(entered, spread).passed
                self._solver.enter(entered.closure, direction=entered.direction, near=near)
                answers.append(Answer(name, True, f'{gate.told}, by chance {chance:.1g}'))
        return answers + self._contradicted(spread)

    def _allowed_chance(self, closure: Closure) -> float:
        assert closure.measured is not None
        settings = self.settings
        return settings.chance if closure.measured.metric else settings.rotation_chance

    def _predicted(self, closure: Closure, *, exact: bool = False) -> Motion:
        return self._solver.motion(closure.stamp_from_ns, closure.stamp_to_ns, exact=exact)

    def _contradicted(self, spread: Spread) -> list[Answer]:
        """Take those out that the estimate does not follow, the worst first."""
        answers: list[Answer] = []
        while self._accepted:
            residuals = {n: self._residual(each, spread) for n, each in self._accepted.items()}
            worst = max(residuals, key=lambda name: residuals[name].excess)
            if residuals[worst].passed:
                break
            reason = f'the trajectory contradicts it: {residuals[worst].told}'
            answers.append(self._take_out(worst, reason))
        return answers

    def _residual(self, constraint: _Constraint, spread: Spread) -> Agreement:
        """How well the estimate follows a closure, taken as exact."""
        return compared(
            constraint.closure,
            self._predicted(constraint.closure, exact=True),
            spread,
            self.settings.gate,
            rotation_only=constraint.rotation_only,
        )

    def _take_out(self, name: int, reason: str) -> Answer:
        del self._accepted[name]
        self._consistent.remove(name)
        self._solver.leave(name)
        return Answer(name, False, f'taken out again: {reason}')
