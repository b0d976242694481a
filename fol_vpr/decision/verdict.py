"""The state that the numbers of an image amount to, and why: one comparison decides both.

A statement has to pass each of its comparisons: LOCALIZED the probability of the leading place,
the images that supported it, and without a calibration its geometric verification; NOT_IN_MAP
the probability of being outside the map, the images of the sequence, and a calibration;
AMBIGUOUS the probability of two places together. The cause of UNKNOWN is the comparison that
failed, of the statement that came closest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Cause, Explanation, LocalizationState
from fol_vpr.decision.motion import MOVING_NOVELTY

# An image of a smaller quality score is named as the cause.
POOR_QUALITY = 0.5
# Two places are named as the cause where they are together more probable than not.
LIKELY = 0.5
MAX_DECIMALS = 9


@dataclass(frozen=True)
class Comparison:
    """A number that has to reach another one."""

    value: float
    required: float

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.value >= self.required

    def __str__(self) -> str:
        """Both numbers: `0.72 of 0.95 needed`, or `0.98 (0.95 needed)` where it holds.

        With decimals enough that rounding shows no number that fails as one that holds.
        """
        required = f'{self.required:g}'
        if float(required) != self.required:
            required = repr(self.required)
        shown = repr(self.value)
        for decimals in range(0 if float(self.value).is_integer() else 2, MAX_DECIMALS):
            rounded = f'{self.value:.{decimals}f}'
            if (float(rounded) >= float(required)) == self.holds:
                shown = rounded
                break
        return f'{shown} ({required} needed)' if self.holds else f'{shown} of {required} needed'


@dataclass(frozen=True)
class LeadingPlace:
    """The most probable place after an image.

    Attributes:
        place_id: of its best reference.
        probability: 0 to 1; a score of the same range where the map is not calibrated.
        images: whose evidence supported it.
        supported: whether the evidence of this image speaks for it.
        verified: whether it passed the geometric verification in this image.
        unverified_because: why it did not.
    """

    place_id: str
    probability: float
    images: int
    supported: bool = True
    verified: bool = True
    unverified_because: str = ''


@dataclass(frozen=True)
class Rival:
    """The most probable place that is no neighbour of the leading one.

    Attributes:
        place_id: of its best reference.
        probability: 0 to 1, as that of the leading place.
        together: probability of both places.
        is_alike: whether it explains the image about as well as the leading place.
    """

    place_id: str
    probability: float
    together: float
    is_alike: bool


@dataclass(frozen=True)
class Situation:
    """All that the state depends on.

    Attributes:
        leader: None where no place was found.
        rival: None where there is none.
        p_outside: probability that the map does not have the place.
        total_images: of the sequence so far, this one included.
        calibrated: whether the map is.
        searched: whether any reference was searched.
        matched: whether the image has local matches with any reference found.
        in_sequence: False where the image is judged by itself.
        quality, quality_reason: of the image, 0 (unusable) to 1, and what is wrong with it.
        novelty: how much the image differs from the one before, 0 to 1.
        restart: seconds between the stamps of the images where the sequence began anew; None
            where it did not begin by a jump of the stamps.
    """

    leader: LeadingPlace | None = None
    rival: Rival | None = None
    p_outside: float = 0.0
    total_images: int = 1
    calibrated: bool = True
    searched: bool = True
    matched: bool = True
    in_sequence: bool = True
    quality: float = 1.0
    quality_reason: str = ''
    novelty: float = 1.0
    restart: float | None = None


class Verdict(NamedTuple):
    """The state, and why."""

    state: LocalizationState
    explanation: Explanation


class _Comparisons(NamedTuple):
    """What decides; those of a place are None where there is none."""

    probability: Comparison | None
    support: Comparison | None
    outside: Comparison
    length: Comparison
    together: Comparison | None


def judge(situation: Situation, config: VerificationConfig) -> Verdict:
    """The state in a situation, and its explanation by the comparisons that decided.

    Args:
        situation: after an image.
        config: `probability` and `consecutive` that a statement needs, and `max_gap` for words.
    """
    leader, rival = situation.leader, situation.rival
    needed, images = config.probability, config.consecutive
    made = _Comparisons(
        None if leader is None else Comparison(leader.probability, needed),
        None if leader is None else Comparison(leader.images, images),
        Comparison(situation.p_outside, needed),
        Comparison(situation.total_images, images),
        None if rival is None else Comparison(rival.together, needed),
    )
    word = _word(situation)
    if situation.quality <= 0:
        return _unknown(_poor_image(situation, 'unusable image'))
    if leader is not None and made.probability is not None and made.support is not None:
        trusted = situation.calibrated or leader.verified
        if made.probability.holds and made.support.holds and trusted:
            reason = f'{word} {made.probability} for {leader.place_id}, images {made.support}'
            return _stated(LocalizationState.LOCALIZED, Cause.PLACE_PROBABLE, reason)
    if situation.calibrated and made.outside.holds and made.length.holds:
        reason = f'{word} {made.outside} that the map has no such place, images {made.length}'
        return _stated(LocalizationState.NOT_IN_MAP, Cause.OUTSIDE_PROBABLE, reason)
    if rival is not None and rival.is_alike and made.together is not None and made.together.holds:
        return Verdict(LocalizationState.AMBIGUOUS, _alike(situation, made.together))
    return _unknown(_why_unknown(situation, made, config))


def _stated(state: LocalizationState, cause: Cause, reason: str) -> Verdict:
    return Verdict(state, Explanation(cause, reason))


def _unknown(explanation: Explanation) -> Verdict:
    return Verdict(LocalizationState.UNKNOWN, explanation)


def _word(situation: Situation) -> str:
    """What the number is: without a calibration it is no probability."""
    return 'probability' if situation.calibrated else 'score'


def _why_unknown(
    situation: Situation, made: _Comparisons, config: VerificationConfig
) -> Explanation:
    leader, rival = situation.leader, situation.rival
    if made.probability is not None and made.support is not None and leader is not None:
        if made.probability.holds and not made.support.holds:
            return _few_images(situation, made, made.support, config)
        if made.probability.holds:
            return _not_verified(situation, leader, made.probability)
    if made.outside.holds and not situation.calibrated:
        return Explanation(
            Cause.NO_CALIBRATION,
            f'score {made.outside} that the map has no such place, and a map without a '
            'calibration never says NOT_IN_MAP',
            'calibrate the map: `fol_vpr calibrate`',
        )
    if not situation.searched:
        return NO_CANDIDATES
    if not situation.matched:
        return NO_MATCHES
    if situation.quality < POOR_QUALITY:
        return _poor_image(situation, 'poor image')
    if not made.length.holds:
        return _few_images(situation, made, made.length, config)
    if rival is not None and rival.is_alike and rival.together >= LIKELY:
        assert made.together is not None
        return _alike(situation, made.together)
    return _improbable(situation, made.probability)


def _alike(situation: Situation, together: Comparison) -> Explanation:
    leader, rival = situation.leader, situation.rival
    assert leader is not None and rival is not None
    return Explanation(
        Cause.PLACES_ALIKE,
        f'two places alike: {leader.place_id} ({leader.probability:.2f}) and {rival.place_id} '
        f'({rival.probability:.2f}), together {together}',
        'drive on until only one of them fits; odometry on `odom`, or a prior, tells them apart. '
        'If both are one place, raise verification.place_radius',
    )


def _few_images(
    situation: Situation, made: _Comparisons, images: Comparison, config: VerificationConfig
) -> Explanation:
    leader = situation.leader
    so_far = ''
    if leader is not None and made.probability is not None:
        so_far = f'; {_word(situation)} {made.probability} for {leader.place_id}'
    alone_is_enough = _is_otherwise_enough(situation, made)
    if not situation.in_sequence:
        remedy = 'ask with a sequence of images: each one adds evidence'
        if alone_is_enough:
            remedy = (
                '--consecutive 1 (verification.consecutive) decides by one image; a sequence of '
                'images decides better'
            )
        return Explanation(
            Cause.FEW_IMAGES, f'one image by itself: images {images}{so_far}', remedy
        )
    if situation.restart is None:
        remedy = 'wait for further images: each new view adds evidence'
        if alone_is_enough:
            remedy = 'wait for further images, or lower verification.consecutive'
        return Explanation(
            Cause.FEW_IMAGES, f'too few images in a row: images {images}{so_far}', remedy
        )
    gap = situation.restart
    if gap < 0:
        return Explanation(
            Cause.TIME_GAP,
            f'stamps went back by {-gap:.3g} s, which began a new sequence: images {images}'
            f'{so_far}',
            'wait for further images; if it happens again, a bag is played in a loop, the clock '
            'of the camera was set, or two publishers share the topic',
        )
    return Explanation(
        Cause.TIME_GAP,
        f'{gap:.3g} s without an image (verification.max_gap {config.max_gap:g} s) began a new '
        f'sequence: images {images}{so_far}',
        'wait for further images; if it happens again, send or answer images more often, or raise '
        'verification.max_gap',
    )


def _is_otherwise_enough(situation: Situation, made: _Comparisons) -> bool:
    """Whether there would be a statement if one image were enough."""
    leader = situation.leader
    if leader is not None and made.probability is not None and made.probability.holds:
        return leader.images > 0 and (situation.calibrated or leader.verified)
    return situation.calibrated and made.outside.holds


def _not_verified(
    situation: Situation, leader: LeadingPlace, probability: Comparison
) -> Explanation:
    return Explanation(
        Cause.NOT_VERIFIED,
        f'{leader.place_id} did not pass the geometric verification, which a map without a '
        f'calibration needs: {leader.unverified_because}; {_word(situation)} {probability}',
        'calibrate the map (`fol_vpr calibrate`), or drive on until an image passes',
    )


def _poor_image(situation: Situation, kind: str) -> Explanation:
    wrong = situation.quality_reason or f'quality {situation.quality:.2f}'
    return Explanation(
        Cause.POOR_IMAGE,
        f'{kind}, quality {situation.quality:.2f} of 1: {wrong}',
        'look at the lens, the light and the exposure of the camera',
    )


def _improbable(situation: Situation, probability: Comparison | None) -> Explanation:
    leader = situation.leader
    if leader is None or probability is None:
        return NO_MATCHES
    reason = f'{_word(situation)} {probability} for {leader.place_id}'
    if leader.supported and situation.in_sequence and situation.novelty < MOVING_NOVELTY:
        new = math.ceil(100 * situation.novelty)
        return Explanation(
            Cause.NO_MOTION,
            f'{reason}, and this image is only {new} % new compared with the one before, so that '
            'it adds little',
            'move the robot: views that differ add evidence',
        )
    if not leader.supported:
        reason += ', and this image does not speak for it'
    remedy = 'drive on: each new view adds evidence'
    if situation.calibrated:
        remedy += (
            '. If it stays so, the map may lack this view (add a drive), or its calibration such '
            'conditions (`fol_vpr calibrate`)'
        )
    else:
        reason += '; the map has no calibration'
        remedy += '. `fol_vpr calibrate` replaces the conservative score by a probability'
    return Explanation(Cause.LOW_PROBABILITY, reason, remedy)


NO_MAP = Explanation(Cause.NO_MAP, 'no map is loaded', 'set the parameter map, or call ~/load_map')
UNTRAINED = Explanation(
    Cause.UNTRAINED,
    'the weights are not trained, so that no answer means anything',
    '`fol_vpr weights fetch vitb14`, and build the map with these weights',
)
NO_CANDIDATES = Explanation(
    Cause.NO_CANDIDATES,
    'nothing was searched: no place of the map agrees with the prior',
    'widen the prior (--near, --radius, --session; its fields in a call of ~/query_place), or '
    'leave it out',
)
NO_MATCHES = Explanation(
    Cause.NO_MATCHES,
    'the image has no local matches with any of the references found',
    'see whether the map shows this place from this side: `fol_vpr query IMAGE --map MAP '
    '--picture OUT.png`; retrieval.rerank or verification.verify must not be 0',
)
