"""Loop closures against ground truth: precision, recall, and the revisits that were found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import LoopClosure, Pose
from fol_vpr.errors import InputError

# Number of images that are compared with all others at a time.
BLOCK = 512
VIEW_AXES = {'base': (1.0, 0.0, 0.0), 'camera': (0.0, 0.0, 1.0)}
"""Viewing directions of a robot in its base frame and of a camera in its optical one (REP 103)."""


@dataclass(frozen=True)
class RevisitCriteria:
    """When two images of a drive count as showing the same place.

    Attributes:
        distance: largest distance between them in metres, exclusive.
        angle: largest angle between their viewing directions in degrees, exclusive.
        gap: smallest time between them in seconds, exclusive.
        poses_of: frame whose poses the ground truth holds: `base`, which looks along x, or
            `camera`, the optical frame, which looks along z.
    """

    distance: float = 0.3
    angle: float = 20.0
    gap: float = 5.0
    poses_of: str = 'base'

    def __post_init__(self) -> None:
        if self.poses_of not in VIEW_AXES:
            raise InputError(f'poses are of base or camera, got {self.poses_of!r}')
        if not (self.distance > 0 and 0 < self.angle <= 180 and self.gap >= 0):
            raise InputError(
                f'a loop needs metres and degrees over 0, and seconds from 0, got {self}'
            )


class DriveTrajectory:
    """When and where the images of a drive were taken, by the ground truth.

    Args:
        stamps: [N] in nanoseconds, all different.
        poses: [N], None where the ground truth has none.
        criteria: when two images show the same place.
    """

    def __init__(
        self, stamps: Sequence[int], poses: Sequence[Pose | None], criteria: RevisitCriteria
    ):
        self.stamps = np.asarray(stamps, np.int64)
        self.criteria = criteria
        axis = np.array(VIEW_AXES[criteria.poses_of])
        nowhere = np.full(3, math.nan)
        self._at = np.array([nowhere if p is None else p.position for p in poses]).reshape(-1, 3)
        self._view = np.array(
            [nowhere if p is None else rotate(p.orientation, axis) for p in poses]
        ).reshape(-1, 3)
        self._row = {int(stamp): row for row, stamp in enumerate(self.stamps)}

    def is_loop(self, closure: LoopClosure) -> bool | None:
        """Whether a closure within the drive is right; None where the ground truth has no pose.

        Raises:
            InputError: the drive has no image with one of its stamps.
        """
        return self.same_place(closure.stamp_from_ns, closure.stamp_to_ns)

    def same_place(self, stamp_ns: int, other_ns: int) -> bool | None:
        """Whether the images with two stamps (ns) show the same place; see `is_loop`."""
        first, second = self._row.get(stamp_ns), self._row.get(other_ns)
        if first is None or second is None:
            raise InputError(
                f'{stamp_ns} ns and {other_ns} ns are the stamps of a closure, but the drive has '
                'no image with one of the two'
            )
        if np.isnan(self._at[[first, second]]).any():
            return None
        return bool(self._loops(np.array([first]))[0, second])

    def is_revisit(self) -> np.ndarray:
        """Whether each image [N] shows the place of an earlier one, as bool."""
        found = np.zeros(len(self.stamps), bool)
        for first in range(0, len(found), BLOCK):
            rows = np.arange(first, min(first + BLOCK, len(found)))
            earlier = self.stamps[None] < self.stamps[rows, None]
            found[rows] = (self._loops(rows) & earlier).any(axis=1)
        return found

    def _loops(self, rows: np.ndarray) -> np.ndarray:
        """Whether each of the images `rows` shows the same place as each image, [len(rows), N]."""
        criteria = self.criteria
        near = np.linalg.norm(self._at[rows, None] - self._at[None], axis=2) < criteria.distance
        alike = self._view[rows] @ self._view.T > math.cos(math.radians(criteria.angle))
        apart = np.abs(self.stamps[rows, None] - self.stamps[None]) > criteria.gap * 1e9
        loops: np.ndarray = near & alike & apart
        return loops


def rotate(orientation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector [3] turned by a unit quaternion x, y, z, w."""
    axis, real = orientation[:3], orientation[3]
    across = 2 * np.cross(axis, vector)
    turned: np.ndarray = vector + real * across + np.cross(axis, across)
    return turned


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Precision and recall of the answers whose score reaches a threshold, for each threshold.

    Attributes:
        thresholds: [K] scores, descending; an answer is accepted if its score is at least this.
        precision: [K] fraction of the accepted answers that are right.
        recall: [K] accepted right answers, as a fraction of the images that have a right answer.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def recall_at_full_precision(self) -> float:
        """The largest recall at which all accepted answers are right; 0 if there is none."""
        return float(self.recall[self.precision == 1].max(initial=0.0))

    @property
    def average_precision(self) -> float:
        """Area under the curve: the sum over the steps of precision times increase of recall."""
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))


def precision_recall(
    scores: Iterable[float], right: Iterable[bool], positives: int
) -> PrecisionRecall:
    """The precision-recall curve of answers, at most one for each image.

    Answers with equal scores are accepted together.

    Args:
        scores: [K], higher is more certain.
        right: [K], whether each answer is right.
        positives: number of images that have a right answer.

    Raises:
        InputError: more answers are right than images have a right answer.
    """
    values, correct = np.asarray(list(scores), float), np.asarray(list(right), bool)
    if correct.sum() > positives:
        raise InputError(f'{correct.sum()} answers are right, but only {positives} can be')
    order = np.argsort(-values, kind='stable')
    values, hits = values[order], np.cumsum(correct[order])
    last_of_its_score = np.append(values[1:] != values[:-1], True)[: len(values)]
    accepted = np.arange(1, len(values) + 1)
    rows = np.flatnonzero(last_of_its_score)
    return PrecisionRecall(
        values[rows], hits[rows] / accepted[rows], hits[rows] / max(positives, 1)
    )


@dataclass(frozen=True)
class ClosureReport:
    """Counts of the loop closures of a drive, and of its revisits.

    Attributes:
        right, wrong: closures that the ground truth confirms, and contradicts.
        unknown: closures for which the ground truth has no pose.
        images: images that show the place of an earlier one.
        revisits: runs of such images, with at most `RevisitCriteria.gap` seconds between two.
        found: revisits with at least one right closure.
    """

    right: int
    wrong: int
    unknown: int
    images: int
    revisits: int
    found: int

    @property
    def precision(self) -> float:
        """Fraction of right closures among right and wrong ones; NaN without any."""
        known = self.right + self.wrong
        return self.right / known if known else math.nan


def evaluate_closures(closures: Sequence[LoopClosure], drive: DriveTrajectory) -> ClosureReport:
    """Compare the closures within a drive with its ground truth.

    Raises:
        InputError: the drive has no image with one of the stamps of a closure.
    """
    is_right = [drive.is_loop(closure) for closure in closures]
    images = np.flatnonzero(drive.is_revisit())
    stamps = np.sort(drive.stamps[images])
    new = np.diff(stamps, prepend=-(2**62)) > drive.criteria.gap * 1e9
    begins = stamps[new]
    ends = np.append(stamps[:-1][new[1:]], stamps[-1:])
    right = [c.stamp_from_ns for c, good in zip(closures, is_right, strict=True) if good]
    found = sum(
        any(begin <= stamp <= end for stamp in right)
        for begin, end in zip(begins, ends, strict=True)
    )
    return ClosureReport(
        right=is_right.count(True),
        wrong=is_right.count(False),
        unknown=is_right.count(None),
        images=len(images),
        revisits=len(begins),
        found=found,
    )
