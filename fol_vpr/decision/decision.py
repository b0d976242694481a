"""What to say of an image: LOCALIZED, NOT_IN_MAP, AMBIGUOUS, or honestly UNKNOWN.

The evidence of the image becomes likelihood ratios, the filter turns those of all images so far
into a belief, and one setting says how probable a statement has to be.

A map with a calibration gives probabilities. Without one the same path runs on the defaults in
`calibration.DEFAULTS`: they order what is believed, but their belief is no probability, none is
published, a place must have passed the geometric verification as well, and nothing is said to be
outside the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import LocalizationState, Place, PlaceHypothesis, Verification
from fol_vpr.decision.calibration import DEFAULTS, Calibration
from fol_vpr.decision.evidence import Observation, PlaceEvidence, gather
from fol_vpr.decision.filter import Belief, PlaceFilter, PlaceLikelihood
from fol_vpr.decision.motion import Motion
from fol_vpr.decision.places import NEIGHBOUR_FACTOR, Locations, same_place

NS = 1_000_000_000
# An image is never quite the same as the one before it: noise, people, light.
MIN_NOVELTY = 0.1
# What makes an image entirely new: a way of this share of a place's extent, or a turn in degrees.
NEW_WAY, NEW_TURN = 0.5, 30.0
# Of two places that share the belief, the less probable one still counts with this share of it.
RIVAL_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class LocalizationResult:
    """What an image amounts to, with all that was seen before.

    Attributes:
        believed: the hypothesis that the state rests on, where it is LOCALIZED.
        p_not_in_map: NaN where uncalibrated.
        probabilities: by `Place.index` of the hypotheses that were looked at; empty where
            uncalibrated.
        other: probability of any one other place; NaN where uncalibrated.
        belief: of the filter, before the last scaling; for fitting that.
        evidence: for each of the places in `belief.shown`.
    """

    state: LocalizationState
    believed: PlaceHypothesis | None = None
    p_not_in_map: float = math.nan
    probabilities: dict[int, float] = field(default_factory=dict)
    other: float = math.nan
    belief: Belief | None = None
    evidence: tuple[PlaceEvidence, ...] = ()

    def probability(self, place: Place) -> float:
        """Probability that a place is the right one; NaN where uncalibrated."""
        return self.probabilities.get(place.index, self.other)


class Decision:
    """Collects evidence over images.

    Args:
        config: what is asked for.
        calibration: of the loaded map, or None.
    """

    def __init__(self, config: VerificationConfig, calibration: Calibration | None = None) -> None:
        self.config = config
        self.calibration = calibration
        self._filter = self._new_filter()
        self._last: Observation | None = None

    @property
    def calibrated(self) -> bool:
        """Whether probabilities are given."""
        return self.calibration is not None

    @property
    def _scale(self) -> Calibration:
        return self.calibration or DEFAULTS

    def _new_filter(self) -> PlaceFilter:
        scale = self._scale
        return PlaceFilter(self.config, scale.miss, 1 / scale.repeat)

    def reset(self) -> None:
        """Forget what was seen: after a jump in time, another map, another camera."""
        self._filter.reset()
        self._last = None

    def update(self, observation: Observation, *, sequence: bool = True) -> LocalizationResult:
        """What an image amounts to.

        Args:
            observation: stamps that go back, or a gap of over `max_gap`, start anew.
            sequence: False judges the image by itself and leaves the evidence alone; then the
                state is LOCALIZED only where one image is enough (`consecutive` is 1).
        """
        evidence = gather(observation, self.config)
        ratios = [self._scale.log_ratio(each.features) for each in evidence]
        shown = [
            PlaceLikelihood(each.best.place, ratio)
            for each, ratio in zip(evidence, ratios, strict=True)
        ]
        if sequence:
            novelty = self._go_on(observation)
            belief = self._filter.update(shown, novelty * observation.quality)
            self._last = observation
        else:
            belief = self._new_filter().update(shown, observation.quality)
        result = self._state(evidence, ratios, belief)
        if observation.quality > 0:
            return result
        # What was seen before is believed still, but nothing is said of this image.
        return replace(result, state=LocalizationState.UNKNOWN, believed=None)

    def _go_on(self, observation: Observation) -> float:
        """Move the belief on to an image; how new that is, 0 to 1."""
        last = self._last
        if last is None:
            return 1.0
        elapsed = observation.stamp_ns - last.stamp_ns
        if not 0 <= elapsed <= self.config.max_gap * NS:
            self.reset()
            return 1.0
        motion = Motion.between(last.odometry, observation.odometry, elapsed / NS)
        novelty = self._novelty(last, observation, motion)
        self._filter.predict(motion, novelty)
        return novelty

    def _novelty(self, last: Observation, observation: Observation, motion: Motion) -> float:
        """How different an image is from the one before, by its looks and by the way there.

        Looks are compared with those of other places, which are entirely new.
        """
        found = []
        if motion.metres is not None and motion.degrees is not None:
            way = NEW_WAY * self.config.place_radius
            found.append(motion.metres / way if way > 0 else 1.0)
            found.append(motion.degrees / NEW_TURN)
        if last.descriptor is not None and observation.descriptor is not None:
            alike = float(np.dot(last.descriptor, observation.descriptor))
            range_ = 1 - observation.usual_similarity
            found.append((1 - alike) / range_ if range_ > 0 else 0.0)
        return min(1.0, max(MIN_NOVELTY, *found)) if found else 1.0

    def _state(
        self, evidence: list[PlaceEvidence], ratios: list[float], belief: Belief
    ) -> LocalizationResult:
        scale, knob = self._scale, self.config.probability
        chances = [
            scale.place.probability(each, share)
            for each, share in zip(belief.shown, belief.share, strict=True)
        ]
        nowhere = scale.nowhere.probability(belief.p_outside_map)
        order = sorted(range(len(evidence)), key=lambda i: -chances[i])
        state, believed = LocalizationState.UNKNOWN, None
        if order and self._enough(evidence[order[0]], chances[order[0]], belief.images[order[0]]):
            state, believed = LocalizationState.LOCALIZED, evidence[order[0]].best
        elif self.calibrated and nowhere >= knob and belief.seen >= self.config.consecutive:
            state = LocalizationState.NOT_IN_MAP
        elif self._is_shared([(evidence[i], ratios[i], belief.shown[i]) for i in order]):
            state = LocalizationState.AMBIGUOUS
        if not self.calibrated:
            return LocalizationResult(state, believed, belief=belief, evidence=tuple(evidence))
        probabilities = {
            index: chances[number]
            for number, each in enumerate(evidence)
            for index in each.members
        }
        other = min(belief.p_unvisited * scale.repeat, 1 - max(chances, default=0.0))
        return LocalizationResult(
            state, believed, nowhere, probabilities, other, belief, tuple(evidence)
        )

    def _is_shared(self, ordered: Sequence[tuple[PlaceEvidence, float, float]]) -> bool:
        """Whether two places that are not beside each other explain the image about equally.

        Args:
            ordered: evidence, log ratio and belief, the most probable place first.
        """
        if not ordered:
            return False
        (leader, ratio, first), *others = ordered
        places = Locations([each.best.place for each, _, _ in others])
        beside = places.same(leader.best.place, self.config, radius_factor=NEIGHBOUR_FACTOR)
        rivals = [rest[1:] for rest, near in zip(others, beside, strict=True) if not near]
        if not rivals or min(ratio, rivals[0][0]) <= 0:
            return False
        second = rivals[0][1]
        together = self._scale.place.probability(min(1.0, first + second))
        return together >= self.config.probability and second >= RIVAL_SHARE * first

    def _enough(self, evidence: PlaceEvidence, chance: float, images: int) -> bool:
        verified = evidence.best.verification == Verification.GEOMETRY
        return (
            chance >= self.config.probability
            and images >= self.config.consecutive
            and (self.calibrated or verified)
        )

    def same_place(self, a: Place, b: Place) -> bool:
        """Whether two references show one place: by metres where the map has positions, else by
        their order within one session.
        """
        return same_place(a, b, self.config)
