"""QoS of services, for both of their ends.

rclpy's default keeps ten messages at each end. That counts the requests of all clients together at
the server, and the answers to all clients together at each client, since every client receives all
answers and drops those to others only when it takes them. What does not fit is lost without a word
at either end, and its future never ends.
"""

from __future__ import annotations

from rclpy.qos import QoSProfile

SERVICE_QOS = QoSProfile(depth=1000)
"""Of calls without images; and of every client, as answers hold no images."""

IMAGE_SERVICE_QOS = QoSProfile(depth=100)
"""Of the server of calls that hold an image: 100 raw images of 1280x720 take 276 MB at most."""
