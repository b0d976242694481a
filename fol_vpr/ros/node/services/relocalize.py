"""The service ~/relocalize: forget the past images, and find out again where the robot is.

It waits for the answers to the images that arrive; the executor goes on meanwhile.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.task import Future

from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.services.calls import NotReady
from fol_vpr.ros.node.services.common import (
    active_recognizer,
    check_localizing,
    check_map_loaded,
    check_not_cleaned_up,
    message_of,
    result_of,
    run_in_background,
)
from fol_vpr_msgs.srv import Relocalize


@dataclass
class _PendingCall:
    """A call that waits for an answer.

    Attributes:
        since: time.perf_counter() at its start; images whose decoding began earlier do not count.
        done: gets why the wait has ended: '' (localized, or out of time), else a failure.
        last: the last PlaceHypothesisArray, None before the first.
    """

    since: float
    done: Future = field(default_factory=Future)
    last: Any = None


class RelocalizeService:
    """Waits until the state is LOCALIZED again.

    Args:
        context: of the node.
    """

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._pending: _PendingCall | None = None
        # Steady: the timeout counts real seconds, also where time is simulated.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._queue = context.calls.queue()
        context.calls.create_service(Relocalize, '~/relocalize', self._on_relocalize)

    def on_result(self, answer: Any, started: float) -> None:
        """An image was answered; called on the thread of the image pipeline.

        Args:
            answer: the PlaceHypothesisArray.
            started: time.perf_counter() when decoding of the image began.
        """
        with self._lock:
            pending = self._pending
            if pending is None or started < pending.since:
                return
            pending.last = answer
            localized = answer.state == int(LocalizationState.LOCALIZED)
        if localized:
            self._end(pending, '')

    def interrupt(self, reason: str) -> None:
        """End a pending call with a failure, as no more images will be answered."""
        with self._lock:
            pending = self._pending
        if pending is not None:
            self._end(pending, reason)

    def _end(self, pending: _PendingCall, reason: str) -> None:
        with self._lock:
            if self._pending is not pending:
                return
            self._pending = None
        pending.done.set_result(reason)
        self._context.calls.wake()

    async def _on_relocalize(
        self, request: Relocalize.Request, response: Relocalize.Response
    ) -> Relocalize.Response:
        seconds = request.timeout.sec + request.timeout.nanosec * 1e-9
        try:
            if seconds < 0:
                raise InputError(f'the timeout is {seconds:g} s, expected 0 or more')
            async with self._queue:
                await self._forget_past_images()
                if seconds == 0:
                    response.message = 'what was seen before is forgotten'
                    response.result = Relocalize.Response.OK
                else:
                    self._fill(response, await self._answer_within(seconds), seconds)
        except (FolVprError, MemoryError) as error:
            response.result = result_of(error, Relocalize.Response)
            response.message = message_of(error)
        return response

    async def _forget_past_images(self) -> None:
        context = self._context
        check_localizing(context)
        recognizer = active_recognizer(context)
        check_map_loaded(recognizer)
        # It waits for the current image.
        await run_in_background(context, recognizer.reset_sequence)
        check_not_cleaned_up(context, recognizer)
        active_recognizer(context)

    async def _answer_within(self, seconds: float) -> Any:
        """The answer that is LOCALIZED, else the last one, or None.

        Raises:
            NotReady: the node was deactivated or stopped meanwhile.
        """
        pending = _PendingCall(time.perf_counter())
        with self._lock:
            self._pending = pending

        def interrupt(error: FolVprError) -> None:
            self._end(pending, str(error))

        self._context.calls.add_interrupt(interrupt)
        timer = self._context.node.create_timer(
            seconds,
            lambda: self._end(pending, ''),
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=self._clock,
        )
        try:
            reason = await pending.done
        finally:
            self._context.calls.remove_interrupt(interrupt)
            self._context.node.destroy_timer(timer)
        if reason:
            raise NotReady(reason)
        return pending.last

    def _fill(self, response: Relocalize.Response, answer: Any, seconds: float) -> None:
        if answer is None:
            response.result = Relocalize.Response.NO_IMAGES
            response.message = (
                f'no image was answered within {seconds:g} s: {self._describe_publishers()}'
            )
            return
        response.places = answer
        if answer.state == int(LocalizationState.LOCALIZED):
            response.result = Relocalize.Response.OK
            response.message = f'localized at {answer.hypotheses[0].place_id}'
            return
        state = LocalizationState(answer.state).name
        response.result = Relocalize.Response.NOT_LOCALIZED
        response.message = (
            f'{state} after {seconds:g} s: move the robot on, so that it sees more of the place'
        )

    def _describe_publishers(self) -> str:
        """Who publishes images for this node."""
        runtime = self._context.runtime
        reports = [] if runtime is None else runtime.pipeline.topic_reports()
        topics = [
            f'{report.name} is published by {"; ".join(report.publishers) or "nobody"}'
            for report in reports
        ]
        return '; '.join(topics) or 'the node listens to no topic, see ~/enable'
