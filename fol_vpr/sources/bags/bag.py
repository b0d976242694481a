"""ROS 2 bags, sqlite3 and mcap, read through rosbags without a ROS installation."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.rosbag2.metadata import ReaderMetadata, parse_qos
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.sources.source import path_errors

STORAGE_SUFFIXES = ('.db3', '.mcap')
_URI_CHARACTERS = '?#%'
_MAX_STAMP_NS = 2**63 - 1
_MAX_MESSAGES = 2**40

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: its name, type such as sensor_msgs/msg/Image, and number of messages."""

    name: str
    msgtype: str
    count: int


class Message(NamedTuple):
    """One message as recorded.

    Attributes:
        receive_ns: when the recorder got it.
        data: serialised, CDR.
    """

    topic: str
    msgtype: str
    receive_ns: int
    data: bytes


class Bag:
    """A bag folder with metadata.yaml, or a single .db3 or .mcap file.

    Nothing stays open between calls; every `read` is independent of the others, and takes as
    much memory as its largest chunk of messages.

    Attributes:
        topics: by name, in alphabetical order.
        warnings: what was tolerated, in words.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the list of topics.

        Raises:
            InputError: no bag, a damaged one, or one of an unknown storage.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        with path_errors(self.path):
            _check_is_bag(self.path)
            self._warn_of_unmerged_log()
        with _bag_errors(self.path), _Reader(self.path) as reader:
            found: dict[str, Topic] = {}
            for connection in sorted(reader.connections, key=lambda each: each.topic):
                count = connection.msgcount
                if connection.topic in found:
                    # One topic, several publishers with different QoS.
                    count += found[connection.topic].count
                if not 0 <= count <= _MAX_MESSAGES:
                    raise ReaderError(f'{connection.topic} claims {count} messages')
                found[connection.topic] = Topic(connection.topic, connection.msgtype, count)
            self.topics = found

    @property
    def name(self) -> str:
        """Name of the folder, or of the file without its ending."""
        path = self.path.resolve()
        return path.name if path.is_dir() else path.stem

    def read(self, topics: Collection[str]) -> Iterator[Message]:
        """Messages of some topics in the order of reception.

        Raises:
            InputError: the bag is damaged, or a topic is not serialised as CDR.
        """
        with _bag_errors(self.path), _Reader(self.path) as reader:
            chosen = [each for each in reader.connections if each.topic in topics]
            for connection in chosen:
                _check_cdr(connection, self.path)
            if not chosen:
                return
            for connection, receive_ns, data in reader.messages(chosen):
                receive_ns = min(max(0, int(receive_ns)), _MAX_STAMP_NS)
                yield Message(connection.topic, connection.msgtype, receive_ns, bytes(data))

    def files(self) -> list[Path]:
        """Metadata and storage, sorted; whatever else lies in the folder is no part of it."""
        if self.path.is_file():
            return [self.path]
        return sorted(
            path
            for path in self.path.iterdir()
            if path.is_file()
            and (path.name == 'metadata.yaml' or set(path.suffixes) & set(STORAGE_SUFFIXES))
        )

    def list_topics(self, *msgtypes: str) -> str:
        """The topics, of some types or all, in words for error messages."""
        shown = [each for each in self.topics.values() if not msgtypes or each.msgtype in msgtypes]
        if not shown:
            return 'none'
        return ', '.join(f'{each.name} ({each.msgtype}, {each.count})' for each in shown)

    def find_topic(self, name: str) -> Topic:
        """A topic by its name, with or without the leading slash.

        Raises:
            InputError: there is none of that name; the others are listed.
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
                    f'{database} was not closed by its recorder and its newest messages, still in '
                    f"{path.name}, are not read; `sqlite3 {database} 'PRAGMA "
                    "wal_checkpoint(TRUNCATE)'` merges them"
                )
                log.warning(self.warnings[-1])


def deserialize(message: Message) -> Any:
    """The message as an object with the fields of its ROS type.

    Raises:
        InputError: the data do not hold what the type says.
    """
    with _input_errors(f'message on {message.topic} at {message.receive_ns} ns is damaged'):
        return typestore().deserialize_cdr(message.data, message.msgtype)


@functools.cache
def typestore() -> Typestore:
    """The message types of ROS 2 Jazzy.

    Definitions in a bag are left alone: the types read here are the same in every distribution,
    and a bag's own types, which may be incomplete, must not stand in the way.
    """
    return get_typestore(Stores.ROS2_JAZZY)


class _SqliteStorage(Sqlite3Reader):
    """rosbags' reader, which also opens files with a type that has no definition.

    rosbag2 stores such a type, whose package the recorder did not have, with the encoding ''
    or 'unknown'; rosbags fails on these.
    """

    def _open(self) -> None:
        try:
            super()._open()
        except KeyError:
            assert self.dbconn is not None
            counted = dict(
                self.dbconn.execute('SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id')
            )
            rows = self.dbconn.execute(
                'SELECT id, name, type, serialization_format, offered_qos_profiles FROM topics'
            )
            undefined = MessageDefinition(MessageDefinitionFormat.NONE, '')
            self.connections = [
                Connection(
                    int(number),
                    str(name),
                    str(msgtype),
                    undefined,
                    '',
                    int(counted.get(number, 0)),
                    ConnectionExtRosbag2(str(serialization), parse_qos(str(qos))),
                    self,
                )
                for number, name, msgtype, serialization, qos in rows
            ]
            total = sum(each.msgcount for each in self.connections)
            self.metadata = ReaderMetadata(0, 0, 0, total, None, None, None, None)


class _FolderStorage(DirectoryReader):
    """rosbags' reader, to which a topic is one by its name and type alone.

    rosbags yields nothing, without a word, where metadata.yaml and the storage describe the QoS
    of a topic differently; several of the bags that rosbag2 is tested with are like that.
    """

    STORAGE_PLUGINS: Mapping[str, Any] = {'mcap': McapReader, 'sqlite3': _SqliteStorage}

    def open(self) -> None:
        super().open()
        described = {(each.topic, each.msgtype): each for each in self.connections}
        for storage in self.storages:
            storage.connections = [
                each._replace(ext=described[each.topic, each.msgtype].ext, digest='')
                for each in storage.connections
                if (each.topic, each.msgtype) in described
            ]


class _Reader(Reader):
    STORAGE_PLUGINS: Mapping[str, Any] = {
        'dir': _FolderStorage,
        '.mcap': McapReader,
        '.db3': _SqliteStorage,
    }


def _check_is_bag(path: Path) -> None:
    """Raise InputError, with the remedy, where a path cannot be a bag that rosbags reads."""
    if not path.exists():
        raise InputError(f'{path} does not exist, expected a ROS 2 bag')
    if path.is_dir():
        if not (path / 'metadata.yaml').is_file():
            found = sorted(each.name for each in path.iterdir() if is_storage(each))
            hint = f', or give {path / found[0]} itself' if found else ''
            raise InputError(
                f'{path} has no metadata.yaml, so it is no bag, or its recording was cut off; '
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
    """Whether a path is a file that holds a bag's messages, by its ending."""
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
    """Turn what rosbags raises over a damaged bag into an InputError with the remedy."""
    remedy = 'if its recording was cut off, `{}` saves what is there'
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
        # A parser of untrusted bytes that is not ours: over damaged ones it trips in ways that
        # no list of exceptions holds (struct, apsw, zstd, lz4, ord() of nothing, asserts).
        raise InputError(f'{what}: {type(error).__name__}: {error}{ending}') from error
