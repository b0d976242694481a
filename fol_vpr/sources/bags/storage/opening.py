"""Opens the files of a bag, each by what it holds rather than by its name."""

from __future__ import annotations

from pathlib import Path
from shlex import quote as shell_quote

from rosbags.typesys.store import Typestore

from fol_vpr.errors import InputError
from fol_vpr.files import natural_key, open_file, printable
from fol_vpr.sources.bags.storage.compression import ZSTD_MAGIC
from fol_vpr.sources.bags.storage.mcap_file import McapFile
from fol_vpr.sources.bags.storage.mcap_index import MCAP_MAGIC
from fol_vpr.sources.bags.storage.metadata import (
    METADATA,
    BagMetadata,
    read_metadata,
)
from fol_vpr.sources.bags.storage.ros1_file import ROS1_MAGIC, Ros1File
from fol_vpr.sources.bags.storage.sqlite_file import SQLITE_MAGIC, SqliteFile, unmerged_log
from fol_vpr.sources.bags.storage.stored import BagFile
from fol_vpr.sources.bags.storage.unpacking import ZSTD_SUFFIX, unpacked_file

STORAGE_SUFFIXES = ('.db3', '.mcap')
"""Endings of the files that rosbag2 writes."""
ROS1_SUFFIX = '.bag'

_SUFFIXES = (*STORAGE_SUFFIXES, ROS1_SUFFIX)
_EXPECTED = 'a folder with metadata.yaml, or a .db3, .mcap or ROS 1 .bag file'
_SUPPORTED_COMPRESSION = ('', 'zstd')


def is_storage(path: Path) -> bool:
    """Whether a path is a file with the ending of a bag's file."""
    return path.name.removesuffix(ZSTD_SUFFIX).endswith(_SUFFIXES) and path.is_file()


def bag_paths(path: Path) -> tuple[list[Path], BagMetadata | None]:
    """The files that a bag consists of, in their order, and its metadata.

    Args:
        path: folder of the bag, or one file.

    Returns:
        The paths, and None for a bag that is one file.

    Raises:
        InputError: there is no bag, its metadata is damaged, or a file of it is missing.
    """
    if not path.exists():
        raise InputError(f'{printable(str(path))} does not exist, expected {_EXPECTED}')
    if not path.is_dir():
        return [path], None
    if not (path / METADATA).exists():
        raise InputError(_without_metadata(path))
    metadata = read_metadata(path)
    if metadata.compression not in _SUPPORTED_COMPRESSION:
        raise InputError(
            f'{printable(str(path))} is compressed with {printable(metadata.compression)!r}, '
            'expected zstd; `ros2 bag convert` with its plugin rewrites the bag'
        )
    paths = [_locate(path, each) for each in metadata.paths]
    missing = [name for name, found in zip(metadata.paths, paths, strict=True) if found is None]
    if missing or not paths:
        raise InputError(_missing(path, missing))
    found_paths = [each for each in paths if each is not None]
    elsewhere = [each for each in found_paths if each.parent.resolve() != path.resolve()]
    if elsewhere:
        metadata.warnings.append(
            f'{printable(str(path / METADATA))} names files outside of its folder, which are '
            f'read: {", ".join(printable(str(each)) for each in elsewhere[:3])}'
        )
    return found_paths, metadata


def open_bag_file(path: Path, target: Typestore, storage: str = '') -> BagFile:
    """Open one file of a bag.

    Args:
        path: of the file; one that is packed with Zstandard is unpacked first.
        target: types of ROS 2 that messages of ROS 1 are converted to.
        storage: what metadata.yaml calls the format, for messages.

    Raises:
        InputError: the file is of no known format, or damaged.
        StorageError: there is not enough space to unpack it.
    """
    with open_file(path, 'a bag') as file:
        start = file.read(16)
    if start.startswith(ZSTD_MAGIC):
        path = unpacked_file(path)
        with open_file(path, 'a bag') as file:
            start = file.read(16)
    if start.startswith(SQLITE_MAGIC):
        return SqliteFile(path)
    if start.startswith(MCAP_MAGIC):
        return McapFile(path, target)
    if start.startswith(ROS1_MAGIC):
        return Ros1File(path, target)
    if not start and (reason := unmerged_log(path)):
        raise InputError(f'{printable(str(path))} is empty: {reason}')
    if not start:
        raise InputError(
            f'{printable(str(path))} is empty: nothing was recorded, or it was not copied; '
            'copy it again, or take another recording'
        )
    named = f' (its metadata calls it {printable(storage)!r})' if storage else ''
    raise InputError(
        f'{printable(str(path))} is no bag{named}: it begins neither as SQLite, MCAP, ROS 1 nor '
        f'Zstandard, expected {_EXPECTED}; check that it is the right file and was copied whole'
    )


def _locate(folder: Path, name: str) -> Path | None:
    """A file that metadata.yaml names; None if it is nowhere.

    Before version 4 of the metadata the names began with the folder, and bags get renamed. The
    file in the folder counts first, whatever folder is written before it, also after it was
    packed or unpacked by hand.
    """
    given = Path(name)
    other = name.removesuffix(ZSTD_SUFFIX) if name.endswith(ZSTD_SUFFIX) else name + ZSTD_SUFFIX
    candidates = [
        candidate
        for each in (given, Path(other))
        for candidate in (folder / each.name, folder / each, folder.parent / each)
    ]
    return next((each for each in candidates if each.is_file()), None)


def _storage_files(folder: Path) -> list[Path]:
    files = [each for each in folder.iterdir() if is_storage(each)]
    return sorted(files, key=lambda each: natural_key(each.name))


def _without_metadata(folder: Path) -> str:
    files = _storage_files(folder)
    shown = printable(str(folder))
    if files and all(each.suffix == ROS1_SUFFIX for each in files):
        return (
            f'{shown} is a folder of {len(files)} ROS 1 bags, which are read one at a time; give '
            f'{printable(str(files[0]))}'
        )
    hint = f', or give {printable(str(files[0]))} itself' if files else ''
    return (
        f'{shown} has no metadata.yaml, so it is no bag, or its recording was interrupted; '
        f'`ros2 bag reindex {shell_quote(shown)}` writes one{hint}'
    )


def _missing(folder: Path, names: list[str]) -> str:
    shown = printable(str(folder))
    if not names:
        return (
            f'{shown}/{METADATA} names no files; `ros2 bag reindex {shell_quote(shown)}` writes '
            'a new one'
        )
    there = _storage_files(folder)
    holds = ', '.join(printable(each.name) for each in there[:3]) or 'no file of a bag'
    return (
        f'{shown}: files of the bag are missing: {", ".join(printable(each) for each in names)}; '
        f'the folder holds {holds}; copy the missing files into it, or '
        f'`ros2 bag reindex {shell_quote(shown)}` makes a bag of what is there'
    )
