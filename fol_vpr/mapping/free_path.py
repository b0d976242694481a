"""Names for the map files of drives, none of which replaces another."""

from __future__ import annotations

from pathlib import Path

from fol_vpr.errors import InputError, StorageError

MAX_NAMES = 10_000


def map_path_in_folder(path: Path, setting: str) -> Path:
    """The path of a map file that can be made.

    Args:
        path: of the file.
        setting: name of the setting that gives it, for messages.

    Raises:
        InputError: it does not end in .folmap.
        StorageError: its folder does not exist.
    """
    if path.suffix != '.folmap':
        raise InputError(
            f'{setting} is {str(path)!r}, expected the path of a .folmap file to make'
        )
    if not path.parent.is_dir():
        raise StorageError(
            f'{setting} is {str(path)!r}, but there is no folder {path.parent}: create it'
        )
    return path


def free_path(path: Path) -> tuple[Path, Path | None]:
    """A path that does not exist yet, and the last one that does.

    Args:
        path: returned where it does not exist; else a number is appended to the name.

    Raises:
        StorageError: too many numbers are taken.
    """
    previous = None
    for number in range(1, MAX_NAMES):
        name = path if number == 1 else path.with_stem(f'{path.stem}-{number}')
        if not name.exists():
            return name, previous
        previous = name
    raise StorageError(f'{path} and its next {MAX_NAMES} numbers exist already: move them away')
