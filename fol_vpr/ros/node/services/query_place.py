"""The service ~/query_place of the node."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fol_vpr.datatypes import GeoPosition, Prior, horizontal_stddev
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.ros.messages.conversions import frame_from_image, places_message
from fol_vpr.ros.node.context import NodeContext
from fol_vpr.ros.node.services.common import (
    active_recognizer,
    check_map_frame,
    check_map_loaded,
    cleanup_explains_errors,
    given_image,
    message_of,
    result_of,
    run_in_background,
)
from fol_vpr.ros.service_qos import IMAGE_SERVICE_QOS
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
        self._queue = context.calls.queue()
        context.calls.create_service(
            QueryPlace, '~/query_place', self._on_query_place, IMAGE_SERVICE_QOS
        )

    async def _on_query_place(
        self, request: QueryPlace.Request, response: QueryPlace.Response
    ) -> QueryPlace.Response:
        try:
            async with self._queue:
                response.places = await run_in_background(
                    self._context, lambda: self._query(request)
                )
            response.result = QueryPlace.Response.OK
            if not response.places.hypotheses:
                response.message = (
                    'nothing was searched: no place of the map agrees with the prior and the '
                    'sessions; a larger prior_radius reaches further'
                )
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
        """What the request tells of the place, None where it tells nothing.

        Raises:
            InputError: it is contradictory, or the map has nothing to compare it with.
        """
        info = recognizer.map_info
        if request.has_prior and info is not None:
            check_map_frame(request.prior.header.frame_id, info, self._context.settings)
        prior = prior_of_request(request)
        if prior is None:
            return None
        prior.check_places(recognizer.places)
        return prior


def prior_of_request(request: QueryPlace.Request) -> Prior | None:
    """What a request tells of the place, None where it tells nothing.

    Raises:
        InputError: two positions, a radius or a deviation without a position or below 0, numbers
            that are no position, or a covariance that is none.
    """
    sessions = frozenset(request.session_ids)
    position, geo, stddev = None, None, request.geo_prior_stddev
    if stddev and not request.has_geo_prior:
        raise InputError(
            f'geo_prior_stddev is {stddev:g} without a geo_prior: set has_geo_prior, or leave 0'
        )
    if request.has_prior:
        at = request.prior.pose.pose.position
        position = (at.x, at.y)
        stddev = horizontal_stddev(request.prior.pose.covariance)
    if request.has_geo_prior:
        # The altitude is not compared, so that one which is out of range does no harm.
        geo = GeoPosition(request.geo_prior.latitude, request.geo_prior.longitude)
    if position is None and geo is None and request.prior_radius:
        raise InputError(
            f'prior_radius is {request.prior_radius:g} without a position: set has_prior or '
            'has_geo_prior, or leave 0'
        )
    if position is None and geo is None and not sessions:
        return None
    return Prior(position, geo, request.prior_radius, stddev, sessions)
