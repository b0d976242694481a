"""Global descriptors of FoL for RTAB-Map: a script for its parameter PyDescriptor/Path.

RTAB-Map calls `init` once and `extract` for each image, in its own process. What it expects, and
what happens to it otherwise, is read from its corelib/src/python/PyDescriptor.cpp and
corelib/src/Signature.cpp at commit 1a841e8 (0.23.7):

- an exception from `init` ends the process (a reference to nothing is given back), and so does
  anything but an array with two dimensions from `extract`;
- an exception from `extract` leaves the image without a descriptor. Comparing it with an image
  that has one ends the process (an assertion in Signature::compareTo).

So `init` never raises, and `extract` returns a descriptor for every image, of zeros where it
fails: its similarity to any other is 0. Where the network could not be loaded, `extract` raises
for each image alike: RTAB-Map then logs the reason and compares visual words.

Environment variables, because RTAB-Map passes nothing but a number:
    FOL_VPR_WEIGHTS: name or file of the weights, see `fol_vpr weights list`; default fol_tiny.
    FOL_VPR_INPUT_SIZE: side of the network input in pixels, a multiple of 14; default that of the
        weights.
    FOL_VPR_DEVICE: cpu, cuda, cuda:N; default cuda where there is one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fol_vpr.network import FeatureExtractor

_extractor: FeatureExtractor | None = None
_problem = 'init was not called'


def init(dim: int) -> None:
    """Load the network; called by RTAB-Map once, before the first image.

    Args:
        dim: RTAB-Map's parameter PyDescriptor/Dim. A descriptor of FoL cannot be shortened, and
            RTAB-Map takes the length that it gets: another number is only remarked on.
    """
    global _extractor, _problem
    try:
        from fol_vpr.config import NetworkConfig
        from fol_vpr.network import FeatureExtractor

        usual = NetworkConfig()
        _extractor = FeatureExtractor(
            NetworkConfig(
                weights=os.environ.get('FOL_VPR_WEIGHTS') or usual.weights,
                input_size=int(os.environ.get('FOL_VPR_INPUT_SIZE') or usual.input_size),
                device=os.environ.get('FOL_VPR_DEVICE') or usual.device,
            )
        )
        _problem = ''
    except Exception as error:  # noqa: BLE001 whatever it is, it must not reach RTAB-Map
        _extractor, _problem = None, f'{type(error).__name__}: {error}'
        _say(f'the network could not be loaded, images get no descriptor: {_problem}')
        return
    size = _extractor.descriptor_dim
    remark = '' if dim == size else f'; set PyDescriptor/Dim to {size}, it is {dim}'
    _say(f'{_extractor.weights_name} on {_extractor.runs_on}, descriptors of {size}{remark}')


def extract(image: np.ndarray) -> np.ndarray:
    """The descriptor of one image; called by RTAB-Map.

    Args:
        image: [H, W, C] int8, in truth the unsigned values 0 to 255: blue, green, red where C is
            3, grey where it is 1. RTAB-Map owns the memory, and frees it after the call.

    Returns:
        [1, D] float32, C-contiguous, of unit length; zeros where the image cannot be processed.

    Raises:
        RuntimeError: the network could not be loaded.
    """
    if _extractor is None:
        # RTAB-Map takes the traceback as ASCII, and ends where it is not.
        raise RuntimeError(f'fol_vpr: {_problem}'.encode('ascii', 'replace').decode())
    try:
        features = _extractor.extract([_as_rgb(image)])[0]
        descriptor = np.ascontiguousarray(features.global_descriptor[None], np.float32)
        if not np.isfinite(descriptor).all():
            raise ValueError('the network gave numbers that are not finite')
        return descriptor
    except Exception as error:  # noqa: BLE001 an image without a descriptor would end RTAB-Map
        _say(f'an image gets a descriptor of zeros: {type(error).__name__}: {error}')
        return np.zeros((1, _extractor.descriptor_dim), np.float32)


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """RGB [H, W, 3] uint8, in memory of its own, of an image as RTAB-Map gives it."""
    pixels = image.view(np.uint8)
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ValueError(f'the image has the shape {pixels.shape}, expected 1, 3 or 4 channels')
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, 2::-1])


def _say(text: str) -> None:
    sys.stderr.write(f'fol_vpr_descriptor: {text}\n')
    sys.stderr.flush()
