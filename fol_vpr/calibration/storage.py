"""Stores a calibration in its map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fol_vpr.database import MapEditor
from fol_vpr.datatypes import MapInfo
from fol_vpr.decision import Calibration, calibration_to_rows


def store_calibration(
    path: str | Path,
    calibration: Calibration,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> MapInfo:
    """Replace the calibration of a map. The file is replaced as a whole or stays as it was.

    Args:
        path: the map; changes beside it are saved with it.
        calibration: the new calibration.
        progress: called with the number of places written and of all places.

    Returns:
        The description of the calibrated map.

    Raises:
        MapBusyError: another process is changing the map.
        MapError: the map is damaged.
        StorageError: no space on the disk, or no permission.
    """
    with MapEditor(path) as editor:
        return editor.set_calibration(calibration_to_rows(calibration), progress=progress)
