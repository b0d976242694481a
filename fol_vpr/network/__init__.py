"""The FoL network: its layers, its weights, and how it runs on a device."""

from fol_vpr.network.extractor import FeatureExtractor
from fol_vpr.network.fol import FoL, FoLOutput, build_fol
from fol_vpr.network.weights import (
    WeightsInfo,
    inspect_weights,
    load_weights,
    open_weights,
    save_weights,
)

__all__ = [
    'FeatureExtractor',
    'FoL',
    'FoLOutput',
    'WeightsInfo',
    'build_fol',
    'inspect_weights',
    'load_weights',
    'open_weights',
    'save_weights',
]
