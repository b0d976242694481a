"""Single images, as a program or a user gives them: a file, an array, or a frame."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.config import CameraConfig
from fol_vpr.datatypes import Frame
from fol_vpr.errors import InputError
from fol_vpr.files import read_bytes
from fol_vpr.sources.cameras import configured_calibration, size_mismatch
from fol_vpr.sources.images.stored_image import MAX_ENCODED_BYTES
from fol_vpr.sources.images.stream import StreamDecoder
from fol_vpr.sources.source import FrameSource

ImageLike = str | os.PathLike[str] | np.ndarray | Frame
"""What `frame_of` takes: the path of an image file, RGB [H, W, 3] uint8, or a frame."""

log = logging.getLogger(__name__)

_EXPECTED = 'the path of an image file, an RGB array [height, width, 3] of uint8, or a Frame'
_ORDER = 'in the order red, green, blue (of OpenCV: image[:, :, ::-1])'


def frame_of(image: ImageLike, warn: Callable[[str], Any]) -> Frame:
    """The frame of one image that a program gives in any of the usual ways.

    Args:
        image: the path of an image file; pixels [H, W, 3] uint8 in the order red, green, blue; or
            a frame, which is returned as it is. Whether an array has its channels in OpenCV's
            order (blue, green, red) cannot be seen: that is for the caller to turn around.
        warn: called with what is odd about a file.

    Raises:
        InputError: it is none of these; the message names the remedy for what it probably is. Or
            the file cannot be read.
    """
    if isinstance(image, Frame):
        return image
    if isinstance(image, (str, os.PathLike)):
        return read_photograph(image, warn=warn, remark=warn)
    if isinstance(image, np.ndarray):
        if problem := _array_problem(image):
            raise InputError(problem)
        return Frame(np.ascontiguousarray(image))
    raise InputError(f'expected {_EXPECTED}, got {_named(image)}: {_remedy(image)}')


def images_of(
    images: str | os.PathLike[str] | FrameSource | Iterable[ImageLike],
) -> Iterator[ImageLike]:
    """The images that a program gives as a bag, a folder, a source or one by one, in their order.

    Raises:
        InputError: a path is neither bag nor folder, or nothing of that kind is given.
    """
    if isinstance(images, (str, os.PathLike)):
        from fol_vpr.sources.opening import open_source

        images = open_source(Path(images))
    if not isinstance(images, (Frame, np.ndarray)) and hasattr(images, 'frames'):
        return (frame for _, frame in images.frames())
    if isinstance(images, (Frame, np.ndarray)) or not isinstance(images, Iterable):
        raise InputError(
            f'expected a bag, a folder of images, or several images, got {_named(images)}: give '
            'a list, or one image to query'
        )
    return iter(images)


def read_photograph(
    path: str | os.PathLike[str],
    camera: CameraConfig | None = None,
    *,
    warn: Callable[[str], Any] = log.warning,
    remark: Callable[[str], Any] = log.info,
) -> Frame:
    """Read one image file.

    Args:
        path: JPEG, PNG, BMP, TIFF, WebP, PPM or HEIF.
        camera: the calibration of the camera, with which poses can be measured. Without one the
            image is turned upright by its EXIF orientation.
        warn: called with what makes answers doubtful.
        remark: called with what else is odd about the file or the calibration.

    Returns:
        The frame; its stamp is 0.

    Raises:
        InputError: the file cannot be read, is damaged or no image, or the calibration does not
            fit it.
    """
    config = camera or CameraConfig()
    calibration, mounted = configured_calibration(config), bool(config.camera_mount)
    known = None if calibration is None else calibration.camera
    if calibration is not None and (notice := calibration.notice(config.camera, mounted)):
        remark(notice)
    if mounted and known is None:
        raise InputError(
            'the mount of a camera (--camera-mount) needs its calibration: --camera FILE'
        )
    name = os.fspath(path)
    decoder = StreamDecoder(name, remark, image_range=config.image_range)
    data = read_bytes(Path(path), 'an image', MAX_ENCODED_BYTES)
    # A calibration is of the pixels as they are stored.
    pixels = decoder.decode_file(data, name, upright=known is None)
    if decoder.levels.are_found:
        warn(
            'one image does not tell how many bits its camera uses: give --image-range as `map '
            'build` named it for the images of the map'
        )
    if known is not None and (problem := size_mismatch(known, (pixels.shape[1], pixels.shape[0]))):
        raise InputError(f'{config.camera} does not fit {name}: {problem}')
    return Frame(pixels, uri=name, camera=known)


def _array_problem(image: np.ndarray) -> str:
    """Why an array is no RGB image, with the remedy; empty where it is one."""
    shape, dtype = image.shape, image.dtype
    got = f'got an array {list(shape)} of {dtype}'
    if remedy := _shape_remedy(shape):
        return f'expected an RGB image [height, width, 3] of uint8, {got}: {remedy}'
    if dtype == np.uint8:
        return ''
    return f'expected an RGB image of uint8, 0 to 255, {got}: {_values_remedy(image)}'


def _shape_remedy(shape: tuple[int, ...]) -> str:
    """What to do about an array of another shape than [H, W, 3]; empty for an image."""
    if 0 in shape:
        return 'it has no pixels'
    if len(shape) == 4:
        return f'give its {shape[0]} images one by one, such as images[0]'
    if len(shape) == 2:
        return 'repeat a grey image for the three channels: np.stack([image] * 3, axis=2)'
    if len(shape) != 3:
        return 'give the pixels of one image'
    if shape[2] == 3:
        return ''
    if shape[2] == 4:
        return 'drop the transparency: image[:, :, :3], ' + _ORDER
    if shape[2] == 1:
        return 'repeat a grey image for the three channels: np.repeat(image, 3, axis=2)'
    if shape[0] == 3:
        return 'put the channels last: image.transpose(1, 2, 0), ' + _ORDER
    return f'give three channels, {_ORDER}'


def _values_remedy(image: np.ndarray) -> str:
    """What to do about an image of another type than uint8."""
    if image.dtype == np.bool_:
        return 'a mask is no photograph'
    if np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all():
            return 'it holds NaN or infinity: it is no image of pixel values'
        low, high = float(image.min()), float(image.max())
        span = f'its values are from {low:.4g} to {high:.4g}; '
        if low < 0:
            return f'{span}undo the normalisation, then (image * 255).round().astype(np.uint8)'
        if high <= 1:
            return f'{span}(image * 255).round().astype(np.uint8)'
        if high <= 255:
            return f'{span}image.round().astype(np.uint8)'
        return f'{span}scale them to 0 to 255, then image.astype(np.uint8)'
    if np.issubdtype(image.dtype, np.integer):
        low, high = int(image.min()), int(image.max())
        span = f'its values are from {low} to {high}; '
        if low >= 0 and high <= 255:
            return f'{span}image.astype(np.uint8)'
        if image.dtype == np.int8:
            return f'{span}the bytes were taken as signed: image.view(np.uint8)'
        return f'{span}scale them to 0 to 255, then image.astype(np.uint8)'
    return 'give numbers of pixels'


def _named(image: object) -> str:
    kind = type(image)
    module = '' if kind.__module__ == 'builtins' else f'{kind.__module__}.'
    return 'None' if image is None else f'a {module}{kind.__qualname__}'


def _remedy(image: object) -> str:
    """What to do about an object that is neither path nor array nor frame."""
    top = type(image).__module__.partition('.')[0]
    if image is None:
        return (
            'cv2.imread, for one, returns None where it cannot read a file; give the path itself'
        )
    if top == 'PIL':
        return "np.asarray(image.convert('RGB'))"
    if top == 'torch':
        return (
            'give the pixels before they were made a tensor, or (tensor.permute(1, 2, 0) * 255)'
            '.round().byte().cpu().numpy() for one of 0 to 1'
        )
    if isinstance(image, (bytes, bytearray, memoryview)):
        return "give the path of the file, or np.asarray(PIL.Image.open(file).convert('RGB'))"
    if isinstance(image, (list, tuple)):
        return 'give images one by one, or as np.asarray(image, np.uint8) where it lists pixels'
    return 'convert it'
