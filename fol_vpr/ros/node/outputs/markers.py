"""Publishes ~/markers: the places of the map, the belief, and loop closures."""

from __future__ import annotations

import bisect
from collections import deque
from typing import TYPE_CHECKING, Any

from fol_vpr.datatypes import Recognition
from fol_vpr.ros.messages.markers import Arc, belief_markers, closure_marker, place_markers

if TYPE_CHECKING:
    from fol_vpr.recognizer import PlaceRecognizer

MAX_ARCS = 200
MAX_TRACK = 5000
_NEAR_NS = 1_000_000_000
Position = tuple[float, float, float]


class MarkerPublisher:
    """Publishes markers while somebody subscribes to them.

    Where the drive was is remembered at all times, so that the closures of before are there for
    whoever subscribes later; both are bounded.

    Args:
        publisher: of the MarkerArray messages.
    """

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher
        # Of the last markers: (map id, number of places), and number of subscribers.
        self._last = (('', 0), 0)
        self._namespaces: list[str] = []
        self._track: deque[tuple[int, Position]] = deque(maxlen=MAX_TRACK)
        self._arcs: deque[Arc] = deque(maxlen=MAX_ARCS)
        self._arcs_changed = False
        # Positions of the places that were found last, by session and stamp.
        self._ends: dict[tuple[str, int], Position] = {}

    def publish(
        self, recognition: Recognition, recognizer: PlaceRecognizer, map_frame: str
    ) -> None:
        """Publish what one answer shows.

        Args:
            recognition: the answer.
            recognizer: that gave it; its map may have changed since.
            map_frame: frame of the poses of the map.
        """
        info = recognizer.map_info
        current = (recognition.map_id, 0 if info is None else info.places)
        last, last_subscribers = self._last
        if recognition.map_id != last[0]:
            self._arcs_changed = bool(self._arcs)
            for each in (self._track, self._arcs, self._ends):
                each.clear()
        self._remember(recognition)
        subscribers = self._publisher.get_subscription_count()
        # RViz subscribes without durability: all is repeated for each new subscriber.
        new = subscribers > last_subscribers
        self._last = (current, subscribers)
        if not subscribers:
            return
        if new or current != last:
            places, info = recognizer.places, recognizer.map_info
            if recognition.map_id != ('' if info is None else info.map_id):
                # Another map was loaded meanwhile: the next answer shows it.
                self._last = (('', 0), 0)
                return
            markers = place_markers(places, map_frame, recognizer.hits(), self._namespaces)
            self._namespaces = [each.ns for each in markers.markers if each.points]
            self._publisher.publish(markers)
        if self._arcs_changed or (new and self._arcs):
            self._arcs_changed = False
            self._publisher.publish(closure_marker(self._arcs, map_frame))
        self._publisher.publish(belief_markers(recognition, map_frame))

    def _remember(self, recognition: Recognition) -> None:
        believed = recognition.believed
        if believed is not None and believed.pose is not None:
            if self._track and self._track[-1][0] > recognition.stamp_ns:
                # A bag that begins again.
                self._track.clear()
            self._track.append((recognition.stamp_ns, _position(believed.pose)))
        for hypothesis in recognition.hypotheses:
            place = hypothesis.place
            if place.pose is not None:
                self._ends[place.session_id, place.stamp_ns] = _position(place.pose)
        while len(self._ends) > MAX_TRACK:
            del self._ends[next(iter(self._ends))]
        for closure in recognition.loop_closures:
            start = self._position_at(closure.stamp_from_ns)
            end = self._ends.get((closure.session_to, closure.stamp_to_ns))
            if closure.session_to == closure.session_from:
                end = self._position_at(closure.stamp_to_ns)
            if start is not None and end is not None:
                self._arcs.append(Arc(start, end, closure.probability))
                self._arcs_changed = True

    def _position_at(self, stamp_ns: int) -> Position | None:
        """Where the drive was; None where it was not LOCALIZED within a second."""
        stamps = [stamp for stamp, _ in self._track]
        place = bisect.bisect(stamps, stamp_ns)
        near = [self._track[i] for i in (place - 1, place) if 0 <= i < len(stamps)]
        near = [each for each in near if abs(each[0] - stamp_ns) <= _NEAR_NS]
        return min(near, key=lambda each: abs(each[0] - stamp_ns))[1] if near else None


def _position(pose: Any) -> Position:
    x, y, z = (float(value) for value in pose.position)
    return x, y, z
