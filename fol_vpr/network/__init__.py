"""The FoL network: its layers, its weights, and inference on a device.

Names that need torch are imported when they are first used: other runtimes need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fol_vpr.network.extractor import FeatureExtractor
from fol_vpr.network.preprocessing import PreparedImage
from fol_vpr.network.weights.info import WeightsInfo
from fol_vpr.network.weights.registry import (
    AvailableWeights,
    fetch_weights,
    find_weights,
    list_weights,
    resolve_weights,
)

if TYPE_CHECKING:
    from fol_vpr.network.model.fol import EncoderOutput, FoL, FoLOutput, build_fol
    from fol_vpr.network.weights.checkpoint import load_weights, open_weights, save_weights

__all__ = [
    'AvailableWeights',
    'EncoderOutput',
    'FeatureExtractor',
    'FoL',
    'FoLOutput',
    'PreparedImage',
    'WeightsInfo',
    'build_fol',
    'fetch_weights',
    'find_weights',
    'list_weights',
    'load_weights',
    'open_weights',
    'resolve_weights',
    'save_weights',
]

_OF_TORCH = {
    **dict.fromkeys(('EncoderOutput', 'FoL', 'FoLOutput', 'build_fol'), 'model.fol'),
    **dict.fromkeys(('load_weights', 'open_weights', 'save_weights'), 'weights.checkpoint'),
}


def __getattr__(name: str) -> Any:
    if name not in _OF_TORCH:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_OF_TORCH[name]}'), name)
