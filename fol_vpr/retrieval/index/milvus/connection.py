"""Calls of the Milvus client that end within a time limit, whatever the server does."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from fol_vpr.errors import InputError, MapError
from fol_vpr.retrieval.index.milvus.address import MilvusAddress

Result = TypeVar('Result')

# Characters of the text of a foreign error that are quoted.
MAX_QUOTED = 300


class MilvusError(MapError):
    """A Milvus server cannot be reached, does not answer in time, or reports an error."""


class UnfitMilvusError(MapError):
    """A Milvus server answers, and cannot serve this map until somebody changes something."""


class Connection:
    """A connection to a Milvus server whose calls end within a time limit.

    The client has time limits of its own, but between them it waits, connects again and repeats,
    so that a call takes much longer (68 s on a stopped server without a limit, and several times
    the limit with one). So each call runs on a thread of the connection. A call that does not end
    in time is left behind, and the connection with it.

    Args:
        address: of the server.
        limit: seconds that connecting may take.

    Raises:
        InputError: pymilvus is not installed.
        MilvusError: the server cannot be reached.
    """

    def __init__(self, address: MilvusAddress, limit: float) -> None:
        self._address = address
        self._broken = ''
        self._client: Any = None
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        client_type = _client_type()
        threading.Thread(target=self._work, name='milvus', daemon=True).start()
        try:
            self._client = self._run(
                'connecting',
                limit,
                # A connection of its own: one that is shared would hang with the others.
                lambda: client_type(
                    address.uri, token=address.token, timeout=limit, dedicated=True
                ),
            )
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *args: Any, within: float, **options: Any) -> Any:
        """Call a method of the client.

        Args:
            method: name of a method of MilvusClient that takes a `timeout`.
            args: of the method.
            within: seconds that the call may take.
            options: of the method.

        Raises:
            MilvusError: it fails, or does not end in time. After that the connection cannot be
                used any more.
        """
        return self._run(
            method,
            within,
            lambda: getattr(self._client, method)(*args, timeout=within, **options),
        )

    def _run(self, what: str, limit: float, job: Callable[[], Result]) -> Result:
        if self._broken:
            raise MilvusError(self._broken)
        outcome: Future[Result] = Future()
        self._jobs.put((outcome, job))
        try:
            return outcome.result(limit)
        except FutureTimeoutError:
            if outcome.done():  # the client's own error of that name
                self._broken = f'{what}: {_quoted(outcome.exception(), self._address)}'
            else:
                self._broken = f'no answer within {limit:g} s ({what})'
        except Exception as error:  # noqa: BLE001 the client raises its own, gRPC's and Python's
            message = f'{what}: {_quoted(error, self._address)}'
            if what == 'connecting' or _is_connection_lost(error):
                self._broken = message
            raise MilvusError(message) from None
        raise MilvusError(self._broken) from None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            outcome, function = job
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 raised again by whoever waits for it
                outcome.set_exception(error)
            else:
                outcome.set_result(result)
            del job, outcome, function
        if self._client is not None:
            # The server may be gone.
            try:
                self._client.close()
            except Exception as error:  # noqa: BLE001 nothing is lost with it
                logging.getLogger(__name__).debug('closing: %s', _quoted(error, self._address))

    def close(self) -> None:
        """Close the connection when the current call has ended, without waiting for it."""
        self._broken = self._broken or 'the connection is closed'
        self._jobs.put(None)


def _client_type() -> Any:
    """The class of clients; raises InputError where pymilvus is not installed."""
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise InputError(
            f'retrieval.index is milvus, but pymilvus cannot be imported ({error}): '
            'pip install pymilvus milvus-lite'
        ) from error
    # It logs each error with a traceback, which is raised as well.
    logger = logging.getLogger('pymilvus')
    if logger.level > logging.DEBUG:
        logger.setLevel(logging.CRITICAL)
    return MilvusClient


def _is_connection_lost(error: BaseException) -> bool:
    """Whether the server did not answer, so that another call would wait as long."""
    text = f'{type(error).__name__} {error} {_code(error)}'
    return any(
        name in text for name in ('UNAVAILABLE', 'DEADLINE_EXCEEDED', 'Retry timeout', 'CANCELLED')
    )


def _code(error: BaseException | None) -> str:
    """Name of the gRPC status of an error; empty where it has none."""
    code = getattr(error, 'code', None)
    try:
        return str(getattr(code() if callable(code) else code, 'name', ''))
    except Exception:  # noqa: BLE001 an error of an error
        return ''


def _quoted(error: BaseException | None, address: MilvusAddress) -> str:
    """An error of the client in one line, without credentials."""
    text = 'unknown' if error is None else _said(error)
    # Where connecting fails, the client says why in the cause only.
    cause = None if error is None else error.__cause__
    if cause is not None and _code(cause) not in ('', 'DEADLINE_EXCEEDED'):
        text = f'{text}: {_said(cause)}'
    if 'UNAUTHENTICATED' in text or 'auth check failure' in text:
        text = f'the server refuses the credentials of retrieval.index_uri ({text})'
    return address.redacted(text)[:MAX_QUOTED]


def _said(error: BaseException) -> str:
    details = getattr(error, 'details', None)
    message = getattr(error, 'message', None) or (details() if callable(details) else None)
    text = ' '.join(str(message or error).split()) or type(error).__name__
    code = _code(error)
    if code and code not in text:
        text = f'{code}: {text}'
    if isinstance(error, (KeyError, TypeError, AttributeError)):
        text = f'{type(error).__name__}: {text}'
    return text
