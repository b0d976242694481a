"""What is said of a camera by those who give images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.config.setting import Checked, setting
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError

MOUNT = ('X', 'Y', 'Z', 'QX', 'QY', 'QZ', 'QW')
"""What the numbers of a camera's mount are: metres and a unit quaternion."""


@dataclass(frozen=True)
class CameraConfig(Checked):
    """The camera of a drive, where its source does not tell."""

    camera: str = setting(
        '',
        'Calibration of the camera: a YAML file as camera_calibration of ROS writes it, for '
        'images as the sensor gave them. Goes before the camera_info of a bag.',
        is_file=True,
    )
    camera_mount: tuple[float, ...] = setting(
        (),
        "Pose of the camera's optical frame (x right, y down, z forward) in the base frame: "
        'metres and a unit quaternion. Goes before the tf of a bag.',
        elements=MOUNT,
    )
    camera_info_topic: str = setting(
        '',
        'CameraInfo of a bag; empty takes camera_info beside the image topic, where there is one.',
    )
    base_frame: str = setting(
        '',
        'Frame of the robot whose poses the pose topic of a bag gives, for the tf from there to '
        'the camera; empty takes the child_frame_id of odometry, and base_link otherwise.',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        mount_pose(self.camera_mount)


def mount_pose(numbers: Sequence[float]) -> Pose | None:
    """The pose that a setting `camera_mount` means; None where it is empty.

    Raises:
        InputError: the numbers are none of a pose.
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
