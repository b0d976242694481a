"""Fits a calibration to drives: logistic regressions of scikit-learn, cross-validated.

Neighbouring images resemble each other, so that held-out images are contiguous parts of a drive:
what is said of a part was fitted without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fol_vpr.calibration.drives import Drive, Example
from fol_vpr.config import VerificationConfig
from fol_vpr.decision import (
    FEATURES,
    MIN_SHARE,
    MORE_IS_BETTER,
    NEIGHBOUR_FACTOR,
    Calibration,
    Decision,
    Locations,
    Observation,
    PlaceEvidence,
    Scaling,
    gather,
    log_odds,
    same_place,
)
from fol_vpr.errors import InputError
from fol_vpr.evaluation.reliability import Bin, calibration_error, reliability

PARTS = 5
MIN_QUERIES = 20
# Leading places of an image that are learned from, and images of a run inside or outside the map.
LEADING = 3
RUN = 12
STRENGTH = 1.0  # of the regularisation, as scikit-learn's 1 / C
MIN_MISS, MAX_CHANCE = 0.02, 0.5
MIN_REPEAT = 0.1


class Weighed(NamedTuple):
    """A number of the evidence: its name and meaning, and `weight` for `scale` over `mean`."""

    name: str
    words: str
    weight: float
    scale: float
    mean: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A calibration, and how well it holds on images that it was not fitted to.

    Attributes:
        calibration: of all drives, to be stored.
        place, nowhere: reliability of the probabilities of the leading place, and of there being
            none; of held-out parts.
        rows: how many right and wrong places the fit saw.
    """

    calibration: Calibration
    place: list[Bin]
    nowhere: list[Bin]
    rows: tuple[int, int]

    def evidence(self) -> list[Weighed]:
        """What each number of the evidence counts."""
        calibration = self.calibration
        columns = zip(calibration.weights, calibration.scale, calibration.mean, strict=True)
        return [
            Weighed(name, words, *(float(value) for value in column))
            for (name, words), column in zip(FEATURES.items(), columns, strict=True)
        ]

    @property
    def error(self) -> float:
        """Expected calibration error of the leading place, on held-out parts."""
        return calibration_error(self.place)


@dataclass(frozen=True)
class Statement:
    """What the filter believed after an image, and what was true.

    Attributes:
        place: belief in the leading place; None where there was none to lead.
        share: what it has of that itself, the rest being beside it.
        right: whether that was the right one.
        new: belief that the map has no such place.
        outside: whether the map has none.
    """

    place: float | None
    share: float
    right: bool
    new: float
    outside: bool


def fit(drives: Sequence[Drive], config: VerificationConfig, made: dict[str, Any]) -> Fitted:
    """Learn a calibration.

    Args:
        drives: through the map, in the order of their images.
        config: how the images were recognised.
        made: what is to be remembered of how it was made.

    Raises:
        InputError: too few images, or all of them right, or all wrong.
    """
    known = sum(bool(e.positives) for drive in drives for e in drive.examples)
    if known < MIN_QUERIES:
        raise InputError(
            f'{known} images show a place of the map, at least {MIN_QUERIES} are needed to '
            'learn from: take a longer drive through the map, or check the ground truth'
        )
    parts = list(_parts(drives))
    beliefs: list[list[Statement]] = []
    for number, part in enumerate(parts):
        others = [each for i, each in enumerate(parts) if i != number]
        ratios = _ratios([e for each in others for e in each], config)
        beliefs.append(list(_statements(part, config, ratios)))
    place, nowhere = _held_out(beliefs)
    examples = [e for part in parts for e in part]
    pooled = [statement for part in beliefs for statement in part]
    whole = _ratios(examples, config)
    _, labels = _rows(examples, config)
    calibration = replace(
        whole,
        place=_place_scaling(pooled),
        nowhere=_nowhere_scaling(pooled),
        made={
            **made,
            'drives': [drive.name for drive in drives],
            'images': len(examples),
            'images_in_map': known,
            'calibration_error': calibration_error(place),
            'calibration_error_nowhere': calibration_error(nowhere),
            'reliability': [[b.count, b.said, b.right] for b in place],
        },
    )
    return Fitted(calibration, place, nowhere, (int(labels.sum()), int((~labels).sum())))


def _parts(drives: Sequence[Drive]) -> Iterator[list[Example]]:
    """Contiguous parts of each drive."""
    for drive in drives:
        for rows in np.array_split(np.arange(len(drive.examples)), PARTS):
            if len(rows):
                yield [drive.examples[row] for row in rows]


# ---- one image


