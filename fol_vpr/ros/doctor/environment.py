"""ROS 2 in this environment; can be imported without it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping

from fol_vpr.checks.middleware.facts import VARIABLES, RosFacts


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


def start_error() -> str:
    """Why no node of ROS starts here; empty where one does. The process may end instead."""
    rclpy = importlib.import_module('rclpy')
    try:
        rclpy.init(args=[])
        rclpy.create_node('fol_vpr_doctor')
    except Exception as error:  # noqa: BLE001 rclpy raises several kinds, all of them mean that
        return _first_line(error)
    return ''


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
