"""Fits the calibration of a map to drives, cross-validated.

Neighbouring images of a drive resemble each other. Held-out images are therefore contiguous parts
of a drive, and the probabilities of a part come from a fit without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fol_vpr.calibration.drives import CalibrationDrive, CalibrationExample, check_enough
from fol_vpr.calibration.likelihoods import (
    exactness_rows,
    fit_likelihood_ratios,
    is_right,
    training_rows,
)
from fol_vpr.calibration.scaling import (
    FilterBelief,
    PlaceBelief,
    fit_outside_scaling,
    fit_place_scaling,
)
from fol_vpr.config import VerificationConfig
from fol_vpr.decision import (
    FEATURES,
    Calibration,
    CalibrationQuality,
    Decision,
    Observation,
    calibration_to_rows,
)
from fol_vpr.evaluation.reliability import Bin, calibration_error, reliability_bins

# Parts of each drive for the cross-validation.
PARTS = 5
# Length of the runs of images that alternate between inside and outside the map.
RUN = 12


class EvidenceWeight(NamedTuple):
    """What one number of the evidence contributes to the log odds of a place.

    The contribution is `weight` for each `scale` by which the number exceeds `mean`; to the log
    odds of the place against one beside it, it is `exact_weight`.
    """

    name: str
    words: str
    weight: float
    exact_weight: float
    scale: float
    mean: float


@dataclass(frozen=True, eq=False)
class FittedCalibration:
    """A calibration, and its reliability on images that it was not fitted to.

    Attributes:
        calibration: fitted to all drives, to be stored.
        place: reliability of the probability of the leading place, on held-out parts.
        outside: reliability of the probability that the map has no such place, on held-out parts.
        rows: number of right and of wrong places in the fit.
        beside: number of places beside a right one, from which the exactness is learned.
    """

    calibration: Calibration
    place: list[Bin]
    outside: list[Bin]
    rows: tuple[int, int]
    beside: int

    def evidence(self) -> list[EvidenceWeight]:
        """The weight of each number of the evidence, in the order of `FEATURES`."""
        calibration = self.calibration
        columns = zip(
            calibration.weights,
            calibration.exact_weights,
            calibration.scale,
            calibration.mean,
            strict=True,
        )
        return [
            EvidenceWeight(name, words, *(float(value) for value in column))
            for (name, words), column in zip(FEATURES.items(), columns, strict=True)
        ]

    def to_json(self) -> str:
        """The calibration as JSON, as the map stores it."""
        return next(iter(calibration_to_rows(self.calibration).values()))

    @property
    def quality(self) -> CalibrationQuality:
        """How well the probabilities hold on held-out parts, in a word."""
        return CalibrationQuality.of(self.calibration)

    @property
    def error(self) -> float:
        """Expected calibration error of the leading place, on held-out parts, 0 to 1."""
        return calibration_error(self.place)


def fit_calibration(
    drives: Sequence[CalibrationDrive],
    config: VerificationConfig,
    provenance: dict[str, Any],
    settings: Mapping[str, Any] | None = None,
) -> FittedCalibration:
    """Fit a calibration to drives whose true places are known.

    Args:
        drives: through the map, with their images in the order in which they were taken.
        config: the settings that the images were recognised with.
        provenance: facts about the fit that are stored with the calibration.
        settings: those of `fol_vpr.config.CALIBRATED` that the images were recognised with, which
            are stored with the calibration; None stores no record of them.

    Raises:
        InputError: too few images show a place of the map, or all places found are right, or all
            are wrong.
    """
    known = sum(bool(e.positives) for drive in drives for e in drive.examples)
    check_enough(known)
    parts = list(_parts(drives))
    beliefs: list[list[FilterBelief]] = []
    for number, part in enumerate(parts):
        others = [each for i, each in enumerate(parts) if i != number]
        ratios = fit_likelihood_ratios([e for each in others for e in each], config)
        beliefs.append(list(filter_beliefs(part, config, ratios)))
    place, outside = held_out_reliability(beliefs)
    examples = [e for part in parts for e in part]
    pooled = [belief for part in beliefs for belief in part]
    whole = fit_likelihood_ratios(examples, config)
    _, labels = training_rows(examples, config)
    calibration = replace(
        whole,
        place_scaling=fit_place_scaling(pooled),
        outside_scaling=fit_outside_scaling(pooled),
        settings=dict(settings or {}),
        provenance={
            **provenance,
            'drives': [drive.name for drive in drives],
            'conditions': [drive.conditions.as_json() for drive in drives],
            'images': len(examples),
            'images_in_map': known,
            'calibration_error': calibration_error(place),
            'calibration_error_outside': calibration_error(outside),
            'reliability': [[b.count, b.said, b.right] for b in place],
        },
    )
    rows = int(labels.sum()), int((~labels).sum())
    _, exact = exactness_rows(examples, config)
    return FittedCalibration(calibration, place, outside, rows, int((~exact).sum()))


def _parts(drives: Sequence[CalibrationDrive]) -> Iterator[list[CalibrationExample]]:
    """Contiguous parts of each drive."""
    for drive in drives:
        for rows in np.array_split(np.arange(len(drive.examples)), PARTS):
            if len(rows):
                yield [drive.examples[row] for row in rows]


def filter_beliefs(
    part: Sequence[CalibrationExample], config: VerificationConfig, ratios: Calibration
) -> Iterator[FilterBelief]:
    """Beliefs of the filter along a part of a drive, which it passes four times.

    Args:
        part: images in their order.
        config: settings of the filter.
        ratios: likelihood ratios of single images, fitted without the part.

    Yields:
        The belief after each image: with the map as it is, with a map that has none of the
        places, and twice with runs of images that alternate between the two.
    """
    decision = Decision(config, ratios)
    inside = [False] * len(part)
    outside = [True] * len(part)
    turns = [row // RUN % 2 == 0 for row in range(len(part))]
    for masked in (inside, outside, turns, [not each for each in turns]):
        decision.reset()
        for example, leave_out in zip(part, masked, strict=True):
            if leave_out and example.masked is None:
                continue
            observation = example.masked if leave_out else example.observation
            assert observation is not None
            yield _filter_belief(decision, observation, example, leave_out)


def _filter_belief(
    decision: Decision,
    observation: Observation,
    example: CalibrationExample,
    masked: bool,
) -> FilterBelief:
    result = decision.update(observation)
    belief = result.belief
    assert belief is not None
    columns = zip(
        belief.probabilities, belief.shares, result.exactness, result.evidence, strict=True
    )
    places = tuple(
        PlaceBelief(p, share, exactness, not masked and is_right(evidence, example.positives))
        for p, share, exactness, evidence in columns
    )
    return FilterBelief(places, belief.p_outside_map, masked or not example.positives)


def held_out_reliability(
    beliefs: Sequence[Sequence[FilterBelief]],
) -> tuple[list[Bin], list[Bin]]:
    """Reliability of each part's probabilities, with scalings fitted to the other parts.

    Args:
        beliefs: of each part.

    Returns:
        Reliability of the leading place, and of there being none in the map.
    """
    place: list[tuple[float, bool]] = []
    outside: list[tuple[float, bool]] = []
    for number, part in enumerate(beliefs):
        others = [b for i, each in enumerate(beliefs) if i != number for b in each]
        scale_place, scale_outside = fit_place_scaling(others), fit_outside_scaling(others)
        for b in part:
            outside.append((scale_outside.probability(b.p_outside_map), b.is_outside_map))
            if (leader := b.leader(scale_place)) is not None:
                place.append((leader[1], leader[0].is_right))
    return (
        reliability_bins([p for p, _ in place], [r for _, r in place]),
        reliability_bins([p for p, _ in outside], [r for _, r in outside]),
    )
