"""What the first bytes of a SQLite file tell, before SQLite opens it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileHeader:
    """The fields of SQLite's own file header that tell what a file is.

    Offsets: https://www.sqlite.org/fileformat2.html#the_database_header
    """

    page_size: int
    page_count: int
    user_version: int
    application_id: int

    @property
    def expected_bytes(self) -> int:
        """Size of the whole file."""
        return self.page_size * self.page_count


def read_file_header(path: Path) -> FileHeader | None:
    """The header of a SQLite file, or None where the file does not begin like one."""
    with path.open('rb') as file:
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
