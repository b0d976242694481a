"""Bags as they are found on robots: cut off, without metadata, with types nobody knows."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from helpers.source_files import SECOND, bag, compressed, encode, picture, pose, storage_file, text
from rosbags.rosbag2 import CompressionMode

from fol_vpr.errors import InputError
from fol_vpr.sources import Bag, deserialize, open_source

STORAGES = ['sqlite3', 'mcap']


def drive(path: Path, storage: str = 'sqlite3', count: int = 5) -> Path:
    """Images with noise enough for several pages and chunks, and poses."""
    messages = []
    for index in range(count):
        stamp = (index + 1) * SECOND
        content = encode(picture(index, 320, 240), 'PNG')
        messages += [pose(stamp, (index, 0, 0)), compressed(stamp, content, kind='png')]
    return bag(path, messages, storage)


@pytest.mark.parametrize('storage', STORAGES)
def test_folder_and_single_file_hold_the_same(tmp_path: Path, storage: str) -> None:
    path = drive(tmp_path / 'monday', storage)
    folder, file = Bag(path), Bag(storage_file(path))
    assert folder.topics == file.topics
    assert [topic.count for topic in folder.topics.values()] == [5, 5]
    assert list(folder.read(['/pose'])) == list(file.read(['/pose']))
    assert folder.name == file.name == 'monday'
    first = next(folder.read(['/camera/compressed', '/pose']))
    assert first.receive_ns == SECOND
    assert deserialize(first).pose.position.x == 0


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.97])
@pytest.mark.parametrize('alone', [False, True])
def test_truncated_bag(tmp_path: Path, storage: str, share: float, alone: bool) -> None:
    path = drive(tmp_path / 'monday', storage)
    file = storage_file(path)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    remedy = 'mcap recover' if storage == 'mcap' else r'sqlite3 .* \.recover'
    with pytest.raises(InputError, match=f'cannot be read as a bag: .*{remedy}'):
        list(open_source(file if alone else path, pose_topic='/pose').frames())


@pytest.mark.parametrize('storage', STORAGES)
def test_damaged_bytes_never_escape_as_anything_else(tmp_path: Path, storage: str) -> None:
    path = drive(tmp_path / 'monday', storage, count=2)
    file = storage_file(path)
    whole, rng = file.read_bytes(), random.Random(1)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(4):
            # Half of it at the ends, where the formats keep their structure.
            place = rng.choice(
                [rng.randrange(len(whole)), rng.randrange(600), -rng.randrange(9, 900)]
            )
            damaged[place] = rng.choice([0, 255, rng.randrange(256)])
        file.write_bytes(damaged)
        try:
            list(open_source(file, pose_topic='/pose').frames(on_bad=lambda *_: None))
            outcomes.add('read')
        except InputError:
            outcomes.add('refused')
    assert outcomes == {'read', 'refused'}


def test_folder_without_metadata(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    (path / 'metadata.yaml').unlink()
    with pytest.raises(
        InputError, match=r'no metadata\.yaml.*ros2 bag reindex.*monday\.db3 itself'
    ):
        open_source(path)


def test_storage_that_nobody_knows(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    metadata = path / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace('sqlite3', 'leveldb'))
    with pytest.raises(InputError, match="Storage plugin 'leveldb' not supported"):
        open_source(path)


@pytest.mark.parametrize('content', ['', 'rosbag2_bagfile_information: 7', '{', '[]'])
def test_metadata_that_is_none(tmp_path: Path, content: str) -> None:
    path = drive(tmp_path / 'monday')
    (path / 'metadata.yaml').write_text(content)
    with pytest.raises(InputError, match='cannot be read as a bag'):
        open_source(path)


def test_file_of_a_split_bag_is_missing(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    storage_file(path).unlink()
    with pytest.raises(InputError, match='database files are missing'):
        open_source(path)


def test_what_is_no_bag(tmp_path: Path) -> None:
    for name, said in [
        ('old.bag', 'is a ROS 1 bag.*rosbags-convert'),
        ('notes.txt', 'is no bag'),
        ('drive.mcap', 'seems to be empty'),
        ('drive.db3', 'missing tables'),
    ]:
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=said):
            open_source(tmp_path / name)
    with pytest.raises(InputError, match='does not exist'):
        open_source(tmp_path / 'gone.mcap')


def test_character_that_sqlite_would_misread(tmp_path: Path) -> None:
    path = drive(tmp_path / 'drive #2')
    with pytest.raises(InputError, match='rename it'):
        open_source(path)


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('encoding', ['', 'unknown', 'ros2msg'])
def test_types_without_a_usable_definition_do_not_matter(
    tmp_path: Path, storage: str, encoding: str
) -> None:
    # rosbag2 stores what the recorder cannot find a definition for with an empty one.
    path = bag(
        tmp_path / 'monday',
        [text(1, topic='/odd'), compressed(SECOND, encode(picture())), pose(SECOND, (1, 2, 3))],
        storage,
    )
    file = storage_file(path)
    if storage == 'sqlite3':
        with sqlite3.connect(file) as database:
            changed = database.execute(
                "UPDATE message_definitions SET encoding = ?, encoded_message_definition = '{{' "
                "WHERE topic_type = 'std_msgs/msg/String'",
                (encoding,),
            )
            assert changed.rowcount == 1
        database.close()
    else:
        content = file.read_bytes()
        assert b'string data' in content
        file.write_bytes(content.replace(b'string data', b'strang {{{{'))
    for given in (path, file):
        source = open_source(given, pose_topic='/pose')
        assert len(source) == 1
        _, frame = next(source.frames())
        assert frame.pose is not None


def test_unmerged_log_of_an_interrupted_recorder_is_reported(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    log = path / 'monday.db3-wal'
    log.touch()
    assert open_source(path).warnings == []
    log.write_bytes(b'newest messages')
    assert 'wal_checkpoint' in open_source(path).warnings[0]


def test_bag_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    metadata = path / 'metadata.yaml'
    metadata.write_text(re.sub(r'message_count: 5\b', 'message_count: 6', metadata.read_text()))
    source = open_source(path)
    assert len(list(source.frames())) == 5
    assert 'promises 6 images on /camera/compressed and holds 5' in source.warnings[0]


@pytest.mark.parametrize('storage', STORAGES)
def test_metadata_that_describes_the_qos_otherwise(tmp_path: Path, storage: str) -> None:
    """As in bags that were converted, rewritten, or reindexed."""
    path = drive(tmp_path / 'monday', storage)
    metadata = path / 'metadata.yaml'
    content = metadata.read_text()
    assert 'offered_qos_profiles: []' in content
    metadata.write_text(
        content.replace(
            'offered_qos_profiles: []',
            "offered_qos_profiles: '- {history: 1, depth: 5, reliability: 1, durability: 2, "
            'deadline: {sec: 0, nsec: 0}, lifespan: {sec: 0, nsec: 0}, liveliness: 1, '
            'liveliness_lease_duration: {sec: 0, nsec: 0}, '
            "avoid_ros_namespace_conventions: false}'",
        )
    )
    source = open_source(path, pose_topic='/pose')
    frames = [frame for _, frame in source.frames()]
    assert len(frames) == 5
    assert all(frame.pose is not None for frame in frames)
    assert source.warnings == []


@pytest.mark.parametrize('mode', [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_compressed_bag(tmp_path: Path, mode: CompressionMode) -> None:
    stamps = [SECOND, 2 * SECOND]
    path = bag(
        tmp_path / 'monday',
        [compressed(stamp, encode(picture())) for stamp in stamps],
        compression=mode,
    )
    frames = [frame for _, frame in open_source(path).frames()]
    assert [frame.stamp_ns for frame in frames] == stamps


def test_split_bag(tmp_path: Path) -> None:
    """Two files of one recording, as `ros2 bag record --max-bag-duration` leaves them."""
    first = drive(tmp_path / 'first', count=2)
    second = drive(tmp_path / 'second', count=3)
    path = tmp_path / 'both'
    path.mkdir()
    for part in (first, second):
        shutil.copy(storage_file(part), path)
    content = (first / 'metadata.yaml').read_text()
    content = content.replace('- first.db3', '- first.db3\n  - second.db3')
    (path / 'metadata.yaml').write_text(content.replace('message_count: 2', 'message_count: 5'))
    source = open_source(path)
    assert [position for position, _ in source.frames()] == [0, 1, 2, 3, 4]
