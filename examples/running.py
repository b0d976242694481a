"""Runs the node of an example until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from fol_vpr.errors import FolVprError


class ExampleNode(Node):
    """A node that may have something to say before it goes."""

    def close(self) -> None:
        """Publish what is left to publish; called once, before the node is destroyed."""


def run(make: Callable[[], ExampleNode], name: str, args: Sequence[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM.

    Args:
        make: creates the node; its FolVprError, ValueError or ParameterException ends the program.
        name: of the logger that says so.
        args: the command line; None takes that of the process.

    Returns:
        Exit status: 0 after a signal, 2 where the node could not be created.
    """
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    # With rclpy's own handlers nothing could be published any more once a signal came.
    rclpy.init(
        args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO
    )
    try:
        node = make()
    except (FolVprError, ValueError, ParameterException) as error:
        get_logger(name).fatal(f'cannot start: {error}')
        rclpy.shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stopped:
        executor.spin_once(timeout_sec=0.1)
    node.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()
    return 0
