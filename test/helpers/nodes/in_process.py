"""The node `localizer` in the process of the test, on the executor of its observer."""

from __future__ import annotations

from helpers import live
from rclpy.parameter import Parameter

from fol_vpr.ros.node.lifecycle import Localizer


class InProcess:
    """A node and its observer on one executor."""

    def __init__(self, watch: live.Observer, **parameters: object) -> None:
        self.watch = watch
        self.node = Localizer()
        watch.executor.add_node(self.node)
        self.set({**live.QUICK, **parameters})

    @property
    def state(self) -> str:
        """Label of the lifecycle state."""
        return self.node.node_context.state

    def set(self, parameters: dict[str, object]) -> None:
        """Set parameters by their names."""
        changes = [Parameter(name, value=value) for name, value in parameters.items()]
        for result in self.node.set_parameters(changes):
            assert result.successful, result.reason

    def change(self, *labels: str) -> None:
        """Make transitions, which have to succeed."""
        for label in labels:
            assert self.watch.change(label), label

    def close(self) -> None:
        """Shut the node down and take it off the executor."""
        self.node.close()
        if self.state != 'finalized':
            self.node.trigger_shutdown()
        self.watch.executor.remove_node(self.node)
        self.node.destroy_node()
