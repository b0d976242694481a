"""Topics of poses and of satellite receivers as robots have them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import SECOND, Sent, bag, fix, odometry, pose

from fol_vpr.errors import InputError
from fol_vpr.sources import Bag
from fol_vpr.sources.bags.poses import PoseTrack, read_pose_track

T0 = 1_700_000_000 * SECOND


def track_of(tmp_path: Path, *messages: Sent, **options: float) -> tuple[PoseTrack, list[str]]:
    path = bag(tmp_path / 'drive', messages)
    track, _, warnings = read_pose_track(Bag(path), messages[0].topic, **options)
    return track, warnings


def place(track: PoseTrack, stamp_ns: int) -> tuple[float, float] | None:
    geo = track.at(stamp_ns)[1]
    return None if geo is None else (geo.latitude, geo.longitude)


@pytest.mark.parametrize('away', [300, -300, 50_000, 999_999])
@pytest.mark.parametrize('at', [0, 10, 20])
def test_a_time_a_little_beside_a_pose_takes_the_pose(tmp_path: Path, away: int, at: int) -> None:
    """Trajectories are often written with microseconds or four decimals."""
    track, _ = track_of(tmp_path, *[pose(T0 + t * SECOND, (t, 0, 0)) for t in (0, 10, 20)])
    found, _ = track.at(T0 + at * SECOND + away)
    assert found is not None
    np.testing.assert_array_equal(found.position, [at, 0, 0])


def test_fixes_of_one_a_second_are_interpolated(tmp_path: Path) -> None:
    track, warnings = track_of(
        tmp_path, *[fix(T0 + t * SECOND, 48 + t * 1e-5, 11.0) for t in (0, 1, 2, 4, 7)]
    )
    assert place(track, T0 + SECOND // 2) == pytest.approx((48.000005, 11))
    assert place(track, T0 + 3 * SECOND) == pytest.approx((48.00003, 11))  # one fix is missing
    assert place(track, T0 + 5 * SECOND) is None
    assert warnings == []
    slow, _ = track_of(tmp_path / 'poses', *[pose(T0 + t * SECOND, (t, 0, 0)) for t in range(3)])
    assert slow.at(T0 + SECOND // 2)[0] is None


def test_zero_zero_is_no_fix(tmp_path: Path) -> None:
    track, warnings = track_of(
        tmp_path,
        *[fix(T0 + t * SECOND, 0.0, 0.0) for t in range(3)],
        *[fix(T0 + t * SECOND, 0.0, 6.5 + t * 1e-5) for t in (3, 4)],  # the equator is a place
    )
    assert len(track.stamps) == 2
    assert '3 of 5 messages on /fix are at latitude 0 and longitude 0' in warnings[0]
    with pytest.raises(InputError, match=r'no usable message among 1 .*latitude 0 and'):
        track_of(tmp_path / 'none', fix(T0, 0.0, 0.0))


def test_a_status_that_was_never_set_counts_where_others_have_one(tmp_path: Path) -> None:
    drive = [fix(T0 + t * SECOND, 48.0, 11.0 + t * 1e-5, status=-2) for t in range(4)]
    track, warnings = track_of(tmp_path / 'never', *drive)
    assert len(track.stamps) == 4
    assert '4 of 4 messages on /fix have the status -2, never set; their positions' in warnings[0]
    track, warnings = track_of(tmp_path / 'some', *drive[:1], fix(T0 + 9 * SECOND, 48.0, 11.0))
    assert track.stamps.tolist() == [T0 + 9 * SECOND]
    assert '1 of 2 messages on /fix have the status -2, never set, unlike' in warnings[0]
    humble = [fix(T0 + t * SECOND, 48.0, 11.0, service=0) for t in range(2)]
    track, warnings = track_of(tmp_path / 'humble', *humble)
    assert len(track.stamps) == 2
    assert 'the status was never set' in warnings[0]
    track, warnings = track_of(tmp_path / 'lost', fix(T0, 10.0, 10.0, status=-1), *humble)
    assert len(track.stamps) == 2
    assert any('1 of 3 messages on /fix have no satellite fix' in each for each in warnings)


def test_fixes_that_claim_to_be_far_off_are_left_out(tmp_path: Path) -> None:
    searching = fix(T0, 48.5, 11.0, variance=4e12, covariance_type=2)
    sound = fix(T0 + SECOND, 48.0, 11.0, variance=4.0, covariance_type=2)
    unknown = fix(T0 + 2 * SECOND, 48.0, 11.0, variance=4e12, covariance_type=0)
    broken = fix(T0 + 3 * SECOND, 48.0, 11.0, variance=math.nan, covariance_type=3)
    track, warnings = track_of(tmp_path / 'one', searching, sound, unknown, broken)
    assert track.stamps.tolist() == [T0 + t * SECOND for t in (1, 2, 3)]
    assert '1 of 4 messages on /fix claim a standard deviation of more than 100 m' in warnings[0]
    track, warnings = track_of(tmp_path / 'all', searching)
    assert len(track.stamps) == 1
    assert 'are used all the same' in warnings[0]


def test_altitudes_may_be_unknown_and_not_impossible(tmp_path: Path) -> None:
    track, warnings = track_of(
        tmp_path,
        *[
            fix(T0 + number * SECOND, 48.0, 11.0, altitude=altitude)
            for number, altitude in enumerate([math.nan, math.inf, 1e308, -430.0])
        ],
    )
    found = [track.at(int(stamp))[1].altitude for stamp in track.stamps]
    np.testing.assert_array_equal(found, [math.nan, math.nan, math.nan, -430])
    assert warnings == [
        '2 of 4 messages on /fix have an impossible altitude, which is taken as unknown'
    ]


def test_a_spike_of_a_receiver_is_left_out(tmp_path: Path) -> None:
    drive = [fix(T0 + t * SECOND // 5, 48 + t * 1e-5, 11.0) for t in range(40)]
    for t in (18, 19):
        drive[t] = fix(T0 + t * SECOND // 5, 48.01, 11.0)
    track, warnings = track_of(tmp_path, *drive)
    assert len(track.stamps) == 38
    assert place(track, T0 + 185 * SECOND // 50) == pytest.approx((48.000185, 11))
    assert warnings[0].startswith('2 of 40 messages on /fix are spikes, which jump by up to 10')


def test_nothing_is_interpolated_across_a_jump_that_stays(tmp_path: Path) -> None:
    """Which half is wrong is not known."""
    track, warnings = track_of(
        tmp_path, *[pose(T0 + t * SECOND // 10, (500 * (t > 9), 0, 0)) for t in range(20)]
    )
    assert len(track.stamps) == 20
    assert track.at(T0 + 95 * SECOND // 100)[0] is None
    assert track.at(T0 + 85 * SECOND // 100)[0] is not None
    assert '1 of 20 messages on /pose follow a jump of up to 500 m' in warnings[0]


def test_odometry_that_names_no_frames_at_first(tmp_path: Path) -> None:
    unnamed = [
        odometry(T0 + t * SECOND, (9, 9, 9), np.eye(6), frame_id='', child_frame_id='')
        for t in range(3)
    ]
    named = [odometry(T0 + t * SECOND, (t, 0, 0), np.eye(6), frame_id='/map') for t in range(3, 6)]
    track, warnings = track_of(tmp_path, *unnamed, *named)
    assert (track.frame_id, track.child_frame_id) == ('map', 'base_link')
    assert track.stamps.tolist() == [T0 + t * SECOND for t in range(3, 6)]
    assert warnings == [
        '3 of 6 messages on /odom do not name their frame, as the others do, and were skipped'
    ]
    track, warnings = track_of(tmp_path / 'never', *unnamed)
    assert (track.frame_id, len(track.stamps), warnings) == ('', 3, [])


def test_a_covariance_that_is_none_leaves_the_pose(tmp_path: Path) -> None:
    track, warnings = track_of(
        tmp_path,
        odometry(T0, (0, 0, 0), np.eye(6)),
        odometry(T0 + SECOND, (1, 0, 0), np.triu(np.ones((6, 6)))),
        odometry(T0 + 2 * SECOND, (2, 0, 0), 5 * np.ones((6, 6)) - 4 * np.eye(6)),
        odometry(T0 + 3 * SECOND, (3, 0, 0), np.full((6, 6), np.nan)),
    )
    assert [track.at(int(t))[0].covariance is None for t in track.stamps] == [False, *[True] * 3]
    assert '3 of 4 messages on /odom have a covariance that is none' in warnings[0]


def test_poses_of_one_stamp_are_counted(tmp_path: Path) -> None:
    track, warnings = track_of(
        tmp_path, *[pose(T0, (t, 0, 0), receive_ns=T0 + t) for t in range(3)]
    )
    assert len(track.stamps) == 1
    assert '2 of 3 messages on /pose have the stamp of another' in warnings[0]
    assert 'are all equal' in warnings[1]
