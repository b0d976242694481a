"""Reads the calibration of a camera from a file or a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fol_vpr.config import CameraConfig, mount_pose
from fol_vpr.datatypes import Camera, Pose
from fol_vpr.errors import InputError

CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
WITHOUT_CAMERA = 'the images are used as those of an uncalibrated camera'
_MAX_BYTES = 100_000
_EXPECTED = 'expected a YAML file as camera_calibration of ROS writes it'


def configured_camera(config: CameraConfig) -> Camera | None:
    """The camera of the configured calibration file, or None if none is configured.

    Raises:
        InputError: the file cannot be read, or holds no valid calibration.
    """
    if config.camera:
        return read_camera_file(config.camera, mount_pose(config.camera_mount))
    return None


def camera_fingerprint(config: CameraConfig) -> bytes:
    """Bytes that identify the configured camera: the settings and the content of the file."""
    content = Path(config.camera).read_bytes() if config.camera else b''
    return f'{config}'.encode() + content


def read_camera_file(path: str | Path, mount: Pose | None = None) -> Camera:
    """The camera of a calibration file, as camera_calibration of ROS writes it.

    Args:
        path: YAML with image_width, image_height, camera_matrix, distortion_model and
            distortion_coefficients.
        mount: pose of the optical frame in the base frame, which such files do not contain.

    Raises:
        InputError: the file cannot be read, or holds no valid calibration; the message names it.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f'{path} is too large for a calibration: {_EXPECTED}')
        content = yaml.safe_load(path.read_text('utf-8'))
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}; {_EXPECTED}') from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f'{path} is no YAML ({_first_line(error)}): {_EXPECTED}') from error
    try:
        return _camera(
            size=(_whole(content, 'image_width'), _whole(content, 'image_height')),
            matrix=np.array(_data(content, 'camera_matrix')),
            model=str(content.get('distortion_model') or ''),
            distortion=np.array(_data(content, 'distortion_coefficients')),
            mount=mount,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f'{path} is no calibration ({_first_line(error)} is missing or has another type): '
            f'{_EXPECTED}'
        ) from error
    except (ValueError, InputError) as error:
        raise InputError(f'{path} cannot be used: {error}') from error


def _whole(content: Any, name: str) -> int:
    value = content[name]
    if not isinstance(value, int):
        raise ValueError(f'{name} is {value!r}, expected a whole number of pixels')
    return value


def _data(content: Any, name: str) -> list[float]:
    values = content[name]['data']
    if not all(isinstance(value, (int, float)) for value in values):
        raise ValueError(f'{name} is {values}, expected numbers')
    return [float(value) for value in values]


def _first_line(error: Exception) -> str:
    return str(error).partition('\n')[0]


def camera_from_info(
    info: Any,
    size_of_images: tuple[int, int],
    *,
    rectified: bool = False,
    mount: Pose | None = None,
) -> Camera | None:
    """The camera of a sensor_msgs/CameraInfo.

    Binning and the region of interest are applied, as image_geometry does.

    Args:
        info: the message, of rclpy or of rosbags.
        size_of_images: width and height in pixels, for messages that leave them at zero.
        rectified: whether the images are rectified, and so have no distortion and the camera
            matrix of P instead of K.
        mount: pose of the optical frame in the base frame, or None.

    Returns:
        The camera, or None if the message says that the camera is not calibrated (K is zero).

    Raises:
        InputError: the message is inconsistent.
    """
    raw = np.asarray(info.k, np.float64).reshape(3, 3)
    matrix = np.asarray(info.p, np.float64).reshape(3, 4)[:, :3] if rectified else raw
    if matrix[0, 0] == 0 and raw[0, 0] != 0:
        raise InputError(
            'P is zero, but the images are rectified by the name of their topic: have their '
            'driver fill P, or rename the topic of images that are not'
        )
    if matrix[0, 0] == 0:
        return None
    window = np.eye(3)
    window[:2, 2] = -info.roi.x_offset, -info.roi.y_offset
    window[:2] /= np.array(_binning(info))[:, None]
    size = image_size(info)
    return _camera(
        size=size if all(size) else size_of_images,
        matrix=window @ matrix,
        model='' if rectified else str(info.distortion_model),
        distortion=np.zeros(0) if rectified else np.asarray(info.d, np.float64),
        mount=mount,
    )


def image_size(info: Any) -> tuple[int, int]:
    """Width and height in pixels of the images of a CameraInfo; zeros if it leaves them out."""
    across, down = _binning(info)
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return int(width) // across, int(height) // down


def _binning(info: Any) -> tuple[int, int]:
    return max(1, int(info.binning_x)), max(1, int(info.binning_y))


def _camera(
    size: tuple[int, int],
    matrix: np.ndarray,
    model: str,
    distortion: np.ndarray,
    mount: Pose | None,
) -> Camera:
    # If all coefficients are zero, or there are none, no model distorts the image.
    if not distortion.any():
        model, distortion = '', np.zeros(0)
    if matrix.size != 9:
        raise InputError(f'the camera matrix has {matrix.size} numbers, expected 9')
    return Camera(size, matrix.reshape(3, 3), model, distortion, mount)


def is_rectified(topic: str) -> bool:
    """Whether a topic has rectified images, by the naming convention of image_proc."""
    name = topic.removesuffix('/compressed').rpartition('/')[2]
    return 'rect' in name.split('_')


def camera_info_topics(topic: str) -> list[str]:
    """Topics that image_transport may publish the CameraInfo on, the most common first."""
    plain = topic.removesuffix('/compressed')
    folders = dict.fromkeys(each.rpartition('/')[0] for each in (plain, topic))
    return [f'{folder}/camera_info' for folder in folders]


def size_mismatch(camera: Camera, image_size: tuple[int, int]) -> str:
    """Why a calibration does not fit images of this size, or an empty text if it does.

    Args:
        camera: the calibration.
        image_size: width and height in pixels.
    """
    if camera.size == image_size:
        return ''
    return (
        f'the calibration is for {camera.size[0]}x{camera.size[1]} pixels, but the images have '
        f'{image_size[0]}x{image_size[1]}'
    )
