"""Which file of settings Fast DDS reads, whatever its version calls the variable; no rclpy."""

from __future__ import annotations

from collections.abc import Mapping

PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""Environment variables that name the file: Fast DDS 3 (ROS 2 Kilted and later) reads the first,
Fast DDS 2 (Jazzy) the second."""


def profile_variables(profile: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to add to the environment of a process that is to use a profile.

    A setting of the user wins, under whichever name: it is handed on under both, because Fast DDS
    ignores the name of the other version without a message.

    Args:
        profile: path of an XML file; empty for none.
        environment: of the process, before.
    """
    of_user = [environment[name] for name in PROFILE_VARIABLES if environment.get(name)]
    chosen = of_user[0] if of_user else profile
    if not chosen:
        return {}
    return {name: chosen for name in PROFILE_VARIABLES if not environment.get(name)}
