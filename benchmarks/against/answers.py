"""Answers of two builds to the same drive: decisions, first places, and measured poses."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fol_vpr.config import EvaluationConfig
from fol_vpr.datatypes import LocalizationState, Pose
from fol_vpr.evaluation.decisions import Decisions
from fol_vpr.evaluation.ground_truth import CapturedPosition, positives_by_position
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.geometry.rigid import rotation_matrix, rotation_vector

# Of a chi-squared distribution with six degrees of freedom.
CHI2_95 = 12.591587243743977


@dataclass(frozen=True)
class Side:
    """Answers of one build.

    Attributes:
        answers: as `worker.Tasks.answer` returns them.
        places: references of its map, as `worker.Tasks.open_drive` returns them.
    """

    answers: Sequence[dict[str, Any]]
    places: Sequence[dict[str, Any]]

    def decisions(self, criteria: EvaluationConfig) -> Decisions:
        """States, right and wrong by the ground truth of the drive."""
        queries = [CapturedPosition(pose_of(each['truth'])) for each in self.answers]
        references = [CapturedPosition(pose_of(each['pose'])) for each in self.places]
        positives = positives_by_position(queries, references, criteria)
        return Decisions.of(
            [_query_answer(number, each) for number, each in enumerate(self.answers)], positives
        )

    def first_stamps(self) -> list[int | None]:
        """Stamp of the first place of each answer: the same image has it in any map."""
        return [
            self.places[each['ranking'][0]]['stamp_ns'] if each['ranking'] else None
            for each in self.answers
        ]


@dataclass(frozen=True)
class PoseErrors:
    """Measured poses of one build against the ground truth.

    Attributes:
        count: poses that were measured.
        metres, degrees: median errors; NaN without poses.
        metres_90: 90 % of the poses are off by less.
        within: share of the poses whose error is within the ellipsoid that their covariance
            states for 95 %; NaN without poses.
    """

    count: int
    metres: float
    degrees: float
    metres_90: float
    within: float


@dataclass(frozen=True)
class Agreement:
    """How far the answers of two builds agree.

    Attributes:
        images: answered by both.
        other_states: images with different states.
        other_places: images with different first places.
        both_measured: images of which both builds measured the pose.
        within_before, within_after: share of them whose difference is within the 95 % ellipsoid
            of the covariance of the one build, and of the other.
        metres, degrees: medians of the difference.
    """

    images: int
    other_states: int
    other_places: int
    both_measured: int
    within_before: float
    within_after: float
    metres: float
    degrees: float


def pose_of(values: dict[str, Any] | None) -> Pose | None:
    """A pose as a worker sends it."""
    if values is None:
        return None
    covariance = values['covariance']
    return Pose(
        np.array(values['position']),
        np.array(values['orientation']),
        None if covariance is None else np.array(covariance),
    )


def pose_difference(first: Pose, second: Pose) -> np.ndarray:
    """[6]: metres along, and radians about, X, Y and Z of the map frame, from second to first."""
    turn = rotation_matrix(first.orientation) @ rotation_matrix(second.orientation).T
    return np.concatenate([first.position - second.position, rotation_vector(turn)])


def is_within(difference: np.ndarray, covariance: np.ndarray | None) -> bool:
    """Whether a difference [6] is within the 95 % ellipsoid of a covariance [6, 6].

    Nothing but zero is within a covariance of zero; nothing at all without one.
    """
    if covariance is None:
        return False
    variances, axes = np.linalg.eigh(covariance)
    along = axes.T @ difference
    flat = variances <= 1e-15 * variances[-1]
    if (np.abs(along[flat]) > 1e-9).any():
        return False
    return float((along[~flat] ** 2 / variances[~flat]).sum()) <= CHI2_95


def pose_errors(answers: Sequence[dict[str, Any]]) -> PoseErrors:
    """Compare measured poses with those of the ground truth."""
    found, within = [], 0
    for each in answers:
        measured, truth = pose_of(each['pose']), pose_of(each['truth'])
        if measured is None or truth is None:
            continue
        difference = pose_difference(measured, truth)
        within += is_within(difference, measured.covariance)
        found.append(difference)
    if not found:
        return PoseErrors(0, math.nan, math.nan, math.nan, math.nan)
    metres, degrees = _lengths(found)
    return PoseErrors(
        count=len(found),
        metres=statistics.median(metres),
        degrees=statistics.median(degrees),
        metres_90=float(np.percentile(metres, 90)),
        within=within / len(found),
    )


def agreement(before: Side, after: Side) -> Agreement:
    """Compare the answers of two builds to the same images."""
    pairs = list(zip(before.answers, after.answers, strict=True))
    stamps = zip(before.first_stamps(), after.first_stamps(), strict=True)
    found, within = [], [0, 0]
    for one, other in pairs:
        first, second = pose_of(one['pose']), pose_of(other['pose'])
        if first is None or second is None:
            continue
        difference = pose_difference(second, first)
        within[0] += is_within(difference, first.covariance)
        within[1] += is_within(difference, second.covariance)
        found.append(difference)
    metres, degrees = _lengths(found)
    return Agreement(
        images=len(pairs),
        other_states=sum(one['state'] != other['state'] for one, other in pairs),
        other_places=sum(one != other for one, other in stamps),
        both_measured=len(found),
        within_before=within[0] / len(found) if found else math.nan,
        within_after=within[1] / len(found) if found else math.nan,
        metres=statistics.median(metres) if found else math.nan,
        degrees=statistics.median(degrees) if found else math.nan,
    )


def _lengths(differences: Sequence[np.ndarray]) -> tuple[list[float], list[float]]:
    metres = [float(np.linalg.norm(each[:3])) for each in differences]
    return metres, [math.degrees(float(np.linalg.norm(each[3:]))) for each in differences]


def _query_answer(number: int, answer: dict[str, Any]) -> QueryAnswer:
    probability = answer['probability']
    return QueryAnswer(
        index=number,
        stamp_ns=0,
        uri='',
        state=LocalizationState[answer['state']],
        ranking=tuple(answer['ranking']),
        global_ranking=None,
        probability=math.nan if probability is None else probability,
    )
