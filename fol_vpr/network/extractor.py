"""Runs the network on images: device, precision, batches, and results as NumPy arrays."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from fol_vpr.config import NetworkConfig
from fol_vpr.datatypes import Features, LocalFeatures
from fol_vpr.errors import DeviceError
from fol_vpr.network import registry
from fol_vpr.network.aggregation import DESCRIPTOR_DIM
from fol_vpr.network.device import choose_device, choose_dtype, memory_guard
from fol_vpr.network.fol import FoL, FoLOutput
from fol_vpr.network.local_head import LOCAL_DIM
from fol_vpr.network.preprocessing import (
    RELEASED_SIZE,
    check_image,
    input_size,
    preprocessing_id,
    to_input,
    to_original,
)

log = logging.getLogger(__name__)


class FeatureExtractor:
    """Images in, `Features` out.

    Attributes:
        model_id: architecture and SHA-256 of the weights.
        preprocessing_id: how images are brought to the network's input.
        weights_name: how people call the weights.
        trained: False for the deterministic random ones.
        device, precision: what `auto` came to.
        descriptor_dim, local_dim: numbers of a global and of a local descriptor.
        parameter_bytes: memory that the weights take on the device.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Load the weights onto the device.

        Raises:
            WeightsError: there are no such weights, or they are damaged.
            DeviceError: the device or precision is not to be had here.
            InputError: the input size is no multiple of 14.
        """
        if config.input_size:
            # Loading takes longer than telling that the size is no multiple of the patch.
            input_size(config.input_size, config.input_size, config)
        if config.threads:
            torch.set_num_threads(config.threads)
        device = choose_device(config.device)
        dtype = choose_dtype(config.precision, device)
        net, info = registry.load(config.weights)
        if not config.input_size:
            config = replace(config, input_size=info.input_size or RELEASED_SIZE)
        self.config = config
        self.preprocessing_id = preprocessing_id(config)
        if info.input_size not in (None, config.input_size):
            log.warning(
                'the weights %s were made for an input_size of %d, set is %d: at another size '
                'they may recognise less',
                info.name,
                info.input_size,
                config.input_size,
            )
        self._device = device
        with memory_guard('the weights', device):
            self._net: FoL | None = net.set_precision(dtype).to(device)
        self.weights = info
        self.model_id = info.model_id
        self.weights_name = info.name
        self.trained = info.trained
        self.device = str(device)
        self.precision = str(dtype).removeprefix('torch.')
        self.descriptor_dim = DESCRIPTOR_DIM
        self.local_dim = LOCAL_DIM
        self.parameter_bytes = sum(p.numel() * p.element_size() for p in net.parameters())

    def extract(
        self, images: Sequence[np.ndarray], timings: dict[str, float] | None = None
    ) -> list[Features]:
        """Describe images, those of one input size together in one batch.

        Args:
            images: [H, W, 3] uint8, RGB, of any sizes.
            timings: where given, the seconds spent are added to its `resize` and `forward`.

        Raises:
            InputError: an image is of another shape or type.
            DeviceError: the device has no memory left.
        """
        if self._net is None:
            raise DeviceError('the feature extractor is closed')
        timings = {} if timings is None else timings
        sizes = [input_size(*check_image(image), self.config) for image in images]
        found: dict[int, Features] = {}
        for size in dict.fromkeys(sizes):
            members = [i for i, other in enumerate(sizes) if other == size]
            batch = [images[i] for i in members]
            described = self._describe(self._net, batch, size, timings)
            found.update(zip(members, described, strict=True))
        return [found[i] for i in range(len(images))]

    def warm_up(self) -> float:
        """Run once at the input size; returns the seconds that it took.

        Raises:
            DeviceError: the device has no memory left.
        """
        start = time.perf_counter()
        side = self.config.input_size
        self.extract([np.zeros((side, side, 3), dtype=np.uint8)])
        return time.perf_counter() - start

    def close(self) -> None:
        """Give the device's memory back; the extractor cannot be used afterwards."""
        self._net = None
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()

    def _describe(
        self,
        net: FoL,
        images: list[np.ndarray],
        size: tuple[int, int],
        timings: dict[str, float],
    ) -> list[Features]:
        what = f'{len(images)} images of {size[1]}x{size[0]} px'
        with torch.inference_mode(), memory_guard(what, self._device):
            start = time.perf_counter()
            batch = torch.stack([to_input(image, size, self._device) for image in images])
            self._synchronize()
            resized = time.perf_counter()
            out = net(batch)
            found = [
                _to_features(out, i, size, (image.shape[1], image.shape[0]))
                for i, image in enumerate(images)
            ]
        timings['resize'] = timings.get('resize', 0.0) + resized - start
        timings['forward'] = timings.get('forward', 0.0) + time.perf_counter() - resized
        return found

    def _synchronize(self) -> None:
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)


def _to_features(
    out: FoLOutput, row: int, size: tuple[int, int], image_size: tuple[int, int]
) -> Features:
    """One row of the network's output, with positions in the original image."""
    local = out.local[row]
    return Features(
        global_descriptor=out.global_descriptor[row].cpu().numpy(),
        local=LocalFeatures(
            descriptors=local.descriptors.cpu().numpy(),
            positions=to_original(local.positions.cpu().numpy(), size, image_size),
            weights=local.weights.cpu().numpy(),
        ),
        image_size=image_size,
    )
