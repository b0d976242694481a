"""What a localizer says of itself, when answers are lost on the way."""

from __future__ import annotations

import pytest
from helpers import live
from helpers.doctor.robot import Robot
from lifecycle_msgs.srv import GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future

from fol_vpr.ros.doctor import services


@pytest.mark.parametrize('lost', [0, 1, 2])
def test_a_request_whose_answer_is_lost_is_sent_again(lost: int):
    state, problem = asked(lost)
    assert (state, problem) == ('active', '')


def test_a_service_that_never_answers_is_named():
    state, problem = asked(1000)
    assert state == '' and problem == '/driver/get_state gave no answer within 3 s'


def asked(lost: int) -> tuple[str, str]:
    """State and problem of a node that gives no answer to its first requests."""
    seen: list[GetState.Request] = []

    async def on_get_state(request, response):
        seen.append(request)
        if len(seen) <= lost:
            await Future()  # for ever
        response.current_state.label = 'active'
        return response

    with Robot() as robot, live.observer() as watch:
        group = ReentrantCallbackGroup()  # a call without an end lets the next one begin
        robot.node.create_service(GetState, '~/get_state', on_get_state, callback_group=group)
        facts = services.ask_localizer(watch.node, watch.executor, '/driver')
    return facts.state, facts.problem
