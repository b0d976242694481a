"""The services ~/add_place, ~/remove_places, ~/save_map and ~/save_session of the node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from std_srvs.srv import Trigger

from fol_vpr.datatypes import Frame, MapInfo, Place
from fol_vpr.errors import AccessError, FolVprError, InputError, StorageError
from fol_vpr.ros.messages.conversions import frame_from_image, geo_from_point, map_info_message
from fol_vpr.ros.node.parameters.settings import user_path
from fol_vpr.ros.node.services.queries import (
    NoMap,
    NotReady,
    Services,
    given_image,
    pose_in_map,
    result_of,
)
from fol_vpr_msgs.srv import AddPlace, RemovePlaces, SaveMap

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.ros.node.lifecycle import Localizer


class MapServices:
    """Changes the loaded map on request."""

    def __init__(self, node: Localizer, services: Services) -> None:
        self._node = node
        self._services = services
        # One group: changes take turns anyway, in the order in which they were asked for.
        group = MutuallyExclusiveCallbackGroup()
        for service, name, callback in (
            (AddPlace, '~/add_place', self._on_add_place),
            (RemovePlaces, '~/remove_places', self._on_remove_places),
            (SaveMap, '~/save_map', self._on_save_map),
        ):
            node.create_service(service, name, callback, callback_group=group)
        # One of its own: the drive is no part of the map.
        drive = MutuallyExclusiveCallbackGroup()
        node.create_service(Trigger, '~/save_session', self._on_save_session, callback_group=drive)

    async def _on_add_place(
        self, request: AddPlace.Request, response: AddPlace.Response
    ) -> AddPlace.Response:
        place = await self._change(lambda recognizer: self._add(recognizer, request), response)
        if place is not None:
            response.place_id = place.place_id
            response.message = f'{place.place_id} is in the map, and on the disk'
        response.places = self._places()
        return response

    def _add(self, recognizer: PlaceRecognizer, request: AddPlace.Request) -> Place:
        if self._node.state != 'active':
            raise NotReady(f'the node is {self._node.state}: activate it first')
        frame = self._frame(recognizer, request)
        return recognizer.add_place(
            frame, session_id=request.session_id, place_id=request.place_id
        )

    def _frame(self, recognizer: PlaceRecognizer, request: AddPlace.Request) -> Frame:
        frame = frame_from_image(given_image(request), 'add_place')
        info = recognizer.map_info
        assert info is not None
        pose = geo = None
        if request.has_pose:
            frame_id = request.pose.header.frame_id
            pose = pose_in_map(request.pose.pose, frame_id, info, self._node.settings)
        if request.has_position:
            geo = geo_from_point(request.position)
        camera = self._node.camera.of(frame, self._node.settings.node)
        return replace(frame, pose=pose, geo=geo, camera=camera)

    async def _on_remove_places(
        self, request: RemovePlaces.Request, response: RemovePlaces.Response
    ) -> RemovePlaces.Response:
        def remove(recognizer: PlaceRecognizer) -> int:
            if not request.place_ids and not request.session_ids:
                raise InputError('nothing to remove: name places, sessions, or both')
            return recognizer.remove_places(request.place_ids, request.session_ids)

        removed = await self._change(remove, response)
        if removed is not None:
            response.removed = removed
            response.message = f'{removed} places were removed'
        response.places = self._places()
        return response

    async def _on_save_map(
        self, request: SaveMap.Request, response: SaveMap.Response
    ) -> SaveMap.Response:
        def save(recognizer: PlaceRecognizer) -> MapInfo:
            path = _target(request.path, request.overwrite) if request.path else None
            return recognizer.save_map(path, overwrite=request.overwrite)

        info = await self._change(save, response)
        if info is not None:
            response.info = map_info_message(info)
            response.message = f'saved {info.places} places in {info.path}'
        return response

    async def _on_save_session(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            recognizer = self._node.recognizer
            if recognizer is None:
                raise NotReady(f'the node is {self._node.state}: configure it first')
            info = await self._services.in_background(recognizer.save_session)
        except (FolVprError, MemoryError) as error:
            response.message = str(error) or 'no memory left'
            self._node.get_logger().warning(f'the drive was not saved: {response.message}')
            return response
        response.success = True
        response.message = f'saved {info.places} keyframes in {info.path}'
        return response

    async def _change(self, change: Callable[[PlaceRecognizer], Any], response: Any) -> Any:
        """What a change of the map gives, or None and the reason in the response."""
        try:
            recognizer = self._configured()
            try:
                outcome = await self._services.in_background(lambda: change(recognizer))
            except FolVprError as error:
                raise self._services.cleaned_up(recognizer) or error from error
        except (FolVprError, MemoryError) as error:
            response.result = _result_of(error, response)
            response.message = str(error) or 'no memory left'
            self._node.get_logger().warning(f'the map was not changed: {response.message}')
            return None
        response.result = response.OK
        self._node.map_was_changed()
        return outcome

    def _configured(self) -> PlaceRecognizer:
        recognizer = self._node.recognizer
        if recognizer is None:
            raise NotReady(f'the node is {self._node.state}: configure it first')
        if recognizer.map_info is None:
            raise NoMap('no map is loaded: call ~/load_map first')
        return recognizer

    def _places(self) -> int:
        recognizer = self._node.recognizer
        info = None if recognizer is None else recognizer.map_info
        return 0 if info is None else info.places


def _target(given: str, overwrite: bool) -> Path:
    path = user_path(given)
    if path.suffix != '.folmap':
        raise InputError(f'the path of a .folmap file is needed, got {given!r}')
    try:
        exists, folder = path.exists(), path.parent.is_dir()
    except OSError as error:
        raise AccessError(f'{path} cannot be written: {error.strerror}') from error
    if not folder:
        raise NoMap(
            f'there is no folder {path.parent} on the machine of the node (its working folder is '
            f'{Path.cwd()}): create it'
        )
    if exists and not overwrite:
        raise InputError(f'{path} exists already: choose another name, or set overwrite')
    return path


def _result_of(error: Exception, response: Any) -> int:
    if isinstance(response, SaveMap.Response):
        if isinstance(error, AccessError):
            return int(response.NO_PERMISSION)
        if isinstance(error, StorageError):
            return int(response.NO_SPACE)
    return result_of(error, response)
