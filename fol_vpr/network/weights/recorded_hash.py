"""SHA-256 of a downloaded file, recorded beside it in the format of sha256sum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fol_vpr.errors import WeightsError
from fol_vpr.files import open_file, read_bytes


def verify_recorded(path: Path) -> None:
    """Compare a file with the SHA-256 recorded beside it, where there is one.

    Raises:
        WeightsError: they differ, or a file cannot be read.
    """
    record = record_of(path)
    if not is_file(record):
        return
    try:
        content = read_bytes(record, 'a recorded SHA-256', 65536, WeightsError)
        recorded = content.decode(errors='replace').split()[:1]
        actual = sha256_of_file(path)
    except OSError as error:
        raise WeightsError(f'cannot read {error.filename}: {error.strerror}') from error
    if recorded != [actual]:
        raise WeightsError(
            f'{path} is damaged: its SHA-256 is {actual}, {record.name} says '
            f'{" ".join(recorded)[:64]}; remove both and fetch it again'
        )


def record_of(path: Path) -> Path:
    """The file beside `path` that its SHA-256 is recorded in."""
    return path.with_name(path.name + '.sha256')


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        WeightsError: it cannot be opened.
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with open_file(path, 'weights', WeightsError) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def is_file(path: Path) -> bool:
    """Whether a file exists.

    Raises:
        WeightsError: that cannot be determined: no permission, or the name is too long.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise WeightsError(
            f'{path} cannot be accessed ({error.strerror}): check its name and permissions'
        ) from error
