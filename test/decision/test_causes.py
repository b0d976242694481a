"""Why a state is UNKNOWN, AMBIGUOUS or NOT_IN_MAP, in words."""

from dataclasses import replace

import numpy as np
from helpers.decision.calibrated import CALIBRATED, CONFIG, decision
from helpers.decision.observations import clear, hypothesis, observation, poor, two_places

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Cause, LocalizationState, Pose

UNKNOWN, NOT_IN_MAP, AMBIGUOUS, LOCALIZED = LocalizationState


def cause_after(seen: list, config: VerificationConfig = CONFIG, calibration=CALIBRATED):
    update = decision(config, calibration).update
    return [update(each) for each in seen][-1].explanation


FAINT = [hypothesis(5, 0.5, 120, 20), hypothesis(20, 0.45, 100, 15, 1)]


def test_unknown_says_why():
    """Each cause provoked by what the camera sees, not by numbers set by hand."""
    assert cause_after([clear(0, 5)]).cause is Cause.FEW_IMAGES
    assert 'images 2 of 3 needed' in cause_after([clear(0, 5), clear(1, 5)]).reason
    gap = cause_after([clear(i, 5) for i in (0, 1, 2, 3, 11)])
    assert gap.cause is Cause.TIME_GAP and '8 s without an image' in gap.reason
    back = cause_after([clear(i, 5) for i in (0, 1, 2, 3, 1)])
    assert back.cause is Cause.TIME_GAP and 'went back by 2 s' in back.reason
    teleported = cause_after([clear(i, 5) for i in range(6)] + [clear(6, 30)])
    assert teleported.cause in (Cause.LOW_PROBABILITY, Cause.FEW_IMAGES), teleported
    dark = clear(9, 5, quality=0.0, quality_reason='dark: 99% of the image is black')
    assert 'dark' in cause_after([dark]).reason and cause_after([dark]).cause is Cause.POOR_IMAGE
    assert cause_after([observation(0, [])]).cause is Cause.NO_MATCHES
    unmatched = [hypothesis(5, 0.9, 0, 0), hypothesis(25, 0.5, 0, 0, 1)]
    assert cause_after([observation(0, unmatched)]).cause is Cause.NO_MATCHES
    searched = replace(observation(0, []), candidates=[], places=[])
    assert cause_after([searched]).cause is Cause.NO_CANDIDATES
    blurred = {'quality': 0.3, 'quality_reason': 'blurred'}
    assert cause_after([observation(i, FAINT, **blurred) for i in range(3)]).cause is (
        Cause.POOR_IMAGE
    )


def test_a_robot_that_stands_is_told_to_move():
    view, seen = np.array([1.0, 0.0]), [hypothesis(5, 0.62, 200, 58), FAINT[1]]
    here = Pose(np.zeros(3), np.array([0.0, 0, 0, 1]))
    strict = replace(CONFIG, probability=0.9999)
    still = [observation(i, seen, descriptor=view, odometry=here) for i in range(4)]
    said = cause_after(still, strict)
    assert said.cause is Cause.NO_MOTION and 'only 10 % new' in said.reason
    assert said.remedy.startswith('move the robot')

    def at(x: float) -> Pose:
        return replace(here, position=np.array([x, 0, 0]))

    moving = [
        observation(
            i, seen, descriptor=view, odometry=replace(here, position=np.array([9.0 * i, 0, 0]))
        )
        for i in range(4)
    ]
    assert cause_after(moving, strict).cause is not Cause.NO_MOTION


def test_without_a_calibration_that_is_the_reason():
    outside = cause_after([poor(i, i) for i in range(8)], calibration=None)
    assert outside.cause is Cause.NO_CALIBRATION and 'fol_vpr calibrate' in outside.remedy
    strong = [hypothesis(5, 0.95, 3000, 39), hypothesis(20, 0.4, 50, 10, 1)]
    unverified = cause_after([observation(i, strong) for i in range(10)], calibration=None)
    assert unverified.cause is Cause.NOT_VERIFIED
    assert '39 of 40 inliers needed' in unverified.reason
    assert '39 of 3000 matches are inliers, 0.35 of them needed' in unverified.reason


def test_statements_say_why_too():
    localized = cause_after([clear(i, 5) for i in range(4)])
    assert localized.cause is Cause.PLACE_PROBABLE and not localized.remedy
    assert 'needed) for p5, images 4 (3 needed)' in localized.reason
    outside = cause_after([poor(i, i) for i in range(8)])
    assert outside.cause is Cause.OUTSIDE_PROBABLE and 'no such place' in outside.reason
    alike = cause_after([observation(i, two_places(300)) for i in range(4)])
    assert alike.cause is Cause.PLACES_ALIKE and 'p5 (' in alike.reason and 'p25 (' in alike.reason


def test_one_image_by_itself_says_so():
    alone = decision().update(clear(0, 5), sequence=False).explanation
    assert alone.cause is Cause.FEW_IMAGES and alone.reason.startswith('one image by itself')
    assert alone.remedy.startswith('--consecutive 1')
    faint = decision().update(observation(0, FAINT), sequence=False).explanation
    assert faint.remedy.startswith('ask with a sequence of images')
