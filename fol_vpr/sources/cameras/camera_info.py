"""The calibration of a camera from its CameraInfo."""

from __future__ import annotations

from typing import Any

import numpy as np

from fol_vpr.datatypes import Camera, Pose, bare_frame
from fol_vpr.errors import InputError
from fol_vpr.sources.cameras.lenses import lens_model

CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
WITHOUT_CAMERA = 'the images are used as those of an uncalibrated camera'
_RECTIFIED = ('rect', 'rectified')
# Names that transports append to that of the image topic.
_TRANSPORTS = (
    'compressed', 'compressedDepth', 'ffmpeg', 'theora', 'zstd', 'avif', 'foxglove', 'video',
)  # fmt: skip


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
    matrix = image_matrix(info, rectified=rectified)
    if matrix[0, 0] == 0 and raw[0, 0] != 0:
        raise InputError(
            'P is zero, but the images are rectified by the name of their topic: have their '
            'driver fill P, or rename the topic of images that are not'
        )
    if matrix[0, 0] == 0:
        return None
    model, distortion = '', np.zeros(0)
    if not rectified:
        model, distortion = lens_model(info.distortion_model, np.asarray(info.d, np.float64))
    size = image_size(info)
    return Camera(size if all(size) else size_of_images, matrix, model, distortion, mount)


def camera_of_images(
    info: Any,
    size_of_images: tuple[int, int],
    frame_id: str,
    *,
    rectified: bool = False,
    mount: Pose | None = None,
) -> Camera | None:
    """The camera of a sensor_msgs/CameraInfo, where that is of the camera of some images.

    Args:
        info: the message, of rclpy or of rosbags.
        size_of_images: width and height in pixels.
        frame_id: of the images; may be empty.
        rectified: whether the images are rectified.
        mount: pose of the optical frame in the base frame, or None.

    Returns:
        The camera, or None if the message says that the camera is not calibrated (K is zero).

    Raises:
        InputError: it is of another camera, or wrong.
    """
    info_frame_id = bare_frame(info.header.frame_id)
    if frame_id and info_frame_id and info_frame_id != frame_id:
        raise InputError(
            f'camera_info is of the frame {info_frame_id}, but the images of {frame_id}: '
            'remap camera_info to the one of this camera'
        )
    if (size := image_size(info)) not in (size_of_images, (0, 0)):
        raise InputError(
            f'camera_info: {wrong_size(size, size_of_images)}{binning_hint(info)}; or remap '
            'camera_info to the one of this camera'
        )
    try:
        return camera_from_info(info, size_of_images, rectified=rectified, mount=mount)
    except InputError as error:
        raise InputError(f'camera_info cannot be used: {error}') from error


def image_matrix(info: Any, *, rectified: bool = False) -> np.ndarray:
    """[3, 3] K of a CameraInfo, or the first columns of P, for images as binned and cut out.

    Args:
        info: the message.
        rectified: whether the images are rectified.
    """
    matrix = np.asarray(info.k, np.float64).reshape(3, 3)
    if rectified:
        matrix = np.asarray(info.p, np.float64).reshape(3, 4)[:, :3]
    window = np.eye(3)
    window[:2, 2] = -info.roi.x_offset, -info.roi.y_offset
    window[:2] /= np.array(_binning(info))[:, None]
    return np.asarray(window @ matrix)


def image_size(info: Any) -> tuple[int, int]:
    """Width and height in pixels of the images of a CameraInfo; zeros if it leaves them out."""
    across, down = _binning(info)
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return int(width) // across, int(height) // down


def binning_hint(info: Any) -> str:
    """The binning of a CameraInfo as an addition to a message; empty if there is none."""
    across, down = _binning(info)
    if across == down == 1:
        return ''
    return (
        f' (camera_info is of {info.width}x{info.height} with binning_x {across} and binning_y '
        f'{down}; width and height are those before the binning)'
    )


def is_calibrated(info: Any, rectified: bool) -> bool:
    """Whether a CameraInfo has a calibration: drivers without one leave K and P at zero.

    Args:
        info: the message.
        rectified: whether the images are rectified, and so use P.
    """
    return bool(np.any(info.k) or (rectified and np.any(info.p)))


def _binning(info: Any) -> tuple[int, int]:
    return max(1, int(info.binning_x)), max(1, int(info.binning_y))


def is_rectified(topic: str) -> bool:
    """Whether a topic has rectified images, by the naming convention of image_proc.

    That is /camera/image_rect or /camera/image_rect_color, with any transport behind it, and
    /camera/rect/image, as drivers of stereo cameras name it.
    """
    *folders, name = _without_transport(topic).split('/')
    own, folder = name.split('_'), folders[-1].split('_') if folders else []
    by_folder = 'image' in own and 'raw' not in own and any(word in _RECTIFIED for word in folder)
    return by_folder or any(word in _RECTIFIED for word in own)


def _without_transport(topic: str) -> str:
    folder, _, last = topic.rpartition('/')
    return folder if folder and last in _TRANSPORTS else topic


def camera_info_topics(topic: str) -> list[str]:
    """Topics that image_transport may publish the CameraInfo on, the most common first."""
    plain = _without_transport(topic)
    folders = dict.fromkeys(each.rpartition('/')[0] for each in (plain, topic))
    return [f'{folder}/camera_info' for folder in folders]


def size_mismatch(camera: Camera, image_size: tuple[int, int]) -> str:
    """Why a calibration does not fit images of this size, or an empty text if it does.

    Args:
        camera: the calibration.
        image_size: width and height in pixels.
    """
    return wrong_size(camera.size, image_size)


def wrong_size(calibrated: tuple[int, int], image_size: tuple[int, int]) -> str:
    """What is wrong with images of another size than their calibration is for, and the remedy.

    Args:
        calibrated: width and height in pixels.
        image_size: width and height in pixels.

    Returns:
        The text; empty if the sizes are the same.
    """
    if calibrated == image_size:
        return ''
    (width, height), (wide, high) = calibrated, image_size
    said = f'the calibration is for {width}x{height} pixels, but the images have {wide}x{high}'
    if (height, width) == image_size:
        return (
            f'{said}: they are turned by a quarter; record them as the sensor gives them, or '
            'calibrate the camera with the turned ones'
        )
    if width * high == height * wide:
        factor = f'{wide / width:.4g}'
        return (
            f'{said}: if they are scaled by {factor} and not cut out, give a calibration with '
            f'focal lengths times {factor} and the centre at {factor} (c + 0.5) - 0.5, or set '
            'binning_x, binning_y and roi of camera_info; if cut out, roi'
        )
    return f'{said}: calibrate the camera at this size, or set binning and roi of camera_info'
