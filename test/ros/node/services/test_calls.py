"""The queue of calls, without a service that does anything."""

from __future__ import annotations

import asyncio
import threading

import pytest
from helpers.bench import Bench, bench
from rclpy.task import Future
from std_srvs.srv import Trigger

from fol_vpr.errors import FolVprError
from fol_vpr.ros.node.services.calls import MAX_WAITING, BusyError
from fol_vpr.ros.node.services.common import message_of, result_of, run_in_background
from fol_vpr.ros.service_qos import SERVICE_QOS
from fol_vpr_msgs.srv import LoadMap

TOO_MANY = MAX_WAITING + 5


class Work:
    """A service whose calls last until they are allowed to end."""

    def __init__(self, made: Bench) -> None:
        self.made = made
        self.queue = made.context.calls.queue()
        self.may_end = threading.Event()
        self.order: list[int] = []
        made.context.calls.create_service(Trigger, '~/work', self.on_call)
        self.client = made.watch.client(Trigger, 'work', qos_profile=SERVICE_QOS)

    async def on_call(self, _request, response):
        try:
            async with self.queue:
                self.order.append(len(self.order))
                await run_in_background(self.made.context, self.may_end.wait)
        except FolVprError as error:
            response.message = message_of(error)
            return response
        response.success = True
        return response

    def call(self, count: int) -> list[Future]:
        return [self.client.call_async(Trigger.Request()) for _ in range(count)]


def test_what_exceeds_the_queue_is_refused_at_once_and_the_rest_is_done():
    with bench() as made:
        work = Work(made)
        calls = work.call(TOO_MANY)
        refused = TOO_MANY - MAX_WAITING - 1
        made.watch.until(lambda: sum(call.done() for call in calls) == refused)
        for call in calls[-refused:]:
            assert not call.result().success
            assert 'did nothing: call again later' in call.result().message
        assert len(work.order) == 1
        work.may_end.set()
        made.watch.until(lambda: all(call.done() for call in calls))
        assert sum(call.result().success for call in calls) == MAX_WAITING + 1


def test_a_node_that_is_stopped_answers_all():
    with bench() as made:
        work = Work(made)
        running, *waiting = work.call(3)
        made.watch.until(lambda: work.order)
        made.watch.spin(0.2)
        made.context.calls.refuse_all()
        made.watch.until(lambda: running.done() and all(call.done() for call in waiting))
        assert 'whether it was carried out is not known' in running.result().message
        assert [call.result().message for call in waiting] == [made.context.calls.refusal] * 2
        (late,) = work.call(1)
        made.watch.until(late.done)
        assert late.result().message == made.context.calls.refusal
        assert made.context.calls.wait_answered(1)
        work.may_end.set()


def test_the_results_on_the_wire():
    assert result_of(BusyError('full'), LoadMap.Response) == LoadMap.Response.BUSY


def test_a_call_that_fails_lets_the_next_one_enter():
    with bench() as made:
        queue = made.context.calls.queue()

        async def enter(fail: bool) -> str:
            async with queue:
                if fail:
                    raise ValueError
                return 'entered'

        with pytest.raises(ValueError):
            asyncio.run(enter(True))
        assert asyncio.run(enter(False)) == 'entered'
