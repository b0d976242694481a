"""The back-end of the examples: what closures do to a trajectory, right ones and wrong ones."""

from __future__ import annotations

from dataclasses import replace

import gtsam
import numpy as np
import pytest
from helpers.back_ends.drives import NS, Drive

from examples.pose_graph_backend.pose_graph import PoseGraph
from examples.pose_graph_backend.settings import GraphSettings

# x right, y down, z forward.
OPTICAL = gtsam.Pose3(gtsam.Rot3.Ypr(-np.pi / 2, 0.0, -np.pi / 2), np.array([0.3, 0.1, 1.0]))
SIDEWAYS = gtsam.Pose3(gtsam.Rot3(), np.array([0.0, 4.0, 0.0]))


@pytest.fixture(scope='module')
def drive() -> Drive:
    return Drive.around(3)


@pytest.fixture(scope='module')
def drifted(drive) -> float:
    """Error without closures, in metres."""
    graph = PoseGraph()
    drive.run(graph, [])
    return drive.error(graph)


def revisits(drive: Drive, rng: np.random.Generator, every: int = 15, **how) -> list:
    """Closures of the second round with the first."""
    round_ = len(drive.truth) // 2
    return [
        drive.closure(number, end, end - round_ + int(rng.integers(-4, 5)), rng, **how)
        for number, end in enumerate(range(round_ + 10, 2 * round_, every))
    ]


def states(answers: dict) -> dict[int, list[bool]]:
    return {name: [each.accepted for each in found] for name, found in answers.items()}


@pytest.mark.parametrize('mount', [None, OPTICAL], ids=['base', 'optical'])
def test_closures_take_the_drift_away(drive, drifted, mount):
    graph = PoseGraph()
    closures = revisits(drive, np.random.default_rng(1), mount=mount)
    answers = drive.run(graph, closures)
    assert states(answers) == {closure.closure_id: [True] for closure in closures}
    assert drive.error(graph) < 0.4 * drifted


def test_map_to_odom_carries_odometry_into_the_corrected_map(drive):
    graph = PoseGraph()
    drive.run(graph, revisits(drive, np.random.default_rng(1)))
    last = len(drive.truth) - 1
    corrected = graph.map_to_odom().compose(drive.odometry[last])
    assert corrected.equals(graph.pose(drive.stamp(last)), 1e-6)
    miss = np.linalg.norm(corrected.translation() - drive.truth[last].translation())
    before = np.linalg.norm(drive.odometry[last].translation() - drive.truth[last].translation())
    assert miss < 0.4 * before


@pytest.mark.parametrize('share', [0.2, 0.5])
def test_wrong_closures_do_not_break_it(drive, drifted, share):
    rng = np.random.default_rng(int(10 * share))
    closures, wrong = revisits(drive, rng), set()
    for number, closure in enumerate(closures):
        if rng.random() < share:
            turn = gtsam.Rot3.Ypr(*(rng.normal(size=3) * [0.5, 0.05, 0.05]))
            off = gtsam.Pose3(turn, rng.normal(size=3) * [4, 4, 0.1])
            measured = replace(closure.measured, pose=closure.measured.pose.compose(off))
            closures[number] = replace(closure, measured=measured)
            wrong.add(closure.closure_id)
    assert len(wrong) >= share * len(closures) / 2
    graph = PoseGraph()
    drive.run(graph, closures)
    assert not graph.accepted & wrong
    assert len(graph.accepted) >= 0.9 * (len(closures) - len(wrong))
    assert drive.error(graph) < 0.5 * drifted


def test_one_closure_after_a_long_way_waits_for_another(drive):
    rng = np.random.default_rng(5)
    # A looser odometry, which allows much.
    graph = PoseGraph(GraphSettings(position_noise=0.5, rotation_noise=0.03, turning_noise=0.2))
    first, second = revisits(drive, rng, every=10)[:2]
    graph_answers = drive.run(graph, [first], upto=drive_end(drive, first))
    assert graph_answers == {}
    assert 'no other closure confirms it' in graph.waiting[first.closure_id]
    assert graph.accepted == set()
    answers = drive.run(graph, [second], upto=drive_end(drive, second))
    assert states(answers) == {first.closure_id: [True], second.closure_id: [True]}


def drive_end(drive: Drive, closure) -> int:
    return (closure.stamp_from_ns - drive.stamp(0)) // (NS // 10) + 1


def test_a_wrong_closure_is_taken_out_again_once_others_agree(drive, drifted):
    rng = np.random.default_rng(6)
    closures = revisits(drive, rng)
    # Little enough for odometry to allow it, and too much for what it says of itself.
    wrong = drive.closure(99, 390, 10, rng, off=SIDEWAYS)
    graph = PoseGraph(GraphSettings(chance=0.2))
    answers = drive.run(graph, [wrong], upto=391)
    assert states(answers) == {99: [True]}
    answers = drive.run(graph, closures)
    assert [each.accepted for each in answers[99]] == [False]
    assert 'taken out again' in answers[99][0].reason
    assert 99 not in graph.accepted and drive.error(graph) < 0.4 * drifted


