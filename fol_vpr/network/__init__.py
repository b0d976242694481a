"""The FoL network: its layers, its weights, and inference on a device."""

from fol_vpr.network.extractor import FeatureExtractor
from fol_vpr.network.model.fol import EncoderOutput, FoL, FoLOutput, build_fol
from fol_vpr.network.preprocessing import PreparedImage
from fol_vpr.network.weights.checkpoint import (
    WeightsInfo,
    load_weights,
    open_weights,
    save_weights,
)
from fol_vpr.network.weights.registry import (
    AvailableWeights,
    fetch_weights,
    find_weights,
    list_weights,
    resolve_weights,
)

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
