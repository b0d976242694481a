"""The state of a situation, and the reason that is given for it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Cause, LocalizationState
from fol_vpr.decision.verdict import Comparison, LeadingPlace, Rival, Situation, judge

UNKNOWN, NOT_IN_MAP, AMBIGUOUS, LOCALIZED = LocalizationState
CONFIG = VerificationConfig()
PLACE = LeadingPlace('hall', 0.99, 5)
RIVAL = Rival('door', 0.4, 0.96, is_alike=True)
SURE = Situation(PLACE, None, 0.001, 5)
UNSURE = replace(SURE, leader=replace(PLACE, probability=0.72))

shares = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.9499999, 0.95, 0.95000001, 1.0]))
leaders = st.builds(
    LeadingPlace,
    st.just('hall'),
    shares,
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
    st.just('31 of 40 inliers needed'),
)
rivals = st.builds(Rival, st.just('door'), shares, shares, st.booleans())
situations = st.builds(
    Situation,
    leader=st.none() | leaders,
    rival=st.none() | rivals,
    p_outside=shares,
    total_images=st.integers(1, 6),
    calibrated=st.booleans(),
    searched=st.booleans(),
    matched=st.booleans(),
    in_sequence=st.booleans(),
    quality=shares,
    novelty=shares,
    restart=st.none() | st.floats(-100, 100),
).filter(lambda s: s.rival is None or s.leader is not None)


def consistent(situation: Situation) -> Situation:
    """With probabilities that add up to no more than 1."""
    if situation.leader is None:
        return situation
    left = 1 - situation.leader.probability
    return replace(situation, p_outside=min(situation.p_outside, left))


situations = situations.map(consistent)
configs = st.builds(
    VerificationConfig, probability=st.floats(0.5, 0.9999), consecutive=st.integers(1, 4)
)


def numbers(reason: str, word: str) -> list[tuple[float, float]]:
    """The pairs (number, number needed) that follow a word in a reason."""
    found = re.findall(rf'{word} ([0-9.e-]+) (?:of |\()([0-9.e-]+) needed', reason)
    return [(float(value), float(required)) for value, required in found]


@settings(max_examples=500, deadline=None)
@given(situations, configs)
def test_the_numbers_of_a_reason_agree_with_the_state(situation, config):
    state, why = judge(situation, config)
    word = 'probability' if situation.calibrated else 'score'
    probabilities = numbers(why.reason, f'(?:{word}|together)')
    images = numbers(why.reason, 'images')
    assert why.reason and why.cause is not Cause.UNSPECIFIED
    if state in (LOCALIZED, NOT_IN_MAP):
        assert len(probabilities) == len(images) == 1
        assert all(value >= required for value, required in probabilities + images)
        assert situation.quality > 0 and not why.remedy
    if state is AMBIGUOUS:
        assert [value >= required for value, required in probabilities] == [True]
        assert why.cause is Cause.PLACES_ALIKE and why.remedy
    if state is not UNKNOWN:
        return
    assert why.remedy
    if why.cause in (Cause.LOW_PROBABILITY, Cause.NO_MOTION, Cause.PLACES_ALIKE):
        assert [value < required for value, required in probabilities] == [True]
    if why.cause in (Cause.FEW_IMAGES, Cause.TIME_GAP):
        assert [value < required for value, required in images] == [True]
    if why.cause in (Cause.NOT_VERIFIED, Cause.NO_CALIBRATION):
        assert not situation.calibrated
        assert numbers(why.reason, 'score')[0][0] >= numbers(why.reason, 'score')[0][1]


@settings(max_examples=500, deadline=None)
@given(situations, configs)
def test_unknown_turns_into_a_statement_where_its_cause_is_mended(situation, config):
    state, why = judge(situation, config)
    if state is not UNKNOWN or situation.leader is None:
        return
    if why.cause is Cause.NOT_VERIFIED:
        mended = replace(situation, leader=replace(situation.leader, verified=True))
        assert judge(mended, config).state is LOCALIZED
    if why.cause is Cause.NO_CALIBRATION:
        mended = replace(situation, calibrated=True, total_images=config.consecutive)
        assert judge(mended, config).state is NOT_IN_MAP
    if why.cause is Cause.FEW_IMAGES:
        one = judge(situation, replace(config, consecutive=1)).state
        assert ('consecutive' in why.remedy) == (one in (LOCALIZED, NOT_IN_MAP))
    if why.cause is Cause.LOW_PROBABILITY:
        leader = replace(situation.leader, probability=1.0, images=4, verified=True)
        assert judge(replace(situation, leader=leader), config).state is LOCALIZED


@pytest.mark.parametrize(
    ('situation', 'state', 'cause', 'said'),
    [
        (SURE, LOCALIZED, Cause.PLACE_PROBABLE, 'probability 0.99 (0.95 needed) for hall'),
        (
            replace(UNSURE, p_outside=0.97),
            NOT_IN_MAP,
            Cause.OUTSIDE_PROBABLE,
            'probability 0.97 (0.95 needed) that the map has no such place, images 5 (3 needed)',
        ),
        (
            replace(UNSURE, rival=RIVAL),
            AMBIGUOUS,
            Cause.PLACES_ALIKE,
            'two places alike: hall (0.72) and door (0.40), together 0.96 (0.95 needed)',
        ),
        (
            replace(UNSURE, rival=replace(RIVAL, together=0.9)),
            UNKNOWN,
            Cause.PLACES_ALIKE,
            'together 0.90 of 0.95 needed',
        ),
        (UNSURE, UNKNOWN, Cause.LOW_PROBABILITY, 'probability 0.72 of 0.95 needed for hall'),
        (
            replace(SURE, leader=replace(PLACE, images=2)),
            UNKNOWN,
            Cause.FEW_IMAGES,
            'too few images in a row: images 2 of 3 needed',
        ),
        (
            replace(UNSURE, total_images=1, in_sequence=False),
            UNKNOWN,
            Cause.FEW_IMAGES,
            'one image by itself: images 1 of 3 needed; probability 0.72 of 0.95 needed for hall',
        ),
        (
            replace(UNSURE, total_images=1, restart=7.25),
            UNKNOWN,
            Cause.TIME_GAP,
            '7.25 s without an image (verification.max_gap 5 s) began a new sequence',
        ),
        (
            replace(UNSURE, total_images=1, restart=-3.0),
            UNKNOWN,
            Cause.TIME_GAP,
            'stamps went back by 3 s',
        ),
        (replace(UNSURE, novelty=0.12), UNKNOWN, Cause.NO_MOTION, 'only 12 % new'),
        (
            replace(UNSURE, quality=0.25, quality_reason='blurred (edge strength 2.6)'),
            UNKNOWN,
            Cause.POOR_IMAGE,
            'poor image, quality 0.25 of 1: blurred (edge strength 2.6)',
        ),
        (
            replace(SURE, quality=0.0, quality_reason='dark: 99% of the image is black'),
            UNKNOWN,
            Cause.POOR_IMAGE,
            'unusable image, quality 0.00 of 1: dark',
        ),
        (
            Situation(searched=False, matched=False),
            UNKNOWN,
            Cause.NO_CANDIDATES,
            'no place of the map agrees with the prior',
        ),
        (
            replace(UNSURE, matched=False),
            UNKNOWN,
            Cause.NO_MATCHES,
            'no local matches with any of the references',
        ),
        (
            replace(
                SURE,
                calibrated=False,
                leader=replace(
                    PLACE, verified=False, unverified_because='31 of 40 inliers needed'
                ),
            ),
            UNKNOWN,
            Cause.NOT_VERIFIED,
            'hall did not pass the geometric verification, which a map without a calibration '
            'needs: 31 of 40 inliers needed; score 0.99 (0.95 needed)',
        ),
        (
            replace(UNSURE, calibrated=False, p_outside=0.98),
            UNKNOWN,
            Cause.NO_CALIBRATION,
            'score 0.98 (0.95 needed) that the map has no such place',
        ),
    ],
)
def test_each_cause_is_said(situation, state, cause, said):
    verdict = judge(situation, CONFIG)
    assert (verdict.state, verdict.explanation.cause) == (state, cause)
    assert said in verdict.explanation.reason


@given(st.floats(0, 1), st.floats(0.5, 0.9999))
def test_rounding_never_shows_a_number_that_fails_as_one_that_holds(value, required):
    comparison = Comparison(value, required)
    shown, needed = re.fullmatch(r'(\S+) (?:of |\()(\S+) needed\)?', str(comparison)).groups()
    assert (float(shown) >= float(needed)) == comparison.holds
