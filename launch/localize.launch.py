"""Starts the node `localizer` and activates it, without a lifecycle manager.

ros2 launch fol_vpr localize.launch.py map:=campus.folmap image_topic:=/camera/image_raw
"""

from launch import LaunchContext, LaunchDescription

from fol_vpr.ros.launching.arguments import AUTOSTART, MAP, REPLAY, SUPERVISION, common_arguments
from fol_vpr.ros.launching.description import describe
from fol_vpr.ros.launching.localizer import localizer, share_folder


def generate_launch_description() -> LaunchDescription:
    arguments = [MAP, *common_arguments(share_folder()), AUTOSTART, REPLAY, *SUPERVISION]
    return describe(__file__, arguments, _start)


def _start(context: LaunchContext, given: dict[str, str]) -> list:
    return localizer(context, given, __file__)
