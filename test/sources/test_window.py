"""Parts of drives, by seconds from the start and by stamps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import SECOND, bag, compressed, encode, image_folder, picture, pose

from fol_vpr.config import MappingConfig
from fol_vpr.errors import InputError
from fol_vpr.mapping import KeyframeSelector
from fol_vpr.sources import FrameSource, ImageFolder, open_source
from fol_vpr.sources.window import DriveWindow, Moment, numbers_in_drive, parse_moment

T0 = 1_700_000_000
JPEG = encode(picture())
STAMPS = [
    ('2.5', 2_500_000_000, False),
    ('0', 0, False),
    ('99999999', 99_999_999 * SECOND, False),
    ('1700000002.5', T0 * SECOND + 2_500_000_000, True),
    ('1700000002500', T0 * SECOND + 2_500_000_000, True),
    ('1700000002500000', T0 * SECOND + 2_500_000_000, True),
    ('1700000002500000000', T0 * SECOND + 2_500_000_000, True),
]


@pytest.mark.parametrize(('text', 'ns', 'is_stamp'), STAMPS)
def test_seconds_and_stamps_are_told_by_magnitude(text: str, ns: int, is_stamp: bool) -> None:
    assert parse_moment(text, '--from') == Moment(text, ns, is_stamp, '--from')


@pytest.mark.parametrize('text', ['', 'start', '-1', 'nan', 'inf', '1e40', '1e999999999', '1:30'])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r'--to is .*expected seconds from the start'):
        parse_moment(text, '--to')


@pytest.fixture
def drive(tmp_path: Path) -> FrameSource:
    """Ten images, one a second and two metres."""
    messages = [compressed((T0 + t) * SECOND, JPEG) for t in range(10)]
    messages += [pose((T0 + t) * SECOND, (2 * t, 0, 0)) for t in range(10)]
    messages[7] = compressed((T0 + 7) * SECOND, b'damaged')
    return open_source(bag(tmp_path / 'drive', messages), pose_topic='/pose', max_pose_gap=1)


def window(source: FrameSource, begin: str | None, end: str | None) -> DriveWindow:
    return DriveWindow(
        source,
        None if begin is None else parse_moment(begin, '--from'),
        None if end is None else parse_moment(end, '--to'),
    )


@pytest.mark.parametrize(
    ('begin', 'end', 'positions'),
    [
        ('2', '4', [2, 3, 4]),
        ('2.1', None, [3, 4, 5, 6, 7, 8, 9]),
        (None, '1', [0, 1]),
        (f'{T0 + 3}', f'{(T0 + 5) * SECOND}', [3, 4, 5]),
        (f'{T0 + 8}', None, [8, 9]),
    ],
)
def test_images_between_two_times(
    drive: FrameSource, begin: str | None, end: str | None, positions: list[int]
) -> None:
    part = window(drive, begin, end)
    assert part.positions == positions
    assert len(part) == len(positions)
    assert [capture.pose.position[0] / 2 for capture in part.captures()] == positions
    bad: list[int] = []
    frames = list(part.frames(on_bad=lambda number, _: bad.append(number)))
    numbers = [number for number, _ in frames]
    assert sorted(numbers + bad) == list(range(len(positions)))
    assert [positions[number] for number in bad] == [p for p in positions if p == 7]
    np.testing.assert_array_equal(
        [frame.pose.position[0] / 2 for _, frame in frames], [p for p in positions if p != 7]
    )
    assert numbers_in_drive(part) == (10, positions)
    assert numbers_in_drive(drive) == (10, list(range(10)))


def test_keyframes_of_a_part_and_where_a_build_goes_on(drive: FrameSource) -> None:
    part = window(drive, '2', '8')
    config = MappingConfig(keyframe_distance=3.0)

    def keyframes(start: int) -> list[int]:
        found = part.keyframes(KeyframeSelector(config), start, lambda *_: None)
        return [number for number, _ in found]

    assert keyframes(0) == [0, 2, 4, 6]
    assert keyframes(2) == [2, 4, 6]
    assert keyframes(7) == []
    assert part.fingerprint != window(drive, '2', '9').fingerprint
    assert '7 of 10 images' in part.description
    assert 'from 2.000 to 8.000 s from the start' in part.description


def test_damaged_images_outside_of_a_part_do_not_matter(drive: FrameSource) -> None:
    assert len(list(window(drive, '0', '6').frames())) == 7
    with pytest.raises(InputError, match='image 7'):
        list(window(drive, '6', '8').frames())


def test_parts_without_images_name_the_times_of_the_drive(drive: FrameSource) -> None:
    with pytest.raises(InputError, match=r'--from 20 \(s from the start\): .* 0 to 9\.000 s'):
        window(drive, '20', None)
    with pytest.raises(InputError, match=r'--to 1600000000 \(a stamp\)'):
        window(drive, None, '1600000000')


def test_parts_of_folders(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 4)
    with pytest.raises(InputError, match='have no times'):
        window(ImageFolder(images), '1', None)
    table = tmp_path / 'times.csv'
    table.write_text('index,timestamp\n' + '\n'.join(f'{i},{T0 + i}' for i in range(4)))
    part = window(ImageFolder(images, table), '1', '2')
    assert [number for number, _ in part.frames()] == [0, 1]
    assert [number for number, _ in part.keyframes(KeyframeSelector(MappingConfig()))] == [0, 1]
    assert part.positions == [1, 2]


def test_a_part_of_a_drive_whose_clock_stands_names_the_remedy(tmp_path: Path) -> None:
    sent = [compressed(SECOND, JPEG, receive_ns=n * SECOND) for n in range(1, 4)]
    source = open_source(bag(tmp_path / 'drive', sent))
    with pytest.raises(InputError, match=r'no image lies within --from 2.*--stamps reception'):
        DriveWindow(source, parse_moment('2', '--from'))
