"""Feature extraction: runs the network on images and returns NumPy arrays."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fol_vpr.config import NetworkConfig
from fol_vpr.datatypes import Features, LocalFeatures
from fol_vpr.errors import DeviceError
from fol_vpr.network.model.aggregation import DESCRIPTOR_DIM
from fol_vpr.network.model.fol import FoLOutput
from fol_vpr.network.model.local_head import LOCAL_DIM
from fol_vpr.network.preprocessing import (
    RELEASED_SIZE,
    PreparedImage,
    input_size,
    prepare,
    preprocessing_id,
    to_batch,
    to_original,
)
from fol_vpr.network.runtime.device import choose_device, memory_guard
from fol_vpr.network.runtime.inference import InferenceNetwork
from fol_vpr.network.runtime.precision import choose_precision
from fol_vpr.network.weights import registry

log = logging.getLogger(__name__)

# Images that keep a GPU busy; one image keeps a CPU busy.
_BATCH_ON_CUDA = 16


class FeatureExtractor:
    """Extracts global and local features from images. For several threads, which take turns.

    Attributes:
        config: the settings, with the input size that is used.
        weights: what is known of the weights.
        model_id: architecture and SHA-256 of the weights.
        preprocessing_id: name of the preprocessing; see `preprocessing.preprocessing_id`.
        weights_name: registered name or file of the weights.
        trained: False for the deterministic random weights.
        device, precision: what is used, with `auto` resolved.
        precision_reason: why the precision was chosen, in words.
        descriptor_dim, local_dim: length of a global and of a local descriptor.
        parameter_bytes: memory of the weights on the device.
        batch: number of images that are best processed together.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Load the weights onto the device.

        Raises:
            WeightsError: the weights do not exist or are damaged.
            DeviceError: the device or precision is not available, or has not enough memory.
            InputError: the input size is not a multiple of 14.
        """
        if config.input_size:
            # Checks the size before the weights are loaded, which takes longer.
            input_size(config.input_size, config.input_size, config)
        if config.threads:
            torch.set_num_threads(config.threads)
        device = choose_device(config.device)
        precision = choose_precision(config.precision, device)
        log.info('precision %s: %s', precision.name, precision.reason)
        net, info = registry.load(config.weights)
        if not config.input_size:
            config = replace(config, input_size=info.input_size or RELEASED_SIZE)
        self.config = config
        self.preprocessing_id = preprocessing_id(config)
        if info.input_size not in (None, config.input_size):
            log.warning(
                'the weights %s were trained for an input_size of %d, but it is set to %d, where '
                'they may recognise fewer places',
                info.name,
                info.input_size,
                config.input_size,
            )
        self._device = device
        self._turn = threading.Lock()
        with memory_guard('the weights', device):
            inference = InferenceNetwork(
                net,
                device,
                precision.dtype,
                config.input_size,
                quantized=precision.name == 'int8',
            )
        self._net: InferenceNetwork | None = inference
        self.weights = info
        self.model_id = info.model_id
        self.weights_name = info.name
        self.trained = info.trained
        self.device = str(device)
        self.precision = precision.name
        self.precision_reason = precision.reason
        self.descriptor_dim = DESCRIPTOR_DIM
        self.local_dim = LOCAL_DIM
        self.batch = _BATCH_ON_CUDA if device.type == 'cuda' else 1
        self.parameter_bytes = inference.parameter_bytes

    def prepare(self, image: np.ndarray) -> PreparedImage:
        """Resize an image for the CPU, or pin its memory for CUDA: all that needs no network.

        May be called from any thread while `extract` runs on another.

        Args:
            image: [H, W, 3] uint8, RGB.

        Raises:
            InputError: the image has another shape or type.
            DeviceError: there is not enough memory.
        """
        with torch.inference_mode(), memory_guard('an image', self._device):
            return prepare(image, self.config, self._device)

    def extract(
        self,
        images: Sequence[np.ndarray | PreparedImage],
        timings: dict[str, float] | None = None,
    ) -> list[Features]:
        """Extract features; images of one input size are processed in one batch.

        Args:
            images: [H, W, 3] uint8, RGB, of any sizes, or results of `prepare`.
            timings: where given, the seconds spent are added to its `resize` and `forward`.

        Returns:
            Features of each image, positions in pixels of the original image.

        Raises:
            InputError: an image has another shape or type.
            DeviceError: the device has not enough memory, or the extractor is closed.
        """
        timings = {} if timings is None else timings
        started = time.perf_counter()
        prepared = [
            image if isinstance(image, PreparedImage) else self.prepare(image) for image in images
        ]
        _add(timings, 'resize', started)
        found: dict[int, Features] = {}
        for size in dict.fromkeys(image.size for image in prepared):
            members = [i for i, image in enumerate(prepared) if image.size == size]
            with self._turn:
                if self._net is None:
                    raise DeviceError('the feature extractor is closed')
                batch = [prepared[i] for i in members]
                features = self._extract_batch(self._net, batch, timings)
            found.update(zip(members, features, strict=True))
        return [found[i] for i in range(len(images))]

    def warm_up(self) -> float:
        """Run the network at the input size, so that the first image is not slow.

        On CUDA the second run records the graph that later images of this size use.

        Returns:
            Seconds that it took.

        Raises:
            DeviceError: the device has not enough memory.
        """
        start = time.perf_counter()
        side = self.config.input_size
        for _ in range(2 if self._device.type == 'cuda' else 1):
            self.extract([np.zeros((side, side, 3), dtype=np.uint8)])
        return time.perf_counter() - start

    def close(self) -> None:
        """Free the device's memory; the extractor cannot be used afterwards."""
        with self._turn:
            self._net = None
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()

    def _extract_batch(
        self, net: InferenceNetwork, images: list[PreparedImage], timings: dict[str, float]
    ) -> list[Features]:
        """Features of images of one input size."""
        height, width = images[0].size
        what = f'{len(images)} images of {width}x{height} px'
        with torch.inference_mode(), memory_guard(what, self._device):
            started = time.perf_counter()
            batch = to_batch(images, self._device)
            self._synchronize()
            _add(timings, 'resize', started)
            started = time.perf_counter()
            arrays = _to_host(net(batch))
            self._synchronize()
            _add(timings, 'forward', started)
        return [
            Features(
                global_descriptor=descriptor,
                local=replace(
                    local, positions=to_original(local.positions, image.size, image.image_size)
                ),
                image_size=image.image_size,
            )
            for image, (descriptor, local) in zip(images, arrays, strict=True)
        ]

    def _synchronize(self) -> None:
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)


def _add(timings: dict[str, float], stage: str, started: float) -> None:
    timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - started


def _to_host(out: FoLOutput) -> list[tuple[np.ndarray, LocalFeatures]]:
    """Global descriptor and local features of each image, positions in the network's input.

    Copies from a GPU are asynchronous: the arrays are valid after synchronisation.
    """

    def array(tensor: Tensor) -> np.ndarray:
        return tensor.to('cpu', non_blocking=True).numpy()

    return [
        (
            array(descriptor),
            LocalFeatures(array(local.descriptors), array(local.positions), array(local.weights)),
        )
        for descriptor, local in zip(out.global_descriptor, out.local, strict=True)
    ]
