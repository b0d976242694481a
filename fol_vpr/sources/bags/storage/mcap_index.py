"""Finds the chunks, messages and channels of an MCAP file, with or without its indexes."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Schema
from mcap.summary import Summary

from fol_vpr.errors import InputError
from fol_vpr.sources.bags.storage.compression import unpack_chunk
from fol_vpr.sources.bags.storage.stored import DamagedError

MCAP_MAGIC = b'\x89MCAP0\r\n'

_RECORD = struct.Struct('<BQ')
_MESSAGE = struct.Struct('<HIQQ')
_CHUNK = struct.Struct('<QQQII')
_FOOTER = struct.Struct('<BQQQI')
_FOOTER_BYTES = _FOOTER.size + len(MCAP_MAGIC)
_LARGE = 2**20
_COMPRESSIONS = ('', 'lz4', 'zstd')


class ChunkPlace(NamedTuple):
    """A chunk of a file.

    Attributes:
        start_ns: time of its first message in nanoseconds.
        offset: of its record in the file.
        channels: those that have messages in it; empty if that is unknown.
        end_ns: time of its last message in nanoseconds.
        compression: of the chunk; empty where it is not compressed.
    """

    start_ns: int
    offset: int
    channels: frozenset[int]
    end_ns: int
    compression: str


@dataclass
class McapIndex:
    """Where the messages of a file are.

    Attributes:
        schemas, channels: by their numbers.
        chunks: sorted by their first message.
        loose_times, loose_offsets, loose_channels: of the messages outside of chunks.
        counts: number of messages by channel.
    """

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkPlace] = field(default_factory=list)
    loose_times: array[int] = field(default_factory=lambda: array('Q'))
    loose_offsets: array[int] = field(default_factory=lambda: array('Q'))
    loose_channels: array[int] = field(default_factory=lambda: array('H'))
    counts: Counter[int] = field(default_factory=Counter)


class ChunkMessage(NamedTuple):
    """A message in a chunk.

    Attributes:
        time_ns: of reception in nanoseconds.
        channel: its number.
        data: view of the message.
    """

    time_ns: int
    channel: int
    data: memoryview


def read_mcap_index(file: BinaryIO) -> McapIndex:
    """Find all messages of an MCAP file.

    Chunks are taken from the summary. What the summary does not cover is walked through: files
    without chunks, without an index of chunks or without any summary are valid as well, and
    messages between indexed chunks occur. Chunks are unpacked only where the summary does not
    say what channels there are and how many messages they have.

    Args:
        file: at its beginning.

    Raises:
        DamagedError: the file is cut off or damaged; the mcap package raises other exceptions.
        InputError: a chunk is compressed in a way that is not known.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
        raise DamagedError('it does not begin as an MCAP file')
    first, length = _RECORD.unpack(_exactly(file, _RECORD.size))
    if first != Opcode.HEADER or length > size:
        raise DamagedError('it has no header')
    data_start = file.tell() + length
    end = size - _FOOTER_BYTES
    summary = _read_summary(file, data_start, end)
    index = McapIndex()
    covered = []
    if summary is not None:
        index.schemas.update(summary.schemas)
        index.channels.update(summary.channels)
        for chunk in summary.chunk_indexes:
            index.chunks.append(
                ChunkPlace(
                    chunk.message_start_time,
                    chunk.chunk_start_offset,
                    frozenset(chunk.message_index_offsets),
                    chunk.message_end_time,
                    chunk.compression,
                )
            )
            stop = chunk.chunk_start_offset + chunk.chunk_length + chunk.message_index_length
            covered.append((chunk.chunk_start_offset, stop))
    for start, stop in _gaps(covered, data_start, end):
        _walk(file, start, stop, index)
    if summary is not None and _tells_counts(summary):
        assert summary.statistics is not None
        index.counts.update(summary.statistics.channel_message_counts)
    else:
        _count(file, index)
    promised = summary.statistics.message_count if summary and summary.statistics else 0
    if promised > index.counts.total() or not set(index.counts) <= set(index.channels):
        raise DamagedError('it promises messages or uses channels that it does not hold')
    index.chunks.sort()
    return index


def chunk_content(file: BinaryIO, offset: int) -> bytes | memoryview:
    """The records of a chunk, checked against its checksum where it has one.

    Args:
        file: the MCAP file.
        offset: of the chunk's record.

    Raises:
        DamagedError: there is no chunk, or it is damaged.
        InputError: it is compressed in a way that is not known.
    """
    file.seek(offset)
    opcode, length = _RECORD.unpack(_exactly(file, _RECORD.size))
    if opcode != Opcode.CHUNK:
        raise DamagedError(f'there is no chunk at byte {offset}')
    content = _exactly(file, length)
    _, _, size, checksum, name_length = _CHUNK.unpack_from(content)
    place = _CHUNK.size + name_length
    compression = content[_CHUNK.size : place].decode()
    if compression not in _COMPRESSIONS:
        raise InputError(
            f'its chunks are compressed with {compression!r}, expected zstd or lz4; '
            '`mcap compress` rewrites the file'
        )
    (packed_size,) = struct.unpack_from('<Q', content, place)
    packed = memoryview(content)[place + 8 : place + 8 + packed_size]
    if len(packed) != packed_size:
        raise DamagedError(f'the chunk at byte {offset} is cut off')
    records = unpack_chunk(packed, compression, size)
    if checksum and zlib.crc32(records) != checksum:
        raise DamagedError(f'the chunk at byte {offset} does not have its checksum')
    return records


