"""Builds a map while the robot drives: starts the node `localizer`, which stores keyframes.

ros2 launch fol_vpr map.launch.py output:=campus.folmap image_topic:=/camera/image_raw \
    odom_topic:=/odometry
"""

from launch import LaunchContext, LaunchDescription

from fol_vpr.ros.launching.arguments import (
    REPLAY,
    SUPERVISION,
    common_arguments,
    mapping_arguments,
)
from fol_vpr.ros.launching.description import describe
from fol_vpr.ros.launching.localizer import localizer, share_folder
from fol_vpr.ros.launching.parameters import mapping_parameters


def generate_launch_description() -> LaunchDescription:
    common = [*common_arguments(share_folder()), REPLAY, *SUPERVISION]
    return describe(__file__, [*mapping_arguments(), *common], _start)


def _start(context: LaunchContext, given: dict[str, str]) -> list:
    return localizer(context, given, __file__, mapping_parameters(given), has_poses=True)
