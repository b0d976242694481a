"""The network made ready for one device, for inference alone.

On a CPU the weights of the transformer are packed once. On CUDA, where a forward pass of one image
is several hundred kernels that mostly take less time than Python takes to launch them, all of them
are recorded as a CUDA graph, which launches them at once.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch
from torch import Tensor

from fol_vpr.network.model.fol import DenseOutput, FoL
from fol_vpr.network.model.linear import pack, quantize
from fol_vpr.network.model.vit import PATCH

log = logging.getLogger(__name__)

_WARM_UP_RUNS = 3
_MAX_GRAPHS = 4


class _Recorded(NamedTuple):
    """A graph, the input that it reads, and the output that it writes."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    found: DenseOutput


class InferenceNetwork:
    """Calls `FoL.describe`, in the fastest way that the device has.

    The CUDA graph of a shape is recorded when the shape comes for the second time, for the first
    few shapes; all else, and what cannot be recorded, is computed without. What a call returns is
    overwritten by the next one.

    Args:
        net: in evaluation mode; is changed, and of no other use afterwards.
        device: where it is to run.
        dtype: of matrix products and convolutions.
        size: side in pixels of most inputs.
        quantized: whether the transformer's products with weights are those of 8 bit numbers; on
            a CPU, in float32.

    Attributes:
        parameter_bytes: memory that the weights take on the device.
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
        self._net = net.to(device).set_precision(dtype)
        self._device = device
        self.parameter_bytes = sum(p.numel() * p.element_size() for p in net.parameters())
        if quantized:
            quantize(net.backbone)
        elif device.type == 'cpu':
            pack(net.backbone, rows=(size // PATCH) ** 2 + 1)
        self._met: set[tuple[int, ...]] = set()
        self._recorded: dict[tuple[int, ...], _Recorded | None] = {}

    def __call__(self, images: Tensor) -> DenseOutput:
        """Describe images [B, 3, H, W]; to be called in inference mode."""
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
        """The graph for inputs like these, or None where it cannot be had."""
        with torch.cuda.device(self._device):
            # Libraries choose algorithms and allocate workspaces in the first runs, which must
            # not be recorded, nor happen on the stream that is.
            static = images.clone()
            present, side = torch.cuda.current_stream(), torch.cuda.Stream()
            side.wait_stream(present)
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP_RUNS):
                    self._net.describe(static)
            present.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            try:
                # Other threads go on pinning and uploading images meanwhile.
                with torch.cuda.graph(graph, capture_error_mode='thread_local'):
                    found = self._net.describe(static)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:
                reason = str(error).strip().split('\n', 1)[0]
                log.warning('no CUDA graph (%s): the network runs kernel by kernel', reason)
                return None
        return _Recorded(graph, static, found)
