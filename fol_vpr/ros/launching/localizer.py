"""The node `localizer` as a launch action."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext
from launch.logging import launch_config
from launch_ros.actions import LifecycleNode
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from fol_vpr.errors import InputError
from fol_vpr.ros.fast_dds import profile_variables
from fol_vpr.ros.launching.arguments import LOG_LEVELS
from fol_vpr.ros.launching.description import STOP_SECONDS, end_with, tell, warn
from fol_vpr.ros.launching.parameters import (
    given_parameters,
    own_file,
    weak_parameters,
    without_parameters_for,
)
from fol_vpr.ros.launching.values import (
    doubled_namespace,
    flag,
    image_topics,
    is_left,
    is_none,
    number,
    readable_file,
)

NODE = 'localizer'


def share_folder() -> Path:
    """The installed share/fol_vpr."""
    return Path(get_package_share_directory('fol_vpr'))


def localizer(
    context: LaunchContext,
    given: Mapping[str, str],
    file: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    has_poses: bool = False,
) -> list:
    """The node with the arguments that were given, and what watches over it.

    Args:
        context: of the launch.
        given: value of each argument by its name; the common ones, and `map`, `autostart`,
            `replay`, `respawn`, `respawn_delay`, `required` where the launch file has them.
        file: path of the launch file.
        parameters: further parameters, which win over all others.
        has_poses: whether the argument `pose_topic` names an input of the node.

    Returns:
        The actions, the node first.

    Raises:
        InputError: an argument has a value that it cannot have.
    """
    own = {**given_parameters(given), **(parameters or {})}
    transport = '' if is_left(given['image_transport']) else given['image_transport'].lower()
    topic, transport = image_topics(given['image_topic'], transport)
    if topic != given['image_topic']:
        tell(
            f'image_topic {given["image_topic"]} is taken for transport {transport} of {topic}; '
            'if raw images have that very name, give image_transport:=raw'
        )
    if transport:
        own['image_transport'] = transport
    namespace = _namespace(context, given['namespace'])
    is_respawned = flag('respawn', given.get('respawn', 'false'))
    is_required = flag('required', given.get('required', 'false'))
    if is_respawned and is_required:
        raise InputError(
            'respawn and required are both true: give respawn:=true to start the node again when '
            'it ends, or required:=true to end the launch'
        )
    node = LifecycleNode(
        package='fol_vpr',
        executable=NODE,
        name=NODE,
        namespace=namespace,
        parameters=[
            *_params_files(context, given['params_file'], namespace),
            *own_file(own, launch_config.log_dir),
        ],
        remappings=[
            ('image', topic),
            *((f'image/{each}', f'{topic}/{each}') for each in ('compressed', 'ffmpeg', 'video')),
            ('camera_info', given['camera_info_topic']),
            ('odom', given['odom_topic']),
            *((('pose', given['pose_topic']),) if has_poses else ()),
        ],
        arguments=[
            '--ros-args',
            '--log-level',
            _log_level(given['log_level']),
            *weak_parameters(given),
        ],
        additional_env={
            **profile_variables(_profile(given['fastdds_profile']), context.environment),
            'FOL_VPR_LAUNCH_FILE': Path(file).name,
        },
        respawn=is_respawned,
        respawn_delay=number('respawn_delay', given.get('respawn_delay', '0')),
        sigterm_timeout=STOP_SECONDS,
        output='screen',
        emulate_tty=True,
    )
    return [node, end_with(node, 'the node localizer')] if is_required else [node]


def _params_files(context: LaunchContext, value: str, namespace: str) -> list[str]:
    if is_none(value):
        return []
    path = readable_file('params_file', value, 'a parameter file')
    base = context.launch_configurations.get('ros_namespace')
    full = make_namespace_absolute(prefix_namespace(base, namespace)) or ''
    if text := without_parameters_for(path, f'{full.rstrip("/")}/{NODE}'):
        warn(text)
    return [path]


def _namespace(context: LaunchContext, value: str) -> str:
    namespace = '' if is_none(value) else value.rstrip('/')
    pushed = context.launch_configurations.get('ros_namespace') or ''
    if text := doubled_namespace(pushed, namespace, NODE):
        warn(text)
    return namespace


def _profile(value: str) -> str:
    return '' if is_none(value) else readable_file('fastdds_profile', value, 'a Fast DDS profile')


def _log_level(value: str) -> str:
    level = value.strip().lower()
    if level not in LOG_LEVELS:
        raise InputError(f'log_level is {value!r}, expected one of {", ".join(LOG_LEVELS)}')
    return level
