"""Puts a calibration into the map that it was made for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fol_vpr.database import MapEditor
from fol_vpr.datatypes import MapInfo
from fol_vpr.decision import Calibration


def store(
    path: str | Path,
    calibration: Calibration,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> MapInfo:
    """Replace the calibration of a map, whose file appears whole or stays as it was.

    Args:
        path: the map; changes beside it are saved with it.
        calibration: to be stored.
        progress: called with places written and places in all.

    Returns:
        What the map says of itself from now on.

    Raises:
        MapBusyError: another process changes the map.
        MapError: the map is damaged.
        StorageError: no space or no permission.
    """
    with MapEditor(path) as editor:
        return editor.calibrate(calibration.to_rows(), progress=progress)
