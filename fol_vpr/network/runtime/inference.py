"""The network prepared for inference on one device.

On a CPU it runs as `CpuNetwork`. On CUDA, a forward pass of one image is
several hundred kernels, most of which run for less time than Python takes to launch them; they are
recorded as a CUDA graph, which launches them together.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fol_vpr.network.cpu.network import CpuNetwork
from fol_vpr.network.model.fol import DenseOutput, FoL, FoLOutput

log = logging.getLogger(__name__)

# Runs before a graph is recorded, and most input shapes that get a graph.
_WARM_UP_RUNS = 3
_MAX_GRAPHS = 4


class _Recorded(NamedTuple):
    """A CUDA graph, the input tensor that it reads, and the output that it writes."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    found: DenseOutput


class InferenceNetwork:
    """Runs the network as fast as the device allows.

    On CUDA, the graph of an input shape is recorded when the shape occurs for the second time, for
    the first four such shapes; other shapes, and networks that cannot be recorded, run without a
    graph. The global descriptors, masks and assignments that a call returns are overwritten by the
    next call.

    Args:
        net: in evaluation mode; it is changed and must not be used otherwise afterwards.
        device: where to run.
        dtype: of matrix products and convolutions.
        size: side in pixels of most inputs.
        quantized: compute the transformer's products with weights in 8 bit integers; requires a
            CPU and float32.

    Attributes:
        parameter_bytes: memory of the weights on the device.
    """

    def __init__(
        self,
        net: FoL,
        device: torch.device,
        dtype: torch.dtype,
        size: int,
        *,
        quantized: bool = False,
    ) -> None:
        self._device = device
        self.parameter_bytes = _parameter_bytes(net, dtype)
        self._on_cpu: CpuNetwork | None = None
        if device.type == 'cpu':
            self._on_cpu = CpuNetwork(net, dtype, size, quantized=quantized)
        else:
            self._net = net.to(device).set_precision(dtype)
        self._met: set[tuple[int, ...]] = set()
        self._recorded: dict[tuple[int, ...], _Recorded | None] = {}

    def __call__(self, images: Tensor) -> FoLOutput:
        """Output for images [B, 3, H, W]; to be called in inference mode."""
        if self._on_cpu is not None:
            return self._on_cpu(images)
        return self._describe(images).output()

    def _describe(self, images: Tensor) -> DenseOutput:
        """All that is recorded; the number of selected descriptors depends on the image."""
        shape = tuple(images.shape)
        if shape in self._met and shape not in self._recorded and self._may_record():
            self._recorded[shape] = self._record(images)
        self._met.add(shape)
        recorded = self._recorded.get(shape)
        if recorded is None:
            return self._net.describe(images)
        recorded.images.copy_(images)
        recorded.graph.replay()
        return recorded.found

    def _may_record(self) -> bool:
        return self._device.type == 'cuda' and len(self._recorded) < _MAX_GRAPHS

    def _record(self, images: Tensor) -> _Recorded | None:
        """Record the graph for inputs of this shape; None where that fails."""
        with torch.cuda.device(self._device):
            # In the first runs, libraries select algorithms and allocate workspaces, which must
            # not be recorded, nor happen on the recorded stream.
            static = images.clone()
            current, side = torch.cuda.current_stream(), torch.cuda.Stream()
            side.wait_stream(current)
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP_RUNS):
                    self._net.describe(static)
            current.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            try:
                # Other threads pin and upload images meanwhile.
                with torch.cuda.graph(graph, capture_error_mode='thread_local'):
                    found = self._net.describe(static)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:
                reason = str(error).strip().split('\n', 1)[0]
                log.warning(
                    'no CUDA graph can be recorded (%s): the network runs kernel by kernel', reason
                )
                return None
        return _Recorded(graph, static, found)


def _parameter_bytes(net: FoL, dtype: torch.dtype) -> int:
    """Memory of the weights, those of matrix products and convolutions in `dtype`."""
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    halved = sum(p.numel() for m in net.modules() if isinstance(m, layers) for p in m.parameters())
    total = sum(p.numel() for p in net.parameters())
    return halved * dtype.itemsize + (total - halved) * torch.float32.itemsize
