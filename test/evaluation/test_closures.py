"""Precision and recall of closures, against counts made by hand and against a published list."""

import csv
import math

import numpy as np
import pytest

from fol_vpr.datatypes import LoopClosure, Pose, Verification
from fol_vpr.errors import InputError
from fol_vpr.evaluation.closures import (
    DriveTrajectory,
    RevisitCriteria,
    evaluate_closures,
    precision_recall,
    rotate,
)
from fol_vpr.sources import ImageFolder

SECOND = 1_000_000_000


def pose(x: float, degrees: float = 0.0) -> Pose:
    half = math.radians(degrees) / 2
    return Pose(np.array([x, 0.0, 0.0]), np.array([0, 0, math.sin(half), math.cos(half)]))


def closure(now: int, then: int) -> LoopClosure:
    return LoopClosure(
        1, 's', 's', now * SECOND, then * SECOND, '', '', 0.9, math.nan, Verification.GEOMETRY,
        90, 80,
    )  # fmt: skip


def drive(*poses: Pose | None, **rule) -> DriveTrajectory:
    return DriveTrajectory([i * SECOND for i in range(len(poses))], poses, RevisitCriteria(**rule))


def test_the_rule_of_the_desk_sequence_gives_its_list(data):
    folder = ImageFolder(data / 'tum_fr1_desk' / 'rgb', data / 'tum_fr1_desk' / 'frames.csv')
    captures = list(folder.captures())
    where = DriveTrajectory(
        [c.stamp_ns for c in captures],
        [c.pose for c in captures],
        RevisitCriteria(poses_of='camera'),
    )
    with (data / 'tum_fr1_desk' / 'loops.csv').open() as file:
        listed = {int(row[0]): set(map(int, row[1].split())) for row in list(csv.reader(file))[1:]}
    assert set(np.flatnonzero(where.is_revisit())) == set(listed)
    for image, earlier in listed.items():
        stamps = [c.stamp_ns for c in captures]
        found = {i for i in range(image) if where.same_place(stamps[image], stamps[i])}
        assert found == earlier


def test_distance_direction_and_time_all_count():
    where = drive(pose(0), pose(0.1), pose(0), pose(0.2, 19), pose(0, 21), pose(0.31), gap=1.5)
    assert where.is_loop(closure(2, 0)) and where.is_loop(closure(0, 2))
    assert not where.is_loop(closure(1, 0)), 'too soon'
    assert where.is_loop(closure(3, 0))
    assert not where.is_loop(closure(4, 0)), 'turned too far'
    assert not where.is_loop(closure(5, 0)), 'too far'
    assert where.is_revisit().tolist() == [False, False, True, True, False, True]


def test_the_direction_is_that_of_the_robot_or_of_its_camera():
    rolled = Pose(np.zeros(3), np.array([math.sin(0.6), 0, 0, math.cos(0.6)]))
    assert drive(pose(0), rolled, gap=0).is_loop(closure(1, 0)), 'about the axis it looks along'
    camera = drive(pose(0), rolled, gap=0, poses_of='camera')
    assert not camera.is_loop(closure(1, 0))
    np.testing.assert_allclose(rotate(pose(0, 90).orientation, np.array([1.0, 0, 0])), [0, 1, 0],
                               atol=1e-12)  # fmt: skip


def test_without_a_pose_nothing_is_known():
    where = drive(pose(0), None, pose(0), gap=0.5)
    assert where.is_loop(closure(1, 0)) is None
    assert where.is_revisit().tolist() == [False, False, True]
    with pytest.raises(InputError, match='no image'):
        where.is_loop(closure(7, 0))


def test_revisits_are_counted_once_and_found_by_a_right_closure():
    poses = [pose(x) for x in (0, 10, 20, 0, 30, 40, 10, 10, 50, 60)]
    where = drive(*poses, gap=2.0)
    report = evaluate_closures([closure(6, 1), closure(7, 1), closure(3, 2)], where)
    assert (report.right, report.wrong, report.unknown) == (2, 1, 0)
    assert (report.images, report.revisits, report.found) == (3, 2, 1)
    assert report.precision == pytest.approx(2 / 3)
    nothing = evaluate_closures([], where)
    assert nothing.found == 0 and math.isnan(nothing.precision)


def test_a_drive_without_loops():
    report = evaluate_closures([], drive(pose(0), pose(5)))
    assert (report.images, report.revisits, report.found) == (0, 0, 0)


def test_precision_and_recall_at_every_threshold():
    curve = precision_recall([0.9, 0.8, 0.8, 0.5], [True, True, False, True], positives=4)
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.5]
    np.testing.assert_allclose(curve.precision, [1, 2 / 3, 3 / 4])
    np.testing.assert_allclose(curve.recall, [1 / 4, 2 / 4, 3 / 4])
    assert curve.recall_at_full_precision == 0.25
    expected = 0.25 * 1 + 0.25 * 2 / 3 + 0.25 * 3 / 4
    assert curve.average_precision == pytest.approx(expected)


def test_the_best_answer_being_wrong_leaves_no_recall_at_full_precision():
    assert precision_recall([0.9, 0.8], [False, True], 2).recall_at_full_precision == 0
    nothing = precision_recall([], [], 3)
    assert nothing.recall_at_full_precision == 0 and nothing.average_precision == 0


def test_nonsense_is_refused():
    with pytest.raises(InputError, match='only 1 can be'):
        precision_recall([1, 2], [True, True], 1)
    with pytest.raises(InputError, match='base or camera'):
        RevisitCriteria(poses_of='lens')
    with pytest.raises(InputError, match='over 0'):
        RevisitCriteria(distance=0)
