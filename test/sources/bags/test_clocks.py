"""Header stamps that do not run, or are of another clock, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.source_files import SECOND, Sent, bag, compressed, encode, fix, picture, pose

from fol_vpr.errors import InputError
from fol_vpr.sources import open_source

JPEG = encode(picture())
T0 = 1_700_000_000 * SECOND
LEAP = 18 * SECOND


def images(stamp: Callable[[int], int], count: int = 12) -> list[Sent]:
    """One a second, by their times of reception."""
    return [compressed(stamp(t), JPEG, receive_ns=T0 + t * SECOND) for t in range(count)]


def warnings_of(path: Path, messages: list[Sent], **options: str) -> list[str]:
    source = open_source(bag(path, messages), **options)
    list(source.frames())
    return [each for each in source.warnings if 'no CameraInfo' not in each]


RUNNING = {
    'as received': lambda t: T0 + t * SECOND,
    'late': lambda t: T0 - SECOND // 2 + t * SECOND,
    'simulated': lambda t: SECOND + t * SECOND,
    'recorded from a playback at half the speed': lambda t: T0 + t * SECOND // 2,
    'recorded from a playback at twice the speed': lambda t: T0 + 2 * t * SECOND,
}


@pytest.mark.parametrize('kind', RUNNING)
def test_clocks_that_run(tmp_path: Path, kind: str) -> None:
    assert warnings_of(tmp_path / 'drive', images(RUNNING[kind])) == []


NOT_RUNNING = {
    'all equal': (lambda t: T0, 'are all equal, 1700000000.000000000 s'),
    'divided by 1000': (lambda t: T0 + t * SECOND // 1000, 'a factor of 1e3'),
    'divided by 1e6': (lambda t: 1 + (T0 + t * SECOND) // 10**6, 'a factor of 1e6'),
    'multiplied by 1000': (lambda t: 1000 * (SECOND + t * SECOND), 'a factor of 1e3'),
    'in ticks': (lambda t: 1 + 33 * t, 'cover 3.63e-07 s'),
    'standing for half': (lambda t: T0 + max(t, 6) * SECOND, '6 of the header stamps'),
    'set meanwhile': (
        lambda t: (T0 if t > 5 else 0) + (1 + t) * SECOND,
        'with a jump of 1.7e+09 s',
    ),
}


@pytest.mark.parametrize('kind', NOT_RUNNING)
def test_clocks_that_do_not_run_are_named_with_the_remedy(tmp_path: Path, kind: str) -> None:
    stamp, said = NOT_RUNNING[kind]
    messages = images(stamp)
    (warning,) = warnings_of(tmp_path / 'drive', messages)
    assert said in warning
    assert '--stamps reception' in warning
    assert warnings_of(tmp_path / 'again', messages, stamps='reception') == []


def test_times_of_reception_are_taken_for_images_and_poses(tmp_path: Path) -> None:
    path = bag(
        tmp_path / 'drive',
        [
            *images(lambda _: T0),
            *[pose(1, (t, 0, 0), receive_ns=T0 + t * SECOND) for t in range(12)],
        ],
    )
    source = open_source(path, pose_topic='/pose', stamps='reception')
    assert [frame.stamp_ns for _, frame in source.frames()] == [T0 + t * SECOND for t in range(12)]
    assert [capture.pose.position[0] for capture in source.captures()] == list(range(12))
    assert source.fingerprint != open_source(path, pose_topic='/pose').fingerprint


APART = {
    'since boot': (lambda t: (100 + t) * SECOND, 'poses from a start (since boot, or simulated)'),
    'GPS epoch': (lambda t: T0 + LEAP + (t - 315_964_800) * SECOND, 'as UTC and GPS time'),
    'another drive': (lambda t: T0 + (5000 + t) * SECOND, '4989 s apart: other drives'),
}


@pytest.mark.parametrize('kind', APART)
def test_poses_of_another_time_than_the_images(tmp_path: Path, kind: str) -> None:
    stamp, said = APART[kind]
    messages = images(lambda t: T0 + t * SECOND)
    messages += [pose(stamp(t), (t, 0, 0), receive_ns=T0 + t * SECOND) for t in range(12)]
    (warning,) = warnings_of(tmp_path / 'drive', messages, pose_topic='/pose')
    assert '12 of 12 images on /camera/compressed have no pose' in warning
    assert said in warning
    assert 'of 1700000000.000 to 1700000011.000 s' in warning
    assert '--stamps reception' in warning


@pytest.mark.parametrize(('seconds', 'said'), [(18, 'GPS time is 18 s'), (-4, '4 s behind')])
def test_fixes_of_a_clock_that_is_some_seconds_off(
    tmp_path: Path, seconds: int, said: str
) -> None:
    messages = images(lambda t: T0 + t * SECOND, 40)
    messages += [
        fix(T0 + (t + seconds) * SECOND, 48.0, 11 + t * 1e-5, receive_ns=T0 + t * SECOND)
        for t in range(40)
    ]
    found = warnings_of(tmp_path / 'drive', messages, pose_topic='/fix')
    assert sum(said in each and '--stamps reception' in each for each in found) == 1
    again = warnings_of(tmp_path / 'again', messages, pose_topic='/fix', stamps='reception')
    assert again == []


def test_folders_have_no_times_of_reception(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(JPEG)
    with pytest.raises(InputError, match='leave --stamps out'):
        open_source(tmp_path, stamps='reception')
