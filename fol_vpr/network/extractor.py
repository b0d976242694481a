"""Feature extraction: runs the network on images and returns NumPy arrays."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fol_vpr import compiled
from fol_vpr.config import NetworkConfig
from fol_vpr.datatypes import Features, Masks
from fol_vpr.errors import DeviceError
from fol_vpr.network.preprocessing import (
    RELEASED_SIZE,
    PreparedImage,
    check_image,
    input_size,
    preprocessing_id,
    to_original,
)
from fol_vpr.network.runtime.backend import Backend, Extracted, add_time
from fol_vpr.network.runtime.selection import load_network

log = logging.getLogger(__name__)


class FeatureExtractor:
    """Extracts global and local features from images. For several threads, which take turns.

    Attributes:
        config: the settings, with the input size that is used.
        weights: what is known of the weights.
        model_id: architecture and SHA-256 of the weights.
        preprocessing_id: name of the preprocessing; see `preprocessing.preprocessing_id`.
        weights_name: registered name or file of the weights.
        trained: False for the deterministic random weights.
        device: where other parts compute, as torch calls it: that of the network with the runtime
            torch, else the CPU.
        runs_on: where the network runs, for people.
        precision: number format that is used, with `auto` resolved.
        precision_reason: why the precision was chosen, in words.
        descriptor_dim, local_dim: length of a global and of a local descriptor.
        parameter_bytes: memory of the weights on the device.
        batch: number of images that are best processed together.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Load the weights onto the device.

        Raises:
            WeightsError: the weights do not exist or are damaged.
            DeviceError: the runtime, device or precision is not available, or there is not enough
                memory.
            InputError: the input size is not a multiple of 14, or the runtime cannot do what is
                set.
        """
        if config.input_size:
            # Checks the size before the weights are loaded, which takes longer.
            input_size(config.input_size, config.input_size, config)
        backend = load_network(config)
        info = backend.weights
        if not config.input_size:
            size = backend.input_size or info.input_size or RELEASED_SIZE
            config = replace(config, input_size=size)
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
        self._turn = threading.Lock()
        self._backend: Backend | None = backend
        # Another thread may be preparing an image when this one closes the extractor.
        self._prepare = backend.prepare
        self.weights = info
        self.model_id = info.model_id
        self.weights_name = info.name
        self.trained = info.trained
        self.device = backend.device
        self.runs_on = backend.runs_on
        self.precision = backend.precision
        self.precision_reason = backend.precision_reason
        self.descriptor_dim = backend.descriptor_dim
        self.local_dim = backend.local_dim
        self.batch = backend.batch
        self.parameter_bytes = backend.parameter_bytes

    def prepare(self, image: np.ndarray) -> PreparedImage:
        """Resize an image for the CPU, or pin its memory for CUDA: all that needs no network.

        May be called from any thread while `extract` runs on another.

        Args:
            image: [H, W, 3] uint8, RGB.

        Raises:
            InputError: the image has another shape or type.
            DeviceError: there is not enough memory.
        """
        height, width = check_image(image)
        size = input_size(height, width, self.config)
        return PreparedImage(self._prepare(image, size), size, (width, height))

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
        add_time(timings, 'resize', started)
        found: dict[int, Extracted] = {}
        for size in dict.fromkeys(image.size for image in prepared):
            members = [i for i, image in enumerate(prepared) if image.size == size]
            with self._turn:
                extracted = self._open().run([prepared[i] for i in members], timings)
            found.update(zip(members, extracted, strict=True))
        return [_features(image, found[i]) for i, image in enumerate(prepared)]

    def masks(self, image: np.ndarray | PreparedImage) -> Masks:
        """What the network looks at in an image, and what it keeps of it.

        Args:
            image: [H, W, 3] uint8, RGB, or a result of `prepare`.

        Raises:
            InputError: the image has another shape or type, or the runtime is not torch.
            DeviceError: the device has not enough memory, or the extractor is closed.
        """
        prepared = image if isinstance(image, PreparedImage) else self.prepare(image)
        with self._turn:
            return self._open().masks(prepared)

    def compile(self) -> None:
        """Compile what makes the network faster on this processor, if anything does; wait for it.

        For programs that extract many images. It takes some forty seconds at the first start on
        a machine and one later (fol_vpr/compiled.py).
        """
        if self._open().uses_compiled:
            compiled.prepare()

    def warm_up(self) -> float:
        """Run the network at the input size, so that the first image is not slow.

        Returns:
            Seconds that it took.

        Raises:
            DeviceError: the device has not enough memory.
        """
        start = time.perf_counter()
        side = self.config.input_size
        for _ in range(self._open().warm_up_runs):
            self.extract([np.zeros((side, side, 3), dtype=np.uint8)])
        return time.perf_counter() - start

    def close(self) -> None:
        """Free the device's memory; the extractor cannot be used afterwards."""
        with self._turn:
            if self._backend is not None:
                self._backend.close()
            self._backend = None

    def _open(self) -> Backend:
        if self._backend is None:
            raise DeviceError('the feature extractor is closed')
        return self._backend


def _features(image: PreparedImage, found: Extracted) -> Features:
    """Features of an image, positions in its pixels."""
    positions = to_original(found.local.positions, image.size, image.image_size)
    return Features(
        global_descriptor=found.descriptor,
        local=replace(found.local, positions=positions),
        image_size=image.image_size,
    )
