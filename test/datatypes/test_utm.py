"""UTM coordinates in and beside their zones, compared with published ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fol_vpr.datatypes.utm import (
    UtmZone,
    geo_from_utm,
    matching_zones,
    utm_from_geo,
    zone_from_text,
)

# Latitude and longitude in degrees, zone, easting and northing in metres: the CN Tower and Cape
# Town from Wikipedia and the Defense Mapping Agency's TM 8358.2 conventions, to a metre.
KNOWN = [
    ((43.642567, -79.387139), UtmZone(17, True), (630_084, 4_833_439)),
    ((0.0, 3.0), UtmZone(31, True), (500_000, 0)),
    ((0.0, 3.0), UtmZone(31, False), (500_000, 10_000_000)),
]


@pytest.mark.parametrize(('degrees', 'zone', 'metres'), KNOWN)
def test_coordinates_that_others_published(degrees, zone, metres):
    assert utm_from_geo(np.array([degrees]), zone)[0] == pytest.approx(metres, abs=1.5)


@given(st.floats(-80, 84), st.floats(-180, 179.9), st.integers(-1, 1), st.booleans())
def test_there_and_back_also_in_the_neighbouring_zones(latitude, longitude, aside, north):
    number = (int((longitude + 180) // 6) + aside) % 60 + 1
    zone = UtmZone(number, north)
    degrees = np.array([[latitude, longitude]])
    back = geo_from_utm(utm_from_geo(degrees, zone), zone)[0]
    assert back[0] == pytest.approx(latitude, abs=1e-8)
    assert (back[1] - longitude + 180) % 360 - 180 == pytest.approx(0, abs=1e-7)


PLACES = {
    'London, west of Greenwich': ((51.5, -0.001), UtmZone(30, True)),
    'London, east of Greenwich': ((51.5, 0.001), UtmZone(31, True)),
    'London, in the zone of the west': ((51.5, 0.001), UtmZone(30, True)),
    'Bergen, in the wide zone of Norway': ((60.39, 5.32), UtmZone(32, True)),
    'Longyearbyen, in a zone of Svalbard': ((78.22, 15.63), UtmZone(33, True)),
    'Svalbard, two zones from the usual': ((78.0, 10.0), UtmZone(33, True)),
    'Quito, south of the equator': ((-0.18, -78.47), UtmZone(17, False)),
    'Quito, by the northern coordinates': ((-0.18, -78.47), UtmZone(17, True)),
    'Fiji, across the date line': ((-16.8, -179.99), UtmZone(60, False)),
}


@pytest.mark.parametrize('name', PLACES)
def test_the_zone_is_told_by_the_geodetic_position(name):
    degrees, zone = PLACES[name]
    metres = utm_from_geo(np.array([degrees]), zone)
    assert matching_zones(metres, np.array([degrees])) == [zone]


def test_coordinates_of_another_frame_have_no_zone():
    degrees = np.array([[51.5, 0.0], [51.5, 0.0], [89.0, 0.0]])
    metres = np.array([[12.0, -3.0], [500_000.0, 1.0], [500_000.0, 9_800_000.0]])
    assert matching_zones(metres, degrees) == [None] * 3


def test_zones_in_words():
    assert zone_from_text('10', 'S') == UtmZone(10, True)  # the band, 32° to 40° north
    assert zone_from_text('34', 'h') == UtmZone(34, False)
    assert zone_from_text('34', '', -33.9) == UtmZone(34, False)
    assert zone_from_text('34') is None
    assert zone_from_text('') is None
    for number, letter in (('61', 'N'), ('0', ''), ('x', ''), ('31', 'I'), ('31', 'NN')):
        with pytest.raises(ValueError, match='UTM zone'):
            zone_from_text(number, letter)
