"""Makes the messages that say how a camera is calibrated and where it sits on the robot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from fol_vpr.config import BagWriterConfig, CameraConfig
from fol_vpr.datatypes import Camera, Pose
from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import typestore
from fol_vpr.sources.bags.writing.messages import header
from fol_vpr.sources.bags.writing.writer import TimedMessage
from fol_vpr.sources.cameras import (
    CAMERA_INFO,
    camera_info_topics,
    configured_calibration,
    is_rectified,
    size_mismatch,
)

TF_STATIC = '/tf_static'
_TF = 'tf2_msgs/msg/TFMessage'


@dataclass(frozen=True)
class WrittenCamera:
    """A calibration that is written beside images; without topics where none is given.

    Attributes:
        types: its topics, with their message types.
        messages: on these topics.
        notice: how the calibration file was read, where that is worth telling.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    messages: Iterable[TimedMessage] = ()
    notice: str = ''


def written_camera(
    given: CameraConfig | None,
    stamps: list[int],
    config: BagWriterConfig,
    size: Callable[[], tuple[int, int]],
    what: str,
) -> WrittenCamera:
    """The calibration that is written beside images.

    Args:
        given: its file and its mount; None for none.
        stamps: of the images, in nanoseconds.
        config: topic and frames of the images.
        size: gives width and height of the images; called where there is a calibration.
        what: name of an image in error messages.

    Raises:
        InputError: the calibration cannot be read, is for images of another size, or cannot be
            written to these topics; or there is a mount without a calibration.
    """
    given = given or CameraConfig()
    calibration, mounted = configured_calibration(given), bool(given.camera_mount)
    if calibration is None:
        if mounted:
            raise InputError(
                'the mount of the camera is written with its calibration: add --camera'
            )
        return WrittenCamera()
    camera = calibration.camera
    types = camera_topics(camera, config)
    check_size(camera, size(), what)
    notice = calibration.notice(given.camera, mounted)
    return WrittenCamera(types, camera_messages(camera, stamps, config), notice)


def camera_topics(camera: Camera, config: BagWriterConfig) -> dict[str, str]:
    """The topics that a calibration is written to, with their types.

    Args:
        camera: the calibration, with a mount if the bag is to have one.
        config: topic and frames of the images.

    Raises:
        InputError: the name of the image topic says that the images are rectified, but the
            calibration distorts; or the frame of the camera is the base frame.
    """
    topic = config.image_topic
    if camera.model and is_rectified(topic):
        raise InputError(
            f'{topic} is a name of rectified images, but the calibration has the distortion '
            f'{camera.model}: give --topic another name, or the calibration of rectified images'
        )
    topics = {camera_info_topics(topic)[0]: CAMERA_INFO}
    if camera.mount is not None:
        if config.frame_id == config.base_frame:
            raise InputError(
                f'the camera and the base of the robot both have the frame {config.frame_id}, so '
                'no mount can be written: give --frame-id or --base-frame another name'
            )
        topics[TF_STATIC] = _TF
    return topics


def check_size(camera: Camera, size: tuple[int, int], path: str) -> None:
    """Check that a calibration is for images of this size (width, height).

    Raises:
        InputError: it is for another one; the message names the image and the remedy.
    """
    if problem := size_mismatch(camera, size):
        raise InputError(f'{path}: {problem}')


def camera_messages(
    camera: Camera, stamps: list[int], config: BagWriterConfig
) -> Iterator[TimedMessage]:
    """A CameraInfo for each image, and before them the mount, as drivers publish them.

    Args:
        camera: the calibration.
        stamps: of the images in nanoseconds.
        config: topic and frames of the images.
    """
    topic = camera_info_topics(config.image_topic)[0]
    ordered = sorted(stamps)
    if camera.mount is not None:
        make = partial(_tf_message, camera.mount, ordered[0], config)
        yield TimedMessage(ordered[0], TF_STATIC, make)
    for stamp_ns in ordered:
        head = header(stamp_ns, config.frame_id)
        yield TimedMessage(stamp_ns, topic, partial(camera_info_message, camera, head))


def camera_info_message(camera: Camera, head: Any) -> Any:
    """The sensor_msgs/CameraInfo of a camera.

    A camera without distortion is written as plumb_bob with zeros, because readers take an empty
    model for an unknown one. P is K without its skew: that of rectified images of the same size.

    Args:
        camera: the calibration.
        head: the header.
    """
    width, height = camera.size
    projection = np.zeros((3, 4))
    projection[:, :3] = camera.matrix
    projection[0, 1] = 0
    types = typestore().types
    return types[CAMERA_INFO](
        header=head,
        height=height,
        width=width,
        distortion_model=camera.model or 'plumb_bob',
        d=camera.distortion if camera.model else np.zeros(5),
        k=camera.matrix.reshape(9),
        r=np.eye(3).reshape(9),
        p=projection.reshape(12),
        binning_x=0,
        binning_y=0,
        roi=types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
    )


def _tf_message(mount: Pose, stamp_ns: int, config: BagWriterConfig) -> Any:
    types = typestore().types
    transform = types['geometry_msgs/msg/Transform'](
        types['geometry_msgs/msg/Vector3'](*map(float, mount.position)),
        types['geometry_msgs/msg/Quaternion'](*map(float, mount.orientation)),
    )
    stamped = types['geometry_msgs/msg/TransformStamped'](
        header(stamp_ns, config.base_frame), config.frame_id, transform
    )
    return types[_TF]([stamped])
