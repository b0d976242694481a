"""The services ~/load_map, ~/query_place and ~/enable of the node, and what all services share.

Their callbacks are coroutines: what takes long runs on a thread of its own, and the executor goes
on with images, timers and other services meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.task import Future
from std_srvs.srv import SetBool

from fol_vpr.datatypes import MapInfo, Pose, Prior
from fol_vpr.errors import (
    DeviceError,
    FolVprError,
    InputError,
    MapBusyError,
    MapError,
    MapMismatchError,
    NotInMapError,
)
from fol_vpr.ros.messages.conversions import (
    frame_from_image,
    map_info_message,
    places_message,
    pose_from_message,
)
from fol_vpr.ros.node.parameters.settings import Settings, user_path
from fol_vpr_msgs.srv import LoadMap, QueryPlace

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.lifecycle import Localizer


class Services:
    """Advertises the services and answers them."""

    def __init__(self, node: Localizer) -> None:
        self._node = node
        for service, name, callback in (
            (LoadMap, '~/load_map', self._on_load_map),
            (QueryPlace, '~/query_place', self._on_query_place),
            (SetBool, '~/enable', self._on_enable),
        ):
            # A pending coroutine keeps its group busy, so each service has one of its own.
            group = MutuallyExclusiveCallbackGroup()
            node.create_service(service, name, callback, callback_group=group)

    async def _on_load_map(
        self, request: LoadMap.Request, response: LoadMap.Response
    ) -> LoadMap.Response:
        node = self._node
        try:
            path = _map_path(request.path)
            if node.recognizer is None:
                node.configure_with_map(str(path))
            else:
                await self._load(node.recognizer, path)
            response.result = LoadMap.Response.OK
            response.message = f'loaded {path}'
        except (FolVprError, MemoryError) as error:
            response.result = result_of(error, LoadMap.Response)
            response.message = str(error) or 'no memory left'
            node.map_was_refused(response.message)
        info = None if node.recognizer is None else node.recognizer.map_info
        response.info = map_info_message(info)
        return response

    async def _load(self, recognizer: PlaceRecognizer, path: Path) -> None:
        try:
            await self.in_background(lambda: recognizer.load_map(path))
        except FolVprError as error:
            raise self.cleaned_up(recognizer) or error from error
        if left := self.cleaned_up(recognizer):
            raise left
        self._node.map_was_loaded(str(path))

    def cleaned_up(self, recognizer: PlaceRecognizer) -> NotReady | None:
        """What to say where the node has let go of a recognizer that was being used."""
        if self._node.recognizer is recognizer:
            return None
        return NotReady('the node was cleaned up meanwhile: call again once it is configured')

    async def _on_query_place(
        self, request: QueryPlace.Request, response: QueryPlace.Response
    ) -> QueryPlace.Response:
        try:
            message = await self.in_background(lambda: self._query(request))
            response.places = message
            response.result = QueryPlace.Response.OK
        except (FolVprError, MemoryError) as error:
            response.result = result_of(error, QueryPlace.Response)
            response.message = str(error) or 'no memory left'
        return response

    def _query(self, request: QueryPlace.Request) -> Any:
        recognizer = self._node.recognizer
        if recognizer is None or self._node.state != 'active':
            raise NotReady(f'the node is {self._node.state}: activate it first')
        image = given_image(request)
        if recognizer.map_info is None:
            raise NoMap('no map is loaded: call ~/load_map first')
        started = time.perf_counter()
        settings = self._node.apply_settings(recognizer)
        frame = frame_from_image(image, 'query_place')
        camera = self._node.camera.of(frame, settings.node)
        frame = replace(frame, camera=camera)
        try:
            recognition = recognizer.recognize(
                frame,
                hypotheses=request.max_hypotheses or None,
                sequence=False,
                prior=self._prior(request, recognizer),
            )
        except FolVprError as error:
            raise self.cleaned_up(recognizer) or error from error
        return places_message(
            recognition,
            map_frame=settings.map_frame(recognition),
            model_id=recognizer.extractor.model_id,
            processing_time=time.perf_counter() - started,
        )

    def _prior(self, request: QueryPlace.Request, recognizer: PlaceRecognizer) -> Prior | None:
        sessions = frozenset(request.session_ids)
        if sessions:
            Prior(sessions=sessions).check_sessions(recognizer.places)
        info = recognizer.map_info
        if request.has_prior and info is not None:
            frame_id = request.prior.header.frame_id
            pose = pose_in_map(request.prior.pose, frame_id, info, self._node.settings)
            return Prior.around(pose, request.prior_radius, sessions)
        return Prior(sessions=sessions) if sessions else None

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.message = self._node.enable(request.data)
        response.success = True
        return response

    async def in_background(self, job: Callable[[], Any]) -> Any:
        """The result of a job that runs on its own thread; its FolVprError is raised here."""
        future: Future = Future()
        executor = self._node.executor

        def run() -> None:
            try:
                outcome, error = job(), None
            except Exception as caught:  # noqa: BLE001 raised again for the caller
                outcome, error = None, caught
            # Not set_exception: a future whose exception nobody fetched complains on stderr.
            future.set_result((outcome, error))
            if executor is not None:
                executor.wake()

        threading.Thread(target=run, name='service', daemon=True).start()
        outcome, error = await future
        if error is None:
            return outcome
        if isinstance(error, (FolVprError, MemoryError)):
            raise error
        self._node.report_defect('a service call failed', error)
        raise FolVprError(f'defect of fol_vpr, see the log of the node: {error!r}')


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
    """The pose of a geometry_msgs/PoseWithCovariance that somebody gave in the map frame.

    Raises:
        InputError: it is in another frame, or no pose.
    """
    map_frame = settings.node.map_frame or info.frame_id
    if frame_id != map_frame:
        raise InputError(
            f'the pose is in the frame {frame_id!r}, the map is in {map_frame!r}: transform it, '
            'or set the parameter map_frame'
        )
    return pose_from_message(message)


class NotReady(FolVprError):
    """The lifecycle state does not allow it."""


class NoMap(FolVprError):
    """No map is loaded, or the file is not there."""


def _map_path(given: str) -> Path:
    path = user_path(given)
    if not given or path.suffix != '.folmap':
        raise InputError(f'the path of a .folmap file is needed, got {given!r}')
    try:
        readable = path.is_file() and os.access(path, os.R_OK)
    except OSError:
        readable = False
    if not readable:
        raise NoMap(
            f'{path} is not there, or may not be read: give a path on the machine of the node '
            f'(its working folder is {Path.cwd()})'
        )
    return path


def result_of(error: Exception, response: Any) -> int:
    """The `result` of a service response that names the kind of the error."""
    kinds: tuple[tuple[type[Exception], int], ...] = (
        (NotReady, response.NOT_READY),
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
