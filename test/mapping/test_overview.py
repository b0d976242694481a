"""What a map covers: lengths, dates, directions and gaps of places set by hand."""

import json
import math

import numpy as np
import pytest
from helpers.small_maps import CAMERA

from fol_vpr.datatypes import GeoPosition, Place, Pose
from fol_vpr.mapping import MapOverview, stamp_in_words
from fol_vpr.mapping.overview import GeoBox, date_of

NOON = 1_700_000_000 * 10**9


def place(index, x=None, y=0.0, *, yaw=0.0, session='a', second=None, geo=None, camera=None):
    turned = np.array([0, 0, math.sin(math.radians(yaw) / 2), math.cos(math.radians(yaw) / 2)])
    pose = None if x is None else Pose(np.array([x, y, 0.0]), turned)
    stamp = NOON + (index if second is None else second) * 10**9
    return Place(
        index, f'{session}/{index}', session, stamp, '', (960, 540), pose, geo, camera=camera
    )


def overview(places, **changes) -> MapOverview:
    return MapOverview(places, **{'radius': 2.0, 'gap': 5.0, **changes})


def test_sessions_have_lengths_dates_and_sources():
    """The first session is stored out of order, and one of its places has no position."""
    places = [
        place(0, 3.0, second=3), place(1, 0.0, second=0), place(2, None, second=1),
        place(3, 3.0, 4.0, second=9), place(4, 7.0, session='b'),
    ]  # fmt: skip
    first, second = overview(places, sources={'a': 'a bag'}).sessions
    assert (first.session_id, first.places, first.posed) == ('a', 4, 3)
    assert first.length == pytest.approx(3 + 4)
    assert (first.first_ns, first.last_ns) == (NOON, NOON + 9 * 10**9)
    assert (first.source, second.source) == ('a bag', '')
    assert math.isnan(second.length)


def test_gaps_are_those_of_one_session_longest_first():
    places = [place(0, 0.0), place(1, 6.0), place(2, 8.0), place(3, 20.0)]
    places += [place(4, 100.0, session='b'), place(5, 104.0, session='b')]
    found = overview(places).gaps
    assert [(gap.before, gap.after) for gap in found] == [(2, 3), (0, 1)]
    assert (found[0].length, found[0].seconds) == (12.0, 1.0)
    assert overview(places, gap=3.0).gaps[-1].session_id == 'b'


def test_directions_within_the_radius():
    """Two passes head on; a third place alone; and one that is seen from left and right."""
    places = [place(0, 0.0), place(1, 0.5, yaw=180.0), place(2, 50.0, yaw=20.0)]
    places += [place(3, 90.0, yaw=350.0), place(4, 90.5, yaw=70.0)]
    found = overview(places)
    assert found.density.tolist() == [2, 2, 1, 2, 2]
    np.testing.assert_allclose(found.heading_span, [180, 180, 0, 80, 80], atol=1e-6)
    assert found.one_direction.tolist() == [False, False, True, True, True]
    assert found.heading_counts() == [3, 0, 1, 0, 1, 0, 0, 0]


def test_a_camera_that_sits_sideways_looks_sideways():
    """The mount of the helper's camera looks along the x axis of the robot."""
    ahead, unknown = overview([place(0, 0.0, yaw=90.0, camera=CAMERA), place(1, 1.0)]).headings
    assert (ahead, unknown) == (pytest.approx(90.0), pytest.approx(0.0))


def test_places_without_positions_have_no_coverage():
    found = overview([place(0), place(1)])
    assert found.size is None and found.geo_box is None and found.gaps == []
    assert found.density.tolist() == [0, 0] and not found.one_direction.any()
    assert found.extent_in_words() == 'not known'


def test_geodetic_positions_become_metres():
    """A ten-thousandth of a degree of latitude is 11.1 m; at 60 degrees of longitude half that."""
    geo = [GeoPosition(60.0, 24.0), GeoPosition(60.0001, 24.0), GeoPosition(60.0, 24.0001)]
    found = overview([place(i, geo=each) for i, each in enumerate(geo)])
    assert found.geodetic
    assert found.size == (pytest.approx(5.56, abs=0.01), pytest.approx(11.12, abs=0.01))
    assert '60.000000 to 60.000100 N, 24.000000 to 24.000100 E' in found.extent_in_words()
    assert len(found.gaps) == 2


def test_degrees_name_their_hemisphere():
    assert GeoBox(-33.9, -0.1, -33.8, 0.2).in_words() == (
        '33.800000 to 33.900000 S, 0.100000 W to 0.200000 E'
    )


def test_stamps_of_a_clock_that_begins_at_zero_are_no_dates():
    assert stamp_in_words(NOON) == '2023-11-14T22:13:20Z'
    assert stamp_in_words(1_500_000_000) == '1.500 s'
    assert date_of(2**62) == '2116-02-20T23:53:38Z' and date_of(-1) is None


def test_everything_goes_into_json():
    told = overview([place(0, 0.0), place(1, 4.0)]).as_json()
    assert told['extent'] == {'x_m': 4.0, 'y_m': 0.0}
    assert told['first_date'] == '2023-11-14T22:13:20Z'
    assert told['session_list'][0]['length'] == 4.0
    json.dumps(told)