def _rows(
    examples: Sequence[Example], config: VerificationConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Features [N, F] of leading places, and whether each [N] is the right one."""
    features: list[np.ndarray] = []
    labels: list[bool] = []
    for example in examples:
        for evidence in gather(example.observation, config)[:LEADING]:
            right = _is_right(evidence, example.positives)
            # A place just beside the right one is neither an example of right nor of wrong.
            if right or not _is_near(evidence, example, config):
                features.append(evidence.features)
                labels.append(right)
        if example.masked is not None:
            for evidence in gather(example.masked, config)[:LEADING]:
                features.append(evidence.features)
                labels.append(False)
    return np.array(features).reshape(-1, len(FEATURES)), np.array(labels, bool)


def _is_right(evidence: PlaceEvidence, positives: frozenset[int]) -> bool:
    return evidence.best.place.index in positives


def _is_near(evidence: PlaceEvidence, example: Example, config: VerificationConfig) -> bool:
    places = [p for p in example.observation.places if p.index in example.positives]
    near = Locations(places).same(evidence.best.place, config, radius_factor=NEIGHBOUR_FACTOR)
    return bool(near.any())


def _ratios(examples: Sequence[Example], config: VerificationConfig) -> Calibration:
    """A calibration of single images, whose last scaling does nothing."""
    features, labels = _rows(examples, config)
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
    signed = [name in MORE_IS_BETTER for name in FEATURES]
    weights, intercept = _signed_regression((features - mean) / scale, labels, signed, STRENGTH)
    return Calibration(
        mean,
        scale,
        weights,
        offset=intercept - math.log(right / wrong),
        miss=_miss(examples, config),
        repeat=_repeat(examples, config),
    )


def _signed_regression(
    features: np.ndarray, labels: np.ndarray, signed: Sequence[bool], strength: float
) -> tuple[np.ndarray, float]:
    """Weights [F] and intercept of a logistic regression; those that are signed are not negative.

    A feature that would get a negative one says nothing that the others do not: it is left out,
    the worst first, until none is left.

    Args:
        features: [N, F].
        labels: [N].
        signed: [F], whether more of it cannot mean less.
        strength: of the regularisation.
    """
    from sklearn.linear_model import LogisticRegression

    kept = list(range(len(signed)))
    weights = np.zeros(len(signed))
    while kept:
        model = LogisticRegression(C=1 / strength, max_iter=1000)
        model.fit(features[:, kept], labels)
        found = dict(zip(kept, model.coef_[0], strict=True))
        wrong = {index: weight for index, weight in found.items() if signed[index] and weight < 0}
        if not wrong:
            weights[kept] = model.coef_[0]
            return weights, float(model.intercept_[0])
        kept.remove(min(wrong, key=lambda index: wrong[index]))
    share = float(np.mean(labels))
    return weights, math.log(share / (1 - share))


def _miss(examples: Sequence[Example], config: VerificationConfig) -> float:
    """How often the right place is not among those looked at."""
    known = [e for e in examples if e.positives]
    missed = sum(
        not any(
            _is_right(each, e.positives) or _is_near(each, e, config)
            for each in gather(e.observation, config)
        )
        for e in known
    )
    return min(MAX_CHANCE, max(MIN_MISS, (missed + 1) / (len(known) + 2)))


def _repeat(examples: Sequence[Example], config: VerificationConfig) -> float:
    """How often images without a place lead to the place of the image before."""
    leaders = []
    for example in examples:
        groups = gather(example.masked, config)[:1] if example.masked is not None else []
        leaders.append(groups[0].best.place if groups else None)
    pairs = [(a, b) for a, b in pairwise(leaders) if a and b]
    alike = sum(same_place(a, b, config) for a, b in pairs)
    return min(MAX_CHANCE, max(MIN_REPEAT, (alike + 1) / (len(pairs) + 2)))


# ---- the sequence


def _statements(
    part: Sequence[Example], config: VerificationConfig, ratios: Calibration
) -> Iterator[Statement]:
    """What the filter believes on the way: in the map, outside, and in and out of it."""
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
            yield _statement(decision, observation, example, leave_out)


def _statement(
    decision: Decision, observation: Observation, example: Example, masked: bool
) -> Statement:
    result = decision.update(observation)
    belief = result.belief
    assert belief is not None
    outside = masked or not example.positives
    if not belief.shown:
        return Statement(None, 0.0, False, belief.p_outside_map, outside)
    leader = int(np.argmax(np.multiply(belief.shown, belief.share)))
    right = not masked and _is_right(result.evidence[leader], example.positives)
    return Statement(
        belief.shown[leader], belief.share[leader], right, belief.p_outside_map, outside
    )


def _place_scaling(statements: Sequence[Statement]) -> Scaling:
    led = [s for s in statements if s.place is not None]
    inputs = [(log_odds(s.place or 0.0), math.log(max(s.share, MIN_SHARE))) for s in led]
    return _scaling(np.array(inputs), [s.right for s in led])


def _nowhere_scaling(statements: Sequence[Statement]) -> Scaling:
    inputs = [(log_odds(s.new), 0.0) for s in statements]
    return _scaling(np.array(inputs), [s.outside for s in statements])


def _scaling(inputs: np.ndarray, right: Sequence[bool]) -> Scaling:
    """The scaling of [N, 2] log odds and logs of shares; none where there is one class."""
    if len(set(right)) < 2:
        return Scaling()
    slopes, offset = _signed_regression(inputs, np.array(right), [True, True], strength=1e-3)
    return Scaling(float(slopes[0]), offset, float(slopes[1]))


def _held_out(beliefs: Sequence[Sequence[Statement]]) -> tuple[list[Bin], list[Bin]]:
    """Reliability of what is said of each part with the scaling of the others."""
    place: list[tuple[float, bool]] = []
    nowhere: list[tuple[float, bool]] = []
    for number, part in enumerate(beliefs):
        others = [s for i, each in enumerate(beliefs) if i != number for s in each]
        scale_place, scale_nowhere = _place_scaling(others), _nowhere_scaling(others)
        for said in part:
            nowhere.append((scale_nowhere.probability(said.new), said.outside))
            if said.place is not None:
                place.append((scale_place.probability(said.place, said.share), said.right))
    return (
        reliability([p for p, _ in place], [r for _, r in place]),
        reliability([p for p, _ in nowhere], [r for _, r in nowhere]),
    )
