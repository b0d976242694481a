"""Answers requests for lifecycle transitions that the state of the node does not allow.

In rclpy before 9 the callback of ~/change_state raises for them, and the caller waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode

from fol_vpr.files import printable
from fol_vpr.ros.node.defects import report_defect

MAX_LABEL = 60
"""Most characters of a requested label that are logged."""


def answer_every_request(node: LifecycleNode, run: Callable[[Callable[[], Any]], Any]) -> None:
    """Have ~/change_state answer success=False, with a line in the log, instead of not at all.

    Args:
        node: the lifecycle node, before it is added to an executor.
        run: called with what changes the state, for each request that the state allows; returns
            what that returns.
    """
    service = node._service_change_state
    change_state = service.callback

    def answer(request: Any, response: Any) -> Any:
        refusal = _refusal(node, request.transition)
        if refusal:
            node.get_logger().warning(refusal)
            response.success = False
            return response
        try:
            return run(lambda: change_state(request, response))
        except Exception as error:  # noqa: BLE001 without an answer the caller waits for ever
            report_defect(node, 'a lifecycle transition failed', error)
            response.success = False
            return response

    service.callback = answer


def _refusal(node: LifecycleNode, asked: Any) -> str:
    """Why a transition cannot be made, empty if it can.

    Args:
        node: the lifecycle node.
        asked: the lifecycle_msgs/Transition; its label decides where there is one, as in rclpy.
    """
    machine = node._state_machine
    possible = {each[0]: each[1] for each in machine.available_transitions}
    if asked.label in possible.values() or (not asked.label and asked.id in possible):
        return ''
    state = machine.current_state[1]
    name = repr(printable(asked.label, MAX_LABEL)) if asked.label else f'with the id {asked.id}'
    if not possible:
        remedy = f'a node that is {state} stays so: start it again'
    else:
        remedy = f'possible are {", ".join(f"{label} ({id})" for id, label in possible.items())}'
    return f'~/change_state: refused the transition {name}, as the node is {state}; {remedy}'
