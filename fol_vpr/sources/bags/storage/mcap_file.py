"""Reads MCAP files that hold ROS messages, beside whatever else they hold."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from pathlib import Path
from shlex import quote as shell_quote
from typing import BinaryIO

from mcap.records import Channel, Schema
from rosbags.typesys.store import Typestore

from fol_vpr.files import open_file
from fol_vpr.sources.bags.storage.compression import unpack_message
from fol_vpr.sources.bags.storage.mcap_index import (
    McapIndex,
    chunk_content,
    chunk_messages,
    loose_message,
    read_mcap_index,
)
from fol_vpr.sources.bags.storage.ros1_types import Ros1Converter, ros2_type
from fol_vpr.sources.bags.storage.stored import (
    CDR,
    Definition,
    StoredMessage,
    StoredTopic,
    damage_errors,
    full_type,
)

_FORMATS = {'ros2msg': 'msg', 'ros2idl': 'idl', 'omgidl': 'idl'}


class McapFile:
    """One .mcap file; see `BagFile`.

    The profile in the header does not matter: `mcap merge` leaves it empty. Channels of ROS 1 are
    read as those of ROS 2.

    Args:
        path: of the file.
        target: types of ROS 2 that messages of ROS 1 are converted to.

    Raises:
        InputError: the file is damaged.
    """

    storage = 'mcap'

    def __init__(self, path: Path, target: Typestore) -> None:
        self.path = path
        self._remedy = (
            'if its recording was interrupted, '
            f'`mcap recover {shell_quote(str(path))} -o recovered.mcap` recovers the recorded '
            'messages'
        )
        with open_file(path, 'a bag') as file, damage_errors(path, self._remedy):
            self._index = read_mcap_index(file)
            self._converters: dict[int, Ros1Converter] = {}
            self.topics = [
                self._stored(channel, target) for channel in self._index.channels.values()
            ]
        # A chunk without messages has the times 0.
        chunks = [each for each in self._index.chunks if each.end_ns]
        loose = self._index.loose_times
        starts = [each.start_ns for each in chunks] + ([min(loose)] if loose else [])
        ends = [each.end_ns for each in chunks] + ([max(loose)] if loose else [])
        self.start_ns, self.end_ns = min(starts, default=0), max(ends, default=0)

    def read(self, numbers: Collection[int]) -> Iterator[StoredMessage]:
        """The messages of some stored topics in order of reception; see `BagFile`."""
        chosen = frozenset(numbers)
        with open_file(self.path, 'a bag') as file, damage_errors(self.path, self._remedy):
            in_chunks = _in_chunks(file, self._index, chosen)
            loose = _loose(file, self._index, chosen)
            for message in heapq.merge(in_chunks, loose, key=lambda each: each.receive_ns):
                data = unpack_message(message.data)
                converter = self._converters.get(message.number)
                yield message._replace(data=converter.to_cdr(data) if converter else data)

    def compressions(self) -> set[str]:
        """How chunks are compressed; see `BagFile`."""
        return {each.compression for each in self._index.chunks} - {''}

    def _stored(self, channel: Channel, target: Typestore) -> StoredTopic:
        schema = self._index.schemas.get(channel.schema_id)
        encoding, kind, definition = channel.message_encoding, '', None
        if schema is not None:
            kind = full_type(schema.name)
            if schema.encoding in _FORMATS:
                text = schema.data.decode(errors='replace')
                definition = Definition(_FORMATS[schema.encoding], text)
        if encoding == 'ros1' and schema is not None and schema.encoding == 'ros1msg':
            encoding, kind, definition = CDR, ros2_type(kind), None
            self._converters[channel.id] = _converter(schema, target)
        count = self._index.counts[channel.id]
        return StoredTopic(channel.id, channel.topic, kind, encoding, count, definition)


def _converter(schema: Schema, target: Typestore) -> Ros1Converter:
    return Ros1Converter(full_type(schema.name), schema.data.decode(errors='replace'), target)


def _in_chunks(
    file: BinaryIO, index: McapIndex, chosen: frozenset[int]
) -> Iterator[StoredMessage]:
    """The messages in chunks by time, holding only chunks whose times overlap in memory."""
    waiting: list[tuple[int, int, int, StoredMessage]] = []
    for chunk in index.chunks:
        if chunk.channels and not chunk.channels & chosen:
            continue
        while waiting and waiting[0][0] < chunk.start_ns:
            yield heapq.heappop(waiting)[-1]
        for place, found in enumerate(chunk_messages(chunk_content(file, chunk.offset))):
            if found.channel in chosen:
                message = StoredMessage(found.time_ns, found.channel, bytes(found.data))
                heapq.heappush(waiting, (found.time_ns, chunk.offset, place, message))
    while waiting:
        yield heapq.heappop(waiting)[-1]


def _loose(file: BinaryIO, index: McapIndex, chosen: frozenset[int]) -> Iterator[StoredMessage]:
    """The messages outside of chunks by time."""
    places = [place for place, each in enumerate(index.loose_channels) if each in chosen]
    places.sort(key=index.loose_times.__getitem__)
    for place in places:
        data = loose_message(file, index.loose_offsets[place])
        yield StoredMessage(index.loose_times[place], index.loose_channels[place], data)
