"""Which image of a folder a row of a table means."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.tables import TableRow

log = logging.getLogger(__name__)


class ImageNames:
    """Finds images by the names that a table gives, with or without their ending."""

    def __init__(self, table: Path, root: Path, files: Sequence[str]) -> None:
        """Index the names.

        Args:
            table: the table, whose folder names may be relative to.
            root: the image folder.
            files: paths of the images relative to `root`.
        """
        self._table = table
        self._root = root
        self._files = files
        self._by_name = {name: index for index, name in enumerate(files)}
        self._by_stem: dict[str, list[int]] = {}
        for index, name in enumerate(files):
            stem = PurePosixPath(name).with_suffix('').as_posix()
            self._by_stem.setdefault(stem, []).append(index)
        self._missing = 0
        self._first_missing: tuple[str, str] | None = None

    def index_of(self, row: TableRow) -> int | None:
        """Index in `files` of the image of a row, None if there is no such image.

        Raises:
            InputError: the name has no ending, and several images have it with one.
        """
        given = row.cells['file']
        candidates = []
        for candidate in self._relative_names(given):
            if candidate in self._by_name:
                return self._by_name[candidate]
            candidates.append(candidate)
        for candidate in candidates:
            same = self._by_stem.get(candidate, [])
            if len(same) > 1:
                names = ' and '.join(self._files[index] for index in same)
                raise InputError(f'{row.where}: {printable(given)} may be {names}; add the ending')
            if same:
                return same[0]
        self._missing += 1
        self._first_missing = self._first_missing or (row.where, printable(given))
        return None

    def report(self, rows: int) -> None:
        """Warn of rows that name images that are not there.

        Args:
            rows: number of rows in all.

        Raises:
            InputError: no row names an image.
        """
        if self._first_missing is None:
            return
        where, name = self._first_missing
        if self._missing == rows:
            raise InputError(
                f'{where}: there is no image {name!r} in {self._root}, nor from the folder of the '
                f'table, nor is any of the other {rows - 1} rows of an image there; is it the '
                'table of these images?'
            )
        log.warning(
            '%d of %d rows of %s name images that are not in %s, and are left out: the first is '
            '%r in %s',
            self._missing, rows, self._table, self._root, name, where,
        )  # fmt: skip

    def _relative_names(self, given: str) -> Iterator[str]:
        yield Path(given).as_posix()
        if '\\' in given:  # a table made on Windows
            given = given.replace('\\', '/')
            yield Path(given).as_posix()
        place = self._table.parent / given
        try:
            # Resolve the folder only: the image itself may be a link to another place.
            inside = (place.parent.resolve() / place.name).relative_to(self._root.resolve())
        except (ValueError, OSError):
            return
        yield inside.as_posix()
