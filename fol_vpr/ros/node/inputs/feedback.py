"""The subscription to what a SLAM back-end did with loop closures."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.subscription import Subscription

from fol_vpr_msgs.msg import LoopClosureFeedback


class FeedbackInput:
    """Listens to `loop_closure_feedback`.

    Args:
        node: that subscribes.
        on_feedback: called with the id of the candidate, whether it was accepted, and the reason;
            returns why the feedback is ignored, empty if it is used.
    """

    def __init__(self, node: Node, on_feedback: Callable[[int, bool, str], str]) -> None:
        self._node = node
        self._on_feedback = on_feedback
        self._subscription: Subscription | None = None

    def subscribe(self) -> None:
        """Start to listen."""
        if self._subscription is None:
            self._subscription = self._node.create_subscription(
                LoopClosureFeedback, 'loop_closure_feedback', self._on_message, 100
            )

    def unsubscribe(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_message(self, message: LoopClosureFeedback) -> None:
        accepted, rejected = LoopClosureFeedback.ACCEPTED, LoopClosureFeedback.REJECTED
        if message.status in (accepted, rejected):
            ignored = self._on_feedback(
                message.candidate_id, message.status == accepted, message.reason
            )
        else:
            ignored = (
                f'feedback to loop closure {message.candidate_id} with the status '
                f'{message.status}, expected {accepted} (ACCEPTED) or {rejected} (REJECTED)'
            )
        if ignored:
            self._node.get_logger().warning(f'ignored: {ignored}', throttle_duration_sec=5.0)
