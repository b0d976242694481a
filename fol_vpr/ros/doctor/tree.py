"""Collects the transforms on /tf and /tf_static."""

from __future__ import annotations

from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node

from fol_vpr.checks.topics.facts import FrameFacts
from fol_vpr.config import mount_pose
from fol_vpr.datatypes import Pose
from fol_vpr.ros.doctor.streams import quiet_qos
from fol_vpr.ros.doctor.target import Target
from fol_vpr.ros.kept_messages import KeptSubscription
from fol_vpr.sources.bags.mounts import edge_from_transform


class TransformTree:
    """Listens to transforms, if their message type is installed.

    Args:
        node: that subscribes.
    """

    def __init__(self, node: Node) -> None:
        self._static: dict[str, tuple[str, Pose]] = {}
        self._moving: dict[str, tuple[str, Pose]] = {}
        self._parents: dict[str, dict[str, None]] = {}
        self.known = False
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return
        self.known = True
        KeptSubscription(
            node, TFMessage, '/tf_static', self._on_static, depth=100, present=quiet_qos(100)
        )
        node.create_subscription(
            TFMessage,
            '/tf',
            self._on_moving,
            quiet_qos(100),
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )

    def facts(self, target: Target, map_frame: str = '') -> FrameFacts:
        """The tree so far, with the settings that it is compared with."""
        settings = target.settings.node
        return FrameFacts(
            known=self.known,
            static=self._static,
            moving={f: edge for f, edge in self._moving.items() if f not in self._static},
            parents={frame: tuple(parents) for frame, parents in self._parents.items()},
            base_frame=settings.base_frame,
            mount=mount_pose(settings.camera_mount),
            publish_tf=settings.publish_tf,
            map_frame=settings.map_frame or map_frame,
        )

    def _on_static(self, message: Any) -> None:
        self._add(message, self._static)

    def _on_moving(self, message: Any) -> None:
        self._add(message, self._moving)

    def _add(self, message: Any, edges: dict[str, tuple[str, Pose]]) -> None:
        for stamped in message.transforms:
            frame, edge = edge_from_transform(stamped)
            if edge is not None:
                edges[frame] = edge
                self._parents.setdefault(frame, {})[edge[0]] = None
