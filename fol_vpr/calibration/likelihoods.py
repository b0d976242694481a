"""Likelihood ratios of places from the evidence of a single image, fitted by logistic regression.

The regression is that of scikit-learn, with weights that may not be negative where more of a
number cannot make a place less probable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from fol_vpr.calibration.drives import CalibrationExample
from fol_vpr.config import VerificationConfig
from fol_vpr.decision import (
    FEATURES,
    MORE_IS_BETTER,
    NEIGHBOUR_FACTOR,
    Calibration,
    Locations,
    PlaceEvidence,
    collect_evidence,
    same_place,
)
from fol_vpr.errors import InputError

# Features [F] of a place, and whether it is right.
_Row = tuple[np.ndarray, bool]
NON_NEGATIVE = [name in MORE_IS_BETTER for name in FEATURES]
# Places of an image, the leading ones, that become rows of the regression.
LEADING = 3
REGULARISATION = 1.0  # 1 / C of scikit-learn
# Places beside the right one without which nothing is learned from how they differ from it.
MIN_BESIDE = 5
# Bounds of the rates that are estimated: a rate of 0 would let one image decide for ever.
MIN_MISS, MIN_REPEAT, MAX_RATE = 0.02, 0.1, 0.5


def training_rows(
    examples: Sequence[CalibrationExample], config: VerificationConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the regression: the leading places of each image, with and without the right one.

    Args:
        examples: the images.
        config: which references are one place.

    Returns:
        Features [N, F] in the order of `FEATURES`, and whether each place is right [N] bool.
    """
    rows: list[_Row] = []
    for example in examples:
        # A neighbour of the right place is an example of neither right nor wrong.
        rows += [
            (evidence.features, right)
            for evidence, right in _leading_places(example, config)
            if right or not is_near(evidence, example, config)
        ]
        if example.masked is not None:
            masked = collect_evidence(example.masked, config)[:LEADING]
            rows += [(evidence.features, False) for evidence in masked]
    return _as_arrays(rows)


