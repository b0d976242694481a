"""Reads ROS 2 bags, sqlite3 and mcap, through rosbags and without a ROS installation."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import ReaderError
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.sources.bags.storage import BagReader
from fol_vpr.sources.source import path_errors

STORAGE_SUFFIXES = ('.db3', '.mcap')
_URI_CHARACTERS = '?#%'
_MAX_STAMP_NS = 2**63 - 1
_MAX_MESSAGES = 2**40

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: of the topic.
        msgtype: such as sensor_msgs/msg/Image.
        count: number of messages.
    """

    name: str
    msgtype: str
    count: int


class Message(NamedTuple):
    """One message as it was recorded.

    Attributes:
        topic: of the message.
        msgtype: such as sensor_msgs/msg/Image.
        receive_ns: time of reception by the recorder in nanoseconds.
        data: the message, serialised as CDR.
    """

    topic: str
    msgtype: str
    receive_ns: int
    data: bytes


class Bag:
    """A bag folder with metadata.yaml, or a single .db3 or .mcap file.

    No file stays open between calls. Calls of `read` are independent of each other; each needs as
    much memory as the largest chunk of messages in the bag.

    Attributes:
        path: of the bag.
        topics: the topics by name, in alphabetical order.
        warnings: problems that did not stop the reading, in words.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the list of topics.

        Args:
            path: folder of the bag, or its .db3 or .mcap file.

        Raises:
            InputError: the path is no bag, or the bag is damaged or has an unknown storage format.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        with path_errors(self.path):
            _check_is_bag(self.path)
            self._warn_of_unmerged_log()
        with _bag_errors(self.path), BagReader(self.path) as reader:
            found: dict[str, Topic] = {}
            for connection in sorted(reader.connections, key=lambda each: each.topic):
                count = connection.msgcount
                if connection.topic in found:
                    # The topic has several publishers with different QoS.
                    count += found[connection.topic].count
                if not 0 <= count <= _MAX_MESSAGES:
                    raise ReaderError(f'{connection.topic} claims {count} messages')
                found[connection.topic] = Topic(connection.topic, connection.msgtype, count)
            self.topics = found

    @property
    def name(self) -> str:
        """Name of the folder, or stem of the file name."""
        path = self.path.resolve()
        return path.name if path.is_dir() else path.stem

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Messages of some topics in order of reception.

        Args:
            topics: names of topics; unknown ones are ignored.

        Raises:
            InputError: the bag is damaged, or a topic is not serialised as CDR.
        """
        with _bag_errors(self.path), BagReader(self.path) as reader:
            chosen = [each for each in reader.connections if each.topic in topics]
            for connection in chosen:
                _check_cdr(connection, self.path)
            if not chosen:
                return
            for connection, receive_ns, data in reader.messages(chosen):
                receive_ns = min(max(0, int(receive_ns)), _MAX_STAMP_NS)
                yield Message(connection.topic, connection.msgtype, receive_ns, bytes(data))

    def files(self) -> list[Path]:
        """Paths of the metadata and the storage files, sorted."""
        if self.path.is_file():
            return [self.path]
        return sorted(
            path
            for path in self.path.iterdir()
            if path.is_file()
            and (path.name == 'metadata.yaml' or set(path.suffixes) & set(STORAGE_SUFFIXES))
        )

    def list_topics(self, *msgtypes: str) -> str:
        """The topics, with type and number of messages, as text for error messages.

        Args:
            msgtypes: lists only topics of these types; without any, all topics.
        """
        shown = [each for each in self.topics.values() if not msgtypes or each.msgtype in msgtypes]
        if not shown:
            return 'none'
        return ', '.join(f'{each.name} ({each.msgtype}, {each.count})' for each in shown)

    def find_topic(self, name: str) -> Topic:
        """A topic by its name, with or without the leading slash.

        Raises:
            InputError: there is no such topic; the message lists the existing ones.
        """
        for candidate in (name, f'/{name}'):
            if candidate in self.topics:
                return self.topics[candidate]
        raise InputError(
            f'{self.path} has no topic {name}; it has (type, messages): {self.list_topics()}'
        )

    def _warn_of_unmerged_log(self) -> None:
        for database in self.files():
            path = database.with_name(f'{database.name}-wal')
            if path.is_file() and path.stat().st_size:
                self.warnings.append(
                    f'{database} was not closed by its recorder, and its newest messages, still '
                    f"in {path.name}, are not read; `sqlite3 {database} 'PRAGMA "
                    "wal_checkpoint(TRUNCATE)'` merges them"
                )
                log.warning(self.warnings[-1])


