"""Places, the belief and loop closures as markers for RViz and Foxglove.

Every marker of a message has a namespace and number of its own, and none says DELETEALL: RViz
reports an error for two markers of one number in a message, and DELETEALL may take all namespaces.
What is not shown any more is deleted one by one.
"""

from __future__ import annotations

import colorsys
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from fol_vpr.datatypes import LocalizationState, Place, Recognition
from fol_vpr.ros.messages.conversions import pose_message, time_from_ns

MAX_PLACES = 10_000
"""Places that are shown at most; of larger maps each second, third, ... one is."""
MAX_SESSIONS = 30
"""Sessions that get a namespace of their own, with which they can be hidden."""
MAX_HYPOTHESES = 10
ARC_POINTS = 12
COLOURS = {
    LocalizationState.UNKNOWN: ColorRGBA(r=0.95, g=0.75, b=0.1, a=1.0),
    LocalizationState.NOT_IN_MAP: ColorRGBA(r=0.5, g=0.5, b=0.5, a=1.0),
    LocalizationState.AMBIGUOUS: ColorRGBA(r=0.95, g=0.45, b=0.1, a=1.0),
    LocalizationState.LOCALIZED: ColorRGBA(r=0.1, g=0.8, b=0.3, a=1.0),
}
# Metres.
PLACE_SIZE, HYPOTHESIS_SIZE, ARROW_LENGTH, TEXT_SIZE, ARC_WIDTH = 0.4, 0.8, 1.5, 0.8, 0.12
_GOLDEN = 0.618034


class Arc(NamedTuple):
    """A loop closure between two positions in the map frame.

    Attributes:
        start, end: x, y, z in metres.
        probability: 0 to 1; NaN where uncalibrated.
    """

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    probability: float


def place_markers(
    places: Sequence[Place],
    map_frame: str,
    hits: Mapping[str, int] | None = None,
    shown_before: Sequence[str] = (),
) -> MarkerArray:
    """Spheres at the places with a pose, a list for each session.

    Each session has its colour; the more often a place was recognised, the brighter it is.

    Args:
        places: of the map.
        map_frame: frame of their poses.
        hits: how often each place was recognised, by its id; None where that is not counted.
        shown_before: namespaces of the lists of an earlier call, which are deleted where they are
            not used again.
    """
    posed = [place for place in places if place.pose is not None]
    step = math.ceil(len(posed) / MAX_PLACES) or 1
    sessions: dict[str, list[Place]] = {}
    for place in posed[::step]:
        known = place.session_id in sessions or len(sessions) < MAX_SESSIONS
        sessions.setdefault(place.session_id if known else '', []).append(place)
    most = max(hits.values(), default=0) if hits else 0
    markers = []
    for number, (session, members) in enumerate(sessions.items()):
        marker = _marker(Header(frame_id=map_frame), _namespace(session), Marker.SPHERE_LIST)
        marker.scale.x = marker.scale.y = marker.scale.z = PLACE_SIZE
        marker.points = [_point(place) for place in members]
        counts = [(hits or {}).get(place.place_id, 0) for place in members]
        marker.colors = [_session_colour(number, count, most) for count in counts]
        marker.color = _session_colour(number, 0, 0)
        markers.append(marker)
    names = {marker.ns for marker in markers}
    header = Header(frame_id=map_frame)
    markers += [_deleted(header, name, 0) for name in shown_before if name not in names]
    return MarkerArray(markers=markers)


