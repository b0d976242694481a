"""Asks the running localizers for their state and their parameters."""

from __future__ import annotations

import time
from typing import Any

from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

from fol_vpr.checks.topics.facts import LocalizerFacts

PATIENCE = 3.0
"""Seconds for one answer: a node that loads a map does not answer meanwhile."""
AGAIN = 1.0
"""Seconds after which a request is sent again.

A service drops its answer where it has not discovered the client yet. A client cannot tell:
`service_is_ready` says only that the client has discovered the service.
"""
_LOAD_MAP = 'fol_vpr_msgs/srv/LoadMap'


class _UnansweredError(Exception):
    """A service gave no answer in time."""


def find_localizers(node: Node) -> list[str]:
    """Full names of the localizers that run, by their services; sorted."""
    return sorted(
        name.rpartition('/')[0]
        for name, types in node.get_service_names_and_types()
        if _LOAD_MAP in types and name.endswith('/load_map')
    )


def ask_localizer(node: Node, executor: Executor, name: str) -> LocalizerFacts:
    """State, parameters and subscriptions of a localizer.

    Args:
        node: that asks.
        executor: of the node.
        name: full name of the localizer.
    """
    state, values, problem = '', {}, ''
    try:
        answer = _call(node, executor, GetState, f'{name}/get_state', GetState.Request())
        state = answer.current_state.label
        values = _parameters(node, executor, name)
    except _UnansweredError as error:
        state, values, problem = '', {}, str(error)
    # Last: a service may be known before the name of its node and what that subscribes to.
    return LocalizerFacts(name, state, problem, values, subscriptions=_subscriptions(node, name))


def _subscriptions(node: Node, name: str) -> dict[str, list[str]]:
    """Topics by their type; empty for a node that is not in the graph."""
    namespace, _, own = name.rpartition('/')
    found: dict[str, list[str]] = {}
    try:
        listed = node.get_subscriber_names_and_types_by_node(own, namespace or '/')
    except RuntimeError:  # it has left the graph meanwhile
        listed = []
    for topic, types in listed:
        for kind in types:
            found.setdefault(kind, []).append(topic)
    return found


def _parameters(node: Node, executor: Executor, name: str) -> dict[str, Any]:
    request = ListParameters.Request()
    listed = _call(node, executor, ListParameters, f'{name}/list_parameters', request)
    return _values(node, executor, name, list(listed.result.names))


def _values(node: Node, executor: Executor, name: str, names: list[str]) -> dict[str, Any]:
    """Values of parameters; those without one are left out.

    One parameter without a value makes the answer for all of a request empty.
    """
    wanted = GetParameters.Request(names=names)
    found = _call(node, executor, GetParameters, f'{name}/get_parameters', wanted).values
    if len(found) == len(names):
        return dict(zip(names, map(parameter_value_to_python, found), strict=True))
    if len(names) == 1:
        return {}
    half = len(names) // 2
    return {
        **_values(node, executor, name, names[:half]),
        **_values(node, executor, name, names[half:]),
    }


def _call(node: Node, executor: Executor, kind: Any, name: str, request: Any) -> Any:
    """The answer of a service; the request must be one that may be answered twice.

    Raises:
        _UnansweredError: there is none within PATIENCE.
    """
    client = node.create_client(kind, name)
    try:
        deadline = time.monotonic() + PATIENCE
        while not client.service_is_ready():
            if time.monotonic() > deadline:
                raise _UnansweredError(f'its service {name} is not there')
            executor.spin_once(timeout_sec=0.05)
        calls, next_call = [client.call_async(request)], time.monotonic() + AGAIN
        while True:
            for call in calls:
                if call.done():
                    return call.result()
            now = time.monotonic()
            if now > deadline:
                raise _UnansweredError(f'{name} gave no answer within {PATIENCE:g} s')
            if now > next_call:
                calls.append(client.call_async(request))
                next_call = now + AGAIN
            executor.spin_once(timeout_sec=0.05)
    finally:
        node.destroy_client(client)
