"""An exported network in OpenVINO: on the CPU, or on a GPU or NPU of Intel."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import DeviceError, WeightsError
from fol_vpr.network.exported.file import INPUT, OUTPUTS
from fol_vpr.network.weights.registry import weights_folder

log = logging.getLogger(__name__)

_PRECISIONS = {'float32': 'f32', 'bfloat16': 'bf16', 'float16': 'f16'}


class OpenVinoSession:
    """See `backend.Session`."""

    def __init__(self, path: Path, config: NetworkConfig) -> None:
        """Load and compile a file.

        Raises:
            DeviceError: OpenVINO is not installed, or does not have the device or precision.
            WeightsError: the file is damaged or no network.
        """
        openvino = _import()
        core = openvino.Core()
        device = _choose_device(config.device, core.available_devices)
        properties = _properties(config, device)
        try:
            model = core.read_model(path)
        except RuntimeError as error:
            raise WeightsError(
                f'{path} cannot be read by OpenVINO {openvino.__version__}: {_reason(error)}; '
                'copy or export it again'
            ) from error
        self.metadata = _metadata(model)
        outputs = {each.any_name: _shape(each.partial_shape) for each in model.outputs}
        self.shapes = [outputs[name] for name in OUTPUTS if name in outputs]
        inputs = {each.any_name: _shape(each.partial_shape) for each in model.inputs}
        self.batch = inputs.get(INPUT, (1,))[0]
        try:
            compiled = core.compile_model(model, device, properties)
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise DeviceError(
                f'OpenVINO cannot compile {path} for {device}: {_reason(error)}'
            ) from error
        self.runs_on = f'openvino {device.lower()}'
        used = compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name()
        self.precision = {short: name for name, short in _PRECISIONS.items()}.get(used, used)
        chosen = f'chosen by OpenVINO for {device}'
        self.precision_reason = chosen if config.precision == 'auto' else 'as set'
        log.info('precision %s: %s', self.precision, self.precision_reason)

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """See `backend.Session`."""
        try:
            self._request.infer({INPUT: images}, share_inputs=True)
            found = [self._request.get_tensor(name).data for name in OUTPUTS]
        except RuntimeError as error:
            raise DeviceError(f'{self.runs_on} failed: {_reason(error)}') from error
        return [array.astype(bool) if array.dtype.kind in 'iu' else array for array in found]


def _import() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise DeviceError(
            f'network.runtime is openvino, which cannot be imported ({error}): pip install '
            'openvino'
        ) from error
    return openvino


def _choose_device(setting: str, available: list[str]) -> str:
    """OpenVINO's name of the device that `network.device` stands for.

    Raises:
        DeviceError: it is unknown, or this machine does not have it.
    """
    if setting == 'auto':
        taken = 'GPU' if any(name.split('.')[0] == 'GPU' for name in available) else 'CPU'
        log.info(
            'OpenVINO has the devices %s (auto takes GPU, else CPU): %s is taken',
            ', '.join(available),
            taken,
        )
        return taken
    kind, _, number = setting.partition(':')
    wrong_number = number and not (kind == 'gpu' and number.isdecimal())
    if kind not in ('cpu', 'gpu', 'npu') or wrong_number:
        raise DeviceError(
            f'device is {setting!r}, expected auto, cpu, gpu, gpu:N or npu with network.runtime '
            'openvino'
        )
    name = kind.upper() + (f'.{int(number)}' if number else '')
    # A single GPU is called GPU, and GPU.0 as well.
    if name.removesuffix('.0') not in {each.removesuffix('.0') for each in available}:
        raise DeviceError(
            f'device is {setting!r}, but OpenVINO finds {", ".join(available)} here: install the '
            "device's driver (docs/how-to/runtimes.md), or use cpu"
        )
    return name


def _properties(config: NetworkConfig, device: str) -> dict[str, Any]:
    """Properties for `compile_model`.

    Raises:
        DeviceError: the precision is not available.
    """
    properties: dict[str, Any] = {'PERFORMANCE_HINT': 'LATENCY'}
    if config.precision in _PRECISIONS:
        properties['INFERENCE_PRECISION_HINT'] = _PRECISIONS[config.precision]
    elif config.precision != 'auto':
        raise DeviceError(
            f'precision is {config.precision}, which OpenVINO does not compute a float32 file '
            f'in: use auto, {", ".join(_PRECISIONS)}, or network.runtime torch'
        )
    if device == 'CPU':
        if config.threads:
            properties['INFERENCE_NUM_THREADS'] = config.threads
    else:
        # Compiling for a GPU takes many times as long as for a CPU.
        properties['CACHE_DIR'] = str(weights_folder() / 'compiled')
    return properties


def _metadata(model: Any) -> dict[str, str]:
    """The metadata of an ONNX file, which OpenVINO keeps under `framework`."""
    if 'framework' not in model.rt_info:
        return {}
    return {name: each.astype(str) for name, each in model.rt_info['framework'].items()}


def _shape(shape: Any) -> tuple[int | None, ...]:
    return tuple(None if length.is_dynamic else length.get_length() for length in shape)


def _reason(error: RuntimeError) -> str:
    """The last line that says something: OpenVINO puts lines of its own sources before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else 'no reason given'
