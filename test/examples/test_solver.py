"""The solver of the back-end: it follows closures, lets go of them, and says how sure it is."""

from __future__ import annotations

from dataclasses import replace

import gtsam
import numpy as np
import pytest
from helpers.back_ends.drives import Drive

from examples.pose_graph_backend.closures import Closure
from examples.pose_graph_backend.settings import GraphSettings
from examples.pose_graph_backend.solver import Solver
from examples.pose_graph_backend.track import OdometryPath

# A node every 1.5 m, six poses of the odometry.
APART = 6
# The drive's second round, and what it saw in the first, neither at a node.
LATE, EARLY = 400, 26
MOUNT = gtsam.Pose3(gtsam.Rot3.Ypr(-np.pi / 2, 0.0, -np.pi / 2), np.array([0.8, 0.2, 1.0]))


@pytest.fixture(scope='module')
def drive() -> Drive:
    return Drive.around(3)


@pytest.fixture
def solver(drive) -> Solver:
    settings = GraphSettings()
    track = OdometryPath(settings)
    solver = Solver(track, settings)
    for number, pose in enumerate(drive.odometry):
        track.add(drive.stamp(number), pose)
        if number % APART == 0:
            solver.add_node(drive.stamp(number))
    return solver


def exact(
    drive: Drive, closure_id: int = 1, start: int = LATE, end: int = EARLY, **how
) -> Closure:
    """What a camera without errors would measure, and say of it that it is hardly off."""
    closure = drive.closure(closure_id, start, end, np.random.default_rng(0), **how)
    mount = closure.mount_from
    pose = drive.truth[start].compose(mount).between(drive.truth[end].compose(mount))
    if not closure.measured.metric:
        towards = pose.translation() / np.linalg.norm(pose.translation())
        pose = gtsam.Pose3(pose.rotation(), towards)
    return replace(closure, measured=replace(closure.measured, pose=pose))


def miss(solver: Solver, closure: Closure) -> tuple[float, float]:
    """Radians and metres that the estimate between the bases differs from a closure."""
    between = solver.motion(closure.stamp_from_ns, closure.stamp_to_ns).pose
    right, _ = closure.of_bases()
    error = gtsam.Pose3.Logmap(right.between(between))
    return float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:]))


def drift(solver: Solver, drive: Drive) -> float:
    """Metres that the nodes are away from where odometry alone has them."""
    numbers = range(0, len(drive.odometry), APART)
    there = np.array([drive.odometry[number].translation() for number in numbers])
    return float(np.abs(solver.positions() - there).max())


@pytest.mark.parametrize('mount', [None, MOUNT], ids=['base', 'optical'])
def test_the_estimate_follows_a_closure_however_far_it_has_drifted(solver, drive, mount):
    closure = exact(drive, mount=mount)
    assert miss(solver, closure)[1] > 1.5
    solver.enter(closure, direction=False, near=False)
    turned, away = miss(solver, closure)
    assert turned < 0.005 and away < 0.05


def four(drive: Drive) -> list[Closure]:
    """Closures that agree, along a few metres."""
    return [exact(drive, n, LATE + 6 * n, EARLY + 6 * n) for n in range(4)]


def wrong(drive: Drive) -> Closure:
    """One of the same ends that is 4 m off."""
    right = exact(drive, 9)
    pose = right.measured.pose.compose(gtsam.Pose3(gtsam.Rot3(), np.array([0.0, 4.0, 0.0])))
    return replace(right, measured=replace(right.measured, pose=pose))


def test_a_wrong_closure_hardly_moves_what_others_hold(solver, drive):
    for closure in four(drive):
        solver.enter(closure, direction=False, near=False)
    before = solver.positions()
    solver.enter(wrong(drive), direction=False, near=True)
    assert np.abs(solver.positions() - before).max() < 0.1


def test_a_closure_is_given_up_where_those_after_it_agree_on_something_else(solver, drive):
    solver.enter(wrong(drive), direction=False, near=False)
    assert miss(solver, four(drive)[0])[1] > 3
    for closure in four(drive):
        solver.enter(closure, direction=False, near=False)
    assert miss(solver, four(drive)[0])[1] < 0.1


