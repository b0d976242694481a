"""Which closures agree, and the largest set of those that do."""

from __future__ import annotations

import itertools

import gtsam
import numpy as np
import pytest
from helpers.back_ends.drives import Drive

from examples.pose_graph_backend.agreement import Agreement, Spread
from examples.pose_graph_backend.closures import Closure
from examples.pose_graph_backend.consistency import ConsistentSet
from examples.pose_graph_backend.settings import GraphSettings
from examples.pose_graph_backend.track import OdometryPath

SPREAD = Spread(900.0)
SIDEWAYS = gtsam.Pose3(gtsam.Rot3(), np.array([0.0, 6.0, 0.0]))
ROUND = 377


@pytest.fixture(scope='module')
def drive() -> Drive:
    return Drive.around(3)


@pytest.fixture
def found(drive) -> ConsistentSet:
    settings = GraphSettings()
    track = OdometryPath(settings)
    for number, pose in enumerate(drive.odometry):
        track.add(drive.stamp(number), pose)
    return ConsistentSet(track, settings)


def closures(
    drive: Drive, names: range, *, step: int = 15, ahead: int = 2, **how
) -> list[Closure]:
    """Of the second round with the first one, so many poses ahead, every so many poses."""
    rng = np.random.default_rng(names.start)
    ends = [10 + step * (name % 10) for name in names]
    return [
        drive.closure(name, ROUND + end, end + ahead, rng, **how)
        for name, end in zip(names, ends, strict=True)
    ]


def add(found: ConsistentSet, each: list[Closure]) -> None:
    for closure in each:
        found.add(closure, SPREAD)


@pytest.mark.parametrize('metric', [True, False], ids=['poses', 'directions'])
def test_right_closures_agree_along_a_round_of_odometry(found, drive, metric):
    add(found, closures(drive, range(10), step=35, metric=metric))
    assert found.best == set(range(10))


@pytest.mark.parametrize('ends', [(400, 700), (700, 400)])
def test_right_closures_with_one_place_agree_over_the_drift_of_a_round(found, drive, ends):
    rng = np.random.default_rng(1)
    add(found, [drive.closure(name, end, 26, rng) for name, end in enumerate(ends)])
    assert found.best == {0, 1}


@pytest.mark.parametrize('order', [1, -1])
def test_a_pose_and_a_direction_are_compared_by_their_rotation(found, drive, order):
    """Though the poses are those of places 10 m away."""
    given = closures(drive, range(2), ahead=40) + closures(drive, range(12, 14), metric=False)
    add(found, given[::order])
    assert found.best == {0, 1, 12, 13}
    turned = gtsam.Pose3(gtsam.Rot3.Yaw(0.8), np.zeros(3))
    add(found, closures(drive, range(24, 26), metric=False, off=turned))
    assert found.best == {0, 1, 12, 13}


def test_wrong_closures_agree_with_no_right_one(found, drive):
    wrong = [
        drive.closure(20 + n, ROUND + 10 + 20 * n, 12 + 20 * n, np.random.default_rng(n), off=off)
        for n, off in enumerate((SIDEWAYS, SIDEWAYS.inverse(), gtsam.Pose3(gtsam.Rot3.Yaw(1.0),
                                                                           np.zeros(3))))
    ]  # fmt: skip
    add(found, [wrong[0], *closures(drive, range(4)), *wrong[1:]])
    assert found.best == set(range(4))
    assert found.chance(0) < 0.1 and found.chance(20) == found.chance(22) == 1.0


def test_chance_is_that_of_the_surest_agreement(found, drive):
    chances = []
    for closure in closures(drive, range(6), step=40):
        found.add(closure, SPREAD)
        chances.append(found.chance(0))
    assert chances[0] == 1.0 and found.best == set(range(6))
    assert chances == sorted(chances, reverse=True)
    # The nearer one along the odometry is the surer one, whenever it comes.
    found.add(drive.closure(6, ROUND + 11, 13, np.random.default_rng(6)), SPREAD)
    assert found.chance(0) < 0.9 * chances[-1]


# ---- the set, for agreement that is given


