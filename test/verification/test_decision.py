"""When the state is LOCALIZED, AMBIGUOUS, or honestly UNKNOWN."""

from dataclasses import replace

import numpy as np
import pytest

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import (
    GeoPosition,
    LocalizationState,
    Place,
    PlaceHypothesis,
    Pose,
    Verification,
)
from fol_vpr.verification import Decision

SECOND = 1_000_000_000
CONFIG = VerificationConfig(consecutive=3)


def place(index: int, x: float | None = None, geo: GeoPosition | None = None) -> Place:
    pose = None if x is None else Pose(np.array([x, 0.0, 0.0]), np.array([0.0, 0, 0, 1]))
    return Place(index, f'p{index}', 's', 0, '', (640, 480), pose, geo)


def verified(where: Place, inliers: int = 100, rank: int = 0) -> PlaceHypothesis:
    return PlaceHypothesis(where, rank, 0.9, inliers=inliers, verification=Verification.GEOMETRY)


def unverified(where: Place) -> PlaceHypothesis:
    return PlaceHypothesis(where, 0, 0.99, verification=Verification.LOCAL)


def test_localized_after_enough_agreeing_images():
    decision = Decision(CONFIG)
    states = [decision.judge(i * SECOND, [verified(place(10 + i))])[0] for i in range(4)]
    unknown, localized = LocalizationState.UNKNOWN, LocalizationState.LOCALIZED
    assert states == [unknown, unknown, localized, localized]


def test_one_look_alike_image_does_not_teleport():
    decision = Decision(CONFIG)
    for i in range(3):
        decision.judge(i * SECOND, [verified(place(10 + i))])
    state, believed = decision.judge(3 * SECOND, [verified(place(90))])
    assert state == LocalizationState.UNKNOWN
    assert believed is None


def test_an_image_without_verification_breaks_the_sequence():
    decision = Decision(CONFIG)
    for i in range(2):
        decision.judge(i * SECOND, [verified(place(10))])
    assert decision.judge(2 * SECOND, [unverified(place(10))])[0] == LocalizationState.UNKNOWN
    assert decision.judge(3 * SECOND, [verified(place(10))])[0] == LocalizationState.UNKNOWN


@pytest.mark.parametrize('jump', [-1, 6])
def test_stamps_that_jump_start_anew(jump):
    decision = Decision(CONFIG)
    for i in range(3):
        decision.judge((100 + i) * SECOND, [verified(place(10))])
    assert decision.judge((102 + jump) * SECOND, [verified(place(10))])[0] == 0


def test_two_places_that_explain_the_image_alike_are_ambiguous():
    decision = Decision(replace(CONFIG, consecutive=1))
    near = [verified(place(10), 100), verified(place(12), 95, rank=1)]
    far = [verified(place(10), 100), verified(place(90), 95, rank=1)]
    weak = [verified(place(10), 100), verified(place(90), 50, rank=1)]
    assert decision.judge(0, near)[0] == LocalizationState.LOCALIZED
    assert decision.judge(0, far)[0] == LocalizationState.AMBIGUOUS
    assert decision.judge(0, weak)[0] == LocalizationState.LOCALIZED


def test_the_best_verified_hypothesis_is_the_one_with_most_inliers():
    decision = Decision(replace(CONFIG, consecutive=1))
    hypotheses = [unverified(place(1)), verified(place(5), 80, 1), verified(place(6), 90, 2)]
    _, believed = decision.judge(0, hypotheses)
    assert believed is hypotheses[2]


def test_a_single_query_neither_uses_nor_leaves_evidence():
    decision = Decision(CONFIG)
    for i in range(2):
        decision.judge(i * SECOND, [verified(place(10))])
    single = decision.judge(0, [verified(place(90))], sequence=False)
    assert single == (LocalizationState.UNKNOWN, None)
    assert decision.judge(2 * SECOND, [verified(place(10))])[0] == LocalizationState.LOCALIZED


def test_places_are_compared_by_metres_where_there_are_poses():
    decision = Decision(CONFIG)
    assert decision.same_place(place(0, x=0.0), place(500, x=9.0))
    assert not decision.same_place(place(0, x=0.0), place(1, x=11.0))
    assert not decision.same_place(place(0), place(6))


def test_geodetic_distance_across_the_antimeridian():
    decision = Decision(CONFIG)
    west, east = GeoPosition(0.0, 179.99997), GeoPosition(0.0, -179.99998)
    assert decision.same_place(place(0, geo=west), place(500, geo=east))
    assert not decision.same_place(place(0, geo=west), place(1, geo=GeoPosition(0.0, 179.999)))
