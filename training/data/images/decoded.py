"""Decoded images in a file that all workers map into their memory: each is decoded once.

The file is named by what is in it (names and contents of the encoded images), so that it is made
again where an image changes, and serves every run that learns from the same ones.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.errors import StorageError
from fol_vpr.sources.folder import read_image_file
from training.data.folders import FilePlaces
from training.data.views import View

_VERSION = b'fol_vpr decoded images 1'


class DecodedPlaces:
    """Places whose images are files, with the pixels of as many of them as there is room for.

    Args:
        data: the places.
        folder: for the file; it may be shared by runs.
        limit: most bytes of the file; images beyond are decoded each time.

    Raises:
        InputError: an image cannot be read; it is named.
        StorageError: the file cannot be written.
    """

    def __init__(self, data: FilePlaces, folder: Path, limit: int) -> None:
        self._data = data
        self.description = data.description
        where: dict[str, tuple[int, int]] = {}
        for place in range(len(data)):
            for number, name in enumerate(data.images(place)):
                where.setdefault(name, (place, number))
        self._path = folder / f'{_fingerprint(data.root, list(where), limit)}.pixels'
        index = self._path.with_suffix('.npy')
        if not (index.exists() and self._path.exists()):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _write(data, list(where.values()), self._path, index, limit)
            except OSError as error:
                raise StorageError(
                    f'{folder} cannot be written: {error}; make space, or set data.cache to '
                    'another folder'
                ) from error
        shapes = np.load(index, allow_pickle=False)
        ends = np.cumsum(shapes[:, 0] * shapes[:, 1] * 3)
        if shapes.shape[1:] != (2,) or self._path.stat().st_size != (ends[-1:].sum()):
            raise StorageError(f'{self._path} is damaged: delete it, it will be made again')
        starts = [0, *ends[:-1].tolist()]
        self._at = {
            name: (start, height, width)
            for name, start, (height, width) in zip(where, starts, shapes.tolist(), strict=False)
        }
        self._pixels: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A map of a file would be pickled as a copy of all it holds.
        return {**self.__dict__, '_pixels': None}

    def __len__(self) -> int:
        return len(self._data)

    def images(self, place: int) -> Sequence[str]:
        """See `PlaceDataset`."""
        return self._data.images(place)

    def neighbours(self, place: int) -> Sequence[int]:
        """See `PlaceDataset`."""
        return self._data.neighbours(place)

    def view(self, place: int, number: int) -> View | None:
        """See `ViewedPlaces`."""
        return self._data.view(place, number)

    def load(self, place: int, number: int) -> np.ndarray:
        """See `PlaceDataset`; the array cannot be written to."""
        found = self._at.get(self._data.images(place)[number])
        if found is None:
            return self._data.load(place, number)
        if self._pixels is None:
            self._pixels = np.memmap(self._path, np.uint8, 'r')
        start, height, width = found
        return self._pixels[start : start + height * width * 3].reshape(height, width, 3)


def _fingerprint(root: Path, names: Sequence[str], limit: int) -> str:
    digest = hashlib.sha256(_VERSION + str(limit).encode())
    for name in names:
        digest.update(name.encode() + b'\0')
        digest.update(hashlib.sha256(read_image_file(root / name)).digest())
    return digest.hexdigest()[:32]


def _write(
    data: FilePlaces, images: Sequence[tuple[int, int]], path: Path, index: Path, limit: int
) -> None:
    """Write pixels and shapes [N, 2] of the first images that there is room for."""
    handle, partial = tempfile.mkstemp('.partial', f'.{path.name}.', path.parent)
    shapes = []
    try:
        with os.fdopen(handle, 'wb') as file:
            for place, number in images:
                pixels = data.load(place, number)
                if file.tell() + pixels.nbytes > limit:
                    break
                file.write(np.ascontiguousarray(pixels).tobytes())
                shapes.append(pixels.shape[:2])
        np.save(index, np.array(shapes, np.int64).reshape(-1, 2))
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