class Given(ConsistentSet):
    """Closures of which pairs of names agree."""

    def __init__(self, pairs: set[frozenset[int]]) -> None:
        settings = GraphSettings()
        super().__init__(OdometryPath(settings), settings)
        self.pairs = pairs
        self.compared: list[frozenset[int]] = []

    def _pair(self, one: Closure, other: Closure, spread: Spread) -> Agreement:
        pair = frozenset((one.closure_id, other.closure_id))
        self.compared.append(pair)
        return Agreement(0.0 if pair in self.pairs else 2.0, 1.0, 0.01)

    def take(self, *names: int) -> None:
        for name in names:
            self.add(Closure(name, 2, 1, None, gtsam.Pose3(), gtsam.Pose3()), SPREAD)


def all_of(*groups: tuple[int, ...]) -> set[frozenset[int]]:
    return {frozenset(pair) for group in groups for pair in itertools.combinations(group, 2)}


def test_an_equal_set_does_not_displace_the_first_one_and_a_larger_one_does():
    found = Given(all_of((1, 2, 3), (4, 5, 6, 7)))
    found.take(1, 4, 2, 5, 3)
    assert found.best == {1, 2, 3}
    found.take(6)
    assert found.best == {1, 2, 3}
    found.take(7)
    assert found.best == {4, 5, 6, 7}


def test_each_agrees_with_each():
    """1 agrees with all, and so would be in either set; 2 and 3 do not agree with 4 and 5."""
    found = Given(all_of((1, 2, 3), (1, 4, 5), (3, 4)))
    found.take(1, 2, 3, 4, 5)
    assert found.best == {1, 2, 3}
    found = Given(all_of((1, 2, 3), (1, 2, 4)))
    found.take(1, 2, 3, 4)
    assert found.best == {1, 2, 3}


def test_a_set_may_have_little_in_common_with_the_best_one():
    """7 agrees with 1 of the best set, which would lead away from its own."""
    found = Given(all_of((1, 2, 3), (4, 5, 6, 7), (1, 7)))
    found.take(1, 2, 3, 4, 5, 6, 7)
    assert found.best == {4, 5, 6, 7}


def test_a_set_grows_whatever_else_agrees_with_the_newest():
    """4 agrees with more of those that 7 does than anyone of the best set."""
    found = Given(all_of((1, 2, 3, 8, 7), (1, 2, 4, 7), (4, 5, 7), (4, 6, 7), (4, 9, 7)))
    found.take(1, 2, 3, 8, 4, 5, 6, 9)
    assert found.best == {1, 2, 3, 8}
    found.take(7)
    assert found.best == {1, 2, 3, 7, 8}


def test_what_is_removed_is_gone_and_another_set_takes_its_place():
    found = Given(all_of((1, 2, 3), (4, 5, 6)))
    found.take(1, 2, 3, 4, 5, 6)
    found.remove(2)
    assert found.best == {4, 5, 6}
    found.compared.clear()
    found.take(7)
    assert frozenset((2, 7)) not in found.compared and found.chance(7) == 1.0
    found.remove(5)
    assert found.best in ({1, 3}, {4, 6})
    found.take(2)
    assert found.best == {1, 2, 3}
    found.remove(99)
    assert found.best == {1, 2, 3}


@pytest.mark.parametrize('seed', range(40))
def test_whatever_comes_and_goes_the_set_is_one_that_agrees_and_misses_nobody(seed):
    """And it is that of six closures that agree, among others that agree by chance."""
    rng = np.random.default_rng(seed)
    right = tuple(int(name) for name in rng.choice(14, 6, replace=False))
    by_chance = {
        frozenset(pair) for pair in itertools.combinations(range(14), 2) if rng.random() < 0.2
    }
    found = Given(all_of(right) | by_chance)
    there: set[int] = set()
    for name in [*rng.permutation(14).tolist(), *rng.integers(0, 14, 20).tolist()]:
        if name not in there:
            found.take(name)
            there.add(name)
        elif name not in right:
            found.remove(name)
            there.remove(name)
        assert found.best <= there
        assert all_of(tuple(found.best)) <= found.pairs
        for other in there - found.best:
            assert not all_of(tuple(found.best | {other})) <= found.pairs
    assert len(found.best) >= 6 and len(found.best & set(right)) >= 5
