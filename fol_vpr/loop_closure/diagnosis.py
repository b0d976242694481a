"""Why the images of a drive gave no loop closure, and the parameters to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from fol_vpr.config import RecognizerConfig, setting_of
from fol_vpr.datatypes import PlaceHypothesis, Verification


class LoopOutcome(Enum):
    """What became of the search for a revisit with one image.

    The value is its words, and the parameters that decide it, the most important one first.
    """

    PUBLISHED = 'published as a loop closure', ()
    UNTRAINED = 'untrained weights, whose features tell no places apart', ('network.weights',)
    NO_OLD_KEYFRAME = (
        'no keyframe was old enough to be searched',
        ('loops.exclude_distance', 'loops.exclude_time', 'loops.exclude_keyframes'),
    )
    NO_MATCHES = (
        'no local match with the most similar keyframes',
        ('loops.candidates', 'loops.verify', 'retrieval.match_threshold'),
    )
    FEW_INLIERS = (
        'too few inliers with the best keyframe',
        ('verification.min_inliers', 'loops.verify', 'loops.candidates'),
    )
    FEW_REGIONS = (
        'the inliers cover too few regions of the image',
        ('verification.min_regions',),
    )
    LOW_INLIER_RATIO = (
        'too small a part of the matches are inliers',
        ('verification.min_inlier_ratio', 'verification.inlier_threshold'),
    )
    FEW_IMAGES = (
        'verified, but too few images in a row agree on the place',
        ('loops.consecutive', 'loops.agreement'),
    )
    LOW_EVIDENCE = (
        'verified, but below the threshold that rejected closures have raised',
        ('loops.feedback_step', 'loops.target_rejection_rate', 'loops.min_probability'),
    )
    KNOWN_PAIR = 'verified, but the pair of keyframes was published before', ()
    LITTLE_INFORMATION = (
        'verified, but it adds too little to the closures before and the odometry',
        ('loops.min_information_gain_bits', 'loops.odometry_stddev', 'loops.closure_stddev'),
    )

    def __init__(self, words: str, parameters: tuple[str, ...]) -> None:
        self.words = words
        self.parameters = parameters


def failed_verification(revisits: list[PlaceHypothesis], config: RecognizerConfig) -> LoopOutcome:
    """Which limit of the geometric verification the best of some revisits is below.

    Args:
        revisits: of one image, none of them verified geometrically.
        config: with the limits.
    """
    best = max(revisits, key=lambda each: (each.inliers, each.matches), default=None)
    limits = config.verification
    if best is None or not best.matches:
        return LoopOutcome.NO_MATCHES
    if best.inliers < limits.min_inliers:
        return LoopOutcome.FEW_INLIERS
    if best.regions < limits.min_regions:
        return LoopOutcome.FEW_REGIONS
    return LoopOutcome.LOW_INLIER_RATIO


@dataclass
class LoopDiagnosis:
    """Counts of what became of the images of a drive.

    Attributes:
        outcomes: number of images by outcome; each image counts once.
        most_inliers: largest number of inliers of an image that was not verified.
    """

    outcomes: Counter[LoopOutcome] = field(default_factory=Counter)
    most_inliers: int = 0

    def add(self, outcome: LoopOutcome, revisits: list[PlaceHypothesis]) -> None:
        """Count one image, with the revisits that were examined."""
        self.outcomes[outcome] += 1
        for each in revisits:
            if each.verification != Verification.GEOMETRY:
                self.most_inliers = max(self.most_inliers, each.inliers)

    def copy(self) -> LoopDiagnosis:
        """The counts so far, which do not grow."""
        return LoopDiagnosis(Counter(self.outcomes), self.most_inliers)

    def lines(self, config: RecognizerConfig) -> list[str]:
        """The counts in words with the parameters and their values, the largest first."""
        found = []
        for outcome, count in self.outcomes.most_common():
            text = f'{count} images: {outcome.words}'
            if outcome is LoopOutcome.FEW_INLIERS:
                text += f' (at most {self.most_inliers})'
            found.append(text + parameters_in_words(outcome, config))
        return found

    def as_json(self, config: RecognizerConfig) -> list[dict[str, object]]:
        """The same as values for JSON."""
        return [
            {
                'outcome': outcome.name,
                'images': count,
                'words': outcome.words,
                'parameters': values_of(outcome, config),
            }
            for outcome, count in self.outcomes.most_common()
        ]


def values_of(outcome: LoopOutcome, config: RecognizerConfig) -> Mapping[str, object]:
    """The parameters that decide an outcome, with their values in use."""
    return {name: setting_of(config, name) for name in outcome.parameters}


def parameters_in_words(outcome: LoopOutcome, config: RecognizerConfig) -> str:
    """Such as `; look at loops.consecutive (2)`; empty where no parameter decides."""
    values = values_of(outcome, config)
    if not values:
        return ''
    return '; look at ' + ', '.join(f'{name} ({value})' for name, value in values.items())
