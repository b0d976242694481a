"""Visual place recognition with FoL ("Focus on Local", AAAI 2025) for robots.

    import fol_vpr

    recognizer = fol_vpr.PlaceRecognizer.for_map('campus.folmap')
    answer = recognizer.query('photo.jpg')

Importing this package loads neither torch nor rclpy: the names below are imported when they are
first used. docs/how-to/python_api.md shows what they are for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = '0.1.0'

if TYPE_CHECKING:
    from fol_vpr.datatypes import (
        Camera,
        Cause,
        Frame,
        GeoPosition,
        LocalizationState,
        LoopClosure,
        MapInfo,
        Place,
        PlaceHypothesis,
        Pose,
        Prior,
        Recognition,
        Verification,
    )
    from fol_vpr.errors import (
        DeviceError,
        FolVprError,
        InputError,
        MapError,
        StorageError,
        WeightsError,
    )
    from fol_vpr.mapping.from_images import build_map
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import open_source, read_photograph

_HOMES = {
    'datatypes': (
        'Camera', 'Cause', 'Frame', 'GeoPosition', 'LocalizationState', 'LoopClosure', 'MapInfo',
        'Place', 'PlaceHypothesis', 'Pose', 'Prior', 'Recognition', 'Verification',
    ),
    'errors': (
        'DeviceError', 'FolVprError', 'InputError', 'MapError', 'StorageError', 'WeightsError',
    ),
    'mapping.from_images': ('build_map',),
    'recognizer': ('PlaceRecognizer',),
    'sources': ('open_source', 'read_photograph'),
}  # fmt: skip
_LATE = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    'Camera',
    'Cause',
    'DeviceError',
    'FolVprError',
    'Frame',
    'GeoPosition',
    'InputError',
    'LocalizationState',
    'LoopClosure',
    'MapError',
    'MapInfo',
    'Place',
    'PlaceHypothesis',
    'PlaceRecognizer',
    'Pose',
    'Prior',
    'Recognition',
    'StorageError',
    'Verification',
    'WeightsError',
    '__version__',
    'build_map',
    'open_source',
    'read_photograph',
]

if not TYPE_CHECKING:
    # Hidden from type checkers, for which it would make every misspelt name a valid one.

    def __getattr__(name: str) -> Any:
        if name not in _LATE:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        value = getattr(importlib.import_module(f'{__name__}.{_LATE[name]}'), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