@pytest.mark.parametrize('near', [False, True])
@pytest.mark.parametrize('metric', [True, False], ids=['pose', 'direction'])
def test_a_closure_that_leaves_takes_all_of_it_along(solver, drive, metric, near):
    start, end = (LATE, EARLY) if metric else (LATE, LATE - 75)
    closure = exact(drive, 1, start, end, mount=MOUNT, metric=metric)
    assert drift(solver, drive) < 1e-6
    solver.enter(closure, direction=not metric, near=near)
    assert near or drift(solver, drive) > 0.02
    solver.leave(closure.closure_id)
    assert drift(solver, drive) < 0.005
    # And may come again.
    solver.enter(closure, direction=not metric, near=False)
    assert drift(solver, drive) > 0.02


def test_a_direction_is_that_of_the_cameras(solver, drive):
    closure = exact(drive, 1, LATE, LATE - 75, mount=MOUNT, metric=False)

    def angle() -> float:
        bases = solver.motion(closure.stamp_from_ns, closure.stamp_to_ns).pose
        cameras = MOUNT.inverse().compose(bases).compose(MOUNT)
        found = cameras.translation() / np.linalg.norm(cameras.translation())
        return float(np.arccos(found @ closure.measured.pose.translation()))

    before = angle()
    assert before > 0.015
    solver.enter(closure, direction=True, near=False)
    assert angle() < 0.2 * before


def test_of_a_rotation_no_position_comes(solver, drive):
    """Its ends are 15 m apart, and stay so."""
    closure = exact(drive, 1, LATE, LATE - 75, metric=False)
    turned = closure.measured.pose.compose(gtsam.Pose3(gtsam.Rot3.Yaw(0.05), np.zeros(3)))
    closure = replace(closure, measured=replace(closure.measured, pose=turned))

    def ends() -> gtsam.Pose3:
        return solver.motion(closure.stamp_from_ns, closure.stamp_to_ns).pose

    before = np.linalg.norm(ends().translation())
    solver.enter(closure, direction=False, near=False)
    rotation, _ = closure.rotation_of_bases()
    assert np.linalg.norm(gtsam.Rot3.Logmap(rotation.between(ends().rotation()))) < 0.005
    assert np.linalg.norm(ends().translation()) == pytest.approx(before, rel=0.02)


def test_between_nodes_the_estimate_is_as_sure_as_the_odometry(solver, drive):
    """From a little before a node to a little after another; and more so by a closure."""
    times = drive.stamp(4 * APART - 2), drive.stamp(40 * APART + 2)
    stated, alone = solver.motion(*times), solver._track.motion(*times)
    assert stated.pose.equals(alone.pose, 1e-6)
    np.testing.assert_allclose(stated.covariance, alone.covariance, rtol=1e-3, atol=1e-6)
    certain = solver.motion(*times, exact=True).covariance
    assert 0 < np.trace(certain) < 0.2 * np.trace(stated.covariance)
    solver.enter(exact(drive, 1, 40 * APART, 4 * APART), direction=False, near=False)
    assert np.trace(solver.motion(*times).covariance) < 0.2 * np.trace(stated.covariance)


def test_a_closure_between_nodes_is_less_sure_by_the_way_to_them(solver, drive):
    """Two that contradict each other meet where their certainty has them."""
    at_nodes = exact(drive, 1, 66 * APART, 4 * APART)
    solver.enter(at_nodes, direction=False, near=False)
    sure = np.trace(solver.motion(at_nodes.stamp_from_ns, at_nodes.stamp_to_ns).covariance)
    solver.leave(1)
    between = exact(drive, 2, 66 * APART + 2, 4 * APART + 2)
    solver.enter(between, direction=False, near=False)
    less = np.trace(solver.motion(at_nodes.stamp_from_ns, at_nodes.stamp_to_ns).covariance)
    assert less > 2 * sure


def test_the_node_at_a_time_is_the_nearest(solver, drive):
    for number, node in ((0, 0), (2, 0), (4, 6), (6, 6), (8, 6), (9, 6), (10, 12)):
        assert solver.node_near(drive.stamp(number)) == drive.stamp(node)
    last = len(drive.odometry) - 1
    assert solver.node_near(drive.stamp(last + 50)) == drive.stamp(last - last % APART)
