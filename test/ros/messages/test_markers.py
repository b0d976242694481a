"""Markers that RViz and Foxglove accept: bounded, without two of one number in a message."""

from __future__ import annotations

import math

import numpy as np
import pytest
from visualization_msgs.msg import Marker, MarkerArray

from fol_vpr.datatypes import (
    LocalizationState,
    Place,
    PlaceHypothesis,
    Pose,
    PoseSource,
    Recognition,
)
from fol_vpr.ros.messages import markers
from fol_vpr.ros.messages.markers import Arc, belief_markers, closure_marker, place_markers

STAMP = 5_000_000_001
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


def place(number: int, session: str = 'day', posed: bool = True) -> Place:
    pose = Pose(np.array([float(number), 2.0, 0.0]), UPRIGHT) if posed else None
    return Place(number, f'{session}/{number}', session, number, '', (1, 1), pose)


def answer(*probabilities: float, state=LocalizationState.LOCALIZED, posed=True) -> Recognition:
    hypotheses = tuple(
        PlaceHypothesis(
            place(rank), rank, 0.9, probability=probability,
            pose_source=PoseSource.OF_MAP_IMAGE, pose=place(rank, posed=posed).pose,
        )
        for rank, probability in enumerate(probabilities)
    )  # fmt: skip
    return Recognition(STAMP, 'camera', state, hypotheses)


def check(message: MarkerArray) -> list[Marker]:
    """The markers that are added, after what both viewers ask of a message was checked."""
    keys = [(marker.ns, marker.id) for marker in message.markers]
    assert len(set(keys)) == len(keys)
    assert all(marker.action in (Marker.ADD, Marker.DELETE) for marker in message.markers)
    added = [marker for marker in message.markers if marker.action == Marker.ADD]
    for marker in added:
        assert marker.ns and marker.header.frame_id == 'map'
        assert len(marker.colors) in (0, len(marker.points))
        assert marker.pose.orientation.w != 0 or marker.pose.orientation.z != 0
        if marker.type in (Marker.LINE_LIST, Marker.SPHERE_LIST):
            assert marker.points and marker.scale.x > 0
    return added


def test_places_are_lists_by_session_and_brighter_where_they_were_hit():
    places = [place(1), place(2), place(3, 'night'), place(4, 'night', posed=False)]
    day, night = check(place_markers(places, 'map', {'day/2': 40}))
    assert (day.ns, night.ns) == ('places day', 'places night')
    assert [(p.x, p.y) for p in day.points] == [(1.0, 2.0), (2.0, 2.0)]
    assert len(night.points) == 1
    dark, bright = (colour.r + colour.g + colour.b for colour in day.colors)
    assert bright > 1.2 * dark
    assert day.color != night.color


def test_lists_of_sessions_that_are_gone_are_deleted():
    message = place_markers([place(1)], 'map', None, ['places day', 'places old'])
    assert [each.ns for each in message.markers if each.action == Marker.DELETE] == ['places old']
    (emptied,) = place_markers([], 'map', None, ['places day']).markers
    assert emptied.action == Marker.DELETE


def test_the_places_of_a_large_map_are_bounded(monkeypatch):
    monkeypatch.setattr(markers, 'MAX_PLACES', 100)
    monkeypatch.setattr(markers, 'MAX_SESSIONS', 5)
    places = [place(number, f's{number % 40}') for number in range(1037)]
    shown = check(place_markers(places, 'map'))
    assert 80 <= sum(len(marker.points) for marker in shown) <= 100
    assert len(shown) == 6 and shown[-1].ns == 'places of other sessions'


def test_the_belief_is_an_arrow_and_spheres_that_grow_with_their_probability():
    arrow, likely, unlikely, text = check(belief_markers(answer(0.7, 0.25, 0.01), 'map'))
    assert (arrow.type, text.type) == (Marker.ARROW, Marker.TEXT_VIEW_FACING)
    assert likely.scale.x > unlikely.scale.x and likely.color.a > unlikely.color.a
    assert text.text == 'LOCALIZED 0.70' and text.pose.position.z > 1
    assert (arrow.header.stamp.sec, arrow.header.stamp.nanosec) == (5, 1)


@pytest.mark.parametrize('count', [0, 1, 3, 40])
def test_what_an_earlier_answer_showed_is_replaced_or_deleted(count):
    message = belief_markers(answer(*[math.nan] * count, state=LocalizationState.UNKNOWN), 'map')
    added = check(message)
    shown = [marker for marker in added if marker.ns == 'hypotheses']
    assert len(shown) == min(count, markers.MAX_HYPOTHESES)
    numbers = {marker.id for marker in message.markers if marker.ns == 'hypotheses'}
    assert numbers == set(range(markers.MAX_HYPOTHESES))
    assert any(marker.ns == 'state' for marker in message.markers)


def test_without_poses_there_is_nothing_to_show():
    assert check(belief_markers(answer(0.9, posed=False), 'map')) == []


def test_closures_are_arcs_between_their_ends():
    here = (5.0, 5.0, 0.0)
    arcs = [Arc((0.0, 0.0, 0.0), (10.0, 0.0, 1.0), 0.99), Arc(here, here, math.nan)]
    (marker,) = check(closure_marker(arcs, 'map'))
    assert len(marker.points) % 2 == 0
    first = marker.points[: 2 * markers.ARC_POINTS]
    assert (first[0].x, first[0].z, first[-1].x, first[-1].z) == (0.0, 0.0, 10.0, 1.0)
    assert max(point.z for point in first) > 3
    assert marker.colors[0].g > marker.colors[0].r
    # A line upwards where both ends are at one position.
    second = marker.points[2 * markers.ARC_POINTS :]
    assert {(point.x, point.y) for point in second} == {(5.0, 5.0)}
    assert max(point.z for point in second) == pytest.approx(2.0)
    (deleted,) = closure_marker([], 'map').markers
    assert deleted.action == Marker.DELETE
