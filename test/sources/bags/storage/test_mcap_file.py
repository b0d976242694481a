"""MCAP files with other things inside, and without the indexes that rosbag2 writes by default."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from helpers.bags.mcap_files import cdr, mcap_file, mixed_mcap_file
from helpers.bags.ros1_bags import noetic, pose_stamped
from helpers.source_files import SECOND, Sent, compressed, encode, picture, pose, text
from mcap.writer import CompressionType, IndexType, Writer

from fol_vpr.errors import InputError
from fol_vpr.sources import Bag, deserialize, open_source

INDEXES = {
    'all': {},
    'no message index': {'index_types': IndexType.CHUNK},
    'no chunk index': {'index_types': IndexType.NONE},
    'no statistics': {'use_statistics': False},
    'no message index, no statistics': {
        'index_types': IndexType.CHUNK,
        'use_statistics': False,
    },
    'channels in chunks only': {'repeat_channels': False, 'repeat_schemas': False},
    'no summary': {
        'index_types': IndexType.NONE,
        'use_statistics': False,
        'repeat_channels': False,
        'repeat_schemas': False,
        'use_summary_offsets': False,
    },
    'no chunks': {'use_chunking': False},
    'no chunks, no summary': {
        'use_chunking': False,
        'use_statistics': False,
        'repeat_channels': False,
        'repeat_schemas': False,
        'use_summary_offsets': False,
    },
}


def drive() -> list[Sent]:
    """Two topics, with times of reception that run backwards now and then."""
    order = [1, 3, 2, 4, 8, 5, 6, 7, 9, 10, 12, 11]
    return [
        message
        for place in order
        for message in (text(place * SECOND, f'note {place}'), pose(place * SECOND, (place, 0, 0)))
    ]


@pytest.mark.parametrize('compression', CompressionType)
@pytest.mark.parametrize('indexes', INDEXES)
def test_all_messages_are_counted_and_read_in_order(
    tmp_path: Path, indexes: str, compression: CompressionType
) -> None:
    path = mcap_file(
        tmp_path / 'a.mcap', drive(), compression=compression, chunk_size=300, **INDEXES[indexes]
    )
    bag = Bag(path)
    assert {topic.name: topic.count for topic in bag.topics.values()} == {
        '/chatter': 12,
        '/pose': 12,
    }
    read = list(bag.read(['/pose']))
    assert [message.receive_ns // SECOND for message in read] == list(range(1, 13))
    assert [deserialize(message).pose.position.x for message in read] == list(range(1, 13))
    both = list(bag.read(['/pose', '/chatter']))
    assert len(both) == 24
    assert [each.receive_ns for each in both] == sorted(each.receive_ns for each in both)
    assert bag.warnings == []


def test_messages_between_chunks(tmp_path: Path) -> None:
    """The index of the chunks does not tell of them."""
    messages = [pose(stamp * SECOND, (stamp, 0, 0)) for stamp in range(1, 8)]
    bag = Bag(mixed_mcap_file(tmp_path / 'a.mcap', messages))
    assert bag.topics['/pose'].count == 7
    assert [each.data for each in bag.read(['/pose'])] == [cdr(each) for each in messages]


@pytest.mark.parametrize('profile', ['', 'ros1', 'x-own', 'ros2'])
def test_any_profile(tmp_path: Path, profile: str) -> None:
    path = mcap_file(tmp_path / 'a.mcap', drive(), profile=profile)
    assert len(list(Bag(path).read(['/pose']))) == 12


FOREIGN = [
    ('jsonschema', 'json'),
    ('protobuf', 'protobuf'),
    ('flatbuffer', 'flatbuffer'),
    ('', ''),
    ('unknown', 'own'),
    (None, 'json'),
    (None, 'cdr'),
]


@pytest.mark.parametrize('chunked', [True, False])
@pytest.mark.parametrize('foreign', FOREIGN)
def test_foreign_channel_is_listed_and_the_others_are_read(
    tmp_path: Path, chunked: bool, foreign: tuple[str | None, str]
) -> None:
    schema, encoding = foreign
    image = compressed(SECOND, encode(picture()))
    note = Sent('/note', 'Note', SECOND, b'{"text": "rain"}')
    path = mcap_file(
        tmp_path / 'a.mcap', [note, image, note],
        schema_encodings={'Note': schema}, encodings={'/note': encoding}, use_chunking=chunked,
    )  # fmt: skip
    source = open_source(path)
    assert len(list(source.frames())) == len(source) == 1
    bag = Bag(path)
    assert list(bag.topics) == ['/camera/compressed']
    assert (bag.foreign['/note'].count, bag.foreign['/note'].encoding) == (2, encoding)
    assert '/note (' in bag.list_topics() and 'cannot be read, 2)' in bag.list_topics()
    said = f"'{encoding}'" if encoding != 'cdr' else 'its type is not said'
    with pytest.raises(InputError, match=rf'/note in .*{said}.*can be read: /camera/comp'):
        open_source(path, image_topic='/note')
    with pytest.raises(InputError, match='cannot be read'):
        list(bag.read(['/note']))


@pytest.mark.parametrize('encoding', ['', 'unknown', 'jsonschema', 'ros2idl', 'omgidl'])
def test_schema_does_not_matter_for_messages_in_cdr(tmp_path: Path, encoding: str) -> None:
    image = compressed(SECOND, encode(picture()))
    path = mcap_file(tmp_path / 'a.mcap', [image], schema_encodings={image.msgtype: encoding})
    assert len(list(open_source(path).frames())) == 1


def test_topic_in_json_and_in_cdr(tmp_path: Path) -> None:
    path = mcap_file(
        tmp_path / 'a.mcap',
        [pose(SECOND, (1, 0, 0)), Sent('/pose', 'Pose', SECOND, b'{}')],
        schema_encodings={'Pose': 'jsonschema'},
    )
    content = path.read_bytes()
    assert content.count(b'cdr') == 4
    # The second channel, in the chunk and in the summary.
    places = [place for place in range(len(content)) if content.startswith(b'cdr', place)]
    for place in (places[1], places[3]):
        content = content[:place] + b'own' + content[place + 3 :]
    path.write_bytes(without_checksums(content))
    bag = Bag(path)
    assert len(list(bag.read(['/pose']))) == 1
    assert 'PoseStamped, 1) is used, /pose (Pose, encoded as own' in bag.warnings[0]


def without_checksums(content: bytes) -> bytes:
    """Sets that of the summary and of the only chunk to 0, which means that there is none."""
    content = content[:-12] + bytes(4) + content[-8:]
    chunk = content.index(b'\x06', content.index(b'\x01', 8))
    while int.from_bytes(content[chunk + 1 : chunk + 9], 'little') > len(content):
        chunk = content.index(b'\x06', chunk + 1)
    return content[: chunk + 33] + bytes(4) + content[chunk + 37 :]


def test_channels_of_ros_1(tmp_path: Path) -> None:
    """As `mcap convert drive.bag drive.mcap` writes them."""
    message = pose_stamped(5 * SECOND, 4.0)
    path = tmp_path / 'a.mcap'
    definition = noetic().generate_msgdef(message.msgtype, ros_version=1)[0]
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start('ros1', 'mcap convert')
        schema = writer.register_schema(
            'geometry_msgs/PoseStamped', 'ros1msg', definition.encode()
        )
        channel = writer.register_channel('/pose', 'ros1', schema)
        data = bytes(noetic().serialize_ros1(message.message, message.msgtype))
        writer.add_message(channel, 5 * SECOND, data, 5 * SECOND)
        writer.finish()
    bag = Bag(path)
    assert bag.topics['/pose'].msgtype == 'geometry_msgs/msg/PoseStamped'
    (read,) = map(deserialize, bag.read(['/pose']))
    assert (read.header.frame_id, read.header.stamp.sec) == ('map', 5)
    assert (read.pose.position.x, read.pose.orientation.w) == (4.0, 1.0)


def test_changed_byte_does_not_match_the_checksum(tmp_path: Path) -> None:
    path = mcap_file(tmp_path / 'a.mcap', drive())
    whole = path.read_bytes()
    place = whole.index(b'note 7')
    path.write_bytes(whole[:place] + b'N' + whole[place + 1 :])
    with pytest.raises(InputError, match=r'chunk .* checksum; if .*`mcap recover .* -o'):
        list(Bag(path).read(['/chatter']))
    path.write_bytes(whole.replace(b'geometry_msgs/msg', b'geometry-msgs/msg'))
    with pytest.raises(InputError, match=r'summary does not have its checksum'):
        Bag(path)


def test_channel_that_is_not_described(tmp_path: Path) -> None:
    """Without a checksum its messages would be lost without a word."""
    path = mcap_file(
        tmp_path / 'a.mcap', drive(), use_chunking=False, use_statistics=False,
        repeat_channels=False, repeat_schemas=False, enable_crcs=False,
    )  # fmt: skip
    content = path.read_bytes()
    place = content.index(b'/pose') - 8
    assert content[place : place + 2] == b'\x02\0'
    path.write_bytes(content[:place] + b'\x05' + content[place + 1 :])
    with pytest.raises(InputError, match='channels that it does not hold'):
        Bag(path)


@pytest.mark.parametrize('chunked', [True, False])
def test_memory_is_that_of_a_chunk(tmp_path: Path, chunked: bool) -> None:
    def images() -> Any:
        for stamp in range(1, 41):
            yield compressed(stamp * SECOND, bytes([stamp]) * 500_000)

    path = mcap_file(tmp_path / 'a.mcap', images(), chunk_size=600_000, use_chunking=chunked)
    bag = Bag(path)
    tracemalloc.start()
    try:
        assert sum(len(message.data) for message in bag.read(['/camera/compressed'])) > 20_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