def deserialize(message: Message) -> Any:
    """The message as an object with the fields of its ROS type.

    Raises:
        InputError: the data do not match the type.
    """
    with _input_errors(f'message on {message.topic} at {message.receive_ns} ns is damaged'):
        return typestore().deserialize_cdr(message.data, message.msgtype)


@functools.cache
def typestore() -> Typestore:
    """The message types of ROS 2 Jazzy.

    Type definitions in a bag are ignored: the types that this package reads are the same in every
    distribution, and the definitions in a bag may be incomplete.
    """
    return get_typestore(Stores.ROS2_JAZZY)


def _check_is_bag(path: Path) -> None:
    """Check that a path can be a bag that rosbags reads.

    Raises:
        InputError: it cannot; the message tells the remedy.
    """
    if not path.exists():
        raise InputError(f'{path} does not exist, expected a ROS 2 bag')
    if path.is_dir():
        if not (path / 'metadata.yaml').is_file():
            found = sorted(each.name for each in path.iterdir() if is_storage(each))
            hint = f', or give {path / found[0]} itself' if found else ''
            raise InputError(
                f'{path} has no metadata.yaml, so it is no bag, or its recording was interrupted; '
                f'`ros2 bag reindex {path}` writes one{hint}'
            )
    elif path.suffix == '.bag':
        raise InputError(
            f'{path} is a ROS 1 bag, expected a ROS 2 bag; '
            f'`rosbags-convert --src {path} --dst {path.with_suffix("")}` converts it'
        )
    elif not is_storage(path):
        raise InputError(
            f'{path} is no bag, expected a folder with metadata.yaml, a .db3 or an .mcap file'
        )
    if any(character in str(path) for character in _URI_CHARACTERS):
        raise InputError(f'{path} has one of {_URI_CHARACTERS} in its path; rename it')


def is_storage(path: Path) -> bool:
    """Whether a path is a file with the ending of a bag's storage."""
    return path.suffix in STORAGE_SUFFIXES and path.is_file()


def _check_cdr(connection: Connection, path: Path) -> None:
    extension = connection.ext
    if isinstance(extension, ConnectionExtRosbag2) and extension.serialization_format != 'cdr':
        raise InputError(
            f'{connection.topic} in {path} is serialised as '
            f'{extension.serialization_format!r}, expected cdr; convert it with ros2 bag convert'
        )


@contextmanager
def _bag_errors(path: Path) -> Iterator[None]:
    """Translate errors of rosbags about a damaged bag into InputError with a remedy."""
    remedy = 'if its recording was interrupted, `{}` recovers the recorded messages'
    files = [path] if path.is_file() else sorted(filter(is_storage, path.iterdir()))
    if any(file.suffix == '.mcap' for file in files):
        remedy = remedy.format(f'mcap recover {files[0]} -o recovered.mcap')
    else:
        file = files[0] if files else 'FILE.db3'
        remedy = remedy.format(f'sqlite3 {file} .recover | sqlite3 recovered.db3')
    with _input_errors(f'{path} cannot be read as a bag', remedy):
        yield


@contextmanager
def _input_errors(what: str, remedy: str = '') -> Iterator[None]:
    ending = f'; {remedy}' if remedy else ''
    try:
        yield
    except FolVprError:
        raise
    except PermissionError as error:
        raise InputError(f'{what}: {error.strerror}; check the permissions') from error
    except ReaderError as error:
        raise InputError(f'{what}: {error}{ending}') from error
    except Exception as error:
        # rosbags parses untrusted bytes; damaged ones make it raise exceptions of many kinds
        # (struct, apsw, zstd, lz4, TypeError, AssertionError), which no list would cover.
        raise InputError(f'{what}: {type(error).__name__}: {error}{ending}') from error
