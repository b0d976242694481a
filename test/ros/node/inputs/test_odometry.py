"""The subscription to odometry; the track itself is tested with the transforms."""

from __future__ import annotations

from helpers import live
from nav_msgs.msg import Odometry

from fol_vpr.config import NodeConfig
from fol_vpr.ros.node.inputs.odometry import OdometryInput


def test_odometry_is_forgotten_with_the_subscription():
    """The robot may be elsewhere when the node listens again."""
    message = Odometry(child_frame_id='base_link')
    message.pose.pose.orientation.w = 1.0
    message.pose.pose.position.x = 3.0
    with live.observer() as watch:
        odometry = OdometryInput(watch.node)
        odometry.subscribe()
        odometry.subscribe()
        assert watch.node.count_subscribers('/odom') == 1
        # A publisher of sensor data is best effort.
        watch.publisher(Odometry, '/odom', reliable=False).publish(message)
        pose = watch.until(lambda: odometry.track.pose_at(0, NodeConfig()))
        assert pose.position[0] == 3
        odometry.unsubscribe()
        assert odometry.track.pose_at(0, NodeConfig()) is None
        assert odometry.track.problem == ''
        watch.until(lambda: watch.node.count_subscribers('/odom') == 0)
