"""The length of a path, measured or guessed."""

import numpy as np
import pytest

from fol_vpr.datatypes import Pose
from fol_vpr.loop_closure import DistanceTracker

SECOND = 1_000_000_000


def at(x: float, y: float = 0.0) -> Pose:
    return Pose(np.array([x, y, 0.0]), np.array([0.0, 0, 0, 1]))


def test_the_path_is_summed_and_not_the_distance():
    tracker = DistanceTracker(speed=1.0)
    for second, pose in enumerate([at(5), at(8), at(8, 4), at(5, 4), at(5)]):
        tracker.update(second * SECOND, pose)
    assert tracker.distance == pytest.approx(3 + 4 + 3 + 4)
    assert tracker.seconds == pytest.approx(4) and tracker.measured


def test_without_odometry_seconds_count_at_a_speed():
    tracker = DistanceTracker(speed=2.5)
    for second in (10, 11, 14):
        tracker.update(second * SECOND, None)
    assert tracker.distance == pytest.approx(10) and not tracker.measured
    # Between an image with odometry and one without, nothing was measured.
    tracker.update(15 * SECOND, at(100))
    assert tracker.distance == pytest.approx(12.5) and tracker.measured
    tracker.update(16 * SECOND, at(101))
    assert tracker.distance == pytest.approx(13.5)


def test_a_clock_that_jumps_back_adds_nothing():
    tracker = DistanceTracker(speed=1.0)
    for second in (10, 20, 5, 6):
        tracker.update(second * SECOND, None)
    assert tracker.distance == tracker.seconds == pytest.approx(11)


@pytest.mark.parametrize('jump', [1e8, -300.0])
def test_odometry_that_jumps_has_not_driven_that_far(jump: float):
    """As when it is started anew: what was seen a second ago is recent still."""
    tracker = DistanceTracker(speed=1.5)
    for second, x in enumerate((0.0, 1.0, jump, jump + 2)):
        tracker.update(second * SECOND, at(x))
    assert tracker.distance == pytest.approx(1 + 1.5 + 2)
