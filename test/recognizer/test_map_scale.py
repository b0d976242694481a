"""A map without a scale: what it probably is."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fol_vpr.config import RecognizerConfig, VerificationConfig
from fol_vpr.datatypes import GeoPosition, MapInfo, Place, Pose
from fol_vpr.recognizer.map_scale import extent_of, scale_hint

INFO = MapInfo(
    'm.folmap', 'id', 'm', 2, 'model-a', 'fixed', 'fine', 9, 1, 8, 8, 1, 'map', False, None, False
)
LEVEL = np.array([0.0, 0.0, 0.0, 1.0])


def places(*positions) -> list[Place]:
    poses = [Pose(np.array(xyz, float), LEVEL) for xyz in positions]
    return [Place(i, str(i), 's', 0, '', (1, 1), pose) for i, pose in enumerate(poses)]


def test_the_extent_is_from_corner_to_corner():
    assert extent_of(places((0, 0, 0), (3, 1, 0), (2, 4, 0))) == 5
    assert math.isnan(extent_of(places((0, 0, 0)))) and math.isnan(extent_of([]))


def test_the_extent_of_geodetic_positions_is_in_metres():
    geo = [GeoPosition(48.0, 11.0), GeoPosition(48.001, 11.0)]
    found = [Place(i, str(i), 's', 0, '', (1, 1), None, at) for i, at in enumerate(geo)]
    assert extent_of(found) == pytest.approx(111, rel=0.01)


@pytest.mark.parametrize(('size', 'word'), [(4.1, 'room'), (52, 'building'), (500, '')])
def test_a_small_map_without_a_scale_gets_a_hint(size, word):
    said = scale_hint(places((0, 0, 0), (size, 0, 0)), INFO, RecognizerConfig())
    assert bool(said) == bool(word)
    if word:
        assert f'{size:.3g} m across: --scale {word}?' in said
        assert f'map save m.folmap --scale {word}' in said


def test_who_named_a_scale_or_a_radius_or_calibrated_gets_none():
    found = places((0, 0, 0), (4, 0, 0))
    for info, config in (
        (replace(INFO, scale='street'), RecognizerConfig()),
        (replace(INFO, calibrated=True), RecognizerConfig()),
        (INFO, RecognizerConfig(scale='street')),
        (INFO, RecognizerConfig(given=frozenset({'verification.place_radius'}))),
        (INFO, RecognizerConfig(verification=VerificationConfig(place_radius=0.4))),
    ):
        assert scale_hint(found, info, config) == ''
