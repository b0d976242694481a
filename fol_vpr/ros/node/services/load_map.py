"""The service ~/load_map of the node."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rclpy.parameter import Parameter

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.messages.conversions import map_info_message
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.parameters.settings import confined_path
from fol_vpr.ros.node.services.calls import NotReady
from fol_vpr.ros.node.services.common import (
    JobTimeoutError,
    NoMap,
    check_localizing,
    check_not_cleaned_up,
    cleanup_explains_errors,
    message_of,
    result_of,
    run_in_background,
)
from fol_vpr_msgs.srv import LoadMap

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer


MAX_LATE = 4
"""Maps that may be read at once after they were given up; each keeps a thread and memory."""


class LoadMapService:
    """Loads another map, or the first map of a node that could not start with the one it had.

    Args:
        context: of the node.
        bring_up: configures and activates the node; raises FolVprError where that fails.
    """

    def __init__(self, context: NodeContext, bring_up: Callable[[], None]) -> None:
        self._context = context
        self._bring_up = bring_up
        self._late: list[threading.Event] = []
        self._queue = context.calls.queue()
        context.calls.create_service(LoadMap, '~/load_map', self._on_load_map)

    async def _on_load_map(
        self, request: LoadMap.Request, response: LoadMap.Response
    ) -> LoadMap.Response:
        context = self._context
        try:
            path = readable_map_path(request.path, context.settings.node.map_folder)
            check_localizing(context)
            async with self._queue:
                recognizer = context.recognizer
                if recognizer is None:
                    await self._start_with(path)
                else:
                    await self._load(recognizer, path)
            response.result = LoadMap.Response.OK
            response.message = f'loaded {path}'
        except (FolVprError, MemoryError) as error:
            response.result = result_of(error, LoadMap.Response)
            response.message = message_of(error)
            context.on_map_refused(response.message)
        recognizer = context.recognizer
        response.info = map_info_message(None if recognizer is None else recognizer.map_info)
        return response

    async def _start_with(self, path: Path) -> None:
        """Configure and activate a node that does this itself, and could not before.

        Raises:
            NotReady: the node waits for a lifecycle manager.
            FolVprError: it still cannot.
        """
        context = self._context
        if context.state != 'unconfigured' or not context.settings.node.autostart:
            raise NotReady(f'the node is {context.state}: set the parameter map, and configure it')
        # Configuring cannot be given up once it has begun, so the file is opened before.
        await self._within_time(path, lambda: _open_and_close(path))
        context.node.set_parameters([Parameter('map', value=str(path))])
        self._bring_up()

    async def _load(self, recognizer: PlaceRecognizer, path: Path) -> None:
        context = self._context
        with cleanup_explains_errors(context, recognizer):
            given_up = threading.Event()

            def load() -> None:
                recognizer.load_map(path, is_wanted=lambda: not given_up.is_set())

            try:
                await self._within_time(path, load)
            except JobTimeoutError:
                given_up.set()
                raise
        check_not_cleaned_up(context, recognizer)
        context.on_map_loaded(str(path))

    async def _within_time(self, path: Path, job: Callable[[], object]) -> None:
        """Run a job in the background, and give it up after the parameter map_load_timeout.

        Raises:
            JobTimeoutError: it takes longer, or too many others still do.
        """
        self._late = [each for each in self._late if not each.is_set()]
        if len(self._late) >= MAX_LATE:
            raise JobTimeoutError(
                f'{len(self._late)} maps that were given up are still being read: restart the '
                'node, and check these files and the disk that they are on'
            )
        done = threading.Event()

        def run() -> None:
            try:
                job()
            finally:
                done.set()

        seconds = self._context.settings.node.map_load_timeout
        late = (
            f'{path} was not read within {seconds:g} s (the parameter map_load_timeout) and is '
            'given up; the map in use stays. Check the file with `fol_vpr map check`, and the '
            'disk that it is on'
        )
        try:
            await run_in_background(self._context, run, timeout=seconds, late=late)
        except JobTimeoutError:
            self._late.append(done)
            raise


def _open_and_close(path: Path) -> None:
    # Imports torch, which takes seconds.
    from fol_vpr.recognizer import open_map

    open_map(path).close()


def readable_map_path(given: str, folder: str = '') -> Path:
    """The path of an existing map file.

    Args:
        given: in the request.
        folder: that maps are confined to; empty for none.

    Raises:
        InputError: it does not end in .folmap, leads out of the folder, or begins with ~ and an
            unknown user.
        NoMap: there is no such file, or it cannot be read.
    """
    path = confined_path(given, folder)
    if not given or path.suffix != '.folmap':
        raise InputError(f'the path of a .folmap file is needed, got {given!r}')
    try:
        readable = path.is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError):
        readable = False
    if not readable:
        raise NoMap(
            f'{path} is not there, or may not be read: give a path on the machine of the node '
            f'(its working folder is {Path.cwd()})'
        )
    return path
