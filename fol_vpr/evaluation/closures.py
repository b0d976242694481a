"""Loop closures against ground truth: precision, recall, and which revisits were found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import LoopClosure, Pose
from fol_vpr.errors import InputError

# Images that are compared with all others at a time.
BLOCK = 512
VIEW_AXES = {'base': (1.0, 0.0, 0.0), 'camera': (0.0, 0.0, 1.0)}
"""Where a robot looks in its base frame, and a camera in its optical one (REP-103)."""


@dataclass(frozen=True)
class RevisitCriteria:
    """When two images of a drive show one place, as loops.csv of the TUM sequences has it.

    Attributes:
        distance: metres between them, less than this.
        angle: degrees between their viewing directions, less than this.
        gap: seconds between them, more than this.
        poses_of: whose poses the ground truth has, `base` or `camera`: it tells which axis is the
            viewing direction.
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
    """Where and when the images of a drive were taken.

    Args:
        stamps: [N] nanoseconds.
        poses: [N] of the ground truth, None where it has none.
        rule: when two of them show one place.
    """

    def __init__(self, stamps: Sequence[int], poses: Sequence[Pose | None], rule: RevisitCriteria):
        self.stamps = np.asarray(stamps, np.int64)
        self.rule = rule
        axis = np.array(VIEW_AXES[rule.poses_of])
        nowhere = np.full(3, math.nan)
        self._at = np.array([nowhere if p is None else p.position for p in poses]).reshape(-1, 3)
        self._view = np.array(
            [nowhere if p is None else rotate(p.orientation, axis) for p in poses]
        ).reshape(-1, 3)
        self._row = {int(stamp): row for row, stamp in enumerate(self.stamps)}

    def is_loop(self, closure: LoopClosure) -> bool | None:
        """Whether a closure within the drive is right; None where the ground truth knows not.

        Raises:
            InputError: one of its stamps is that of no image.
        """
        return self.same_place(closure.stamp_from_ns, closure.stamp_to_ns)

    def same_place(self, stamp_ns: int, other_ns: int) -> bool | None:
        """Whether the images of two stamps show one place; see `is_loop`."""
        first, second = self._row.get(stamp_ns), self._row.get(other_ns)
        if first is None or second is None:
            raise InputError(
                f'{stamp_ns} ns is tied to {other_ns} ns, but the drive has no image of one of '
                'those stamps'
            )
        if np.isnan(self._at[[first, second]]).any():
            return None
        return bool(self._loops(np.array([first]))[0, second])

    def is_revisit(self) -> np.ndarray:
        """[N] bool, the images that have an earlier one of the same place."""
        found = np.zeros(len(self.stamps), bool)
        for first in range(0, len(found), BLOCK):
            rows = np.arange(first, min(first + BLOCK, len(found)))
            earlier = self.stamps[None] < self.stamps[rows, None]
            found[rows] = (self._loops(rows) & earlier).any(axis=1)
        return found

    def _loops(self, rows: np.ndarray) -> np.ndarray:
        """[len(rows), N] bool, which images show the places of some."""
        rule = self.rule
        near = np.linalg.norm(self._at[rows, None] - self._at[None], axis=2) < rule.distance
        alike = self._view[rows] @ self._view.T > math.cos(math.radians(rule.angle))
        apart = np.abs(self.stamps[rows, None] - self.stamps[None]) > rule.gap * 1e9
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
    """What a threshold on a score would accept, for every threshold.

    Attributes:
        thresholds: [K] scores, descending; accepted is what has at least as much.
        precision: [K] share of the accepted that is right.
        recall: [K] right ones accepted, of all that there are to find.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def recall_at_full_precision(self) -> float:
        """The largest recall at which nothing that is accepted is wrong; 0 where there is none."""
        return float(self.recall[self.precision == 1].max(initial=0.0))

    @property
    def average_precision(self) -> float:
        """Area under the curve, as steps: the sum of precision times growth of recall."""
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))


def precision_recall(
    scores: Iterable[float], right: Iterable[bool], positives: int
) -> PrecisionRecall:
    """The curve of answers with scores, one for each image at most.

    Equal scores are accepted together.

    Args:
        scores: [K], higher is surer.
        right: [K], whether each answer is.
        positives: how many images have a right answer.

    Raises:
        InputError: more right answers than there can be.
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
    """How good the published closures of a drive are.

    Attributes:
        right, wrong, unknown: closures by the ground truth; unknown where it has no pose.
        images: with an earlier image of the same place.
        revisits: runs of such images, without a gap of more than the rule's between them.
        found: revisits with a right closure.
    """

    right: int
    wrong: int
    unknown: int
    images: int
    revisits: int
    found: int

    @property
    def precision(self) -> float:
        """Share of right ones among those that can be judged; NaN where there are none."""
        judged = self.right + self.wrong
        return self.right / judged if judged else math.nan


def evaluate_closures(closures: Sequence[LoopClosure], drive: DriveTrajectory) -> ClosureReport:
    """Compare the closures within a drive with its ground truth.

    Raises:
        InputError: a closure ties stamps that are of no image.
    """
    verdicts = [drive.is_loop(closure) for closure in closures]
    images = np.flatnonzero(drive.is_revisit())
    stamps = np.sort(drive.stamps[images])
    new = np.diff(stamps, prepend=-(2**62)) > drive.rule.gap * 1e9
    begins = stamps[new]
    ends = np.append(stamps[:-1][new[1:]], stamps[-1:])
    right = [c.stamp_from_ns for c, verdict in zip(closures, verdicts, strict=True) if verdict]
    found = sum(
        any(begin <= stamp <= end for stamp in right)
        for begin, end in zip(begins, ends, strict=True)
    )
    return ClosureReport(
        right=verdicts.count(True),
        wrong=verdicts.count(False),
        unknown=verdicts.count(None),
        images=len(images),
        revisits=len(begins),
        found=found,
    )
