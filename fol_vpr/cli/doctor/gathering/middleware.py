"""ROS 2 in this environment, the profile of Fast DDS, shared memory and buffers."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

from fol_vpr.checks.middleware.facts import (
    VARIABLES,
    RosFacts,
    TransportFacts,
    profile_variable,
)
from fol_vpr.errors import FolVprError
from fol_vpr.files import read_text
from fol_vpr.ros.shared_memory import dead_segments

_PROFILE_LIMIT = 1 << 20


def ros_facts(environment: Mapping[str, str] = os.environ) -> RosFacts:
    """What is installed and set of ROS 2; imports rclpy, and starts nothing."""
    found = {name: environment[name] for name in VARIABLES if environment.get(name)}
    error = _import_error('rclpy')
    if error:
        return RosFacts(error=error, environment=found)
    rmw, loading_error = _middleware()
    return RosFacts(
        error=loading_error,
        messages_error=_import_error('fol_vpr_msgs.msg'),
        tf_error=_import_error('tf2_msgs.msg'),
        rmw=rmw,
        environment=found,
    )


def _middleware() -> tuple[str, str]:
    """The middleware that rclpy loads, or why it cannot."""
    utilities = importlib.import_module('rclpy.utilities')
    try:
        return str(utilities.get_rmw_implementation_identifier()), ''
    except Exception as error:  # noqa: BLE001 rclpy raises several kinds, all of them mean that
        return '', _first_line(error)


def _import_error(module: str) -> str:
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 a library of another ABI raises anything
        return _first_line(error)
    return ''


def _first_line(error: BaseException) -> str:
    return (str(error) or repr(error)).strip().split('\n', 1)[0]


def transport_facts(
    ros: RosFacts,
    *,
    container: str = '',
    shm: Path = Path('/dev/shm'),  # noqa: S108 where Fast DDS has its segments
    root: Path = Path('/'),
) -> TransportFacts:
    """Shared memory and buffers; reads the profile that the environment names.

    Args:
        ros: what is set.
        container: kind of the container of this process.
        shm: folder of the shared memory.
        root: where proc is.
    """
    profile, profile_error = None, ''
    named = ros.environment.get(profile_variable(ros.distribution), '')
    if named:
        try:
            profile = read_text(named, 'a profile of Fast DDS', _PROFILE_LIMIT)
        except FolVprError as error:
            profile_error = str(error)
    size = free = None
    try:
        found = os.statvfs(shm)
        size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    except OSError:
        pass
    count, dead_bytes = dead_segments(shm)
    return TransportFacts(
        profile=profile,
        profile_error=profile_error,
        shm_size=size,
        shm_free=free,
        shm_writable=os.access(shm, os.W_OK | os.X_OK),
        dead_segments=count,
        dead_bytes=dead_bytes,
        receive_buffer=_whole_number(root / 'proc/sys/net/core/rmem_max'),
        container=container,
    )


def _whole_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
