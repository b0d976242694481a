"""Generates bags of every format and variant that is read, and damages them."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml
import zstandard
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from fol_vpr.sources import typestore

Written = dict[str, list[tuple[int, bytes]]]
"""Time of reception in nanoseconds and CDR of the messages by topic, in order of reception."""

SECOND = 1_000_000_000
FOREIGN_TOPIC = '/note'

_IMAGE, _POSE = 'sensor_msgs/msg/CompressedImage', 'geometry_msgs/msg/PoseStamped'
_TEXT, _TF = 'std_msgs/msg/String', 'tf2_msgs/msg/TFMessage'
_TYPES = {'/camera/compressed': _IMAGE, '/pose': _POSE, '/chatter': _TEXT, '/tf': _TF}


@dataclass(frozen=True)
class BagCase:
    """A bag, and what was written to it.

    Attributes:
        path: folder or file.
        kind: format and variant, in words.
        written: of the topics that can be read.
        is_checked: whether a checksum covers every message in the bag.
        damage: what was done to it; empty for a valid bag.
    """

    path: Path
    kind: str
    written: Written
    is_checked: bool
    damage: str = ''


def bag_case(folder: Path, seed: int) -> BagCase:
    """A bag by its seed: every second one is damaged.

    Args:
        folder: empty, to write into.
        seed: number of the bag.
    """
    random = Random(seed)
    make = random.choice((_sqlite, _sqlite, _mcap, _mcap, _mcap, _ros1))
    case = make(folder, random)
    return _damaged(case, random) if seed % 2 else case


def _messages(random: Random) -> list[tuple[str, int, Any]]:
    """Topic, time of reception, and message; the times run backwards now and then."""
    types = typestore().types
    found = []
    clock = random.randrange(1, 2**31) * SECOND
    for number in range(random.randrange(0, 60)):
        clock += random.choice((0, 1, SECOND // 10, SECOND, -SECOND // 20))
        stamp = types['builtin_interfaces/msg/Time'](*divmod(max(clock, 0), SECOND))
        topic = random.choice(list(_TYPES))
        header = types['std_msgs/msg/Header'](stamp, random.choice(('camera', '', '/map')))
        if topic == '/camera/compressed':
            data = np.frombuffer(random.randbytes(random.randrange(0, 5000)), np.uint8)
            message = types[_IMAGE](header, 'jpeg', data)
        elif topic == '/pose':
            place = types['geometry_msgs/msg/Point'](float(number), 0.5, -1.0)
            turn = types['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0)
            message = types[_POSE](header, types['geometry_msgs/msg/Pose'](place, turn))
        elif topic == '/tf':
            message = types[_TF]([])
        else:
            message = types[_TEXT](f'note {number} ' * random.randrange(0, 40))
        found.append((topic, max(clock, 0), message))
    return found


def _in_order(messages: list[tuple[str, int, bytes]]) -> Written:
    written: Written = defaultdict(list)
    for topic, receive_ns, data in sorted(messages, key=lambda each: each[1]):
        written[topic].append((receive_ns, data))
    return dict(written)


def _as_cdr(messages: list[tuple[str, int, Any]]) -> list[tuple[str, int, bytes]]:
    return [
        (topic, stamp, bytes(typestore().serialize_cdr(message, _TYPES[topic])))
        for topic, stamp, message in messages
    ]


def _sqlite(folder: Path, random: Random) -> BagCase:
    """A folder or file of rosbag2 with sqlite3, whole or split, compressed or not."""
    messages = _as_cdr(_messages(random))
    path = folder / 'drive'
    mode = random.choice((CompressionMode.NONE, CompressionMode.MESSAGE, CompressionMode.FILE))
    parts = random.choice((1, 1, 3)) if mode != CompressionMode.FILE else 1
    for part in range(parts):
        _rosbag2(folder / f'drive_{part}', messages[part::parts], 'sqlite3', mode)
    return _finish(folder, path, parts, f'sqlite3 {mode.name}', messages, random)


def _finish(
    folder: Path,
    path: Path,
    parts: int,
    kind: str,
    messages: list[tuple[str, int, bytes]],
    random: Random,
) -> BagCase:
    """One folder of several recordings, or one of their files alone."""
    path.mkdir()
    names = []
    for part in range(parts):
        for file in (folder / f'drive_{part}').iterdir():
            if file.name != 'metadata.yaml':
                shutil.move(file, path)
                names.append(file.name)
    if parts == 1:
        shutil.move(folder / 'drive_0' / 'metadata.yaml', path)
        _vary_metadata(path, random)
        if random.random() < 0.4:
            path = path / names[0]
            kind += ' file'
    else:
        random.shuffle(names)
        information = {'version': random.randrange(1, 10), 'relative_file_paths': names}
        _write_metadata(path, information)
        kind += ' split'
    return BagCase(path, kind, _in_order(messages), is_checked=False)


def _rosbag2(
    path: Path, messages: list[tuple[str, int, bytes]], storage: str, mode: CompressionMode
) -> None:
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=typestore())
            for topic, kind in _TYPES.items()
        }
        for topic, stamp, data in messages:
            writer.write(connections[topic], stamp, data)


def _vary_metadata(path: Path, random: Random) -> None:
    """Leave out or change fields that are not needed."""
    content = yaml.safe_load((path / 'metadata.yaml').read_text())
    information = content['rosbag2_bagfile_information']
    for name in ('version', 'duration', 'starting_time', 'message_count', 'files', 'ros_distro'):
        if random.random() < 0.3:
            information.pop(name, None)
        elif random.random() < 0.1:
            information[name] = random.choice((None, 'unknown', -1, [], {}))
    for topic in information['topics_with_message_count']:
        if random.random() < 0.3:
            topic['topic_metadata']['offered_qos_profiles'] = random.choice(('', '- {', [{}], 7))
        if random.random() < 0.3:
            topic['topic_metadata'].pop('type_description_hash', None)
    _write_metadata(path, information)


def _write_metadata(path: Path, information: dict[str, Any]) -> None:
    content = {'rosbag2_bagfile_information': information}
    (path / 'metadata.yaml').write_text(yaml.safe_dump(content))


def _mcap(folder: Path, random: Random) -> BagCase:
    """An MCAP file of any options, with foreign channels or those of ROS 1."""
    path = folder / 'drive.mcap'
    compression = random.choice(list(CompressionType))
    options = {
        name: random.random() < 0.7
        for name in (
            'repeat_channels',
            'repeat_schemas',
            'use_chunking',
            'use_statistics',
            'use_summary_offsets',
            'enable_crcs',
        )
    }
    indexes = random.choice((IndexType.ALL, IndexType.CHUNK, IndexType.NONE, IndexType.MESSAGE))
    is_ros1 = random.random() < 0.2
    sent = _messages(random)
    messages = _as_ros1(sent) if is_ros1 else [(*each, each[2]) for each in _as_cdr(sent)]
    with path.open('wb') as file:
        writer = McapWriter(
            file,
            chunk_size=random.choice((100, 3000, 2**20)),
            compression=compression,
            index_types=indexes,
            **options,
        )
        writer.start(random.choice(('ros2', 'ros1', '')), 'fuzz')
        channels: dict[str, int] = {}
        foreign = _foreign_channel(writer, random)
        for number, (topic, stamp, _, stored) in enumerate(messages):
            if topic not in channels:
                channels[topic] = _channel(writer, topic, is_ros1=is_ros1, random=random)
            writer.add_message(channels[topic], stamp, stored, stamp, number)
            foreign(stamp)
        writer.finish()
    kind = f'mcap{" ros1" if is_ros1 else ""}{"" if options["use_chunking"] else " unchunked"}'
    written = _in_order([(topic, stamp, data) for topic, stamp, data, _ in messages])
    is_checked = options['use_chunking'] and options['enable_crcs']
    if random.random() < 0.15:
        path.with_suffix('.mcap.zstd').write_bytes(zstandard.compress(path.read_bytes()))
        path = path.with_suffix('.mcap.zstd')
        kind += ' packed'
    return BagCase(path, kind, written, is_checked=is_checked)


def _channel(writer: McapWriter, topic: str, *, is_ros1: bool, random: Random) -> int:
    kind = _TYPES[topic]
    if is_ros1:
        definition = _noetic().generate_msgdef(kind, ros_version=1)[0]
        schema = writer.register_schema(kind.replace('/msg', ''), 'ros1msg', definition.encode())
        return writer.register_channel(topic, 'ros1', schema)
    encoding = random.choice(('ros2msg', 'ros2idl', 'unknown', ''))
    if random.random() < 0.2:
        kind = kind.replace('/msg', '')
    return writer.register_channel(topic, 'cdr', writer.register_schema(kind, encoding, b'#'))


def _foreign_channel(writer: McapWriter, random: Random) -> Callable[[int], None]:
    if random.random() < 0.5:
        return lambda _: None
    encoding = random.choice(('json', 'protobuf', 'flatbuffer', ''))
    schema = random.choice((0, writer.register_schema('Note', 'jsonschema', b'{}')))
    channel = writer.register_channel(FOREIGN_TOPIC, encoding, schema)

    def write(stamp: int) -> None:
        if random.random() < 0.3:
            writer.add_message(channel, stamp, json.dumps({'at': stamp}).encode(), stamp)
        if random.random() < 0.05:
            writer.add_attachment(stamp, stamp, 'log.txt', 'text/plain', random.randbytes(500))

    return write


def _noetic() -> Any:
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg('geometry_msgs/TransformStamped[] transforms', _TF))
    return store


def _as_ros1(messages: list[tuple[str, int, Any]]) -> list[tuple[str, int, bytes, bytes]]:
    """Topic, time, CDR, and the message as ROS 1 serialises it."""
    return [
        (topic, stamp, data, bytes(typestore().cdr_to_ros1(data, _TYPES[topic])))
        for topic, stamp, data in _as_cdr(messages)
    ]


def _ros1(folder: Path, random: Random) -> BagCase:
    path = folder / 'drive.bag'
    writer = Ros1Writer(path)
    writer.chunk_threshold = random.choice((100, 3000, 2**20))
    compression = random.choice(('', 'BZ2', 'LZ4'))
    if compression:
        writer.set_compression(Ros1Writer.CompressionFormat[compression])
    messages, store = _as_ros1(_messages(random)), _noetic()
    with writer:
        connections = {}
        for topic, stamp, _, data in messages:
            if topic not in connections:
                kind = _TYPES[topic]
                text, digest = store.generate_msgdef(kind, ros_version=1)
                name = 'tf/msg/tfMessage' if topic == '/tf' and random.random() < 0.5 else kind
                connections[topic] = writer.add_connection(topic, name, msgdef=text, md5sum=digest)
            writer.write(connections[topic], stamp, data)
    written = _in_order([(topic, stamp, cdr) for topic, stamp, cdr, _ in messages])
    return BagCase(path, f'ros1 {compression or "none"}', written, is_checked=False)


def _damaged(case: BagCase, random: Random) -> BagCase:
    """The same bag after one to three changes to one of its files."""
    files = [case.path]
    if case.path.is_dir():
        files = sorted(each for each in case.path.iterdir())
    file = random.choice(files)
    content, done = bytearray(file.read_bytes()), []
    for _ in range(random.randrange(1, 4)):
        kind = random.choice(('cut', 'flip', 'flip', 'zero', 'number', 'insert', 'repeat'))
        place = random.choice((random.randrange(len(content) + 1), random.randrange(200), -1))
        place = len(content) - random.randrange(300) if place < 0 else place
        place = max(0, min(place, len(content) - 1))
        if kind == 'cut':
            del content[place:]
        elif kind == 'flip' and content:
            content[place] ^= 1 << random.randrange(8)
        elif kind == 'zero':
            content[place : place + 16] = bytes(len(content[place : place + 16]))
        elif kind == 'number':
            number = random.choice((2**31 - 1, 2**32 - 1, 2**40, 2**63, 2**64 - 1))
            content[place : place + 8] = number.to_bytes(8, 'little')
        elif kind == 'insert':
            content[place:place] = random.randbytes(random.randrange(1, 30))
        elif kind == 'repeat':
            content[place:place] = content[place : place + random.randrange(1, 400)]
        done.append(kind)
    file.write_bytes(content)
    return BagCase(
        case.path, case.kind, case.written, case.is_checked, f'{"+".join(done)} in {file.name}'
    )
