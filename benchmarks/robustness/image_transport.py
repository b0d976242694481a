"""CompressedImage as the versions of compressed_image_transport write it, from its sources.

The plugin converts with cv_bridge and compresses with OpenCV, which takes three channels for BGR.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

PATTERNS = ('rggb', 'bggr', 'gbrg', 'grbg')
COLOURS = (
    'rgb8', 'bgr8', 'rgba8', 'bgra8', 'rgb16', 'bgr16', 'rgba16', 'bgra16',
)  # fmt: skip
BAYER = tuple(f'bayer_{pattern}{bits}' for bits in (8, 16) for pattern in PATTERNS)
GREYS = ('mono8', 'mono16')
NOETIC, HUMBLE, JAZZY = 'noetic', 'humble', 'jazzy'
_GREY_OF_MOSAIC = {
    'rggb': cv2.COLOR_BayerBG2GRAY,
    'bggr': cv2.COLOR_BayerRG2GRAY,
    'gbrg': cv2.COLOR_BayerGR2GRAY,
    'grbg': cv2.COLOR_BayerGB2GRAY,
}


def scene(width: int = 64, height: int = 48, seed: int = 1) -> np.ndarray:
    """[H, W, 3] uint8 RGB, smooth enough for a mosaic and for JPEG."""
    coarse = np.random.default_rng(seed).integers(20, 236, (4, 5, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def mosaic(rgb: np.ndarray, pattern: str) -> np.ndarray:
    """[H, W]: of each pixel the one colour that a Bayer filter lets through."""
    out = np.empty(rgb.shape[:2], rgb.dtype)
    for place, colour in enumerate(pattern):
        rows, columns = slice(place // 2, None, 2), slice(place % 2, None, 2)
        out[rows, columns] = rgb[rows, columns, 'rgb'.index(colour)]
    return out


def raw_values(rgb: np.ndarray, encoding: str) -> np.ndarray:
    """The values of a raw image with an encoding; those with 16 bits use all of them."""
    bits = 16 if encoding.endswith('16') else 8
    values = rgb.astype(np.uint16) * 257 if bits == 16 else rgb
    if encoding.startswith('bayer'):
        return mosaic(values, encoding[6:10])
    if encoding.startswith('mono'):
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        return grey.astype(np.uint16) * 257 if bits == 16 else grey
    ordered = values if encoding.startswith('rgb') else values[:, :, ::-1]
    if 'a' in encoding:
        ordered = np.dstack([ordered, np.full(rgb.shape[:2], 2**bits - 1, values.dtype)])
    return np.ascontiguousarray(ordered)


def raw_message(values: np.ndarray, encoding: str) -> SimpleNamespace:
    """The fields of a sensor_msgs/Image."""
    height, width = values.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=values.nbytes // height,
        data=values.tobytes(),
    )


def compressed_message(
    rgb: np.ndarray, encoding: str, codec: str, version: str = JAZZY
) -> SimpleNamespace:
    """The fields of a sensor_msgs/CompressedImage that a version of the plugin makes."""
    values, stored = raw_values(rgb, encoding), ''
    is_color = encoding in COLOURS
    if codec == 'jpeg' and is_color:
        values, stored = _as_bgr(values, encoding, 8), 'bgr8'
    elif codec == 'jpeg' and version != NOETIC:
        values, stored = _as_mono8(values, encoding), 'mono8'
    elif codec == 'png' and is_color:
        bits = 16 if encoding.endswith('16') else 8
        values, stored = _as_bgr(values, encoding, bits), f'bgr{bits}'
    if codec == 'jpeg' and values.dtype == np.uint16:
        values = np.minimum(values, 255).astype(np.uint8)  # as cv::imencode does
    return message(f'{encoding}; {codec} compressed {stored}', imencode(values, codec))


def message(described: str, data: bytes) -> SimpleNamespace:
    """The fields of a sensor_msgs/CompressedImage."""
    return SimpleNamespace(format=described, data=data)


def imencode(values: np.ndarray, codec: str) -> bytes:
    """A file that OpenCV makes of an array, three channels taken as BGR."""
    parameters: list[int] = [cv2.IMWRITE_JPEG_QUALITY, 98] if codec == 'jpeg' else []
    ending = {'jpeg': '.jpg', 'png': '.png', 'tiff': '.tiff'}[codec]
    done, data = cv2.imencode(ending, values, parameters)
    assert done
    return bytes(data)


def _as_bgr(values: Any, encoding: str, bits: int) -> np.ndarray:
    bgr = values[:, :, 2::-1] if encoding.startswith('rgb') else values[:, :, :3]
    if bits == 8 and bgr.dtype == np.uint16:
        bgr = np.rint(bgr / 257).astype(np.uint8)
    return np.ascontiguousarray(bgr)


def _as_mono8(values: Any, encoding: str) -> np.ndarray:
    if values.dtype == np.uint16:
        values = np.rint(values / 257).astype(np.uint8)
    if encoding.startswith('bayer'):
        return np.asarray(cv2.cvtColor(values, _GREY_OF_MOSAIC[encoding[6:10]]))
    return np.asarray(values)
