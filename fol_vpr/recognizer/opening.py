"""Opens a map without a network, and finds the network that it was made with."""

from __future__ import annotations

from pathlib import Path

from fol_vpr.config import NetworkConfig
from fol_vpr.database import MapReader, read_info
from fol_vpr.errors import WeightsError
from fol_vpr.network import find_weights
from fol_vpr.network.preprocessing import with_preprocessing


def open_map(path: str | Path) -> MapReader:
    """Open a map to read its places, images and header, without a network.

    Raises:
        MapError: no such map, or a damaged one.
    """
    return MapReader(path)


def network_config_from_map(path: str | Path, weights: str | None = None) -> NetworkConfig:
    """Settings of the network and the preprocessing that a map was made with.

    Args:
        path: the map.
        weights: file or name to use instead of the recorded one.

    Raises:
        MapError: no such map, or a damaged one.
        WeightsError: the recorded weights are not on this machine.
        InputError: the map names a preprocessing that this version does not know.
    """
    info = read_info(path)
    if weights is None:
        try:
            weights = find_weights(info.weights_name, Path(path).parent)
        except WeightsError as error:
            raise WeightsError(
                f'{path} needs the weights that it was made with, {info.weights_name!r} '
                f'({info.model_id[:19]}), which are not on this machine: give their file as '
                f'weights, or put it beside the map. In detail: {error}'
            ) from error
    return with_preprocessing(NetworkConfig(weights=weights), info.preprocessing_id)
