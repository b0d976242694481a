"""How predicted poses move with the robot: by odometry, time, and novelty of the images."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, GeoPosition, Place, Pose
from fol_vpr.decision import Locations
from fol_vpr.decision.motion import DRIFT, MOVING_NOVELTY, STEP, PredictedPose, RobotMotion

CONFIG = VerificationConfig(place_radius=5.0, place_index_gap=4, speed=2.0)
NORTH = (0.0, 0.0, 90.0)


def pose(position=(0.0, 0.0, 0.0), turned=(0.0, 0.0, 0.0)) -> Pose:
    """At metres, turned by degrees about x, y and z."""
    quaternion = Rotation.from_euler('xyz', turned, degrees=True).as_quat()
    return Pose(np.array(position), quaternion)


def place(index: int = 0, at: Pose | None = None, geo: GeoPosition | None = None) -> Place:
    return Place(index, f'p{index}', 's', 0, '', (640, 480), at, geo)


def reached(predicted: PredictedPose, *positions: tuple[float, float, float]) -> list[float]:
    places = [place(i, pose(each)) for i, each in enumerate(positions)]
    return predicted.proximity(Locations(places), CONFIG).tolist()


def test_a_motion_is_the_same_whatever_frame_the_odometry_counts_in():
    """The frame of the odometry lies anywhere and is turned anyhow against that of the map."""
    first, second = pose((1.0, 2.0, 0.5), (10, -5, 30)), pose((2.0, 2.5, 0.4), (12, 3, 75))
    motions = []
    for seed in range(5):
        frame = Rotation.random(random_state=seed)
        origin = np.random.default_rng(seed).normal(size=3) * 100
        seen = [
            Pose(
                frame.apply(each.position) + origin,
                (frame * Rotation.from_quat(each.orientation)).as_quat(),
            )
            for each in (first, second)
        ]
        motions.append(RobotMotion.between(*seen, seconds=1.0))
    for motion in motions:
        np.testing.assert_allclose(motion.translation, motions[0].translation, atol=1e-9)
        np.testing.assert_allclose(motion.rotation, motions[0].rotation, atol=1e-9)
    assert motions[0].metres == pytest.approx(math.sqrt(1 + 0.25 + 0.01))


def test_forwards_is_along_the_heading_of_the_base():
    motion = RobotMotion.between(pose(turned=NORTH), pose((0.0, 3.0, 0.0), (0, 0, 120)), 1.0)
    np.testing.assert_allclose(motion.translation, [3.0, 0.0, 0.0], atol=1e-12)
    assert motion.metres == pytest.approx(3.0) and motion.degrees == pytest.approx(30.0)


def test_odometry_moves_a_place_along_its_own_heading():
    """The odometry was switched on facing elsewhere: what counts is the heading in the map."""
    predicted = PredictedPose.of(place(at=pose((100.0, 0.0, 0.0), NORTH)))
    motion = RobotMotion.between(pose(turned=(0, 0, 180)), pose((-6.0, 0, 0), (0, 0, -90)), 1.0)
    moved = predicted.moved(motion, 1.0, CONFIG)
    np.testing.assert_allclose(moved.position, [100.0, 6.0, 0.0], atol=1e-9)
    # It turned left by 90 degrees: from north to west.
    again = moved.moved(motion, 1.0, CONFIG)
    np.testing.assert_allclose(again.position, [94.0, 6.0, 0.0], atol=1e-9)
    assert moved.spread == pytest.approx(DRIFT * 6) and again.spread == pytest.approx(DRIFT * 12)


def test_where_the_map_has_no_heading_odometry_tells_how_far_and_not_where():
    unknown = np.zeros((6, 6))
    unknown[5, 5] = UNKNOWN_ANGLE_VARIANCE
    at = replace(pose((100.0, 0.0, 0.0)), covariance=unknown)
    motion = RobotMotion.between(pose(), pose((6.0, 0, 0)), 1.0)
    for start in (place(at=at), place(geo=GeoPosition(48.0, 11.0))):
        before = PredictedPose.of(start)
        moved = before.moved(motion, 0.1, CONFIG)
        np.testing.assert_array_equal(moved.position, before.position)
        assert moved.spread == pytest.approx(6.0)


def test_without_odometry_time_and_looks_tell_how_far():
    predicted = PredictedPose.of(place(at=pose()))
    slow = predicted.moved(RobotMotion(2.0), MOVING_NOVELTY / 2, CONFIG)
    fast = predicted.moved(RobotMotion(2.0), 1.0, CONFIG)
    assert fast.spread == pytest.approx(2.0 * CONFIG.speed)
    assert slow.spread == pytest.approx(fast.spread / 2)
    assert slow.moved(RobotMotion(2.0), 1.0, CONFIG).spread == pytest.approx(1.5 * fast.spread)
    untimed = predicted.moved(RobotMotion(0.0), 1.0, CONFIG)
    assert untimed.spread == pytest.approx(STEP * CONFIG.place_radius)


def test_within_its_extent_a_place_is_reached_wholly_and_beyond_the_less_the_farther():
    predicted = PredictedPose.of(place(at=pose()))
    near = reached(predicted, (0, 0, 0), (5, 0, 0), (6, 0, 0), (8, 0, 0), (100, 0, 0))
    assert near[:2] == [1.0, 1.0] and near == sorted(near, reverse=True)
    assert near[2] < 0.9 and near[-1] < 1e-9
    # Where less is known, there is less belief for each place, and some for more of them.
    wide = reached(replace(predicted, spread=20.0), (0, 0, 0), (5, 0, 0), (20, 0, 0))
    assert wide[0] == wide[1] == pytest.approx(5 / 25) and wide[2] > 0.1
    assert predicted.proximity(Locations([place(1)]), CONFIG).tolist() == [0.0]


def test_geodetic_places_are_reached_by_metres_on_the_ground():
    here, beside, far = (GeoPosition(48.0 + north / 111_195, 11.0) for north in (0.0, 4.0, 60.0))
    predicted = PredictedPose.of(place(geo=here))
    places = Locations([place(i, geo=geo) for i, geo in enumerate((here, beside, far))])
    same, near, away = predicted.proximity(places, CONFIG)
    assert same == near == 1.0 and away < 1e-9


def test_without_positions_the_places_after_it_come_into_reach():
    places = Locations([place(i) for i in (0, 4, 6, 12)])
    predicted = PredictedPose.of(place(0))
    before = predicted.proximity(places, CONFIG)
    after = predicted.moved(RobotMotion(1.0), 1.0, CONFIG).proximity(places, CONFIG)
    assert before[0] == before[1] == 1.0 > before[2] > before[3]
    assert after[0] < before[0] and after[3] > before[3]
    still = predicted.moved(RobotMotion(1.0), MOVING_NOVELTY / 10, CONFIG).proximity(
        places, CONFIG
    )
    assert before[0] > still[0] > after[0]
    another = replace(place(1), session_id='another')
    assert predicted.proximity(Locations([another]), CONFIG).tolist() == [0.0]
