"""The calibration and the mount of the camera that took the images of a folder or bag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.config.declaration import Checked, setting
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError

MOUNT = ('X', 'Y', 'Z', 'QX', 'QY', 'QZ', 'QW')
"""Names of the numbers of a camera mount: metres and a unit quaternion."""
RANGE = ('LOW', 'HIGH')
"""Names of the numbers of an image range: the values of black and white."""
IMAGE_RANGE = (
    'Values of images with 16 bits that become black and white, such as 0 4095 for a camera with '
    '12 bits. {} Images with 8 bits are not changed.'
)


@dataclass(frozen=True)
class CameraConfig(Checked):
    """The camera of a folder or bag of images."""

    camera: str = setting(
        '',
        'Calibration file of the camera, for images as the sensor gives them, not rectified: of '
        'camera_calibration of ROS, Kalibr, OpenCV, EuRoC, ORB-SLAM, VINS or COLMAP, or a printed '
        'camera_info. Replaces the camera_info of a bag.',
        is_file=True,
    )
    camera_name: str = setting(
        '',
        'Name of the camera in a calibration file that describes several, such as cam1 in a '
        'camchain of Kalibr. It may be empty where the file describes one.',
    )
    camera_mount: tuple[float, ...] = setting(
        (),
        "Pose of the camera's optical frame (x right, y down, z forward) in the base frame of "
        'the robot: x y z in metres and the unit quaternion qx qy qz qw. Replaces the tf of a '
        'bag.',
        elements=MOUNT,
    )
    camera_info_topic: str = setting(
        '',
        'Topic of the camera_info messages in a bag. Empty takes camera_info beside the image '
        'topic, where there is one.',
    )
    base_frame: str = setting(
        '',
        'Frame of the robot whose poses the pose topic of a bag gives; the pose of the camera is '
        'looked up from it in the tf of the bag. Empty takes the child_frame_id of the odometry, '
        'and base_link where there is none.',
        is_frame=True,
    )
    image_range: tuple[float, ...] = setting(
        (),
        IMAGE_RANGE.format(
            'Empty takes both from images spread over the folder or bag: the smallest depth (8, '
            '10, 12, 14 or 16 bits) that holds all values, or the band of all values if that is '
            'narrow, as with thermal cameras.'
        ),
        elements=RANGE,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        mount_pose(self.camera_mount)
        check_image_range(self.image_range)


def check_image_range(numbers: Sequence[float]) -> None:
    """Check a setting `image_range`: empty, or the values of black and white.

    Raises:
        InputError: not two finite numbers, of which the second is larger.
    """
    if not numbers:
        return
    fit = len(numbers) == len(RANGE) and all(math.isfinite(number) for number in numbers)
    if not fit or numbers[0] >= numbers[1]:
        raise InputError(
            f'image_range is {" ".join(f"{number:g}" for number in numbers)}, expected two '
            'values, that of black and a larger one of white; a camera with 12 bits has 0 4095'
        )


def mount_pose(numbers: Sequence[float]) -> Pose | None:
    """The pose [x, y, z, qx, qy, qz, qw] of a setting `camera_mount`; None where it is empty.

    Raises:
        InputError: not 7 finite numbers, or the quaternion is not of unit length.
    """
    if not numbers:
        return None
    fit = len(numbers) == len(MOUNT) and all(math.isfinite(number) for number in numbers)
    if not fit or abs(math.hypot(*numbers[3:]) - 1) > 0.01:
        raise InputError(
            f'camera_mount is {" ".join(f"{number:g}" for number in numbers)}, expected x y z in '
            'metres and the unit quaternion qx qy qz qw of the optical frame in the base frame; a '
            'camera that looks ahead has -0.5 0.5 -0.5 0.5'
        )
    return Pose(np.array(numbers[:3]), np.array(numbers[3:]))
