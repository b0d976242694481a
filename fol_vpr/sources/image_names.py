"""Which image of a folder a row of a table means."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fol_vpr.errors import InputError
from fol_vpr.files import printable
from fol_vpr.sources.tables import TableRow

IMAGE_SUFFIXES = frozenset(
    ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm', '.heic', '.heif')
)

log = logging.getLogger(__name__)


class ImageNames:
    """Finds images by the names that a table gives.

    Names are relative to the image folder or to that of the table, and may lack their ending.
    Where no name of a table is one of these, they may have the ending of another image format, or
    be paths of another machine in which a folder is called as the image folder; this is said.
    """

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
        self._is_free = False

    def indices_of(self, rows: Sequence[TableRow]) -> list[int | None]:
        """Index in `files` of the image of each row, None where there is no such image.

        Raises:
            InputError: the name without its ending is that of several images, or no row names an
                image.
        """
        found = [self._index_of(row) for row in rows]
        if all(index is None for index in found):
            self._is_free = True
            found = [self._index_of_free(row) for row in rows]
        self._report(rows, found)
        return found

    def _index_of(self, row: TableRow) -> int | None:
        """By the names as they are meant.

        Raises:
            InputError: the name without its ending is that of several images.
        """
        given = row.cells['file']
        candidates = []
        for candidate in self._relative_names(given):
            if candidate in self._by_name:
                return self._by_name[candidate]
            candidates.append(candidate)
        for stem in candidates:
            if (found := self._of_stem(stem, row)) is not None:
                return found
        return None

    def _index_of_free(self, row: TableRow) -> int | None:
        """By the part of a path behind the name of the image folder, and without its ending."""
        path = PurePosixPath(row.cells['file'].replace('\\', '/'))
        ends = [path, *self._behind_root(path)]
        for end in ends:
            if end.as_posix() in self._by_name:
                return self._by_name[end.as_posix()]
        for end in ends:
            stem = end.with_suffix('') if end.suffix.lower() in IMAGE_SUFFIXES else end
            if (found := self._of_stem(stem.as_posix(), row)) is not None:
                return found
        return None

    def _behind_root(self, path: PurePosixPath) -> Iterator[PurePosixPath]:
        try:
            is_elsewhere = (self._table.parent / path).exists()
        except (ValueError, OSError):
            return  # no path of this machine
        if is_elsewhere or '..' in path.parts:
            return
        name = self._root.resolve().name
        for position, part in enumerate(path.parts[:-1]):
            if part == name:
                yield PurePosixPath(*path.parts[position + 1 :])

    def _of_stem(self, stem: str, row: TableRow) -> int | None:
        same = self._by_stem.get(stem, [])
        if len(same) > 1:
            names = ' and '.join(self._files[index] for index in same)
            given = printable(row.cells['file'])
            raise InputError(f'{row.where}: {given} may be {names}; add the ending')
        return same[0] if same else None

    def _report(self, rows: Sequence[TableRow], found: Sequence[int | None]) -> None:
        """Warn of rows whose image is told by a part of its name, or is not there.

        Raises:
            InputError: no row names an image.
        """
        missing = [row for row, index in zip(rows, found, strict=True) if index is None]
        if missing:
            where, name = missing[0].where, printable(missing[0].cells['file'])
        if len(missing) == len(rows):
            raise InputError(
                f'{where}: there is no image {name!r} in {self._root}, nor from the folder of '
                f'the table, nor is any of the other {len(rows) - 1} rows of an image there; is '
                'it the table of these images?'
            )
        if self._is_free:
            row, index = next((r, i) for r, i in zip(rows, found, strict=True) if i is not None)
            log.warning(
                '%s names images that are not in %s by these paths and endings; %r is taken as '
                '%s, and others likewise',
                self._table, self._root, printable(row.cells['file']), self._files[index],
            )  # fmt: skip
        if missing:
            log.warning(
                '%d of %d rows of %s name images that are not in %s, and are left out: the first '
                'is %r in %s',
                len(missing), len(rows), self._table, self._root, name, where,
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
