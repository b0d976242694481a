"""The search index of a map file."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fol_vpr.config import RetrievalConfig
from fol_vpr.database import MapReader
from fol_vpr.retrieval import PlaceIndex, open_index

log = logging.getLogger(__name__)

SUFFIX = '.index'
PROGRESS_INTERVAL = 10.0  # seconds between lines in the log


def open_map_index(reader: MapReader, config: RetrievalConfig, device: str) -> PlaceIndex:
    """Open the index of all places of a map; its ids are `Place.index`.

    Args:
        reader: the map, which must stay open while the index is used.
        config: the search index.
        device: where the network runs.

    Raises:
        InputError, MapError, DeviceError: see `open_index`.
    """
    info = reader.info
    # A cache or a server keeps the map once for each network and preprocessing.
    content = f'{info.map_id} {info.model_id} {info.preprocessing_id}'
    return open_index(
        config,
        _MapDescriptors(reader),
        reader.places,
        device=device,
        content=f'{info.map_id}_{hashlib.sha256(content.encode()).hexdigest()[:8]}',
        cache=Path(info.path + SUFFIX),
        progress=_LoggedProgress(f'search index of {info.name}'),
    )


@dataclass(frozen=True)
class _MapDescriptors:
    """The global descriptors of a map, as the source of its index."""

    reader: MapReader

    @property
    def dim(self) -> int:
        return self.reader.header.descriptor_dim

    def read(self, ids: np.ndarray) -> np.ndarray:
        return self.reader.descriptors([int(number) for number in ids])


class _LoggedProgress:
    """Logs the progress of the index, its rate and the time left, every `PROGRESS_INTERVAL`."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last_logged = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            # What an interrupted build has done must not count for the rate.
            self._first = (now, done)
        if now - self._last_logged >= PROGRESS_INTERVAL:
            self._last_logged = now
            rate = (done - self._first[1]) / max(now - self._first[0], 1e-9)
            left = f', {rate:.0f}/s, {(total - done) / rate:.0f} s left' if rate > 0 else ''
            log.info('%s: %d of %d references%s', self._what, done, total, left)
