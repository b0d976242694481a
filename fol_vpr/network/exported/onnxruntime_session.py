"""An exported network in ONNX Runtime, on the CPU or by one of its other providers."""

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

# Device: provider. `auto` takes the first one that the installed package has.
PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'openvino': 'OpenVINOExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
_PACKAGES = 'onnxruntime-gpu for cuda and tensorrt, onnxruntime-openvino for openvino'
_HALF = ('tensorrt', 'openvino')
"""Devices whose provider converts a float32 file to float16."""


class OnnxRuntimeSession:
    """See `backend.Session`."""

    def __init__(self, path: Path, config: NetworkConfig) -> None:
        """Load a file.

        Raises:
            DeviceError: ONNX Runtime is not installed, or does not have the device or precision.
            WeightsError: the file is damaged or no network.
        """
        ort = _import()
        device, number = _choose_device(config.device, ort.get_available_providers())
        self.precision = _choose_precision(config.precision, device)
        self.precision_reason = 'that of the exported file'
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if config.threads:
            options.intra_op_num_threads = config.threads
        # Threads that wait for work without sleeping take the time of the matching that follows.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        providers = [(PROVIDERS[device], _provider_options(device, number, self.precision))]
        if device != 'cpu':
            providers.append((PROVIDERS['cpu'], {}))
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # its errors have no class of their own
            raise WeightsError(
                f'{path} cannot be loaded by ONNX Runtime {ort.__version__}: '
                f'{_first_line(error)}; copy or export it again'
            ) from error
        device = self._device_in_use(device, config.device)
        self.runs_on = f'onnxruntime {device}' + (f':{number}' if number else '')
        self.metadata = self._session.get_modelmeta().custom_metadata_map
        outputs = {each.name: _shape(each.shape) for each in self._session.get_outputs()}
        self.shapes = [outputs[name] for name in OUTPUTS if name in outputs]
        inputs = {each.name: _shape(each.shape) for each in self._session.get_inputs()}
        self.batch = inputs.get(INPUT, (1,))[0]

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """See `backend.Session`."""
        try:
            found: list[np.ndarray] = self._session.run(list(OUTPUTS), {INPUT: images})
        except Exception as error:
            raise DeviceError(f'{self.runs_on} failed: {_first_line(error)}') from error
        return found

    def _device_in_use(self, wanted: str, setting: str) -> str:
        """The device of the first provider that the session has.

        A provider whose libraries cannot be loaded is left out of the session without an error.

        Raises:
            DeviceError: that is the one that was set.
        """
        first = self._session.get_providers()[0]
        if first == PROVIDERS[wanted]:
            return wanted
        problem = (
            f'ONNX Runtime could not start {PROVIDERS[wanted]}, and would run the network by '
            f'{first}: its libraries (CUDA, cuDNN, TensorRT) are missing or of another version'
        )
        if setting != 'auto':
            raise DeviceError(f'network.device is {setting}, but {problem}')
        log.warning('%s', problem)
        return next((name for name, provider in PROVIDERS.items() if provider == first), first)


def _import() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            f'network.runtime is onnxruntime, which cannot be imported ({error}): pip install '
            f'onnxruntime (or {_PACKAGES})'
        ) from error
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def _choose_device(setting: str, available: list[str]) -> tuple[str, int]:
    """Device and its number that `network.device` stands for.

    Raises:
        DeviceError: it is unknown, or the installed package has no provider for it.
    """
    there = [name for name, provider in PROVIDERS.items() if provider in available]
    if setting == 'auto':
        log.info(
            'ONNX Runtime has the devices %s (the order in which auto takes them): %s is taken',
            ', '.join(there),
            there[0],
        )
        return there[0], 0
    kind, _, number = setting.partition(':')
    if kind not in PROVIDERS or (number and (not number.isdecimal() or kind == 'cpu')):
        raise DeviceError(
            f'device is {setting!r}, expected auto, {", ".join(PROVIDERS)}, cuda:N or tensorrt:N '
            'with network.runtime onnxruntime'
        )
    if kind not in there:
        raise DeviceError(
            f'device is {setting!r}, but the installed onnxruntime has {", ".join(there)} only: '
            f'install {_PACKAGES}, in place of onnxruntime'
        )
    return kind, int(number or 0)


def _choose_precision(setting: str, device: str) -> str:
    if setting in ('auto', 'float32'):
        return 'float32'
    if setting == 'float16' and device in _HALF:
        return setting
    raise DeviceError(
        f'precision is {setting}, which ONNX Runtime does not compute a float32 file in on '
        f'{device}: use auto or float32 (float16 with the device tensorrt or openvino), or '
        'network.runtime openvino or torch'
    )


def _provider_options(device: str, number: int, precision: str) -> dict[str, str]:
    if device == 'cuda':
        return {'device_id': str(number)}
    if device == 'tensorrt':
        # Building an engine takes minutes.
        return {
            'device_id': str(number),
            'trt_fp16_enable': str(precision == 'float16'),
            'trt_engine_cache_enable': 'True',
            'trt_engine_cache_path': str(weights_folder() / 'compiled'),
        }
    if device == 'openvino':
        return {'device_type': 'CPU', 'precision': 'FP16' if precision == 'float16' else 'FP32'}
    return {}


def _shape(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(length if isinstance(length, int) else None for length in shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split('\n', 1)[0]
