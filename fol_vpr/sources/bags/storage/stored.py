"""What the readers of all formats of bags have in common."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.files import printable

CDR = 'cdr'
"""Encoding of the messages that are read."""

_WITHOUT_MSG = re.compile(r'([A-Za-z]\w*)/([A-Za-z]\w*)')


class Definition(NamedTuple):
    """The definition of a type as a file holds it.

    Attributes:
        format: `msg` or `idl`.
        text: the definition, with those of the types it is made of.
    """

    format: str
    text: str


@dataclass(frozen=True)
class StoredTopic:
    """One topic of one file, of one type; a topic may be stored several times.

    Attributes:
        number: identifies it in the file.
        topic: its name.
        msgtype: such as sensor_msgs/msg/Image; empty if the file does not say it.
        encoding: `cdr` for messages that `read` gives; another name, such as json, for others.
        count: number of messages.
        definition: of the type, or None.
    """

    number: int
    topic: str
    msgtype: str
    encoding: str
    count: int
    definition: Definition | None = None

    @property
    def is_read(self) -> bool:
        """Whether `BagFile.read` gives its messages."""
        return self.encoding == CDR and bool(self.msgtype)


class StoredMessage(NamedTuple):
    """One message of a file.

    Attributes:
        receive_ns: time of reception in nanoseconds.
        number: of the stored topic.
        data: the message, serialised as CDR.
    """

    receive_ns: int
    number: int
    data: bytes


class BagFile(Protocol):
    """One file of a bag; no file stays open between calls.

    Attributes:
        path: of the file that is read.
        storage: name of its format, for people.
        topics: what it holds.
        start_ns: time of reception of the first message in nanoseconds; 0 without messages.
        end_ns: likewise of the last message.
    """

    path: Path
    storage: str
    topics: list[StoredTopic]
    start_ns: int
    end_ns: int

    def compressions(self) -> set[str]:
        """How parts of the file are compressed, such as `zstd`; empty where nothing is.

        Raises:
            InputError: the file is damaged.
        """
        ...

    def read(self, numbers: Collection[int]) -> Iterator[StoredMessage]:
        """The messages of some stored topics in order of reception.

        Raises:
            InputError: the file is damaged.
        """
        ...


class DamagedError(Exception):
    """Bytes that the format does not allow; it becomes an InputError in `damage_errors`."""


@contextmanager
def damage_errors(path: Path, remedy: str) -> Iterator[None]:
    """Turn every exception about damaged bytes into an InputError that ends with a remedy.

    Raises:
        InputError: see above; those of the body pass unchanged.
    """
    what = f'{printable(str(path))} cannot be read as a bag'
    try:
        yield
    except FolVprError:
        raise
    except PermissionError as error:
        raise InputError(f'{what}: {error.strerror}; check the permissions') from error
    except MemoryError as error:
        raise InputError(f'{what}: a part of it does not fit into the memory; {remedy}') from error
    except DamagedError as error:
        raise InputError(f'{what}: {error}; {remedy}') from error
    except Exception as error:
        # Damaged bytes make the libraries raise exceptions of many kinds (struct, sqlite3, zstd,
        # lz4, mcap, AssertionError), which no list would cover.
        reason = printable(str(error) or 'damaged')
        raise InputError(f'{what}: {type(error).__name__}: {reason}; {remedy}') from error


def full_type(name: str) -> str:
    """The name of a message type with /msg/, which the first releases of rosbag2 left out."""
    short = _WITHOUT_MSG.fullmatch(name)
    return f'{short[1]}/msg/{short[2]}' if short else name
