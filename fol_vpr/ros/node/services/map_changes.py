"""The services ~/add_place, ~/remove_places, ~/save_map and ~/save_session of the node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from std_srvs.srv import Trigger

from fol_vpr.datatypes import Frame, MapInfo, Place
from fol_vpr.errors import AccessError, FolVprError, InputError, StorageError
from fol_vpr.ros.messages.conversions import frame_from_image, geo_from_point, map_info_message
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.parameters.settings import confined_path
from fol_vpr.ros.node.services.common import (
    NoMap,
    active_recognizer,
    check_id_length,
    check_map_loaded,
    check_new_id,
    cleanup_explains_errors,
    configured_recognizer,
    given_image,
    message_of,
    pose_in_map,
    result_of,
    run_in_background,
)
from fol_vpr.ros.service_qos import IMAGE_SERVICE_QOS
from fol_vpr_msgs.srv import AddPlace, RemovePlaces, SaveMap

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer


class MapChangeServices:
    """Changes and saves the loaded map, and saves the recorded session.

    Args:
        context: of the node.
    """

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        # One queue: changes of the map wait for each other anyway, in the order of the calls.
        self._of_map = context.calls.queue()
        # Another queue: the recorded session is not part of the map.
        self._of_session = context.calls.queue()
        create_service = context.calls.create_service
        create_service(AddPlace, '~/add_place', self._on_add_place, IMAGE_SERVICE_QOS)
        create_service(RemovePlaces, '~/remove_places', self._on_remove_places)
        create_service(SaveMap, '~/save_map', self._on_save_map)
        create_service(Trigger, '~/save_session', self._on_save_session)

    async def _on_add_place(
        self, request: AddPlace.Request, response: AddPlace.Response
    ) -> AddPlace.Response:
        place = await self._change(lambda recognizer: self._add(recognizer, request), response)
        if place is not None:
            response.place_id = place.place_id
            response.message = f'{place.place_id} is in the map, and on the disk'
        response.places = self._number_of_places()
        return response

    def _add(self, recognizer: PlaceRecognizer, request: AddPlace.Request) -> Place:
        active_recognizer(self._context)
        check_new_id(request.session_id, 'session_id')
        check_new_id(request.place_id, 'place_id')
        frame = self._frame(recognizer, request)
        return recognizer.add_place(
            frame, session_id=request.session_id, place_id=request.place_id
        )

    def _frame(self, recognizer: PlaceRecognizer, request: AddPlace.Request) -> Frame:
        """The image of a request with its camera, its pose and its geodetic position."""
        decoder = self._context.request_decoder
        frame = frame_from_image(given_image(request), 'add_place', decoder)
        info = recognizer.map_info
        assert info is not None
        settings = self._context.settings
        pose = geo = None
        if request.has_pose:
            frame_id = request.pose.header.frame_id
            pose = pose_in_map(request.pose.pose, frame_id, info, settings)
        if request.has_position:
            geo = geo_from_point(request.position)
        camera = self._context.camera.camera_of(frame, settings.node)
        return replace(frame, pose=pose, geo=geo, camera=camera)

    async def _on_remove_places(
        self, request: RemovePlaces.Request, response: RemovePlaces.Response
    ) -> RemovePlaces.Response:
        def remove(recognizer: PlaceRecognizer) -> int:
            if not request.place_ids and not request.session_ids:
                raise InputError('nothing to remove: name places, sessions, or both')
            for name in (*request.place_ids, *request.session_ids):
                check_id_length(name, 'id')
            return recognizer.remove_places(request.place_ids, request.session_ids)

        removed = await self._change(remove, response)
        if removed is not None:
            response.removed = removed
            response.message = f'{removed} places were removed'
        response.places = self._number_of_places()
        return response

    async def _on_save_map(
        self, request: SaveMap.Request, response: SaveMap.Response
    ) -> SaveMap.Response:
        def save(recognizer: PlaceRecognizer) -> MapInfo:
            folder = self._context.settings.node.map_folder
            path = None
            if request.path:
                path = writable_map_path(request.path, request.overwrite, folder)
            return recognizer.save_map(path, overwrite=request.overwrite)

        info = await self._change(save, response)
        if info is not None:
            response.info = map_info_message(info)
            response.message = f'saved {info.places} places in {info.path}'
        return response

    async def _on_save_session(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        node = self._context.node
        try:
            async with self._of_session:
                recognizer = configured_recognizer(self._context)
                info = await run_in_background(self._context, recognizer.save_session)
        except (FolVprError, MemoryError) as error:
            response.message = message_of(error)
            node.get_logger().warning(f'the drive was not saved: {response.message}')
            return response
        response.success = True
        response.message = f'saved {info.places} keyframes in {info.path}'
        return response

    async def _change(self, change: Callable[[PlaceRecognizer], Any], response: Any) -> Any:
        """Change the map in the background, and set `result` and, on failure, `message`.

        Returns:
            What `change` returns; None if it failed.
        """
        context = self._context
        try:
            async with self._of_map:
                recognizer = configured_recognizer(context)
                check_map_loaded(recognizer)
                with cleanup_explains_errors(context, recognizer):
                    outcome = await run_in_background(context, lambda: change(recognizer))
        except (FolVprError, MemoryError) as error:
            response.result = map_change_result(error, response)
            response.message = message_of(error)
            context.node.get_logger().warning(f'the map was not changed: {response.message}')
            return None
        response.result = response.OK
        context.on_map_changed()
        return outcome

    def _number_of_places(self) -> int:
        recognizer = self._context.recognizer
        info = None if recognizer is None else recognizer.map_info
        return 0 if info is None else info.places


def writable_map_path(given: str, overwrite: bool, folder: str = '') -> Path:
    """The path that a map can be saved to.

    Args:
        given: in the request.
        overwrite: whether the file may exist.
        folder: that maps are confined to; empty for none.

    Raises:
        InputError: it does not end in .folmap, leads out of the folder, begins with ~ and an
            unknown user, or exists.
        NoMap: its folder does not exist.
        AccessError: the file system refuses the path.
    """
    path = confined_path(given, folder)
    if path.suffix != '.folmap':
        raise InputError(f'the path of a .folmap file is needed, got {given!r}')
    try:
        exists, folder_exists = path.exists(), path.parent.is_dir()
    except OSError as error:
        raise AccessError(f'{path} cannot be written: {error.strerror}') from error
    except ValueError as error:
        raise InputError(f'{given!r} is no path: {error}') from error
    if not folder_exists:
        raise NoMap(
            f'there is no folder {path.parent} on the machine of the node (its working folder is '
            f'{Path.cwd()}): create it'
        )
    if exists and not overwrite:
        raise InputError(f'{path} exists already: choose another name, or set overwrite')
    return path


def map_change_result(error: Exception, response: Any) -> int:
    """As `result_of`, with the results for files that SaveMap alone has."""
    if isinstance(response, SaveMap.Response):
        if isinstance(error, AccessError):
            return int(response.NO_PERMISSION)
        if isinstance(error, StorageError):
            return int(response.NO_SPACE)
    return result_of(error, response)
