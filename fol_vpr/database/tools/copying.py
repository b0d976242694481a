"""Copies places of a map into a new one."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fol_vpr.database.reader import MapReader
from fol_vpr.database.writer import MapWriter, Progress
from fol_vpr.datatypes import MapInfo

log = logging.getLogger(__name__)


def copy_places(
    reader: MapReader,
    indices: Sequence[int],
    target: str | os.PathLike[str],
    *,
    name: str = '',
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MapInfo:
    """Make a new map of some places of another one, bit for bit.

    The calibration is not copied, because it was made for all places together.

    Args:
        reader: the other map.
        indices: of the places, in the order of the new map.
        target: the map file to make.
        name: of the new map; empty takes the stem of the file name.
        overwrite: replace an existing map.
        progress: called with the number of places written and of places in all.

    Returns:
        The summary of the new map.

    Raises:
        InputError: `indices` is empty.
        MapError: the target exists, or a place is damaged.
        StorageError: no space or no permission; the unfinished map was removed.
    """
    kept = {reader.places[index].session_id for index in indices}
    header = replace(
        reader.header, name=name or Path(target).stem, sources=reader.header.sources_of(kept)
    )
    if reader.info.calibrated:
        log.warning(
            '%s has no calibration, as that of %s was made for all its places together: run '
            '`fol_vpr calibrate` with the new map',
            target,
            reader.path,
        )
    source = f'{len(indices)} places of {reader.info.map_id}'
    with MapWriter(
        target, header, source_id=source, overwrite=overwrite, resumable=False
    ) as writer:
        records = (reader.record(index) for index in indices)
        writer.copy(records, total=len(indices), progress=progress)
        return writer.finish()
