"""What a call of ~/query_place may tell of the place before, as the command line does."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from geographic_msgs.msg import GeoPoint
from geometry_msgs.msg import PoseWithCovarianceStamped
from helpers import scenes
from helpers.bench import Bench, bench, recognizer_with_map
from helpers.messages import picture

from fol_vpr.datatypes import Frame, GeoPosition, Pose
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.node.services.query_place import QueryPlaceService
from fol_vpr_msgs.srv import QueryPlace

Response = QueryPlace.Response
EAST = 0.001  # degrees of longitude; 111 m at the equator


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory) -> Iterator[PlaceRecognizer]:
    """A map with one place that has no position, and with two that are 100 m apart."""
    with recognizer_with_map(tmp_path_factory.mktemp('priors'), 1) as made:
        for number in (1, 2):
            frame = Frame(
                scenes.view(number, 0),
                stamp_ns=number,
                pose=Pose(np.array([100.0 * number, 0, 0]), np.array([0, 0, 0, 1.0])),
                geo=GeoPosition(0, EAST * number),
            )
            made.add_place(frame, session_id=f's{number}', place_id=f'p{number}')
        yield made


@pytest.fixture
def made(recognizer) -> Iterator[Bench]:
    with bench() as made:
        QueryPlaceService(made.context)
        made.activate(recognizer)
        yield made


def query(made: Bench, **fields) -> Response:
    request = QueryPlace.Request(image=picture(2), **fields)
    return made.watch.call(QueryPlace, 'query_place', request)


def found(response: Response) -> set[str]:
    assert response.result == Response.OK, response.message
    return {each.place_id.rpartition('/')[2] for each in response.places.hypotheses}


def near(x: float, covariance: dict[int, float] | None = None, frame_id: str = 'map'):
    message = PoseWithCovarianceStamped()
    message.header.frame_id = frame_id
    message.pose.pose.position.x = float(x)
    for index, value in (covariance or {}).items():
        message.pose.covariance[index] = value
    return message


EVERYWHERE = {'000000', 'p1', 'p2'}


def test_a_position_with_a_radius_or_a_covariance(made):
    assert found(query(made)) == EVERYWHERE
    assert found(query(made, has_prior=True, prior=near(100), prior_radius=9.0)) == {
        '000000', 'p1'
    }  # fmt: skip
    sure = near(100, {0: 4.0, 7: 9.0})
    assert found(query(made, has_prior=True, prior=sure)) == {'000000', 'p1'}
    unsure = near(100, {0: 40.0**2, 7: 1.0})
    assert found(query(made, has_prior=True, prior=unsure)) == EVERYWHERE
    # Only x and y count: an orientation that was never filled in does no harm, nor does z.
    planar = near(100, {0: 4.0, 7: 4.0, 35: math.nan})
    planar.pose.pose.orientation.w = 0.0
    planar.pose.pose.position.z = math.nan
    assert found(query(made, has_prior=True, prior=planar)) == {'000000', 'p1'}


def test_a_geodetic_position(made):
    here = GeoPoint(latitude=0.0, longitude=2 * EAST, altitude=math.nan)
    geo = {'has_geo_prior': True, 'geo_prior': here}
    assert found(query(made, **geo, prior_radius=9.0)) == {'000000', 'p2'}
    assert found(query(made, **geo, geo_prior_stddev=3.0)) == {'000000', 'p2'}
    assert found(query(made, **geo, geo_prior_stddev=50.0)) == EVERYWHERE


def test_sessions(made):
    assert found(query(made, session_ids=['s1'])) == {'p1'}
    both = {'has_prior': True, 'prior': near(100), 'prior_radius': 9.0, 'session_ids': ['s2']}
    nothing = query(made, **both)
    assert found(nothing) == set()
    assert 'nothing was searched: no place of the map agrees' in nothing.message


GEO = {'has_geo_prior': True, 'prior_radius': 1.0}


@pytest.mark.parametrize(
    ('fields', 'says'),
    [
        ({'session_ids': ['night']}, "no session 'night'; it has"),
        ({'prior': near(0, frame_id='odom'), 'prior_radius': 1.0}, "in the frame 'odom'"),
        ({'prior': near(0)}, 'needs a radius or a stddev over 0'),
        ({'prior': near(math.nan), 'prior_radius': 1.0}, 'as its position, got'),
        ({'prior': near(0, {0: math.nan}), 'prior_radius': 1.0}, 'holds NaN'),
        ({'prior': near(0, {0: -4.0}), 'prior_radius': 1.0}, 'a variance is negative'),
        ({'prior': near(0), 'prior_radius': -1.0}, 'the radius of a prior is -1'),
        ({'prior': near(0), 'prior_radius': math.inf}, 'the radius of a prior is inf'),
        ({'prior_radius': 5.0, 'has_prior': False}, 'prior_radius is 5 without a position'),
        ({'geo_prior_stddev': 5.0, 'has_prior': False}, 'geo_prior_stddev is 5 without'),
        ({'prior': near(0), **GEO}, 'got both'),
        ({**GEO, 'has_prior': False, 'geo_prior': GeoPoint(latitude=91.0)}, '91'),
    ],
)
def test_what_is_refused(made, fields, says):
    response = query(made, **{'has_prior': 'prior' in fields, **fields})
    assert response.result == Response.BAD_REQUEST
    assert says in response.message


def test_a_position_on_a_map_without_any_is_refused(tmp_path):
    with recognizer_with_map(tmp_path, 1) as without, bench() as made:
        QueryPlaceService(made.context)
        made.activate(without)
        response = query(made, has_prior=True, prior=near(0), prior_radius=1.0)
        assert response.result == Response.BAD_REQUEST
        assert 'no place of the map has one' in response.message
        assert 'no place of the map has one' in query(made, **GEO).message
