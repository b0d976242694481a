"""Checks that network, map and calibration fit each other, and describes them in words."""

from __future__ import annotations

from fol_vpr.datatypes import MapInfo
from fol_vpr.errors import MapMismatchError
from fol_vpr.mapping import LiveMap
from fol_vpr.network import FeatureExtractor


def check_fit(info: MapInfo, extractor: FeatureExtractor) -> None:
    """Check that a map was made with the weights and the preprocessing of a network.

    Raises:
        MapMismatchError: it was not.
    """
    if info.model_id != extractor.model_id:
        raise MapMismatchError(
            f'{info.path} was made with the weights {info.weights_name or "?"} '
            f'({_short(info.model_id)}), loaded are {extractor.weights_name} '
            f'({_short(extractor.model_id)}): load the weights of the map, or build the map again '
            'with these'
        )
    if info.preprocessing_id != extractor.preprocessing_id:
        raise MapMismatchError(
            f'{info.path} was made with the preprocessing {info.preprocessing_id}, set is '
            f'{extractor.preprocessing_id}: use the settings resize and input_size of the map, '
            'or build the map again with these'
        )


def _short(model_id: str) -> str:
    """The architecture, and enough of the hash behind it to tell weights apart."""
    architecture, _, digest = model_id.partition(':')
    return f'{architecture}:{digest[:8]}'


def plan_in_words(extractor: FeatureExtractor, loaded: LiveMap | None) -> str:
    """The memory that network and map take, in words."""
    weights = extractor.parameter_bytes / 1e6
    network = f'network {weights:.0f} MB on {extractor.runs_on} ({extractor.precision}: '
    network += f'{extractor.precision_reason})'
    if loaded is None:
        return f'{network}; no map'
    info = loaded.info
    return (
        f'{network}; map {info.name}, {info.places} places, {info.bytes / 1e6:.0f} MB on '
        f'disk: {loaded.plan.describe()}'
    )
