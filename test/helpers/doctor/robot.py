"""A small robot over ROS: a camera, odometry, a clock and transforms, right or wrong as wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import rclpy
from geometry_msgs.msg import TransformStamped
from helpers.messages import picture
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

PERIOD = 0.05
AHEAD = (-0.5, 0.5, -0.5, 0.5)
"""Orientation of the optical frame of a camera that looks ahead."""


def qos(*, reliable: bool = True, kept: bool = False, depth: int = 10) -> QoSProfile:
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    durability = DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, reliability=reliability, durability=durability)


def set_stamp(header: Any, offset: float) -> None:
    """Stamp a header with the time of the system plus an offset in seconds."""
    now = time.time_ns() + int(offset * 1e9)
    header.stamp.sec, header.stamp.nanosec = divmod(now, 10**9)


class Robot:
    """Publishes until it is closed, from a context of its own beside that of the test."""

    def __init__(self, name: str = 'driver') -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = Node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._sends: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def camera(
        self,
        topic: str = '/image',
        *,
        offset: float = 0.0,
        stamp: Callable[[], tuple[int, int]] | None = None,
        frame_id: str = 'camera_optical_frame',
        **policy: bool,
    ) -> None:
        """Publish images; stamps lie `offset` seconds from now, or are what `stamp` returns."""
        message = picture(frame_id=frame_id)

        def stamped() -> Image:
            if stamp is None:
                set_stamp(message.header, offset)
            else:
                message.header.stamp.sec, message.header.stamp.nanosec = stamp()
            return message

        self.every(Image, topic, stamped, qos(**policy))

    def camera_info(self, topic: str = '/camera_info', **values: Any) -> None:
        message = CameraInfo(**values)
        self.every(CameraInfo, topic, lambda: message, qos())

    def odometry(
        self, child: str = 'base_link', *, offset: float = 0.0, topic: str = '/odom'
    ) -> None:
        message = Odometry(child_frame_id=child)
        message.header.frame_id = 'odom'

        def stamped() -> Odometry:
            set_stamp(message.header, offset)
            return message

        self.every(Odometry, topic, stamped, qos())

    def clock(self, *, stands: bool = False) -> None:
        message = Clock()

        def ticked() -> Clock:
            message.clock.sec += 0 if stands else 1
            return message

        message.clock.sec = 100
        self.every(Clock, '/clock', ticked, qos())

    def transform(
        self, parent: str, child: str, turned: tuple[float, ...], *, moving: bool = False
    ) -> None:
        """Publish a transform 0.2 m ahead and 1.3 m up; needs tf2_msgs."""
        from tf2_msgs.msg import TFMessage

        stamped = TransformStamped(child_frame_id=child)
        stamped.header.frame_id = parent
        stamped.transform.translation.x, stamped.transform.translation.z = 0.2, 1.3
        rotation = stamped.transform.rotation
        rotation.x, rotation.y, rotation.z, rotation.w = turned
        message = TFMessage(transforms=[stamped])
        if moving:
            self.every(TFMessage, '/tf', lambda: message, qos())
            return
        publisher = self.node.create_publisher(TFMessage, '/tf_static', qos(kept=True))
        publisher.publish(message)

    def every(self, kind: type, topic: str, make: Callable[[], Any], policy: QoSProfile) -> None:
        """Publish what `make` returns, again and again."""
        publisher = self.node.create_publisher(kind, topic, policy)
        self._sends.append(lambda: publisher.publish(make()))

    def _run(self) -> None:
        while not self._stop.wait(PERIOD):
            for send in list(self._sends):
                send()
            self._executor.spin_once(timeout_sec=0.0)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def __enter__(self) -> Robot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
