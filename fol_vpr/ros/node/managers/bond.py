"""The bond by which a lifecycle manager of nav2 notices that the node has died."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode

PERIOD = 0.1
"""Seconds between two heartbeats, as in the nodes of nav2."""
NEVER = 1e7
"""Seconds without a heartbeat of the manager after which the bond breaks.

The nodes of nav2 do not break it either: a manager that is late has to find them alive. bondpy
cannot switch its time limit off: for that it would declare a parameter at each expiry, which
raises the second time.
"""
TOPIC = 'bond'


class ManagerBond:
    """Publishes heartbeats on `bond` while the node is active, where bondpy is installed.

    Topic and id are those that nav2's lifecycle manager and nodes use: `bond` in the namespace of
    the node, and the name of the node without it.

    Args:
        node: the lifecycle node.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._bond: Any = None
        self._formed = False
        self._absence_told = False

    def form(self) -> None:
        """Begin to publish heartbeats; without bondpy, say once that there are none."""
        self.end()
        try:
            # The package `bondpy` on PyPI is another one, and has no such module.
            from bondpy.bondpy import Bond
        except ImportError:
            self._tell_absence()
            return
        self._formed = False
        bond = Bond(
            self._node,
            TOPIC,
            self._node.get_name(),
            on_broken=self._on_broken,
            on_formed=self._on_formed,
        )
        bond.heartbeat_period = PERIOD
        bond.heartbeat_timeout = NEVER
        bond.start()
        self._bond = bond

    def end(self) -> None:
        """Tell the manager that the heartbeats end, and publish no more."""
        bond, self._bond = self._bond, None
        if bond is None:
            return
        bond.on_broken = None
        bond.shutdown()
        # It destroys both without telling the node, which would keep them.
        self._node.destroy_subscription(bond.sub)
        self._node.destroy_publisher(bond.pub)

    def _on_formed(self) -> None:
        self._formed = True
        self._node.get_logger().info('a lifecycle manager has formed a bond')

    def _on_broken(self) -> None:
        if self._formed:
            self._node.get_logger().warning(
                'the lifecycle manager has broken the bond; the node goes on as it is'
            )
        else:
            self._node.get_logger().info(
                'no bond was formed with the lifecycle manager: its bond_timeout is 0.0, or it '
                f'has another namespace than {self._node.get_namespace()}'
            )

    def _tell_absence(self) -> None:
        if self._absence_told:
            return
        self._absence_told = True
        self._node.get_logger().info(
            'no bond with the lifecycle manager, as bondpy is not installed: for a manager of '
            'nav2 install it (`apt install ros-$ROS_DISTRO-bondpy`), or set bond_timeout: 0.0 in '
            'the manager'
        )
