"""Bags as they are found on robots: cut off, without metadata, with types nobody knows."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from helpers.bags.mcap_files import cdr, mcap_file
from helpers.source_files import (
    SECOND,
    Sent,
    bag,
    compressed,
    encode,
    picture,
    pose,
    storage_file,
    text,
)
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
@pytest.mark.parametrize('share', [0.1, 0.5, 0.97])
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
    # What a file holds counts, not what the metadata calls it.
    assert len(open_source(path)) == 5
    storage_file(path).write_bytes(b'leveldb' * 100)
    with pytest.raises(
        InputError, match=r"monday\.db3 is no bag \(its metadata calls .*'leveldb'"
    ):
        open_source(path)


@pytest.mark.parametrize('content', ['', 'rosbag2_bagfile_information: 7', '{', '[]', '"\\q"'])
def test_metadata_that_is_none(tmp_path: Path, content: str) -> None:
    path = drive(tmp_path / 'monday')
    (path / 'metadata.yaml').write_text(content)
    with pytest.raises(InputError, match=r'metadata\.yaml .* no .*`ros2 bag reindex .*` writes'):
        open_source(path)


def test_file_of_a_split_bag_is_missing(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    storage_file(path).unlink()
    with pytest.raises(InputError, match=r'missing: monday\.db3; .*copy the missing files'):
        open_source(path)


def test_what_is_no_bag(tmp_path: Path) -> None:
    for name, said in [
        ('notes.txt', 'is no bag: it begins neither as .* was copied whole$'),
        ('drive.mcap', 'is no bag: '),
        ('drive.db3', 'is no bag: '),
    ]:
        (tmp_path / name).write_text('The camera was dirty on Monday.')
        with pytest.raises(InputError, match=said):
            open_source(tmp_path / name)
        (tmp_path / name).write_bytes(b'')
        with pytest.raises(InputError, match=r'is empty: .*take another recording$'):
            open_source(tmp_path / name)
    with pytest.raises(InputError, match='does not exist'):
        open_source(tmp_path / 'gone.mcap')


@pytest.mark.parametrize('storage', STORAGES)
def test_characters_that_an_address_would_misread(tmp_path: Path, storage: str) -> None:
    path = drive(tmp_path / 'monday', storage).rename(tmp_path / 'drive #2, 100% (?) ü')
    for given in (path, storage_file(path)):
        assert len(list(open_source(given, pose_topic='/pose').frames())) == 5


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


def test_type_without_msg(tmp_path: Path) -> None:
    """As the first releases of rosbag2 wrote them."""
    path = drive(tmp_path / 'monday')
    metadata = path / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace('/msg/', '/'))
    with sqlite3.connect(storage_file(path)) as database:
        database.execute("UPDATE topics SET type = REPLACE(type, '/msg/', '/')")
    database.close()
    image = compressed(SECOND, encode(picture()))
    short = Sent(image.topic, 'sensor_msgs/CompressedImage', SECOND, cdr(image))
    for given in (path, storage_file(path), mcap_file(tmp_path / 'a.mcap', [short])):
        source = open_source(given)
        assert len(list(source.frames())) == len(source) > 0
        assert Bag(given).topics['/camera/compressed'].msgtype == 'sensor_msgs/msg/CompressedImage'


@pytest.mark.parametrize('storage', STORAGES)
def test_topic_with_two_types(tmp_path: Path, storage: str) -> None:
    topic = '/camera/compressed'
    images = [compressed(stamp * SECOND, encode(picture())) for stamp in (1, 2)]
    texts = [text(stamp * SECOND, topic=topic) for stamp in (1, 2, 3)]
    path = bag(tmp_path / 'monday', texts + images, storage)
    for given in (path, storage_file(path)):
        source = open_source(given)
        assert len(source) == len(list(source.frames())) == 2
        assert len(source.warnings) == 1
        assert 'sensor_msgs/msg/CompressedImage, 2) is used' in source.warnings[0]
        assert 'std_msgs/msg/String, 3) is left out' in source.warnings[0]


def test_serialisation_that_nobody_knows(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    metadata = path / 'metadata.yaml'
    metadata.write_text(
        metadata.read_text().replace('serialization_format: cdr', 'serialization_format: own')
    )
    said = r"/camera/compressed in .* cannot be read: it is encoded as 'own'.*expected .* cdr"
    with pytest.raises(InputError, match=said) as caught:
        open_source(path, image_topic='/camera/compressed')
    assert 'recover' not in str(caught.value)
    with pytest.raises(InputError, match=r'holds no images.*encoded as own, cannot be read'):
        open_source(path)
    with sqlite3.connect(storage_file(path)) as database:
        database.execute("UPDATE topics SET serialization_format = 'own' WHERE name = '/pose'")
    database.close()
    alone = Bag(storage_file(path))
    assert list(alone.topics) == ['/camera/compressed']
    with pytest.raises(InputError, match=r"'own'.*can be read: /camera/compressed \("):
        alone.find_topic('pose')


def test_pointer_of_git_lfs(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n'
    storage_file(path).write_text(pointer)
    for name in ('a.bag', 'a.mcap', 'a.db3.zstd'):
        (tmp_path / name).write_text(pointer)
    for given in (path, *tmp_path.glob('a.*')):
        with pytest.raises(InputError, match='git lfs pull') as caught:
            open_source(given)
        assert 'recover' not in str(caught.value)


@pytest.mark.parametrize(
    ('ending', 'remedy'), [('-wal', 'wal_checkpoint'), ('-journal', 'quick_check')]
)
def test_unmerged_log_of_an_interrupted_recorder_is_reported(
    tmp_path: Path, ending: str, remedy: str
) -> None:
    path = drive(tmp_path / 'monday')
    log = path / f'monday.db3{ending}'
    log.touch()
    assert open_source(path).warnings == []
    log.write_bytes(b'newest messages')
    (warning,) = open_source(path).warnings
    assert f'monday.db3{ending}' in warning and remedy in warning
    storage_file(path).write_bytes(b'')
    with pytest.raises(InputError, match=f'is empty: .*{remedy}'):
        open_source(path)


def test_recording_that_is_wholly_in_the_log(tmp_path: Path) -> None:
    """As the preset `resilient` of rosbag2 leaves it where the recorder is killed early."""
    source = storage_file(drive(tmp_path / 'monday'))
    path = tmp_path / 'a.db3'
    with closing(sqlite3.connect(path)) as database:
        database.execute('PRAGMA journal_mode = WAL')
        database.execute('PRAGMA wal_autocheckpoint = 0')
        database.execute(f"ATTACH '{source}' AS other")
        for table in ('topics', 'messages'):
            database.execute(f'CREATE TABLE {table} AS SELECT * FROM other.{table}')
        database.commit()
        killed = tmp_path / 'killed.db3'
        for ending in ('', '-wal'):
            shutil.copy(f'{path}{ending}', f'{killed}{ending}')
    with pytest.raises(InputError, match=r'cannot be read yet: .*killed\.db3-wal, .*merges'):
        open_source(killed)
    with closing(sqlite3.connect(killed)) as database:
        database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    assert len(list(open_source(killed).frames())) == 5


def test_bag_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    metadata = path / 'metadata.yaml'
    metadata.write_text(re.sub(r'message_count: 5\b', 'message_count: 6', metadata.read_text()))
    source = open_source(path)
    assert len(source) == len(list(source.frames())) == 5
    assert 'promises 6 messages on /camera/compressed, and the files hold 5' in source.warnings[1]


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
