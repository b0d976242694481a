"""A ROS 2 bag from any messages: whole or not at all, and the same bytes from the same input."""

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

MAX_STAMP_NS = (2**31 - 1) * 1_000_000_000
"""builtin_interfaces/Time counts in int32."""

_METADATA_VERSION: Literal[9] = 9  # of ROS 2 Jazzy
_TOPIC_NAME = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')


class TimedMessage(NamedTuple):
    """One message to be written, made when its turn comes.

    Attributes:
        stamp_ns: when it was received; records come in this order.
        make: gives the message, of the type that its topic has.
    """

    stamp_ns: int
    topic: str
    make: Callable[[], Any]


def write_bag(
    output: Path,
    types: Mapping[str, str],
    records: Iterable[TimedMessage],
    *,
    storage: str = BagWriterConfig.storage,
    latched: Collection[str] = (),
    overwrite: bool = False,
    progress: Callable[[TimedMessage], None] | None = None,
) -> int:
    """Write messages as a bag, which appears under its name only when it is whole.

    Args:
        output: the bag's folder, to be made.
        types: message type of each topic, such as nav_msgs/msg/Odometry.
        records: in the order of their stamps.
        storage: sqlite3 or mcap.
        latched: topics that late subscribers get the last message of (transient local).
        overwrite: replace a bag of that name.
        progress: told of every message that was written.

    Returns:
        The size of the bag's files in bytes.

    Raises:
        InputError: a name that is none, or a bag that is there already.
        StorageError: no space, or no permission.
    """
    for name in types:
        _check_topic(name)
    _check_output(output, overwrite)
    with _written_atomically(output) as unfinished:
        _write(unfinished, storage, types, latched, records, progress)
    return sum(path.stat().st_size for path in output.iterdir())


def _write(
    path: Path,
    storage: str,
    types: Mapping[str, str],
    latched: Collection[str],
    records: Iterable[TimedMessage],
    progress: Callable[[TimedMessage], None] | None,
) -> None:
    """Write messages into a new bag folder, and make it durable."""
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
        for record in records:
            data = typestore().serialize_cdr(record.make(), types[record.topic])
            writer.write(connections[record.topic], record.stamp_ns, data)
            if progress:
                progress(record)
    for file in [*path.iterdir(), path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _transient_local() -> Qos:
    endless = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        endless,
        endless,
        QosLiveliness.AUTOMATIC,
        endless,
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
    """A path to write a bag folder to, which is moved to `output` when all went well.

    Raises:
        StorageError: the file system refuses.
    """
    aside: Path | None = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(f'.{output.name}.partial', '.', output.parent))
        # rosbags names the files in a bag after its folder.
        unfinished = aside / output.name
        yield unfinished
        _replace_folder(unfinished, output, aside / f'{output.name}.replaced')
    except (OSError, sqlite3.Error, WriterError) as error:
        raise StorageError(
            f'{output} cannot be written: {error}; make space or choose a folder that you may '
            'write to. Nothing was left behind'
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def _replace_folder(unfinished: Path, output: Path, replaced: Path) -> None:
    """Move a finished bag to its name, and one that has the name out of the way."""
    if output.exists():
        output.rename(replaced)
    try:
        unfinished.rename(output)
    except OSError:
        if replaced.exists():
            replaced.rename(output)
        raise