def exactness_rows(
    examples: Sequence[CalibrationExample], config: VerificationConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the second regression: the right place, and places beside it, of each image.

    Args:
        examples: the images.
        config: which references are one place.

    Returns:
        Features [N, F] in the order of `FEATURES`, and whether each place is right [N] bool.
    """
    return _as_arrays(
        [
            (evidence.features, right)
            for example in examples
            for evidence, right in _leading_places(example, config)
            if right or is_near(evidence, example, config)
        ]
    )


def _leading_places(
    example: CalibrationExample, config: VerificationConfig
) -> Iterator[tuple[PlaceEvidence, bool]]:
    """The leading places of an image, and whether each is right."""
    for evidence in collect_evidence(example.observation, config)[:LEADING]:
        yield evidence, is_right(evidence, example.positives)


def _as_arrays(rows: Sequence[_Row]) -> tuple[np.ndarray, np.ndarray]:
    features = np.array([each for each, _ in rows]).reshape(-1, len(FEATURES))
    return features, np.array([right for _, right in rows], bool)


def is_right(evidence: PlaceEvidence, positives: frozenset[int]) -> bool:
    """Whether a place is one of the positives, by `Place.index`."""
    return evidence.best.place.index in positives


def is_near(
    evidence: PlaceEvidence, example: CalibrationExample, config: VerificationConfig
) -> bool:
    """Whether a place is a neighbour of a positive that is among the candidates of the image."""
    places = [p for p in example.observation.places if p.index in example.positives]
    near = Locations(places).same(evidence.best.place, config, radius_factor=NEIGHBOUR_FACTOR)
    return bool(near.any())


def fit_likelihood_ratios(
    examples: Sequence[CalibrationExample], config: VerificationConfig
) -> Calibration:
    """The calibration of single images; its scalings of the filter's belief are the identity.

    Args:
        examples: the images.
        config: which references are one place.

    Raises:
        InputError: no place found is right, or none is wrong.
    """
    features, labels = training_rows(examples, config)
    right, wrong = int(labels.sum()), int((~labels).sum())
    if right and not wrong and all(example.masked is None for example in examples):
        shown = np.median([len(each.positives) for each in examples if each.positives])
        raise InputError(
            'every place that was found is right, and leaving out what an image shows, mostly '
            f'{shown:.0f} references, leaves too few of the map to see what is found instead: '
            'where positions decide what is right, give a smaller --positive-radius (and '
            '--place-radius); else build the map from a longer drive'
        )
    if not right or not wrong:
        raise InputError(
            f'{right} right and {wrong} wrong places were found, both are needed: check that the '
            'ground truth belongs to this map and these images'
        )
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    weights, intercept = constrained_regression(
        (features - mean) / scale, labels, NON_NEGATIVE, REGULARISATION
    )
    exact_weights, exact_offset = _exactness(examples, config, mean, scale)
    return Calibration(
        mean,
        scale,
        weights,
        offset=intercept - math.log(right / wrong),
        miss_rate=miss_rate(examples, config),
        repeat_rate=repeat_rate(examples, config),
        exact_weights=exact_weights,
        exact_offset=exact_offset,
    )


def _exactness(
    examples: Sequence[CalibrationExample],
    config: VerificationConfig,
    mean: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray, float]:
    """How the evidence for the right place differs from that for a place beside it.

    Args:
        examples: the images.
        config: which references are one place.
        mean, scale: [F] of the features.

    Returns:
        Weights [F], and the offset; all 0 where there are fewer than `MIN_BESIDE` places beside
        a right one, or no right ones.
    """
    features, labels = exactness_rows(examples, config)
    right, beside = int(labels.sum()), int((~labels).sum())
    if not right or beside < MIN_BESIDE:
        return np.zeros(len(FEATURES)), 0.0
    weights, intercept = constrained_regression(
        (features - mean) / scale, labels, NON_NEGATIVE, REGULARISATION
    )
    return weights, intercept - math.log(right / beside)


def constrained_regression(
    features: np.ndarray, labels: np.ndarray, non_negative: Sequence[bool], strength: float
) -> tuple[np.ndarray, float]:
    """A logistic regression in which some weights may not be negative.

    A feature whose weight would be negative against its constraint is left out, the most negative
    one first, until the weights of all that remain are allowed.

    Args:
        features: [N, F].
        labels: [N] bool.
        non_negative: [F], whether the weight of a feature may not be negative.
        strength: of the regularisation, 1 / C of scikit-learn.

    Returns:
        Weights [F], 0 for features that were left out, and the intercept.
    """
    from sklearn.linear_model import LogisticRegression

    kept = list(range(len(non_negative)))
    weights = np.zeros(len(non_negative))
    while kept:
        model = LogisticRegression(C=1 / strength, max_iter=1000)
        model.fit(features[:, kept], labels)
        found = dict(zip(kept, model.coef_[0], strict=True))
        wrong = {
            index: weight for index, weight in found.items() if non_negative[index] and weight < 0
        }
        if not wrong:
            weights[kept] = model.coef_[0]
            return weights, float(model.intercept_[0])
        kept.remove(min(wrong, key=lambda index: wrong[index]))
    share = float(np.mean(labels))
    return weights, math.log(share / (1 - share))


def miss_rate(examples: Sequence[CalibrationExample], config: VerificationConfig) -> float:
    """Fraction of the images in the map whose right place is not among the places found."""
    known = [e for e in examples if e.positives]
    missed = sum(
        not any(
            is_right(each, e.positives) or is_near(each, e, config)
            for each in collect_evidence(e.observation, config)
        )
        for e in known
    )
    return min(MAX_RATE, max(MIN_MISS, (missed + 1) / (len(known) + 2)))


def repeat_rate(examples: Sequence[CalibrationExample], config: VerificationConfig) -> float:
    """Fraction of images without their place in the map that lead to the place of the last one."""
    leaders = []
    for example in examples:
        groups = collect_evidence(example.masked, config)[:1] if example.masked is not None else []
        leaders.append(groups[0].best.place if groups else None)
    pairs = [(a, b) for a, b in pairwise(leaders) if a and b]
    alike = sum(same_place(a, b, config) for a, b in pairs)
    return min(MAX_RATE, max(MIN_REPEAT, (alike + 1) / (len(pairs) + 2)))
