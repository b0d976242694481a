"""The network from an exported file, in ONNX Runtime or OpenVINO, without torch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from fol_vpr.config import NetworkConfig
from fol_vpr.datatypes import Masks
from fol_vpr.errors import InputError
from fol_vpr.network.exported.file import (
    OUTPUTS,
    check_not_outdated,
    check_readable,
    find_exported,
    read_metadata,
)
from fol_vpr.network.preprocessing import PreparedImage, to_input
from fol_vpr.network.runtime.backend import Extracted, add_time, gather


class Session(Protocol):
    """A file that a runtime has loaded.

    Attributes:
        metadata: of the file.
        runs_on: runtime and device, for people.
        precision: number format of the matrix products.
        precision_reason: why the precision was chosen, in words.
        batch: number of images that each run takes; None for any number.
        shapes: of the outputs in the order of `OUTPUTS`; None for a length that is open.
    """

    metadata: dict[str, str]
    runs_on: str
    precision: str
    precision_reason: str
    batch: int | None
    shapes: list[tuple[int | None, ...]]

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """The outputs for images [batch, 3, S, S]; the next run may overwrite them.

        Raises:
            DeviceError: the runtime fails.
        """


class ExportedBackend:
    """Runs an exported file; see `Backend`."""

    # Other parts compute on the CPU: without torch they cannot use a GPU.
    device = 'cpu'
    # TensorRT and GPU plugins choose their kernels in the first run.
    uses_compiled = False
    warm_up_runs = 1

    def __init__(self, config: NetworkConfig) -> None:
        """Load the exported file of the weights.

        Raises:
            WeightsError: there is no such file, or it was not exported by this project.
            DeviceError: the runtime, device or precision is not available, or there is not enough
                memory.
            InputError: the runtime cannot do what is set.
        """
        if config.resize != 'fixed':
            raise InputError(
                f'network.resize is {config.resize}, but an exported file has one input shape: '
                'set it to fixed, or network.runtime to torch'
            )
        path = find_exported(config.weights, config.input_size)
        check_readable(path)
        self._session: Session | None = _open(path, config)
        exported = read_metadata(path, self._session.metadata)
        check_not_outdated(config.weights, exported)
        self.weights = exported.info
        self.input_size: int | None = exported.input_size
        if config.input_size not in (0, exported.input_size):
            raise InputError(
                f'{path} is made for an input of {exported.input_size} px, and input_size is '
                f'{config.input_size}: run `fol_vpr export onnx --weights {exported.info.name} '
                f'--input-size {config.input_size}` where torch is installed'
            )
        self.runs_on = self._session.runs_on
        self.precision = self._session.precision
        self.precision_reason = self._session.precision_reason
        self.batch = self._session.batch or 1
        self.parameter_bytes = _bytes_of(path)
        self.descriptor_dim, self.local_dim = _lengths(path, self._session)

    def prepare(self, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The network's input [3, h, w] float32."""
        return to_input(image, size)

    def run(self, images: Sequence[PreparedImage], timings: dict[str, float]) -> list[Extracted]:
        """Process images of one input size.

        Raises:
            DeviceError: the runtime fails.
        """
        assert self._session is not None
        started = time.perf_counter()
        found: list[Extracted] = []
        for batch in _batches([image.pixels for image in images], self._session.batch):
            outputs = self._session.run(batch)
            left = len(images) - len(found)
            found += [gather(*rows) for rows in list(zip(*outputs, strict=True))[:left]]
        add_time(timings, 'forward', started)
        return found

    def masks(self, image: PreparedImage) -> Masks:
        """Raise InputError: exported files have no such outputs."""
        raise InputError(
            'an exported file does not give the masks of the network: set network.runtime to '
            'torch, which needs the weights'
        )

    def close(self) -> None:
        """Free the memory of the runtime."""
        self._session = None


def _open(path: Path, config: NetworkConfig) -> Session:
    if config.runtime == 'openvino':
        from fol_vpr.network.exported.openvino_session import OpenVinoSession

        return OpenVinoSession(path, config)
    from fol_vpr.network.exported.onnxruntime_session import OnnxRuntimeSession

    return OnnxRuntimeSession(path, config)


def _batches(pixels: Sequence[np.ndarray], count: int | None) -> Iterator[np.ndarray]:
    """Images stacked by `count`; the last batch is filled up with its last image."""
    count = count or len(pixels)
    for first in range(0, len(pixels), count):
        group = list(pixels[first : first + count])
        yield np.stack(group + group[-1:] * (count - len(group)))


def _lengths(path: Path, session: Session) -> tuple[int, int]:
    """Length of a global and of a local descriptor.

    Raises:
        WeightsError: as for `read_metadata`, where the outputs are others.
    """
    descriptor, dense = session.shapes[:2]
    lengths = descriptor[-1], dense[-1]
    if len(session.shapes) != len(OUTPUTS) or not all(lengths):
        read_metadata(path, {})
    return int(lengths[0] or 0), int(lengths[1] or 0)


def _bytes_of(path: Path) -> int:
    """Size of the file, with that of its parameters where these are in a second one."""
    parts = (path, path.with_name(path.name + '.data'))
    return sum(part.stat().st_size for part in parts if part.is_file())
