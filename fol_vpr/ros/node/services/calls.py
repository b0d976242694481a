"""The calls of the node's services: each is answered, also where it comes to a busy node.

rclpy leaves requests in the middleware while the callback group of their service is busy, which
drops what exceeds the depth of its queue without a word. Here a request is taken as soon as the
executor is free. It waits for its turn in a queue of the node, and is refused with a reason where
that is full or the node is stopped.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

from fol_vpr.errors import FolVprError
from fol_vpr.ros.service_qos import SERVICE_QOS

MAX_WAITING = 50
"""Calls that may wait in one queue; with raw images of 1280x720 they take 138 MB."""
# Seconds in which requests that have reached the machine are taken before the node is stopped.
_LAST_REQUESTS = 0.1
_POLL = 0.01


class NotReady(FolVprError):
    """The state of the node does not allow the call."""


class BusyError(FolVprError):
    """Too many calls wait already."""


class InterruptedCallError(FolVprError):
    """The node was stopped while the call was carried out."""


class ServiceCalls:
    """Creates the services of the node, and knows the calls that are not answered yet.

    Args:
        node: that offers the services.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.lock = threading.RLock()
        self._group = ReentrantCallbackGroup()
        self._queues: list[CallQueue] = []
        self._interrupts: set[Callable[[FolVprError], None]] = set()
        self._unanswered = 0
        self.refusal = ''

    def create_service(
        self,
        kind: Any,
        name: str,
        callback: Callable[[Any, Any], Awaitable[Any]],
        qos: QoSProfile = SERVICE_QOS,
    ) -> None:
        """Offer a service whose calls are all taken at once.

        Args:
            kind: the service type.
            name: of the service.
            callback: a coroutine function of request and response, which takes its turn in a
                `CallQueue` and returns the response.
            qos: of the service.
        """

        async def counted(request: Any, response: Any) -> Any:
            self._unanswered += 1
            try:
                return await callback(request, response)
            finally:
                self._unanswered -= 1

        self._node.create_service(kind, name, counted, qos_profile=qos, callback_group=self._group)

    def queue(self) -> CallQueue:
        """A queue for calls of which one at a time is carried out."""
        made = CallQueue(self)
        self._queues.append(made)
        return made

    def add_interrupt(self, interrupt: Callable[[FolVprError], None]) -> None:
        """Have a function called with an error if the node is stopped, until it is removed."""
        with self.lock:
            self._interrupts.add(interrupt)

    def remove_interrupt(self, interrupt: Callable[[FolVprError], None]) -> None:
        """Do not call a function any more."""
        with self.lock:
            self._interrupts.discard(interrupt)

    def refuse_all(self) -> None:
        """Refuse waiting and later calls, and end the wait for those that are carried out.

        May be called from any thread; the executor sends the answers.
        """
        with self.lock:
            self.refusal = 'the node is being stopped: call again once it runs'
            interrupts, self._interrupts = self._interrupts, set()
        for queue in self._queues:
            queue.refuse_waiting(self.refusal)
        error = InterruptedCallError(
            'the node was stopped before the call had ended; whether it was carried out is not '
            'known: look once the node runs again'
        )
        for interrupt in interrupts:
            interrupt(error)
        self.wake()

    def wait_answered(self, timeout: float) -> bool:
        """Wait until the executor has answered all calls; returns whether it has.

        Args:
            timeout: seconds after which to wait no longer.
        """
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < timeout:
            if not self._unanswered and elapsed > _LAST_REQUESTS:
                return True
            time.sleep(_POLL)
        return not self._unanswered

    def wake(self) -> None:
        """Let the executor look at the calls again."""
        executor = self._node.executor
        if executor is not None:
            executor.wake()


class CallQueue:
    """Lets one call after the other enter a block, in the order in which they came.

    Args:
        calls: of the node.
    """

    def __init__(self, calls: ServiceCalls) -> None:
        self._calls = calls
        self._is_taken = False
        self._waiting: deque[Future] = deque()

    async def __aenter__(self) -> None:
        """Wait for the turn.

        Raises:
            NotReady: the node is being stopped.
            BusyError: too many calls wait already.
        """
        with self._calls.lock:
            if self._calls.refusal:
                raise NotReady(self._calls.refusal)
            if not self._is_taken:
                self._is_taken = True
                return
            if len(self._waiting) >= MAX_WAITING:
                raise BusyError(
                    f'{MAX_WAITING} calls wait already, and this one did nothing: call again later'
                )
            turn: Future = Future()
            self._waiting.append(turn)
        refusal = await turn
        if refusal:
            raise NotReady(refusal)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next call enter."""
        with self._calls.lock:
            following = self._waiting.popleft() if self._waiting else None
            self._is_taken = following is not None
        if following is not None:
            following.set_result('')
            self._calls.wake()

    def refuse_waiting(self, reason: str) -> None:
        """Refuse all calls that wait, but not the one that has entered."""
        with self._calls.lock:
            refused, self._waiting = self._waiting, deque()
        for turn in refused:
            turn.set_result(reason)
