"""MCAP files as recorders and tools write them, with and without their indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from helpers.source_files import Sent
from mcap.data_stream import RecordBuilder
from mcap.records import Channel as ChannelRecord
from mcap.records import Chunk, ChunkIndex, DataEnd, Footer, Header, Message, Schema
from mcap.writer import CompressionType, Writer

from fol_vpr.sources import typestore

MAGIC = b'\x89MCAP0\r\n'


def cdr(message: Sent) -> bytes:
    if isinstance(message.message, bytes):
        return message.message
    return bytes(typestore().serialize_cdr(message.message, message.msgtype))


def mcap_file(
    path: Path,
    messages: Iterable[Sent],
    *,
    profile: str = 'ros2',
    schema_encodings: Mapping[str, str] | None = None,
    encodings: Mapping[str, str] | None = None,
    chunk_size: int = 1000,
    compression: CompressionType = CompressionType.NONE,
    **options: Any,
) -> Path:
    """Write messages in the given order.

    Args:
        path: of the file.
        messages: with their topic, type, and time of reception.
        profile: in the header.
        schema_encodings: by type, where it is not ros2msg; None for no schema.
        encodings: of the messages by topic, where it is not cdr.
        chunk_size: in bytes.
        compression: of the chunks.
        options: of the writer of the mcap package.
    """
    with path.open('wb') as file:
        writer = Writer(file, chunk_size=chunk_size, compression=compression, **options)
        writer.start(profile, 'test')
        schemas: dict[str, int] = {}
        channels: dict[tuple[str, str], int] = {}
        for number, message in enumerate(messages):
            encoding = (schema_encodings or {}).get(message.msgtype, 'ros2msg')
            if message.msgtype not in schemas:
                schemas[message.msgtype] = (
                    0
                    if encoding is None
                    else writer.register_schema(message.msgtype, encoding, b'# none')
                )
            key = (message.topic, message.msgtype)
            if key not in channels:
                channels[key] = writer.register_channel(
                    message.topic,
                    (encodings or {}).get(message.topic, 'cdr'),
                    schemas[message.msgtype],
                )
            stamp = message.receive_ns
            writer.add_message(channels[key], stamp, cdr(message), stamp, number)
        writer.finish()
    return path


def mixed_mcap_file(path: Path, messages: list[Sent]) -> Path:
    """Messages of one topic alternately in a chunk of their own and outside of chunks.

    The summary has an index of the chunks, as MCAP allows, and nothing else.
    """
    builder, indexes = RecordBuilder(), []
    Header('ros2', 'test').write(builder)
    first = messages[0]
    schema = Schema(data=b'', encoding='ros2msg', id=1, name=first.msgtype)
    channel = ChannelRecord(
        id=1, metadata={}, message_encoding='cdr', schema_id=1, topic=first.topic
    )
    schema.write(builder)
    channel.write(builder)
    data = MAGIC + builder.end()
    for number, message in enumerate(messages):
        stamp = message.receive_ns
        Message(
            channel_id=1, data=cdr(message), log_time=stamp, publish_time=stamp, sequence=number
        ).write(builder)
        record = builder.end()
        if number % 2 == 0:
            Chunk(
                compression='',
                data=record,
                message_start_time=stamp,
                message_end_time=stamp,
                uncompressed_crc=0,
                uncompressed_size=len(record),
            ).write(builder)
            chunk = builder.end()
            indexes.append((stamp, len(data), len(chunk), len(record)))
            data += chunk
        else:
            data += record
    DataEnd(0).write(builder)
    data += builder.end()
    start = len(data)
    schema.write(builder)
    channel.write(builder)
    for stamp, offset, length, size in indexes:
        _chunk_index(stamp, offset, length, size).write(builder)
    Footer(start, 0, 0).write(builder)
    path.write_bytes(data + builder.end() + MAGIC)
    return path


def _chunk_index(stamp: int, offset: int, length: int, size: int) -> ChunkIndex:
    return ChunkIndex(
        chunk_length=length,
        chunk_start_offset=offset,
        compression='',
        compressed_size=size,
        message_end_time=stamp,
        message_index_length=0,
        message_index_offsets={},
        message_start_time=stamp,
        uncompressed_size=size,
    )
