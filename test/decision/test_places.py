"""Which references are one place: by metres, by degrees, by their order."""

import math

import numpy as np
import pytest

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import GeoPosition, Place, Pose
from fol_vpr.decision import NEIGHBOUR_FACTOR, Locations, same_place

CONFIG = VerificationConfig()


def place(
    index: int, x: float | None = None, geo: GeoPosition | None = None, session: str = 's'
) -> Place:
    pose = None if x is None else Pose(np.array([x, 0.0, 0.0]), np.array([0.0, 0, 0, 1]))
    return Place(index, f'p{index}', session, 0, '', (640, 480), pose, geo)


def test_by_metres_where_there_are_poses():
    assert same_place(place(0, x=0.0), place(500, x=9.0), CONFIG)
    assert not same_place(place(0, x=0.0), place(1, x=11.0), CONFIG)


def test_by_their_order_in_one_session_where_there_are_none():
    assert same_place(place(0), place(5), CONFIG)
    assert not same_place(place(0), place(6), CONFIG)
    assert not same_place(place(0), place(1, session='another'), CONFIG)
    # A pose on one side only tells no distance.
    assert same_place(place(0, x=0.0), place(5), CONFIG)


def test_geodetic_distance_across_the_antimeridian():
    west, east = GeoPosition(0.0, 179.99997), GeoPosition(0.0, -179.99998)
    assert same_place(place(0, geo=west), place(500, geo=east), CONFIG)
    assert not same_place(place(0, geo=west), place(1, geo=GeoPosition(0.0, 179.999)), CONFIG)


def test_poses_are_asked_before_degrees_and_degrees_before_the_order():
    here, far = GeoPosition(48.0, 11.0), GeoPosition(48.1, 11.0)
    assert same_place(place(0, x=0.0, geo=here), place(500, x=9.0, geo=far), CONFIG)
    assert not same_place(place(0, x=0.0, geo=here), place(1, x=50.0, geo=here), CONFIG)
    assert same_place(place(0, x=0.0, geo=here), place(500, geo=here), CONFIG)
    assert not same_place(place(0, geo=here), place(1, geo=far), CONFIG)


def test_what_is_beside_is_so_many_extents_away():
    by_metres = Locations([place(0, x=19.0), place(0, x=21.0)])
    assert by_metres.same(place(1, x=0.0), CONFIG, radius_factor=NEIGHBOUR_FACTOR).tolist() == [
        True,
        False,
    ]
    by_order = Locations([place(10), place(11)])
    assert by_order.same(place(0), CONFIG, radius_factor=NEIGHBOUR_FACTOR).tolist() == [
        True,
        False,
    ]
    assert by_order.same(place(5), CONFIG).tolist() == [True, False]


def test_all_at_once_is_each_by_itself():
    rng = np.random.default_rng(0)
    places = [
        place(
            index,
            x=float(rng.uniform(0, 60)) if index % 3 else None,
            geo=GeoPosition(float(rng.uniform(0, 5e-4)), 11.0) if index % 2 else None,
        )
        for index in range(30)
    ]
    for radius_factor in (1.0, 2.0):
        for one in places:
            together = Locations(places).same(one, CONFIG, radius_factor=radius_factor)
            by_itself = [
                bool(Locations([other]).same(one, CONFIG, radius_factor=radius_factor)[0])
                for other in places
            ]
            assert together.tolist() == by_itself
            assert together[one.index]


def test_metres_on_the_sphere_are_those_along_the_ground():
    a, b = GeoPosition(48.0, 11.0), GeoPosition(48.001, 11.002)
    metres = Locations([place(0, geo=a)]).metres(place(1, geo=b))[0]
    assert metres == pytest.approx(a.distance(b), rel=1e-6)
    assert math.isnan(Locations([place(0, geo=a)]).metres(place(1, x=0.0))[0])


def test_positions_and_order_are_mixed_as_one_by_one():
    """Some references have a pose, some degrees, some neither."""
    near = GeoPosition(48.0, 11.0)
    mixed = [
        place(0, x=0.0),
        place(3, geo=near),
        place(4),
        place(5, x=25.0, geo=near),
        place(6, session='other'),
    ]
    for other in mixed:
        together = Locations(mixed).same(other, CONFIG)
        assert together.tolist() == [same_place(each, other, CONFIG) for each in mixed]
