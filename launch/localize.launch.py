"""Starts the node `localizer` and activates it, without a lifecycle manager.

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
    'map': ('', 'Map file (.folmap). Empty takes the map named in params_file.'),
    'weights': (
        '',
        'Weights of the network: a file, or a name that `fol_vpr weights list` shows. Empty takes '
        'the weights named in params_file, or else those that the map was made with.',
    ),
    'image_topic': (
        'image',
        'Topic of the camera images. Compressed images are expected on the same topic with '
        '/compressed appended, video with /ffmpeg (FFMPEGPacket) or /video (CompressedVideo).',
    ),
    'camera_info_topic': ('camera_info', 'Topic of the camera calibration (CameraInfo).'),
    'params_file': (
        str(SHARE / 'config' / 'localizer.yaml'),
        'YAML file with the parameters of the node.',
    ),
    'use_sim_time': (
        '',
        'Take the time from /clock: true or false. Empty takes the value of params_file.',
    ),
    'namespace': ('', 'Namespace of the node.'),
    'autostart': (
        'true',
        'Configure and activate the node at start: true, or false to leave it to a lifecycle '
        'manager. Empty takes the value of params_file.',
    ),
    'replay': (
        '',
        'Answer every image in order, for the playback of a bag: true or false, which answers the '
        'newest image and drops older ones. Empty takes the value of params_file.',
    ),
    'log_level': ('info', 'Least severe messages to log: debug, info, warn, error or fatal.'),
    'fastdds_profile': (
        str(SHARE / 'config' / 'fastdds_shm.xml'),
        'Fast DDS profile with shared memory for large images, used unless the environment '
        'variable FASTRTPS_DEFAULT_PROFILES_FILE is set. Empty keeps the default transport. The '
        'camera driver should use the same profile.',
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
            ('image/ffmpeg', f'{topic}/ffmpeg'),
            ('image/video', f'{topic}/video'),
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
