"""Writes messages as a ROS 2 bag, completely or not at all, and with reproducible bytes."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from fol_vpr.config import BagWriterConfig
from fol_vpr.errors import InputError, StorageError
from fol_vpr.sources.bags.bag import STORAGE_SUFFIXES, typestore

WRITE_ERRORS = (OSError, sqlite3.Error, WriterError)
"""What the writer of rosbags raises where a bag cannot be written, as on a full disk."""

MAX_STAMP_NS = (2**31 - 1) * 1_000_000_000
"""The last time that builtin_interfaces/Time can hold, which counts seconds in int32."""

_METADATA_VERSION: Literal[9] = 9  # of ROS 2 Jazzy
_TOPIC_NAME = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')


class TimedMessage(NamedTuple):
    """One message to write, which is made only when it is written.

    Attributes:
        stamp_ns: time of reception in nanoseconds; messages are written in this order.
        topic: of the message.
        make: returns the message, of the type of its topic.
    """

    stamp_ns: int
    topic: str
    make: Callable[[], Any]


def write_bag(
    output: Path,
    types: Mapping[str, str],
    messages: Iterable[TimedMessage],
    *,
    storage: str = BagWriterConfig.storage,
    latched: Collection[str] = (),
    overwrite: bool = False,
    progress: Callable[[TimedMessage], None] | None = None,
) -> int:
    """Write messages as a bag, which gets its name only when it is complete.

    Args:
        output: folder of the bag, to be made.
        types: message type of each topic, such as nav_msgs/msg/Odometry.
        messages: in order of their stamps.
        storage: sqlite3 or mcap.
        latched: topics with the durability transient local, whose last message late subscribers
            receive.
        overwrite: replace an existing bag.
        progress: called after each written message.

    Returns:
        The size of the files of the bag in bytes.

    Raises:
        InputError: an invalid name of a topic, or `output` exists already.
        StorageError: no space or no permission.
    """
    for name in types:
        _check_topic(name)
    _check_output(output, overwrite)
    with _written_atomically(output) as unfinished:
        _write(unfinished, storage, types, latched, messages, progress)
    return sum(path.stat().st_size for path in output.iterdir())


def _write(
    path: Path,
    storage: str,
    types: Mapping[str, str],
    latched: Collection[str],
    messages: Iterable[TimedMessage],
    progress: Callable[[TimedMessage], None] | None,
) -> None:
    """Write messages into a new bag folder, and wait until it is on the disk."""
    plugin = StoragePlugin[storage.upper()]
    with Writer(path, version=_METADATA_VERSION, storage_plugin=plugin) as writer:
        connections: dict[str, Connection] = {
            topic: writer.add_connection(
                topic,
                msgtype,
                typestore=typestore(),
                offered_qos_profiles=[_transient_local()] if topic in latched else [],
            )
            for topic, msgtype in types.items()
        }
        for message in messages:
            data = typestore().serialize_cdr(message.make(), types[message.topic])
            writer.write(connections[message.topic], message.stamp_ns, data)
            if progress:
                progress(message)
    for file in [*path.iterdir(), path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _transient_local() -> Qos:
    unlimited = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        unlimited,
        unlimited,
        QosLiveliness.AUTOMATIC,
        unlimited,
        False,
    )


def _check_topic(name: str) -> None:
    if not _TOPIC_NAME.fullmatch(name):
        raise InputError(
            f'{name!r} is no ROS topic, expected names of letters, digits and _ separated by /'
        )


def _check_output(output: Path, overwrite: bool) -> None:
    if output.suffix in STORAGE_SUFFIXES:
        raise InputError(
            f'{output} is to be a folder; leave out {output.suffix} and choose the storage instead'
        )
    if not output.exists():
        return
    if not overwrite:
        raise InputError(f'{output} exists already; choose another name, or ask to overwrite it')
    if not (output / 'metadata.yaml').is_file():
        raise InputError(f'{output} exists already and is no bag, so it is not overwritten')


@contextmanager
def _written_atomically(output: Path) -> Iterator[Path]:
    """A path to write a bag folder to, which is renamed to `output` if no exception occurred.

    Raises:
        StorageError: no space or no permission.
    """
    temporary: Path | None = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(f'.{output.name}.partial', '.', output.parent))
        # rosbags names the files in a bag after its folder.
        unfinished = temporary / output.name
        yield unfinished
        _replace_folder(unfinished, output, temporary / f'{output.name}.replaced')
    except WRITE_ERRORS as error:
        raise StorageError(
            f'{output} cannot be written: {error}; make space or choose a folder with write '
            'permission. The unfinished bag was removed'
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(unfinished: Path, output: Path, replaced: Path) -> None:
    """Rename a finished bag to `output`, and an existing bag of that name to `replaced`."""
    if output.exists():
        output.rename(replaced)
    try:
        unfinished.rename(output)
    except OSError:
        if replaced.exists():
            replaced.rename(output)
        raise