def belief_markers(recognition: Recognition, map_frame: str) -> MarkerArray:
    """The hypotheses of an image, and the state in words.

    An arrow is at the best hypothesis; the others are spheres, whose size and opacity is their
    probability, or falls with the rank where there is none.
    """
    header = Header(stamp=time_from_ns(recognition.stamp_ns), frame_id=map_frame)
    posed = [each for each in recognition.hypotheses if each.pose is not None][:MAX_HYPOTHESES]
    colour = COLOURS[recognition.state]
    markers = []
    for number, hypothesis in enumerate(posed):
        share = hypothesis.probability
        if not math.isfinite(share):
            share = 1.0 / (1 + hypothesis.rank)
        best = number == 0
        marker = _marker(header, 'hypotheses', Marker.ARROW if best else Marker.SPHERE, number)
        assert hypothesis.pose is not None
        marker.pose = pose_message(hypothesis.pose)
        opacity = 1.0 if best else 0.25 + 0.5 * share
        marker.color = ColorRGBA(r=colour.r, g=colour.g, b=colour.b, a=opacity)
        if best:
            marker.scale.x = ARROW_LENGTH
            marker.scale.y = marker.scale.z = HYPOTHESIS_SIZE / 2
        else:
            size = HYPOTHESIS_SIZE * (0.5 + share)
            marker.scale.x = marker.scale.y = marker.scale.z = size
        markers.append(marker)
    unused = range(len(posed), MAX_HYPOTHESES)
    markers += [_deleted(header, 'hypotheses', number) for number in unused]
    if not posed:
        markers.append(_deleted(header, 'state', 0))
        return MarkerArray(markers=markers)
    text = _marker(header, 'state', Marker.TEXT_VIEW_FACING)
    text.pose.position = _raised(markers[0].pose.position, 2 * TEXT_SIZE)
    text.scale.z = TEXT_SIZE
    text.color = colour
    probability = posed[0].probability
    text.text = recognition.state.name
    if math.isfinite(probability):
        text.text += f' {probability:.2f}'
    markers.append(text)
    return MarkerArray(markers=markers)


def closure_marker(arcs: Sequence[Arc], map_frame: str) -> MarkerArray:
    """Loop closures as arcs, from red (improbable) to green; it replaces an earlier list.

    Where both ends are at one position, as for a closure with a place that the robot stands on,
    the arc is a vertical line.
    """
    header = Header(frame_id=map_frame)
    marker = _marker(header, 'closures', Marker.LINE_LIST)
    if not arcs:
        return MarkerArray(markers=[_deleted(header, 'closures', 0)])
    marker.scale.x = ARC_WIDTH
    for arc in arcs:
        points = _arc_points(arc)
        share = arc.probability if math.isfinite(arc.probability) else 0.5
        red, green, blue = colorsys.hsv_to_rgb(share / 3, 0.9, 0.95)
        for first, second in itertools.pairwise(points):
            marker.points += [first, second]
            marker.colors += [ColorRGBA(r=red, g=green, b=blue, a=0.9)] * 2
    marker.color.a = 1.0
    return MarkerArray(markers=[marker])


def _arc_points(arc: Arc) -> list[Point]:
    height = 2.0 + 0.15 * math.dist(arc.start, arc.end)
    points = []
    for number in range(ARC_POINTS + 1):
        share = number / ARC_POINTS
        x, y, z = (a + share * (b - a) for a, b in zip(arc.start, arc.end, strict=True))
        points.append(Point(x=x, y=y, z=z + 4 * height * share * (1 - share)))
    return points


def _marker(header: Header, namespace: str, kind: int, number: int = 0) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    return marker


def _deleted(header: Header, namespace: str, number: int) -> Marker:
    return Marker(header=header, ns=namespace, id=number, action=Marker.DELETE)


def _namespace(session: str) -> str:
    return f'places {session}' if session else 'places of other sessions'


def _point(place: Place) -> Point:
    assert place.pose is not None
    x, y, z = (float(value) for value in place.pose.position)
    return Point(x=x, y=y, z=z)


def _raised(position: Point, height: float) -> Point:
    return Point(x=position.x, y=position.y, z=position.z + height)


def _session_colour(number: int, hits: int, most: int) -> ColorRGBA:
    """A hue for each session; by logarithm, since a few places have most of the hits."""
    share = math.log1p(hits) / math.log1p(most) if most else 0.5
    hue = (0.58 + _GOLDEN * number) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.35 + 0.5 * share, 0.45 + 0.5 * share)
    return ColorRGBA(r=red, g=green, b=blue, a=0.55 + 0.4 * share)
