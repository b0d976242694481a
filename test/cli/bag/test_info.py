"""What `fol_vpr bag info` says of bags of every format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.bags import ros1_bags
from helpers.bags.mcap_files import mcap_file
from helpers.source_files import SECOND, bag, compressed, encode, picture, pose, storage_file
from mcap.writer import CompressionType
from rosbags.rosbag2 import CompressionMode

from fol_vpr.cli.main import main

IMAGE = '/camera/compressed'


def messages() -> list:
    """Five images over four seconds, and one pose among them."""
    images = [compressed(n * SECOND, encode(picture())) for n in range(2, 7)]
    return [*images[:2], pose(3 * SECOND + 1, (1, 2, 3)), *images[2:]]


def ros1(path: Path) -> Path:
    images = [ros1_bags.compressed(n * ros1_bags.SECOND, b'x') for n in range(2, 7)]
    return ros1_bags.ros1_bag(path, [*images, ros1_bags.pose_stamped(3 * SECOND, 1)])


BAGS = {
    'sqlite3': (lambda p: bag(p / 'a', messages()), 'sqlite3', ''),
    'mcap': (lambda p: bag(p / 'a', messages(), 'mcap'), 'mcap', ''),
    'files': (
        lambda p: bag(p / 'a', messages(), compression=CompressionMode.FILE),
        'sqlite3',
        'zstd (files)',
    ),
    'messages': (
        lambda p: bag(p / 'a', messages(), compression=CompressionMode.MESSAGE),
        'sqlite3',
        'zstd (messages)',
    ),
    'messages of a file': (
        lambda p: storage_file(bag(p / 'a', messages(), compression=CompressionMode.MESSAGE)),
        'sqlite3',
        'zstd (messages)',
    ),
    'chunks': (
        lambda p: mcap_file(p / 'a.mcap', messages(), compression=CompressionType.LZ4),
        'mcap',
        'lz4 (chunks)',
    ),
    'chunks without indexes': (
        lambda p: mcap_file(
            p / 'a.mcap', messages(), compression=CompressionType.ZSTD, use_chunking=True,
            use_statistics=False, use_summary_offsets=False,
        ),
        'mcap',
        'zstd (chunks)',
    ),
    'no chunks': (lambda p: mcap_file(p / 'a.mcap', messages(), use_chunking=False), 'mcap', ''),
    'ros 1': (lambda p: ros1(p / 'a.bag'), 'ROS 1', ''),
}  # fmt: skip


@pytest.mark.parametrize('name', BAGS)
def test_duration_rates_and_compression(name, tmp_path, capsys):
    make, storage, compression = BAGS[name]
    path = make(tmp_path)
    assert main(['bag', 'info', str(path), '--json']) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said['storage'], said['compression']) == (storage, compression)
    assert (said['start'], said['end'], said['duration'], said['messages']) == (2, 6, 4, 6)
    rates = {topic['name']: (topic['count'], topic['rate']) for topic in said['topics']}
    # Five images have four intervals; one pose has none.
    assert rates[IMAGE] == (5, 1.0)
    assert rates['/pose'] == (1, None)


def test_the_text_says_the_same(tmp_path, capsys):
    assert main(['bag', 'info', str(bag(tmp_path / 'a', messages()))]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith('sqlite3, not compressed')
    assert out[1] == '6 messages in 4.000 s'
    assert out[2] == 'from 1970-01-01 00:00:02.000 UTC (2.000000000 s)'
    assert out[3] == '  to 1970-01-01 00:00:06.000 UTC (6.000000000 s)'
    assert [line.split() for line in out[4:]] == [
        ['topic', 'type', 'messages', 'Hz'],
        [IMAGE, 'sensor_msgs/msg/CompressedImage', '5', '1.00'],
        ['/pose', 'geometry_msgs/msg/PoseStamped', '1', '-'],
    ]


def test_a_bag_without_messages_and_times_beyond_the_calendar(tmp_path, capsys):
    assert main(['bag', 'info', str(mcap_file(tmp_path / 'a.mcap', []))]) == 0
    assert 'no messages' in capsys.readouterr().out
    late = 2**63 - 1
    path = bag(
        tmp_path / 'late', [compressed(SECOND, encode(picture()))._replace(receive_ns=late)]
    )
    assert main(['bag', 'info', str(path)]) == 0
    assert f'{late // SECOND}.{late % SECOND:09d} s' in capsys.readouterr().out
