"""What the services share: states they need, requests, errors, and work in the background.

The callbacks of the services are coroutines. What takes long runs on a thread of its own, and the
executor goes on with images, timers and other services meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.task import Future

from fol_vpr.datatypes import MAX_ID, MapInfo, Pose, bare_frame
from fol_vpr.errors import (
    DeviceError,
    FolVprError,
    InputError,
    MapBusyError,
    MapError,
    MapMismatchError,
    NotInMapError,
    escape_controls,
)
from fol_vpr.ros.messages.conversions import pose_from_message
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.defects import report_defect
from fol_vpr.ros.node.parameters.settings import Settings
from fol_vpr.ros.node.services.calls import BusyError, NotReady

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer


class JobTimeoutError(FolVprError):
    """A call takes longer than it may."""


class NoMap(FolVprError):
    """No map is loaded, or its file does not exist."""


def configured_recognizer(context: NodeContext) -> PlaceRecognizer:
    """The recognizer of a configured node.

    Raises:
        NotReady: the node is not configured.
    """
    recognizer = context.recognizer
    if recognizer is None:
        raise NotReady(f'the node is {context.state}: configure it first')
    return recognizer


def active_recognizer(context: NodeContext) -> PlaceRecognizer:
    """The recognizer of an active node.

    Raises:
        NotReady: the node is not active.
    """
    recognizer = context.recognizer
    if recognizer is None or context.state != 'active':
        raise NotReady(f'the node is {context.state}: activate it first')
    return recognizer


def check_localizing(context: NodeContext) -> None:
    """Raises NotReady if the node builds a map, and so searches none."""
    output = context.settings.mapping.output
    if output:
        raise NotReady(
            f'the node builds {output} (mapping.output) and does not localize: start a node with '
            'the parameter map for that'
        )


def check_map_loaded(recognizer: PlaceRecognizer) -> None:
    """Raises NoMap if no map is loaded."""
    if recognizer.map_info is None:
        raise NoMap('no map is loaded: call ~/load_map first')


def check_not_cleaned_up(context: NodeContext, recognizer: PlaceRecognizer) -> None:
    """Raises NotReady if the node was cleaned up since it had this recognizer."""
    if context.recognizer is not recognizer:
        raise NotReady('the node was cleaned up meanwhile: call again once it is configured')


@contextmanager
def cleanup_explains_errors(context: NodeContext, recognizer: PlaceRecognizer) -> Iterator[None]:
    """Around a use of the recognizer, which a cleanup may close at the same time.

    Raises:
        NotReady: the block raised a FolVprError, and the node was cleaned up meanwhile.
    """
    try:
        yield
    except FolVprError as error:
        try:
            check_not_cleaned_up(context, recognizer)
        except NotReady as cleaned_up:
            raise cleaned_up from error
        raise


async def run_in_background(
    context: NodeContext, job: Callable[[], Any], *, timeout: float = 0.0, late: str = ''
) -> Any:
    """Run a job on a thread of its own, while the executor of the node goes on.

    Args:
        context: of the node, whose executor waits.
        job: to run; it is not ended where it takes too long, as no thread can be.
        timeout: seconds after which to wait no longer; 0 waits for ever.
        late: message of the error then.

    Returns:
        What the job returns.

    Raises:
        JobTimeoutError: the time is over.
        InterruptedCallError: the node is being stopped; the job goes on as long as the process.
        FolVprError, MemoryError: the job raised it; other errors are logged as defects, and
            raised as a FolVprError.
    """
    future: Future = Future()
    calls = context.calls
    only_once = threading.Lock()

    def finish(outcome: Any, error: Exception | None) -> None:
        if not only_once.acquire(blocking=False):
            return
        # Not set_exception: rclpy prints a warning for a future whose exception nobody fetched.
        future.set_result((outcome, error))
        calls.wake()

    def run() -> None:
        try:
            outcome, error = job(), None
        except Exception as caught:  # noqa: BLE001 raised again for the caller
            outcome, error = None, caught
        finish(outcome, error)

    threading.Thread(target=run, name='service', daemon=True).start()
    timer = None
    if timeout:
        timer = threading.Timer(timeout, finish, (None, JobTimeoutError(late)))
        timer.daemon = True
        timer.start()
    interrupt = partial(finish, None)
    calls.add_interrupt(interrupt)
    try:
        outcome, error = await future
    finally:
        calls.remove_interrupt(interrupt)
    if timer is not None:
        timer.cancel()
    if error is None:
        return outcome
    if isinstance(error, (FolVprError, MemoryError)):
        raise error
    report_defect(context.node, 'a service call failed', error)
    raise FolVprError(f'defect of fol_vpr, see the log of the node: {error!r}')


def check_new_id(text: str, what: str) -> None:
    """Check an id that a request gives to a new place or session.

    Raises:
        InputError: it is too long, or holds control characters.
    """
    check_id_length(text, what)
    if escape_controls(text, keep='') != text:
        raise InputError(f'the {what} {text!r} holds control characters: leave them out')


def check_id_length(text: str, what: str) -> None:
    """Check the length of an id in a request.

    Raises:
        InputError: it is too long.
    """
    if len(text) > MAX_ID:
        raise InputError(
            f'the {what} {text[:30]!r}... has {len(text)} characters, expected at most {MAX_ID}'
        )


def given_image(request: Any) -> Any:
    """The one image of a request, raw or compressed.

    Raises:
        InputError: there is none, or there are two.
    """
    given = [image for image in (request.image, request.compressed) if len(image.data)]
    if len(given) != 1:
        raise InputError(f'one image is needed, in image or in compressed; got {len(given)}')
    return given[0]


def pose_in_map(message: Any, frame_id: str, info: MapInfo, settings: Settings) -> Pose:
    """The pose of a geometry_msgs/PoseWithCovariance in the frame of the map.

    Args:
        message: the pose, in metres and as a unit quaternion.
        frame_id: the frame that it is in.
        info: of the loaded map.
        settings: of the node, which may name the frame of the map.

    Raises:
        InputError: it is in another frame, or not a pose.
    """
    check_map_frame(frame_id, info, settings)
    return pose_from_message(message)


def check_map_frame(frame_id: str, info: MapInfo, settings: Settings) -> None:
    """Check that a pose of a request is in the frame of the map.

    Args:
        frame_id: the frame that it is in.
        info: of the loaded map.
        settings: of the node, which may name the frame of the map.

    Raises:
        InputError: it is in another frame.
    """
    map_frame = settings.node.map_frame or info.frame_id
    if bare_frame(frame_id) != map_frame:
        raise InputError(
            f'the pose is in the frame {frame_id!r}, the map is in {map_frame!r}: transform it, '
            'or set the parameter map_frame'
        )


def result_of(error: Exception, response: Any) -> int:
    """The `result` of a service response for an error.

    Args:
        error: why the call failed.
        response: the response or its type, which has the constants, e.g. LoadMap.Response.
    """
    # The subclasses before their base classes.
    kinds: tuple[tuple[type[Exception], int], ...] = (
        (NotReady, response.NOT_READY),
        (BusyError, response.BUSY),
        (NoMap, response.NOT_FOUND),
        (NotInMapError, response.NOT_FOUND),
        (InputError, response.BAD_REQUEST),
        (MapMismatchError, response.MODEL_MISMATCH),
        (MapBusyError, response.FAILED),
        (MapError, response.CORRUPT),
        (DeviceError, response.OUT_OF_MEMORY),
        (MemoryError, response.OUT_OF_MEMORY),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), response.FAILED)


def message_of(error: Exception) -> str:
    """The `message` of a service response for an error; a MemoryError has no text of its own."""
    return str(error) or 'no memory left'