def chunk_messages(records: bytes | memoryview) -> Iterator[ChunkMessage]:
    """The messages among the records of a chunk, in the order of the file."""
    for opcode, body in _records(records):
        if opcode == Opcode.MESSAGE:
            channel, _, time_ns, _ = _MESSAGE.unpack_from(body)
            yield ChunkMessage(time_ns, channel, body[_MESSAGE.size :])


def loose_message(file: BinaryIO, offset: int) -> bytes:
    """The data of the message whose record is at an offset."""
    file.seek(offset)
    opcode, length = _RECORD.unpack(_exactly(file, _RECORD.size))
    if opcode != Opcode.MESSAGE or length < _MESSAGE.size:
        raise DamagedError(f'there is no message at byte {offset}')
    return _exactly(file, length)[_MESSAGE.size :]


def _read_summary(file: BinaryIO, data_start: int, end: int) -> Summary | None:
    """The summary, None if the file has none; checks its checksum where it has one."""
    if end < data_start:
        raise DamagedError('it ends before its footer')
    file.seek(end)
    footer = _exactly(file, _FOOTER_BYTES)
    opcode, length, start, _, checksum = _FOOTER.unpack_from(footer)
    if not footer.endswith(MCAP_MAGIC) or opcode != Opcode.FOOTER or length != 20:
        raise DamagedError('it does not end as an MCAP file')
    if not start:
        return None
    if not data_start <= start <= end:
        raise DamagedError('its summary lies outside of it')
    file.seek(start)
    content = _exactly(file, end - start)
    # The checksum covers the footer up to itself.
    if checksum and zlib.crc32(footer[: _FOOTER.size - 4], zlib.crc32(content)) != checksum:
        raise DamagedError('its summary does not have its checksum')
    file.seek(0)
    return SeekingReader(file).get_summary()


def _gaps(covered: list[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a file, from its first data on, that no index of a chunk covers."""
    for first, after in sorted(covered):
        if first < start or after > end:
            raise DamagedError('the places of its chunks contradict each other')
        if first > start:
            yield start, first
        start = after
    if start < end:
        yield start, end


def _walk(file: BinaryIO, start: int, stop: int, index: McapIndex) -> None:
    """Add the records of a part of a file to its index."""
    while start < stop:
        file.seek(start)
        opcode, length = _RECORD.unpack(_exactly(file, _RECORD.size))
        if start + _RECORD.size + length > stop:
            raise DamagedError(f'the record at byte {start} is cut off')
        if opcode == Opcode.MESSAGE:
            channel, _, time_ns, _ = _MESSAGE.unpack(_exactly(file, _MESSAGE.size))
            index.loose_channels.append(channel)
            index.loose_times.append(time_ns)
            index.loose_offsets.append(start)
        elif opcode == Opcode.CHUNK:
            start_ns, end_ns, _, _, name_length = _CHUNK.unpack(_exactly(file, _CHUNK.size))
            compression = _exactly(file, name_length).decode()
            index.chunks.append(ChunkPlace(start_ns, start, frozenset(), end_ns, compression))
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            _note(opcode, memoryview(_exactly(file, length)), index)
        elif opcode == Opcode.DATA_END:
            return
        start += _RECORD.size + length


def _tells_counts(summary: Summary) -> bool:
    """Whether a summary names every channel, its schema, and its number of messages."""
    statistics = summary.statistics
    if statistics is None:
        return False
    counts = statistics.channel_message_counts
    return (
        sum(counts.values()) == statistics.message_count
        and len(summary.channels) >= statistics.channel_count
        and set(counts) <= set(summary.channels)
        and {each.schema_id for each in summary.channels.values()} <= {0, *summary.schemas}
    )


def _count(file: BinaryIO, index: McapIndex) -> None:
    """Count the messages by unpacking all chunks, and note the channels in them."""
    index.counts.update(index.loose_channels)
    for place, chunk in enumerate(index.chunks):
        seen: Counter[int] = Counter()
        for opcode, body in _records(chunk_content(file, chunk.offset)):
            if opcode == Opcode.MESSAGE:
                seen[_MESSAGE.unpack_from(body)[0]] += 1
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                _note(opcode, body, index)
        index.counts.update(seen)
        index.chunks[place] = chunk._replace(channels=frozenset(seen))


def _note(opcode: int, body: memoryview, index: McapIndex) -> None:
    stream = ReadDataStream(BytesIO(body))
    if opcode == Opcode.SCHEMA:
        schema = Schema.read(stream)
        index.schemas.setdefault(schema.id, schema)
    else:
        channel = Channel.read(stream)
        index.channels.setdefault(channel.id, channel)


def _records(content: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
    """Opcode and content of each record in a chunk."""
    view, place = memoryview(content), 0
    while place < len(view):
        opcode, length = _RECORD.unpack_from(view, place)
        place += _RECORD.size
        if place + length > len(view):
            raise DamagedError('a record is longer than its chunk')
        yield opcode, view[place : place + length]
        place += length


def _exactly(file: BinaryIO, size: int) -> bytes:
    if size > _LARGE:
        # Reading would reserve memory for whatever size a damaged record claims.
        place = file.tell()
        left = file.seek(0, 2) - place
        file.seek(place)
        size = min(size, left + 1)
    content = file.read(size)
    if len(content) != size:
        raise DamagedError(f'it is cut off: {size} bytes are expected before byte {file.tell()}')
    return content
