"""Brings up the node `localizer` and activates it; needs no lifecycle manager.

ros2 launch fol_vpr localize.launch.py map:=campus.folmap image_topic:=/camera/image_raw
"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

SHARE = Path(get_package_share_directory('fol_vpr'))
PROFILES = 'FASTRTPS_DEFAULT_PROFILES_FILE'
ARGUMENTS = {
    'map': ('', 'Map file (.folmap); empty takes that of params_file.'),
    'weights': (
        '',
        'Weights: a file or a name; empty takes those of params_file, or else those that the map '
        'was made with.',
    ),
    'image_topic': (
        'image',
        'Topic of the camera; its compressed images are looked for below it, on /compressed.',
    ),
    'camera_info_topic': ('camera_info', 'Topic of the calibration of the camera.'),
    'params_file': (str(SHARE / 'config' / 'localizer.yaml'), 'Parameter file.'),
    'use_sim_time': ('', 'Take the time from /clock: true or false; empty as params_file says.'),
    'namespace': ('', 'Namespace of the node.'),
    'autostart': (
        'true',
        'Configure and activate at once; false leaves it to a lifecycle manager, empty to '
        'params_file.',
    ),
    'replay': (
        '',
        'Answer every image in order, for bags: true or false; empty as params_file says.',
    ),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
    'fastdds_profile': (
        str(SHARE / 'config' / 'fastdds_shm.xml'),
        'Fast DDS profile with shared memory for large images, where the environment names '
        'none; empty leaves the transport alone. The camera driver should use it too.',
    ),
}


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_localizer)])


def _localizer(context: LaunchContext) -> list:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    overrides = {
        name: _is_true(name, given[name])
        for name in ('use_sim_time', 'autostart', 'replay')
        if given[name]
    }
    if given['map']:
        overrides['map'] = str(Path(given['map']).expanduser().absolute())
    if given['weights']:
        overrides['network.weights'] = given['weights']
    topic = given['image_topic']
    node = LifecycleNode(
        package='fol_vpr',
        executable='localizer',
        name='localizer',
        namespace=given['namespace'],
        parameters=[given['params_file'], *([overrides] if overrides else [])],
        remappings=[
            ('image', topic),
            ('image/compressed', f'{topic}/compressed'),
            ('camera_info', given['camera_info_topic']),
        ],
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
        emulate_tty=True,
    )
    if given['fastdds_profile'] and PROFILES not in os.environ:
        return [SetEnvironmentVariable(PROFILES, given['fastdds_profile']), node]
    return [node]


def _is_true(name: str, value: str) -> bool:
    if value.lower() not in ('true', 'false'):
        raise ValueError(f'{name} is {value}, expected true or false')
    return value.lower() == 'true'
