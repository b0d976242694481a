"""The service ~/relocalize: find out anew where the robot is.

It waits for the answers to images that come in anyway; the executor and the images go on.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.task import Future

from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.node.services.queries import NoMap, NotReady, Services, result_of
from fol_vpr_msgs.srv import Relocalize

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.lifecycle import Localizer


@dataclass
class _Wait:
    """A call that waits for an answer.

    Attributes:
        since: time.perf_counter() from which on images count.
        done: gets why the wait is over: '' (localised, or the time is up), else a failure.
        last: the last answer.
    """

    since: float
    done: Future = field(default_factory=Future)
    last: Any = None


class Relocalization:
    """Advertises the service and answers it."""

    def __init__(self, node: Localizer, services: Services) -> None:
        self._node = node
        self._services = services
        self._lock = threading.Lock()
        self._wait: _Wait | None = None
        # Steady: a robot asks for seconds of its own, whatever the time in a simulation.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_service(
            Relocalize,
            '~/relocalize',
            self._on_relocalize,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    def on_result(self, answer: Any, started: float) -> None:
        """An image was answered; called on the worker's thread.

        Args:
            answer: the PlaceHypothesisArray.
            started: time.perf_counter() when the image was taken up.
        """
        with self._lock:
            wait = self._wait
            if wait is None or started < wait.since:
                return
            wait.last = answer
            localized = answer.state == int(LocalizationState.LOCALIZED)
        if localized:
            self._end(wait, '')

    def interrupt(self, reason: str) -> None:
        """No answers will come any more."""
        with self._lock:
            wait = self._wait
        if wait is not None:
            self._end(wait, reason)

    def _end(self, wait: _Wait, reason: str) -> None:
        with self._lock:
            if self._wait is not wait:
                return
            self._wait = None
        wait.done.set_result(reason)
        executor = self._node.executor
        if executor is not None:
            executor.wake()

    async def _on_relocalize(
        self, request: Relocalize.Request, response: Relocalize.Response
    ) -> Relocalize.Response:
        seconds = request.timeout.sec + request.timeout.nanosec * 1e-9
        try:
            if seconds < 0:
                raise InputError(f'the timeout is {seconds:g} s, expected 0 or more')
            await self._forget()
            if seconds == 0:
                response.message = 'what was seen before is forgotten'
                response.result = Relocalize.Response.OK
            else:
                self._fill(response, await self._answer_within(seconds), seconds)
        except (FolVprError, MemoryError) as error:
            response.result = result_of(error, Relocalize.Response)
            response.message = str(error) or 'no memory left'
        return response

    async def _forget(self) -> None:
        recognizer = self._active()
        if recognizer.map_info is None:
            raise NoMap('no map is loaded: call ~/load_map first')
        # It waits for the image at hand.
        await self._services.in_background(recognizer.reset_sequence)
        if left := self._services.cleaned_up(recognizer):
            raise left
        self._active()

    def _active(self) -> PlaceRecognizer:
        node = self._node
        if node.recognizer is None or node.state != 'active':
            raise NotReady(f'the node is {node.state}: activate it first')
        return node.recognizer

    async def _answer_within(self, seconds: float) -> Any:
        """The answer that is LOCALIZED, else the last one, or None.

        Raises:
            NotReady: the node was deactivated meanwhile.
        """
        wait = _Wait(time.perf_counter())
        with self._lock:
            self._wait = wait
        # In a group of its own: that of the service is busy with this call.
        timer = self._node.create_timer(
            seconds,
            lambda: self._end(wait, ''),
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=self._clock,
        )
        try:
            reason = await wait.done
        finally:
            self._node.destroy_timer(timer)
        if reason:
            raise NotReady(reason)
        return wait.last

    def _fill(self, response: Relocalize.Response, answer: Any, seconds: float) -> None:
        if answer is None:
            response.result = Relocalize.Response.NO_IMAGES
            response.message = (
                f'no image was answered within {seconds:g} s: {self._node.describe_publishers()}'
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
