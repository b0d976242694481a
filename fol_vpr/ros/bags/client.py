"""What playing and recording share: a temporary node, and message types by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from fol_vpr.errors import FolVprError
from fol_vpr.ros.watchdog import exit_after

# Seconds for leaving the ROS graph.
TEARDOWN_TIMEOUT = 5.0


@contextmanager
def client_node(name: str) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """A node and its executor for the length of a block; signals are left to the caller.

    The caller must report its result within the block: the process is ended if leaving the ROS
    graph takes longer than TEARDOWN_TIMEOUT.

    Args:
        name: of the node.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = Node(name)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    status = 1
    try:
        yield node, executor
        status = 0
    finally:
        with exit_after(TEARDOWN_TIMEOUT, status):
            executor.shutdown()
            node.destroy_node()
            rclpy.shutdown()


def message_class(type_name: str) -> Any:
    """The Python class of a message type such as sensor_msgs/msg/Image.

    Raises:
        FolVprError: its package is not installed, or not sourced.
    """
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError) as error:
        raise FolVprError(
            f'messages of the type {type_name} need the package {package}, which is not '
            'installed here: install it and source its workspace'
        ) from error


def not_played_message(topic: str, type_name: str) -> str:
    """The message that a topic of a bag is left out, as its type is not installed."""
    message = f'{topic} is not played: {type_name} is not installed here'
    if topic != '/tf_static':
        return message
    return (
        f'{message}; tell localizer where the camera sits on the robot by '
        '-p "camera_mount:=[X, Y, Z, QX, QY, QZ, QW]", every number with a decimal point'
    )


def topic_type(node: Node, topic: str) -> str | None:
    """Name of the type that is published on a topic, None if nobody publishes on it."""
    endpoints = node.get_publishers_info_by_topic(topic)
    return endpoints[0].topic_type if endpoints else None
