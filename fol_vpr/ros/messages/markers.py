"""Places and hypotheses as markers for RViz."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from fol_vpr.datatypes import LocalizationState, Place, Recognition
from fol_vpr.ros.messages.conversions import pose_message, time_from_ns

PLACE_COLOUR = ColorRGBA(r=0.55, g=0.6, b=0.65, a=0.8)
COLOURS = {
    LocalizationState.UNKNOWN: ColorRGBA(r=0.95, g=0.75, b=0.1, a=1.0),
    LocalizationState.NOT_IN_MAP: ColorRGBA(r=0.5, g=0.5, b=0.5, a=1.0),
    LocalizationState.AMBIGUOUS: ColorRGBA(r=0.95, g=0.45, b=0.1, a=1.0),
    LocalizationState.LOCALIZED: ColorRGBA(r=0.1, g=0.8, b=0.3, a=1.0),
}
# Metres.
PLACE_SIZE, HYPOTHESIS_SIZE, ARROW_LENGTH = 0.4, 0.8, 1.5


def place_markers(places: Sequence[Place], map_frame: str) -> MarkerArray:
    """One list of spheres for all places with a pose; it replaces an earlier list."""
    points = []
    for place in places:
        if place.pose is not None:
            x, y, z = (float(value) for value in place.pose.position)
            points.append(Point(x=x, y=y, z=z))
    marker = Marker(
        header=Header(frame_id=map_frame),
        ns='places',
        type=Marker.SPHERE_LIST,
        action=Marker.ADD if points else Marker.DELETE,
        points=points,
        color=PLACE_COLOUR,
    )
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = PLACE_SIZE
    return MarkerArray(markers=[marker])


def hypothesis_markers(recognition: Recognition, map_frame: str) -> MarkerArray:
    """An arrow at the best hypothesis of an image, and spheres that fade with the rank."""
    header = Header(stamp=time_from_ns(recognition.stamp_ns), frame_id=map_frame)
    clear = Marker(header=header, ns='hypotheses', action=Marker.DELETEALL)
    markers = [clear]
    for hypothesis in recognition.hypotheses:
        if hypothesis.pose is None:
            continue
        best = len(markers) == 1
        colour = COLOURS[recognition.state]
        marker = Marker(
            header=header,
            ns='hypotheses',
            id=hypothesis.rank,
            type=Marker.ARROW if best else Marker.SPHERE,
            action=Marker.ADD,
            pose=pose_message(hypothesis.pose),
            color=ColorRGBA(
                r=colour.r, g=colour.g, b=colour.b, a=1.0 if best else 0.6 / (1 + hypothesis.rank)
            ),
        )
        marker.scale.x = ARROW_LENGTH if best else HYPOTHESIS_SIZE
        marker.scale.y = marker.scale.z = HYPOTHESIS_SIZE / 2 if best else HYPOTHESIS_SIZE
        markers.append(marker)
    return MarkerArray(markers=markers)
