"""How the reader of the log sets something: by a launch argument, or by a parameter."""

from __future__ import annotations

import os
from collections.abc import Mapping

LAUNCH_FILE_VARIABLE = 'FOL_VPR_LAUNCH_FILE'
"""Environment variable in which the launch files tell the node their file name."""
ARGUMENTS = {'network.weights': 'weights'}
"""Launch argument of a parameter, where their names differ."""
OF_LAUNCH = frozenset(
    {'map', 'network.weights', 'image_transport', 'use_sim_time', 'autostart', 'replay'}
)
"""Parameters that the launch files have an argument for."""
REMAPPED = {'image': 'image_topic', 'camera_info': 'camera_info_topic', 'odom': 'odom_topic'}
"""Launch argument of a topic."""


def how_to_set(parameter: str, value: str, environment: Mapping[str, str] = os.environ) -> str:
    """How to give a parameter at the next start, for the end of a sentence.

    Args:
        parameter: name of it.
        value: that it should have.
        environment: of the node; a launch file leaves its name there.
    """
    file = environment.get(LAUNCH_FILE_VARIABLE, '')
    if not file:
        return f'start it with `-p {parameter}:={value}` behind --ros-args'
    if parameter in OF_LAUNCH:
        return f'start {file} with `{ARGUMENTS.get(parameter, parameter)}:={value}`'
    return f'write `{parameter}: {value}` into the params_file that {file} is started with'


def how_to_remap(topic: str, wanted: str, environment: Mapping[str, str] = os.environ) -> str:
    """How to have the node listen to another topic at the next start, for the end of a sentence.

    Args:
        topic: name of it in the node, such as `image`.
        wanted: the topic to listen to.
        environment: as in how_to_set.
    """
    file = environment.get(LAUNCH_FILE_VARIABLE, '')
    if file and topic in REMAPPED:
        return f'start {file} with `{REMAPPED[topic]}:={wanted}`'
    return f'start it with `-r {topic}:={wanted}` behind --ros-args'
