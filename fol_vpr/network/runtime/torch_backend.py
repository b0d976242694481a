"""The network in torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fol_vpr.config import NetworkConfig
from fol_vpr.datatypes import LocalFeatures, Masks
from fol_vpr.network.model.aggregation import DESCRIPTOR_DIM
from fol_vpr.network.model.architectures import ARCHITECTURES, PATCH
from fol_vpr.network.model.fol import FoLOutput
from fol_vpr.network.model.local_head import LOCAL_DIM
from fol_vpr.network.preprocessing import RELEASED_SIZE, PreparedImage, to_input
from fol_vpr.network.runtime.backend import Extracted, add_time
from fol_vpr.network.runtime.device import choose_device, memory_guard
from fol_vpr.network.runtime.inference import InferenceNetwork
from fol_vpr.network.runtime.precision import AMX_BFLOAT16, choose_precision, processor_flags
from fol_vpr.network.tensors import as_tensor, resized
from fol_vpr.network.weights import registry

log = logging.getLogger(__name__)

# Images that keep a GPU busy; one image keeps a CPU busy.
_BATCH_ON_CUDA = 16
# Patches of an image times the width of the network, up to which one core with AMX takes no longer
# than two: their threads meet some hundred times in a pass, and each time one of them waits, for
# milliseconds where another program has its core (benchmarks/results/speed.md).
_FOR_ONE_THREAD = 40_000


class TorchBackend:
    """Runs checkpoints on the CPU or on CUDA; see `Backend`."""

    input_size: int | None = None
    descriptor_dim = DESCRIPTOR_DIM
    local_dim = LOCAL_DIM

    def __init__(self, config: NetworkConfig) -> None:
        """Load the weights onto the device.

        Raises:
            WeightsError: the weights do not exist or are damaged.
            DeviceError: the device or precision is not available, or has not enough memory.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        self._device = choose_device(config.device)
        precision = choose_precision(config.precision, self._device)
        self.precision, self.precision_reason = precision.name, precision.reason
        log.info('precision %s: %s', precision.name, precision.reason)
        net, self.weights = registry.load(config.weights)
        size = config.input_size or self.weights.input_size or RELEASED_SIZE
        with memory_guard('the weights', self._device):
            self._net = InferenceNetwork(
                net, self._device, precision.dtype, size, quantized=precision.name == 'int8'
            )
        self.parameter_bytes = self._net.parameter_bytes
        self.device = self.runs_on = str(self._device)
        on_cuda = self._device.type == 'cuda'
        self.batch = _BATCH_ON_CUDA if on_cuda else 1
        self._width = ARCHITECTURES[net.architecture].width
        self._threads = torch.get_num_threads()
        self.uses_compiled = (
            not on_cuda and precision.name == 'bfloat16' and AMX_BFLOAT16 in processor_flags()
        )
        self._spares_threads = self.uses_compiled and not config.threads
        # The second run of a shape records its graph.
        self.warm_up_runs = 2 if on_cuda else 1

    def prepare(self, image: np.ndarray, size: tuple[int, int]) -> Any:
        """The network's input for the CPU; for CUDA the image in page-locked memory.

        Raises:
            DeviceError: there is not enough memory.
        """
        if self._device.type != 'cuda':
            return to_input(image, size)
        with torch.inference_mode(), memory_guard('an image', self._device):
            return as_tensor(image).pin_memory()

    def run(self, images: Sequence[PreparedImage], timings: dict[str, float]) -> list[Extracted]:
        """Process images of one input size.

        Raises:
            DeviceError: the device has not enough memory.
        """
        height, width = images[0].size
        what = f'{len(images)} images of {width}x{height} px'
        with torch.inference_mode(), memory_guard(what, self._device):
            started = time.perf_counter()
            batch = self._batch(images)
            self._synchronize()
            add_time(timings, 'resize', started)
            started = time.perf_counter()
            found = _to_host(self._forward(batch))
            self._synchronize()
            add_time(timings, 'forward', started)
        return found

    def masks(self, image: PreparedImage) -> Masks:
        """What the network looks at in an image.

        Raises:
            DeviceError: the device has not enough memory.
        """
        grid = image.size[0] // PATCH, image.size[1] // PATCH
        with torch.inference_mode(), memory_guard('an image', self._device):
            found = self._forward(self._batch([image]))
            local = found.local[0]
            # Every fourth position is the centre of a patch, and of a chosen patch it is kept.
            steps = ((local.positions.cpu() - (PATCH - 1) / 2) / (PATCH / 4)).round().long()
            centres = steps[(steps % 4 == 0).all(dim=1)] // 4
            chosen = torch.zeros(grid, dtype=torch.bool)
            chosen[centres[:, 1], centres[:, 0]] = True
            return Masks(
                attention=found.attention[0].view(grid).float().cpu().numpy().copy(),
                assignment=found.assignment[0].unflatten(1, grid).float().cpu().numpy().copy(),
                chosen=chosen.numpy(),
                local_features=len(local.positions),
                image_size=image.image_size,
                input_size=(image.size[1], image.size[0]),
            )

    def close(self) -> None:
        """Free the device's memory."""
        del self._net
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()

    def _forward(self, batch: Tensor) -> FoLOutput:
        """The network's output for a batch [B, 3, h, w]."""
        numbers = (batch.shape[-2] // PATCH) * (batch.shape[-1] // PATCH) * self._width
        if not self._spares_threads or numbers > _FOR_ONE_THREAD:
            return self._net(batch)
        torch.set_num_threads(1)
        try:
            return self._net(batch)
        finally:
            torch.set_num_threads(self._threads)

    def _batch(self, images: Sequence[PreparedImage]) -> Tensor:
        """The network's input [B, 3, h, w]."""
        if self._device.type != 'cuda':
            return torch.from_numpy(np.stack([image.pixels for image in images]))
        uploads = [image.pixels.to(self._device, non_blocking=True) for image in images]
        pairs = zip(uploads, images, strict=True)
        return torch.stack([resized(upload, image.size) for upload, image in pairs])

    def _synchronize(self) -> None:
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)


def _to_host(out: FoLOutput) -> list[Extracted]:
    """Copies from a GPU are asynchronous: the arrays are valid after synchronisation."""

    def array(tensor: Tensor) -> np.ndarray:
        return tensor.to('cpu', non_blocking=True).numpy()

    return [
        Extracted(
            array(descriptor),
            LocalFeatures(array(local.descriptors), array(local.positions), array(local.weights)),
        )
        for descriptor, local in zip(out.global_descriptor, out.local, strict=True)
    ]
