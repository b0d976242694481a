import numpy as np
import pytest

from benchmarks.against.answers import (
    CHI2_95,
    Side,
    agreement,
    is_within,
    pose_difference,
    pose_errors,
)
from benchmarks.against.context import CRITERIA
from fol_vpr.datatypes import Pose

# Turned by 90 degrees about Z.
LEFT = [0.0, 0.0, np.sin(np.pi / 4), np.cos(np.pi / 4)]
AHEAD = [0.0, 0.0, 0.0, 1.0]


def pose(x=0.0, y=0.0, orientation=AHEAD, deviation=None):
    covariance = None if deviation is None else (np.eye(6) * deviation**2).tolist()
    return {'position': [x, y, 0.0], 'orientation': orientation, 'covariance': covariance}


def answer(state='LOCALIZED', ranking=(0,), truth=None, measured=None):
    return {
        'state': state,
        'ranking': list(ranking),
        'truth': truth or pose(),
        'pose': measured,
        'probability': 0.99,
        'closures': 0,
    }


PLACES = [{'stamp_ns': 100, 'pose': pose()}, {'stamp_ns': 200, 'pose': pose(20)}]


def test_a_difference_is_along_and_about_the_axes_of_the_map():
    one = Pose(np.array([1.0, 2, 3]), np.array(LEFT))
    other = Pose(np.array([1.0, 0, 3]), np.array(AHEAD))
    assert pose_difference(one, other) == pytest.approx([0, 2, 0, 0, 0, np.pi / 2])
    assert pose_difference(one, one) == pytest.approx(np.zeros(6), abs=1e-12)


def test_the_ellipsoid_holds_19_of_20_draws_of_its_covariance():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 6))
    draws = rng.standard_normal((4000, 6)) @ root.T
    assert np.mean([is_within(each, root @ root.T) for each in draws]) == pytest.approx(
        0.95, abs=0.01
    )


def test_nothing_is_within_a_covariance_that_is_missing_or_flat():
    edge = np.array([np.sqrt(CHI2_95), 0, 0, 0, 0, 0])
    assert is_within(0.999 * edge, np.eye(6))
    assert not is_within(1.001 * edge, np.eye(6))
    assert not is_within(np.zeros(6), None)
    flat = np.diag([1.0, 1, 0, 1, 1, 1])
    assert is_within(np.array([1.0, 0, 0, 0, 0, 0]), flat)
    assert not is_within(np.array([0, 0, 0.001, 0, 0, 0]), flat)


def test_states_are_right_within_five_metres_and_forty_degrees():
    answers = [
        answer(truth=pose(4.9)),
        answer(truth=pose(5.1)),
        answer(truth=pose(0, 0, LEFT)),
        answer('NOT_IN_MAP', truth=pose(100)),
        answer('NOT_IN_MAP', truth=pose(1)),
        answer('UNKNOWN', ()),
        answer('AMBIGUOUS', (1, 0)),
    ]
    found = Side(answers, PLACES).decisions(CRITERIA)
    assert (found.localized_right, found.localized_wrong) == (1, 2)
    assert (found.not_in_map_right, found.not_in_map_wrong) == (1, 1)
    assert (found.ambiguous, found.unknown) == (1, 1)


def test_first_places_are_compared_by_the_image_and_not_by_the_row_of_the_map():
    other_map = PLACES[::-1]
    before = Side([answer(ranking=(0, 1)), answer(ranking=()), answer(ranking=(1,))], PLACES)
    after = Side([answer(ranking=(1,)), answer(ranking=()), answer('UNKNOWN', (1,))], other_map)
    found = agreement(before, after)
    assert (found.images, found.other_places, found.other_states) == (3, 1, 1)


def test_poses_of_both_builds_are_compared_with_either_covariance():
    before = Side([answer(measured=pose(0, deviation=0.1)), answer(measured=pose(7))], PLACES)
    after = Side([answer(measured=pose(0.5, deviation=0.2)), answer()], PLACES)
    found = agreement(before, after)
    assert found.both_measured == 1
    assert found.metres == 0.5
    # 0.5 m are 5 and 2.5 deviations; the ellipsoid ends at 3.55.
    assert (found.within_before, found.within_after) == (0, 1)


def test_errors_of_poses_are_against_the_ground_truth():
    found = pose_errors(
        [
            answer(truth=pose(1), measured=pose(1.1, deviation=0.1)),
            answer(truth=pose(1), measured=pose(1, 0.3, deviation=0.01)),
            answer(truth=pose(1), measured=pose(1, 0, LEFT, deviation=1)),
            answer(),
        ]
    )
    assert found.count == 3
    assert (found.metres, found.degrees) == pytest.approx((0.1, 0))
    assert found.within == pytest.approx(2 / 3)
    assert pose_errors([answer()]).count == 0
