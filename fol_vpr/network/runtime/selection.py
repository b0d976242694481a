"""Loads the network with the runtime that is set."""

from __future__ import annotations

from pathlib import Path

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import DeviceError
from fol_vpr.network.exported.file import find_exported
from fol_vpr.network.runtime.backend import Backend
from fol_vpr.network.weights.registry import find_weights


def find_network(recorded: str, config: NetworkConfig, beside: Path) -> str:
    """Find the weights that a map records, or their exported file, as `config.runtime` needs.

    Args:
        recorded: name or path of the weights in the map.
        config: the runtime, and the input size of the map.
        beside: folder of the map.

    Returns:
        Value of the setting `weights`; see `registry.find_weights`.

    Raises:
        WeightsError: they are not found.
    """
    if config.runtime == 'torch':
        return find_weights(recorded, beside)
    return str(find_exported(recorded, config.input_size, beside.absolute()))


def load_network(config: NetworkConfig) -> Backend:
    """Load the weights with `config.runtime`; torch is imported only where it is the runtime.

    Raises:
        WeightsError: the weights do not exist or are damaged.
        DeviceError: the runtime, device or precision is not available, or there is not enough
            memory.
        InputError: the runtime cannot do what is set.
    """
    if config.runtime != 'torch':
        from fol_vpr.network.exported.backend import ExportedBackend

        return ExportedBackend(config)
    try:
        from fol_vpr.network.runtime.torch_backend import TorchBackend
    except ImportError as error:
        if (error.name or '').split('.')[0] != 'torch':
            raise
        raise DeviceError(
            f'network.runtime is torch, which cannot be imported ({error}): install it, or set '
            'network.runtime to onnxruntime or openvino, which run a file that '
            '`fol_vpr export onnx` wrote on another machine'
        ) from error
    return TorchBackend(config)
