"""Reads the header of a SQLite file, before SQLite opens the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.errors import MapError
from fol_vpr.files import open_file


@dataclass(frozen=True)
class FileHeader:
    """Fields of the header that every SQLite file begins with.

    Offsets: https://www.sqlite.org/fileformat2.html#the_database_header
    """

    page_size: int
    page_count: int
    user_version: int
    application_id: int

    @property
    def expected_bytes(self) -> int:
        """Size of the complete file in bytes."""
        return self.page_size * self.page_count


def read_file_header(path: Path) -> FileHeader | None:
    """The header of a SQLite file, or None if the file does not begin like one.

    Raises:
        MapError: it is no regular file, or a pointer of Git LFS.
        OSError: the file cannot be read.
    """
    with open_file(path, 'a map', MapError) as file:
        raw = file.read(100)
    if len(raw) < 100 or not raw.startswith(b'SQLite format 3\0'):
        return None
    (page_size,) = struct.unpack_from('>H', raw, 16)
    (page_count,) = struct.unpack_from('>I', raw, 28)
    (user_version,) = struct.unpack_from('>i', raw, 60)
    (application_id,) = struct.unpack_from('>I', raw, 68)
    return FileHeader(
        65536 if page_size == 1 else page_size, page_count, user_version, application_id
    )
