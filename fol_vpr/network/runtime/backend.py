"""What runs the network: the interface of its runtimes, and what they share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fol_vpr.datatypes import LocalFeatures, Masks
from fol_vpr.network.model.architectures import PATCH
from fol_vpr.network.preprocessing import PreparedImage
from fol_vpr.network.weights.info import WeightsInfo


class Extracted(NamedTuple):
    """What the network gives for an image.

    Attributes:
        descriptor: global descriptor [D] float32, unit length.
        local: local features, positions in pixels of the network's input.
    """

    descriptor: np.ndarray
    local: LocalFeatures


class Backend(Protocol):
    """A network that is loaded on a device.

    Attributes:
        weights: what is known of the weights.
        device: where other parts compute, as torch calls it.
        runs_on: where the network runs, for people.
        precision: number format of the matrix products.
        precision_reason: why the precision was chosen, in words.
        batch: number of images that are best processed together.
        uses_compiled: it is faster once `fol_vpr.compiled.prepare` was called.
        warm_up_runs: number of runs after which the following ones are not slow.
        parameter_bytes: memory of the weights on the device.
        input_size: side of the only input that it accepts; None for any.
        descriptor_dim, local_dim: length of a global and of a local descriptor.
    """

    weights: WeightsInfo
    device: str
    runs_on: str
    precision: str
    precision_reason: str
    batch: int
    uses_compiled: bool
    warm_up_runs: int
    parameter_bytes: int
    input_size: int | None
    descriptor_dim: int
    local_dim: int

    def prepare(self, image: np.ndarray, size: tuple[int, int]) -> Any:
        """`PreparedImage.pixels` for an image [H, W, 3] uint8; callable from any thread."""

    def run(self, images: Sequence[PreparedImage], timings: dict[str, float]) -> list[Extracted]:
        """Process images of one input size; adds seconds to `resize` and `forward`."""

    def masks(self, image: PreparedImage) -> Masks:
        """What the network looks at in an image.

        Raises:
            InputError: this runtime does not give it.
        """

    def close(self) -> None:
        """Free the device's memory."""


def add_time(timings: dict[str, float], stage: str, started: float) -> None:
    """Add the seconds since `started` (of time.perf_counter) to a stage."""
    timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - started


def gather(
    descriptor: np.ndarray, dense: np.ndarray, kept: np.ndarray, weights: np.ndarray
) -> Extracted:
    """The features of one image from the outputs of an exported network.

    The NumPy twin of `local_head.gather_descriptors`; copies what it returns.

    Args:
        descriptor: [D].
        dense: [H, W, 128], unit length.
        kept: [H, W] bool, which are selected.
        weights: [H, W].
    """
    row, column = kept.nonzero()
    step, first = PATCH / 4, (PATCH - 1) / 2
    positions = np.stack((column, row), axis=1).astype(np.float32) * step + first
    local = LocalFeatures(dense[row, column], positions.astype(np.float32), weights[row, column])
    return Extracted(descriptor.copy(), local)
