"""Reads the .bag files of ROS 1, with their messages as those of ROS 2."""

from __future__ import annotations

import bz2
import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from shlex import quote as shell_quote

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader
from rosbags.rosbag1.reader import Header, RecordType, read_bytes, read_uint32
from rosbags.typesys.store import Typestore

from fol_vpr.errors import InputError
from fol_vpr.files import open_file, printable
from fol_vpr.sources.bags.storage.ros1_types import Ros1Converter, ros2_type
from fol_vpr.sources.bags.storage.stored import (
    CDR,
    DamagedError,
    StoredMessage,
    StoredTopic,
    damage_errors,
)

ROS1_MAGIC = b'#ROSBAG V'
_READ_MAGIC = b'#ROSBAG V2.0\n'


class Ros1File:
    """One .bag file; see `BagFile`.

    It is read by chunks, with the record readers of rosbags. The reader of rosbags itself keeps
    an entry of about 200 bytes for every message of the bag, whatever topics are asked for.

    Args:
        path: of the file.
        target: types of ROS 2 that the messages are converted to.

    Raises:
        InputError: the file is damaged, cut off, encrypted, or older than version 2.0.
    """

    storage = 'ROS 1'

    def __init__(self, path: Path, target: Typestore) -> None:
        self.path = path
        shown = shell_quote(str(path))
        self._reindex = (
            f'`rosbag reindex {shown}` of ROS 1 repairs a bag whose recording was interrupted'
        )
        with self._opened() as reader:
            connections = self._read_index(reader)
            self._chunks = sorted(reader.chunk_infos, key=lambda each: each.start_time)
            self._converters = {
                each.id: Ros1Converter(each.msgtype, each.msgdef.data, target)
                for each in connections
            }
            counts: Counter[int] = Counter()
            for chunk in self._chunks:
                counts.update(chunk.connection_counts)
            self.topics = [
                StoredTopic(each.id, each.topic, ros2_type(each.msgtype), CDR, counts[each.id])
                for each in connections
            ]
            self.start_ns = min((each.start_time for each in self._chunks), default=0)
            # rosbags gives the end of a chunk as 1 ns behind its last message.
            self.end_ns = max([0, *(each.end_time - 1 for each in self._chunks)])

    def read(self, numbers: Collection[int]) -> Iterator[StoredMessage]:
        """The messages of some stored topics in order of reception; see `BagFile`."""
        chosen = frozenset(numbers)
        waiting: list[tuple[int, int, int, StoredMessage]] = []
        with self._opened() as reader:
            for chunk in self._chunks:
                if not chosen & set(chunk.connection_counts):
                    continue
                while waiting and waiting[0][0] < chunk.start_time:
                    yield heapq.heappop(waiting)[-1]
                left = Counter({each: chunk.connection_counts.get(each, 0) for each in chosen})
                for place, message in enumerate(self._messages(reader, chunk.pos, chosen)):
                    entry = (message.receive_ns, chunk.pos, place, message)
                    heapq.heappush(waiting, entry)
                    left[message.number] -= 1
                if any(left.values()):
                    raise DamagedError('a chunk does not hold what the index says')
            while waiting:
                yield heapq.heappop(waiting)[-1]

    def compressions(self) -> set[str]:
        """How chunks are compressed; see `BagFile`."""
        with self._opened() as reader:
            return {self._chunk_header(reader, each.pos)[0] for each in self._chunks} - {'none'}

    @contextmanager
    def _opened(self) -> Iterator[Reader]:
        with open_file(self.path, 'a bag') as file, damage_errors(self.path, self._reindex):
            reader = Reader(self.path)
            reader.bio = file
            yield reader

    def _read_index(self, reader: Reader) -> list[Connection]:
        """The connections of the bag; the places of the chunks are left in the reader."""
        file = reader.bio
        assert file is not None
        magic = file.readline(32)
        if magic != _READ_MAGIC:
            raise InputError(
                f'{printable(str(self.path))} is a ROS 1 bag of a version that is not read '
                f'({printable(magic.decode(errors="replace").strip())}), expected 2.0; '
                '`rosbag fix` of ROS 1 rewrites it'
            )
        header = Header.read(file, RecordType.BAGHEADER)
        if header.get('encryptor'):
            raise InputError(
                f'{printable(str(self.path))} is encrypted; `rosbag decrypt` of ROS 1 decrypts it'
            )
        start = header.get_uint64('index_pos')
        if not start:
            raise DamagedError('it has no index, because its recording was interrupted')
        if start > file.seek(0, 2):
            raise InputError(
                f'{printable(str(self.path))} is cut off: its index lies behind its end; copy or '
                f'download it again, or {self._reindex}'
            )
        file.seek(start)
        connections = [reader.read_connection() for _ in range(header.get_uint32('conn_count'))]
        reader.chunk_infos = [
            reader.read_chunk_info() for _ in range(header.get_uint32('chunk_count'))
        ]
        known = {each.id for each in connections}
        if not all(known.issuperset(each.connection_counts) for each in reader.chunk_infos):
            raise DamagedError('its index names connections that it does not describe')
        return connections

    def _chunk_header(self, reader: Reader, offset: int) -> tuple[str, int]:
        """Compression and unpacked bytes of the chunk at an offset; its data come next."""
        file = reader.bio
        assert file is not None
        file.seek(offset)
        header = Header.read(file, RecordType.CHUNK)
        return header.get_string('compression'), header.get_uint32('size')

    def _messages(
        self, reader: Reader, offset: int, chosen: Collection[int]
    ) -> Iterator[StoredMessage]:
        """The chosen messages of the chunk at an offset, in the order of the file."""
        file = reader.bio
        assert file is not None
        compression, size = self._chunk_header(reader, offset)
        packed = read_bytes(file, read_uint32(file))
        content = BytesIO(_unpack(packed, compression, size))
        while content.tell() < size:
            record = Header.read(content)
            data = read_bytes(content, read_uint32(content))
            if record.get_uint8('op') != RecordType.MSGDATA:
                continue
            number = record.get_uint32('conn')
            if number in chosen:
                cdr = self._converters[number].to_cdr(data)
                yield StoredMessage(record.get_time('time'), number, cdr)


def _unpack(packed: bytes, compression: str, size: int) -> bytes:
    """The content of a chunk, which has to have the size that the chunk states."""
    if compression == 'bz2':
        content = bz2.BZ2Decompressor().decompress(packed, size)
    elif compression == 'lz4':
        content = LZ4FrameDecompressor().decompress(packed, max_length=size)
    elif compression == 'none':
        content = packed
    else:
        raise InputError(
            f'its chunks are compressed with {printable(compression)!r}, expected bz2, lz4 or none'
        )
    if len(content) != size:
        raise DamagedError(f'a chunk has {len(content)} bytes instead of {size}')
    return bytes(content)