def test_what_odometry_cannot_be_is_rejected_at_once(drive):
    far = gtsam.Pose3(gtsam.Rot3.Yaw(2.0), np.array([8.0, 0.0, 0.0]))
    wrong = drive.closure(7, 400, 20, np.random.default_rng(7), off=far)
    graph = PoseGraph()
    answers = drive.run(graph, [wrong])
    assert states(answers) == {7: [False]}
    assert answers[7][0].reason.startswith('odometry rules it out: chi-square')


def test_without_a_transform_nothing_is_constrained(drive, drifted):
    closure = replace(revisits(drive, np.random.default_rng(8))[0], measured=None)
    graph = PoseGraph()
    answers = drive.run(graph, [closure])
    assert states(answers) == {0: [False]}
    assert answers[0][0].reason == 'unused: no transform was measured'
    assert drive.error(graph) == pytest.approx(drifted, abs=1e-9)


def test_a_closure_is_held_until_its_stamp_is_known(drive):
    rng = np.random.default_rng(9)
    closures = revisits(drive, rng)[:2]
    graph = PoseGraph()
    early = drive_end(drive, closures[0]) - 20
    drive.run(graph, [], upto=early)
    for closure in closures:
        assert graph.add_closure(closure) == []
        assert graph.add_closure(closure) == []
    assert set(graph.waiting) == {0, 1}
    answers = drive.run(graph, [], upto=drive_end(drive, closures[1]))
    assert states(answers) == {0: [True], 1: [True]}


def test_what_no_odometry_ever_reaches_is_answered_in_the_end(drive):
    lost = replace(revisits(drive, np.random.default_rng(10))[0], stamp_to_ns=5)
    graph = PoseGraph(GraphSettings(hold=3.0))
    answers = drive.run(graph, [lost])
    assert states(answers) == {0: [False]}
    assert answers[0][0].reason == (
        'unused: there is no odometry at one of its stamps (after 3 s)'
    )


def test_what_still_waits_is_answered_at_the_end(drive):
    lost = replace(revisits(drive, np.random.default_rng(11))[0], stamp_from_ns=drive.stamp(10**6))
    graph = PoseGraph()
    drive.run(graph, [])
    assert graph.add_closure(lost) == []
    assert [(each.closure_id, each.accepted) for each in graph.finish()] == [(0, False)]
    assert graph.waiting == {}


@pytest.mark.parametrize('mount', [None, OPTICAL], ids=['base', 'optical'])
def test_directions_without_length_take_drift_away_too(mount):
    """Where the way is known well enough to tell on which side the other camera was."""
    drive = Drive.around(12, scale=1.0, noise=1.5, rounds=1.3, radius=20.0)
    rng = np.random.default_rng(12)
    end = len(drive.truth) - 1
    # Views across a few metres of way that were driven just before: near enough for odometry to
    # know the baseline, and far enough apart for it to have drifted in heading.
    pairs = [(number, number - 60) for number in range(80, end, 10)]
    closures = [
        drive.closure(n, *pair, rng, mount=mount, metric=False) for n, pair in enumerate(pairs)
    ]
    without, graph = PoseGraph(), PoseGraph()
    drive.run(without, [])
    answers = drive.run(graph, closures)
    accepted = [name for name, found in answers.items() if found[-1].accepted]
    assert len(accepted) >= 0.9 * len(closures)
    assert drive.error(graph) < 0.6 * drive.error(without)


def test_a_direction_counts_by_its_rotation_where_the_baseline_is_not_known(drive):
    """After a long way odometry cannot tell on which side of a camera a close one was."""
    rng = np.random.default_rng(13)
    closures = revisits(drive, rng, metric=False)
    graph, without = PoseGraph(), PoseGraph()
    drive.run(graph, closures)
    drive.run(without, [])

    def heading_error(each: PoseGraph) -> float:
        stamps, poses = each.trajectory()
        truth = drive.truth[round((stamps[-1] - drive.stamp(0)) / (NS // 10))]
        return float(
            np.linalg.norm(gtsam.Rot3.Logmap(poses[-1].rotation().between(truth.rotation())))
        )

    assert len(graph.accepted) >= 0.8 * len(closures)
    assert heading_error(graph) < 0.5 * heading_error(without)


def test_the_estimate_says_how_sure_it_is():
    """Distances of the trajectory from the truth fit the covariance that gates closures."""
    found = []
    for seed in range(30):
        drive = Drive.around(seed, scale=1.0, rounds=1.0)
        settings = GraphSettings(position_noise=0.02, rotation_noise=0.006, turning_noise=1e-9)
        graph = PoseGraph(settings)
        drive.run(graph, [])
        nodes, poses = graph.trajectory()
        first, last = nodes[20], nodes[-2]
        numbers = [(stamp - drive.stamp(0)) // (NS // 10) for stamp in (first, last)]
        start, end = (drive.truth[number] for number in numbers)
        predicted = graph._solver.motion(first, last)
        error = gtsam.Pose3.Logmap(start.between(end).between(predicted.pose))
        found.append(error @ np.linalg.solve(predicted.covariance, error))
        assert predicted.pose.equals(poses[20].between(poses[-2]), 1e-6)
        track = graph.track.motion(first, last)
        assert predicted.covariance == pytest.approx(track.covariance, rel=1e-3, abs=1e-6)
    # A mean of 30 chi-square numbers of 6 dimensions: within 6 ± 2 in 99.8 % of all cases.
    assert 4 < np.mean(found) < 8
