"""Reads bags of ROS 2 and ROS 1, without a ROS installation."""

from __future__ import annotations

import functools
import heapq
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.bags.storage.metadata import METADATA, BagMetadata
from fol_vpr.sources.bags.storage.opening import (
    STORAGE_SUFFIXES,
    bag_paths,
    is_storage,
    open_bag_file,
)
from fol_vpr.sources.bags.storage.sqlite_file import unmerged_log
from fol_vpr.sources.bags.storage.stored import CDR, BagFile, Definition
from fol_vpr.sources.bags.storage.unpacking import ZSTD_SUFFIX
from fol_vpr.sources.images.video.packets import VIDEO_DEFINITIONS
from fol_vpr.sources.source import path_errors

_MAX_STAMP_NS = 2**63 - 1
_IDL_SEPARATOR = '=' * 80 + '\n'
_IMAGE_PACKAGES = ('ffmpeg_image_transport_msgs', 'foxglove_msgs')
_USED_PACKAGES = ('sensor_msgs', 'nav_msgs', 'geometry_msgs', 'tf2_msgs', 'fol_vpr_msgs')

__all__ = [
    'STORAGE_SUFFIXES',
    'Bag',
    'Message',
    'Topic',
    'deserialize',
    'is_storage',
    'typestore',
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: of the topic.
        msgtype: such as sensor_msgs/msg/Image; empty if the bag does not say it.
        count: number of messages.
        encoding: of the messages, such as json; `cdr` for all that can be read, those of ROS 1
            included.
    """

    name: str
    msgtype: str
    count: int
    encoding: str = CDR

    def __str__(self) -> str:
        """Name, type and number of messages, for people."""
        return f'{printable(self.name)} ({self.kind}, {self.count})'

    @property
    def kind(self) -> str:
        """The type for people, and that it cannot be read where that is so."""
        kind = printable(self.msgtype) or 'no type'
        if self.encoding != CDR or not self.msgtype:
            kind += f', encoded as {printable(self.encoding) or "nothing said"}, cannot be read'
        return kind


class Message(NamedTuple):
    """One message as it was recorded.

    Attributes:
        topic: of the message.
        msgtype: such as sensor_msgs/msg/Image.
        receive_ns: time of reception by the recorder in nanoseconds.
        data: the message, serialised as CDR; those of ROS 1 are converted.
    """

    topic: str
    msgtype: str
    receive_ns: int
    data: bytes


class Bag:
    """A bag folder with metadata.yaml, or a single .db3, .mcap or ROS 1 .bag file.

    Packed files (.db3.zstd, .mcap.zstd) are unpacked once for the whole program. No file stays
    open between calls. Calls of `read` are independent of each other; each needs as much memory
    as the largest chunk of messages in the bag.

    Attributes:
        path: of the bag.
        topics: the topics that can be read by name, in alphabetical order. Of a topic with
            messages of several types, that of images counts, or that with most messages;
            `warnings` names the others.
        foreign: the topics that cannot be read, such as JSON in an MCAP file, likewise.
        warnings: problems that did not stop the reading, in words.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the list of topics.

        Args:
            path: folder of the bag, or its file.

        Raises:
            InputError: the path is no bag, or the bag is damaged or of an unknown format.
            StorageError: there is not enough space to unpack the files.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        self.topics: dict[str, Topic] = {}
        self.foreign: dict[str, Topic] = {}
        with path_errors(self.path):
            self._paths, metadata = bag_paths(self.path)
            storage = metadata.storage if metadata else ''
            self._promised_compression = metadata.compression if metadata else ''
            self._files = [open_bag_file(each, typestore(), storage) for each in self._paths]
            self._warn_of_unmerged_log()
        self._find_topics(metadata.encodings if metadata else {})
        if metadata is not None:
            self._compare(metadata)

    @property
    def name(self) -> str:
        """Name of the folder, or stem of the file name."""
        path = self.path.resolve()
        return path.name if path.is_dir() else Path(path.name.removesuffix(ZSTD_SUFFIX)).stem

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Messages of some topics in order of reception.

        Args:
            topics: names of topics; unknown ones are ignored.

        Raises:
            InputError: the bag is damaged, or a topic is not serialised as CDR.
        """
        for name in sorted(set(topics) & set(self.foreign)):
            raise InputError(self._unreadable(self.foreign[name]))
        chosen = [self.topics[name] for name in sorted(set(topics)) if name in self.topics]
        kinds = {(topic.name, topic.msgtype): topic for topic in chosen}
        sources = []
        for file in self._files:
            numbers = {
                each.number: kinds[each.topic, each.msgtype]
                for each in file.topics
                if each.is_read and (each.topic, each.msgtype) in kinds
            }
            if numbers:
                sources.append(_from_file(file, numbers))
        seen: Counter[str] = Counter()
        for receive_ns, found in heapq.merge(*sources, key=lambda each: each[0]):
            if found is not None:
                topic, data = found
                seen[topic.name] += 1
                stamp_ns = min(max(0, receive_ns), _MAX_STAMP_NS)
                yield Message(topic.name, topic.msgtype, stamp_ns, data)
        for topic in chosen:
            if seen[topic.name] != topic.count:
                self._warn(
                    f'{printable(str(self.path))} promises {topic.count} messages on '
                    f'{printable(topic.name)} and holds {seen[topic.name]}; it may be damaged'
                )

    def files(self) -> list[Path]:
        """Paths of the metadata and the storage files, sorted."""
        if self.path.is_file():
            return [self.path]
        return sorted({self.path / METADATA, *self._paths})

    def span_ns(self) -> tuple[int, int] | None:
        """Times of reception of the first and the last message; None without messages."""
        files = [each for each in self._files if any(topic.count for topic in each.topics)]
        if not files:
            return None
        return min(each.start_ns for each in files), max(each.end_ns for each in files)

    def storage(self) -> str:
        """The formats of its files, such as `mcap`."""
        return ', '.join(sorted({each.storage for each in self._files}))

    def compression(self) -> str:
        """How the bag is compressed, such as `zstd`, and what of it; empty where it is not.

        Raises:
            InputError: the bag is damaged.
        """
        inside = sorted(set().union(*(each.compressions() for each in self._files)))
        parts = 'messages' if self.storage() == 'sqlite3' else 'chunks'
        found = [f'{name} ({parts})' for name in inside]
        if any(file.path != path for file, path in zip(self._files, self._paths, strict=True)):
            found.append('zstd (files)')
        elif self._promised_compression and not found:
            found.append(f'{printable(self._promised_compression)} (messages)')
        return ', '.join(found)

    def list_topics(self, *msgtypes: str) -> str:
        """The topics, with type and number of messages, as text for error messages.

        Args:
            msgtypes: lists only topics of these types; without any, all topics, those that cannot
                be read included.
        """
        shown = [each for each in self.topics.values() if not msgtypes or each.msgtype in msgtypes]
        if not msgtypes:
            shown += self.foreign.values()
        return ', '.join(map(str, shown)) or 'none'

    def find_topic(self, name: str) -> Topic:
        """A topic by its name, with or without the leading slash.

        Raises:
            InputError: there is no such topic, or it cannot be read; the message lists the
                existing ones.
        """
        for candidate in (name, f'/{name}', name.removeprefix('/')):
            if candidate in self.topics:
                return self.topics[candidate]
            if candidate in self.foreign:
                raise InputError(self._unreadable(self.foreign[candidate]))
        raise InputError(
            f'{printable(str(self.path))} has no topic {printable(name)}; '
            f'it has (type, messages): {self.list_topics()}'
        )

    def types_of(self, topic: str) -> Typestore:
        """The types by the definition of a topic's type in the bag.

        Args:
            topic: its name.

        Raises:
            InputError: the bag has no such definition, or a damaged one.
        """
        wanted = self.topics[topic].msgtype
        definition = next(
            (
                each.definition
                for file in self._files
                for each in file.topics
                if each.msgtype == wanted and each.definition
            ),
            None,
        )
        shown = f'{printable(str(self.path))} does not define the type {printable(wanted)}'
        remedy = 'record it with `fol_vpr bag record` or with ros2 bag of Jazzy or later'
        if definition is None:
            raise InputError(f'{shown}; {remedy}')
        store = get_typestore(Stores.EMPTY)
        try:
            store.register(_parse(definition, wanted))
        except Exception as error:
            # For damaged text the parser raises exceptions of many types.
            reason = printable(str(error))
            raise InputError(f'{shown} in a form that can be read ({reason}); {remedy}') from error
        return store

    def _find_topics(self, encodings: Mapping[str, str]) -> None:
        variants: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for stored in (each for file in self._files for each in file.topics):
            encoding = stored.encoding
            if encoding == CDR:
                # rosbag2 goes by metadata.yaml where it names another serialisation.
                encoding = encodings.get(stored.topic, CDR)
            # Of one type there may be several, by publishers with different QoS or in several
            # files.
            variants[stored.topic][stored.msgtype, encoding] += stored.count
        for name in sorted(variants):
            found = [
                Topic(name, kind, count, encoding)
                for (kind, encoding), count in variants[name].items()
            ]
            found.sort(key=_rank, reverse=True)
            kept, *others = found
            is_read = kept.encoding == CDR and bool(kept.msgtype)
            (self.topics if is_read else self.foreign)[name] = kept
            if left := [str(each) for each in others if each.count]:
                self._warn(
                    f'{printable(name)} in {printable(str(self.path))} holds messages of several '
                    f'types: {kept} is used, {", ".join(left)} is left out'
                )

    def _compare(self, metadata: BagMetadata) -> None:
        """Warn of messages that metadata.yaml promises and the files do not hold."""
        for warning in metadata.warnings:
            self._warn(warning)
        held: Counter[str] = Counter()
        for stored in (each for file in self._files for each in file.topics):
            held[stored.topic] += stored.count
        lost = {name: count for name, count in metadata.counts.items() if count > held[name]}
        for name, count in lost.items():
            self._warn(
                f'{printable(str(self.path / METADATA))} promises {count} messages on '
                f'{printable(name)}, and the files hold {held[name]}; a file may be damaged or '
                'belong to another recording'
            )

    def _unreadable(self, topic: Topic) -> str:
        reason = 'its type is not said'
        if topic.encoding != CDR:
            reason = f'it is encoded as {printable(topic.encoding)!r}'
        return (
            f'{printable(topic.name)} in {printable(str(self.path))} cannot be read: {reason} '
            f'({printable(topic.msgtype) or "no type"}), expected messages of ROS encoded as cdr; '
            f'topics that can be read: {", ".join(map(str, self.topics.values())) or "none"}'
        )

    def _warn_of_unmerged_log(self) -> None:
        for path in self._paths:
            if reason := unmerged_log(path):
                self._warn(f'{printable(str(path))}: {reason}')

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)


def deserialize(message: Message) -> Any:
    """The message as an object with the fields of its ROS type.

    Raises:
        InputError: the data do not match the type.
    """
    try:
        return typestore().deserialize_cdr(message.data, message.msgtype)
    except Exception as error:
        # Damaged bytes make rosbags raise exceptions of many types.
        raise InputError(
            f'message on {printable(message.topic)} at {message.receive_ns} ns is damaged: '
            f'{type(error).__name__}: {printable(str(error))}'
        ) from error


@functools.cache
def typestore() -> Typestore:
    """The message types of ROS 2 Jazzy, and those of video.

    Type definitions in a bag are ignored: the types that this package reads are the same in every
    distribution, and the definitions in a bag may be incomplete.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, definition in VIDEO_DEFINITIONS.items():
        store.register(get_types_from_msg(definition, name))
    return store


def _from_file(
    file: BagFile, topics: dict[int, Topic]
) -> Iterator[tuple[int, tuple[Topic, bytes] | None]]:
    """Time, topic and data of messages; first the time of the file alone.

    Merged with other files, it is so not opened before its first message is due.
    """
    yield file.start_ns, None
    for message in file.read(topics):
        yield message.receive_ns, (topics[message.number], message.data)


def _parse(definition: Definition, msgtype: str) -> Typesdict:
    if definition.format == 'msg':
        return get_types_from_msg(definition.text, msgtype)
    found: Typesdict = {}
    # A line of 80 equals signs and one with the name stand before each type.
    parts = definition.text.split(_IDL_SEPARATOR) if 'IDL: ' in definition.text else []
    for part in parts[1:] or [f'\n{definition.text}']:
        found.update(get_types_from_idl(part.partition('\n')[2]))
    return found


def _rank(topic: Topic) -> tuple[bool, bool, bool, bool, int]:
    """The larger, the more likely it is the type that is wanted of a topic with several."""
    package, _, name = topic.msgtype.partition('/')
    is_image = name in ('msg/Image', 'msg/CompressedImage') or package in _IMAGE_PACKAGES
    return (
        topic.encoding == CDR and bool(topic.msgtype),
        topic.count > 0,
        is_image,
        package in _USED_PACKAGES,
        topic.count,
    )
