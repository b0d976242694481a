"""Interpolation of poses and fixes, and topics full of things that are neither."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import SECOND, Sent, bag, fix, odometry, pose, text, types
from hypothesis import assume, given
from hypothesis import strategies as st

from fol_vpr.errors import InputError
from fol_vpr.sources import Bag
from fol_vpr.sources.bags.poses import PoseTrack, interpolate_geo, read_pose_track, slerp


def about_z(degrees: float) -> np.ndarray:
    half = math.radians(degrees) / 2
    return np.array([0, 0, math.sin(half), math.cos(half)])


def track_of(tmp_path: Path, *messages: Sent, gap: float = 1.0) -> tuple[PoseTrack, list[str]]:
    path = bag(tmp_path / 'drive', messages)
    track, _, warnings = read_pose_track(Bag(path), messages[0].topic, gap)
    return track, warnings


@pytest.mark.parametrize(('share', 'degrees'), [(0, 0), (0.25, 30), (0.5, 60), (1, 120)])
def test_slerp_turns_evenly(share: float, degrees: float) -> None:
    np.testing.assert_allclose(
        slerp(about_z(0), about_z(120), share), about_z(degrees), atol=1e-12
    )


def test_slerp_takes_the_shorter_way_whatever_the_signs() -> None:
    middle = slerp(about_z(10), -about_z(50), 0.5)
    np.testing.assert_allclose(abs(middle @ about_z(30)), 1, atol=1e-12)


quaternions = st.tuples(*[st.floats(-1, 1)] * 4).map(np.array)


@given(quaternions, quaternions, st.floats(0, 1))
def test_slerp_stays_on_the_sphere_and_divides_the_angle(
    first: np.ndarray, second: np.ndarray, share: float
) -> None:
    assume(np.linalg.norm(first) > 0.1)
    assume(np.linalg.norm(second) > 0.1)
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    assume(abs(first @ second) > 1e-6)  # half a turn has no shorter way
    between = slerp(first, second, share)
    assert np.linalg.norm(between) == pytest.approx(1)
    whole = math.acos(min(1, abs(first @ second)))
    part = math.acos(min(1, abs(first @ between)))
    assert part == pytest.approx(share * whole, abs=1e-4)


def test_poses_are_interpolated_to_the_moment(tmp_path: Path) -> None:
    track, warnings = track_of(
        tmp_path,
        pose(1 * SECOND, (0, 0, 0), about_z(0)),
        pose(2 * SECOND, (4, 8, 0), about_z(90)),
    )
    found, geo = track.at(SECOND + SECOND // 4)
    assert found is not None
    assert geo is None
    np.testing.assert_allclose(found.position, [1, 2, 0])
    np.testing.assert_allclose(found.orientation, about_z(22.5), atol=1e-12)
    assert found.covariance is None
    assert track.frame_id == 'map'
    assert warnings == []


def test_gaps_and_ends_have_no_pose(tmp_path: Path) -> None:
    stamps = [1 * SECOND, 2 * SECOND, 2 * SECOND + SECOND // 2]
    track, _ = track_of(tmp_path, *[pose(stamp, (1, 0, 0)) for stamp in stamps], gap=0.5)
    assert track.at(stamps[0] - 2_000_000) == (None, None)
    assert track.at(stamps[2] + 2_000_000) == (None, None)
    assert track.at(stamps[0] + 2_000_000) == (None, None)  # within a gap of 1 s
    for stamp in (*stamps, stamps[1] + 1, stamps[2] - 1):
        assert track.at(stamp)[0] is not None


def test_covariances_are_carried_where_there_are_any(tmp_path: Path) -> None:
    track, _ = track_of(
        tmp_path,
        odometry(1 * SECOND, (0, 0, 0), np.eye(6)),
        odometry(2 * SECOND, (1, 0, 0), 3 * np.eye(6)),
        odometry(3 * SECOND, (2, 0, 0), np.zeros((6, 6))),
        odometry(4 * SECOND, (2, 0, 0), np.full((6, 6), 1e300)),
        odometry(5 * SECOND, (2, 0, 0), np.diag([-1.0, 0, 0, 0, 0, 0])),
        odometry(6 * SECOND, (2, 0, 0), np.diag([1.0, 1, 1, 1, 1, -1])),
    )
    first, between, unknown = (track.at(round(t * SECOND))[0] for t in (1, 1.25, 2.5))
    assert first is not None
    assert between is not None
    assert unknown is not None
    np.testing.assert_allclose(first.covariance, np.eye(6))
    np.testing.assert_allclose(between.covariance, 1.5 * np.eye(6))
    assert unknown.covariance is None
    assert [track.at(t * SECOND)[0].covariance for t in (3, 4, 5, 6)] == [None] * 4
    assert track.frame_id == 'odom'


def test_pose_with_covariance(tmp_path: Path) -> None:
    source = odometry(SECOND, (1, 2, 3), np.eye(6)).message
    msgtype = 'geometry_msgs/msg/PoseWithCovarianceStamped'
    message = types(msgtype)(source.header, source.pose)
    track, _ = track_of(tmp_path, Sent('/amcl_pose', msgtype, SECOND, message))
    found, _ = track.at(SECOND)
    assert found is not None
    np.testing.assert_array_equal(found.position, [1, 2, 3])
    assert found.covariance is not None


def test_unusable_poses_are_left_out_and_counted(tmp_path: Path) -> None:
    good = [pose(t * SECOND, (t, 0, 0)) for t in (1, 2, 3)]
    track, warnings = track_of(
        tmp_path,
        good[0],
        pose(SECOND + 1, (math.nan, 0, 0)),
        pose(SECOND + 2, (0, math.inf, 0)),
        pose(SECOND + 3, (0, 0, 0), (0, 0, 0, 0)),
        pose(SECOND + 4, (0, 0, 0), (0, 0, 0, math.nan)),
        pose(SECOND + 5, (9, 9, 9), frame_id='odom'),
        Sent('/pose', 'geometry_msgs/msg/PoseStamped', SECOND + 6, b'\0\1\0\0cut'),
        *good[1:],
    )
    np.testing.assert_array_equal(track.stamps, [1 * SECOND, 2 * SECOND, 3 * SECOND])
    assert sorted(warnings) == [
        '1 of 9 messages on /pose are damaged and were skipped',
        "1 of 9 messages on /pose are not in the frame of most, 'map', and were skipped",
        '1 of 9 messages on /pose have no unit quaternion as orientation and were skipped',
        '3 of 9 messages on /pose hold NaN or impossible numbers and were skipped',
    ]


def test_stamps_that_run_backwards_are_sorted_and_reported(tmp_path: Path) -> None:
    received = iter(range(10 * SECOND, 20 * SECOND, SECOND))
    track, warnings = track_of(
        tmp_path,
        *[pose(t * SECOND, (t, 0, 0), receive_ns=next(received)) for t in (3, 1, 2, 4)],
    )
    np.testing.assert_array_equal(track.stamps, [t * SECOND for t in (1, 2, 3, 4)])
    found, _ = track.at(SECOND + SECOND // 2)
    assert found is not None
    np.testing.assert_allclose(found.position, [1.5, 0, 0])
    assert warnings == [
        '1 of 4 messages on /pose have a stamp before that of their predecessor; they are sorted'
    ]


def test_unstamped_poses_take_the_time_of_reception(tmp_path: Path) -> None:
    track, warnings = track_of(tmp_path, pose(0, (5, 0, 0), receive_ns=7 * SECOND))
    assert track.at(7 * SECOND)[0] is not None
    assert 'have a header stamp of 0' in warnings[0]


def test_fixes(tmp_path: Path) -> None:
    track, warnings = track_of(
        tmp_path,
        fix(1 * SECOND, 48.0, 11.0),
        fix(1 * SECOND + 1, 10.0, 10.0, status=-1),
        fix(1 * SECOND + 2, math.nan, 10.0),
        fix(2 * SECOND, 48.5, 11.2),
    )
    found, geo = track.at(SECOND + SECOND // 2)
    assert found is None
    assert geo is not None
    assert (geo.latitude, geo.longitude) == pytest.approx((48.25, 11.1))
    assert geo.altitude == 10
    assert track.frame_id == ''
    assert len(warnings) == 2


def test_fixes_across_the_date_line() -> None:
    middle = interpolate_geo(np.array([0, 179.0, 0]), np.array([2, -179.0, 4]), 0.75)
    assert (middle.latitude, middle.longitude) == pytest.approx((1.5, -179.5))


def test_topic_without_a_usable_pose(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'no usable message among 1 \(.*NaN.*; choose another'):
        track_of(tmp_path, pose(SECOND, (math.nan, 0, 0)))


def test_topic_that_is_missing_or_holds_no_poses(tmp_path: Path) -> None:
    path = bag(tmp_path / 'drive', [text(1), pose(1, (0, 0, 0))])
    with pytest.raises(InputError, match=r'no topic /odom; .*/pose \(geometry_msgs/msg/PoseSt'):
        read_pose_track(Bag(path), '/odom', 1)
    with pytest.raises(InputError, match=r'of type std_msgs/msg/String, expected .*: /pose \('):
        read_pose_track(Bag(path), '/chatter', 1)
