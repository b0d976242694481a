"""Plays a bag to the node, image by image, and reports how good its answers were.

ros2 launch fol_vpr evaluate.launch.py map:=campus.folmap bag:=OTHER_DRIVE pose_topic:=/pose
"""

from launch import LaunchContext, LaunchDescription

from fol_vpr.errors import InputError
from fol_vpr.ros.launching.arguments import (
    BAG,
    GROUND_TRUTH,
    MAP,
    OPTIONS,
    OUTPUT_FOLDER,
    POSES_OF_BAG,
    Argument,
    common_arguments_with_bag,
)
from fol_vpr.ros.launching.description import describe, end_with
from fol_vpr.ros.launching.localizer import localizer, share_folder
from fol_vpr.ros.launching.playback import evaluation, read_drive
from fol_vpr.ros.launching.values import output_folder, readable_file


def generate_launch_description() -> LaunchDescription:
    own = [BAG, POSES_OF_BAG, GROUND_TRUTH, OUTPUT_FOLDER, OPTIONS]
    required_map = Argument(MAP.name, None, 'Map file (.folmap).')
    return describe(
        __file__, [required_map, *own, *common_arguments_with_bag(share_folder())], _start
    )


def _start(context: LaunchContext, given: dict[str, str]) -> list:
    map_file = readable_file('map', given['map'], 'a map')
    drive = read_drive(given)
    output = output_folder(given['output'])
    if (output / 'answers').exists():
        raise InputError(f'{output} holds the answers of an earlier run: give another output')
    started = {**given, **drive.node_arguments(), 'map': map_file}
    node, *others = localizer(context, started, __file__, {'replay': True, 'autostart': True})
    steps = evaluation(drive, map_file, given, output)
    return [*steps, node, end_with(node, 'the node localizer'), *others]
