"""The service ~/query_place of the node."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from fol_vpr.datatypes import Prior
from fol_vpr.errors import FolVprError
from fol_vpr.ros.messages.conversions import frame_from_image, places_message
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.services.common import (
    active_recognizer,
    check_map_loaded,
    cleanup_explains_errors,
    given_image,
    message_of,
    pose_in_map,
    result_of,
    run_in_background,
)
from fol_vpr_msgs.srv import QueryPlace

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer


class QueryPlaceService:
    """Recognizes a single image, without changing what the node remembers of the stream.

    Args:
        context: of the node.
    """

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        context.node.create_service(
            QueryPlace,
            '~/query_place',
            self._on_query_place,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    async def _on_query_place(
        self, request: QueryPlace.Request, response: QueryPlace.Response
    ) -> QueryPlace.Response:
        try:
            response.places = await run_in_background(
                self._context.node, lambda: self._query(request)
            )
            response.result = QueryPlace.Response.OK
        except (FolVprError, MemoryError) as error:
            response.result = result_of(error, QueryPlace.Response)
            response.message = message_of(error)
        return response

    def _query(self, request: QueryPlace.Request) -> Any:
        """The PlaceHypothesisArray of the image in a request."""
        context = self._context
        recognizer = active_recognizer(context)
        image = given_image(request)
        check_map_loaded(recognizer)
        started = time.perf_counter()
        settings = context.live_settings.apply(recognizer)
        frame = frame_from_image(image, 'query_place', self._context.request_decoder)
        frame = replace(frame, camera=context.camera.camera_of(frame, settings.node))
        with cleanup_explains_errors(context, recognizer):
            recognition = recognizer.recognize(
                frame,
                hypotheses=request.max_hypotheses or None,
                sequence=False,
                prior=self._prior(request, recognizer),
            )
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
            pose = pose_in_map(request.prior.pose, frame_id, info, self._context.settings)
            return Prior.around(pose, request.prior_radius, sessions)
        return Prior(sessions=sessions) if sessions else None
