"""A camera driver for benchmarks: sends the images of a bag, in a process of its own.

    python -m benchmarks.endurance.camera BAG [--pose-topic TOPIC] [--rate 10]

Best effort, on `image/compressed`, forwards and backwards until a signal ends it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.endurance.soak import to_and_fro, views_of


class CameraProcess:
    """The driver as a process that can be started again, with the environment of this moment."""

    def __init__(self, bag: str, pose_topic: str | None, rate: float) -> None:
        self._command = [sys.executable, '-m', __name__, bag, '--rate', str(rate)]
        if pose_topic is not None:
            self._command += ['--pose-topic', pose_topic]
        self._environment = dict(os.environ)
        self._process: subprocess.Popen[bytes] | None = None
        self.restarts = 0

    def __enter__(self) -> CameraProcess:
        self._process = subprocess.Popen(  # noqa: S603 this module
            self._command, env=self._environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        # SIGKILL: a driver that waits for a lock in shared memory hears nothing else.
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """End the process, and start it anew."""
        self.__exit__()
        self.restarts += 1
        self.__enter__()


def main(arguments: Sequence[str] | None = None) -> int:
    """Send until a signal."""
    parser = argparse.ArgumentParser(prog=f'python -m {__name__}', description=__doc__)
    parser.add_argument('bag')
    parser.add_argument('--pose-topic')
    parser.add_argument('--rate', type=float, default=10.0, help='images a second')
    options = parser.parse_args(arguments)
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CompressedImage

    from fol_vpr.ros.bags.client import client_node

    views = to_and_fro(views_of(options.bag, options.pose_topic))
    quality = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    with client_node('camera') as (node, _):
        publisher = node.create_publisher(CompressedImage, 'image/compressed', quality)
        due = time.monotonic()
        while True:
            time.sleep(max(0.0, due - time.monotonic()))
            due = time.monotonic() + 1 / options.rate
            message = CompressedImage(format='jpeg', data=next(views).jpeg)
            message.header.frame_id = 'camera'
            now = time.time_ns()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
            publisher.publish(message)


if __name__ == '__main__':
    sys.exit(main())
