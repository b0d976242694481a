"""The loop closures of a recorded drive with all that is known of them, as CSV rows and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import LoopClosure, Pose
from fol_vpr.evaluation.closures import ClosureReport, DriveTrajectory, evaluate_closures
from fol_vpr.loop_closure import LoopDiagnosis, LoopOutcome
from fol_vpr.loop_closure.diagnosis import values_of

COLUMNS = (
    'candidate_id', 'session_from', 'session_to', 'stamp_from_ns', 'stamp_to_ns', 'frame_from',
    'frame_to', 'similarity', 'probability', 'verification', 'matches', 'inliers',
    'has_transform', 'metric_scale', 'x', 'y', 'z', 'qx', 'qy', 'qz', 'qw', 'covariance', 'right',
)  # fmt: skip
CAMERA_FRAME = 'camera'
"""Frame of images that name none, such as those of a folder; a bag of them names it so too."""


@dataclass(frozen=True, eq=False)
class LoopsResult:
    """The loop closures of a drive.

    Attributes:
        source: description of the images.
        map: the map that the drive was compared with; empty for none.
        session_id: the drive.
        stamps: [N] of the images, in nanoseconds.
        poses: [N] of the images by the ground truth, None where it has none.
        odometry: [N] likewise by the odometry.
        closures: in the order of the images.
        keyframes: number of keyframes of the drive.
        diagnosis: what became of the images.
        config: settings in use.
        truth: the drive by the ground truth; None without one.
        criteria_from: where the criteria of the ground truth come from, in words.
    """

    source: str
    map: str
    session_id: str
    stamps: Sequence[int]
    poses: Sequence[Pose | None]
    odometry: Sequence[Pose | None]
    closures: Sequence[LoopClosure]
    keyframes: int
    diagnosis: LoopDiagnosis
    config: RecognizerConfig
    truth: DriveTrajectory | None = None
    criteria_from: str = ''

    def is_within(self, closure: LoopClosure) -> bool:
        """Whether both ends of a closure belong to the drive."""
        return closure.session_to == self.session_id

    @cached_property
    def within(self) -> list[LoopClosure]:
        """The closures within the drive; the others are with the map."""
        return [closure for closure in self.closures if self.is_within(closure)]

    def is_right(self, closure: LoopClosure) -> bool | None:
        """Whether a closure is right; None where no ground truth tells."""
        if self.truth is None or not self.is_within(closure):
            return None
        return self.truth.is_loop(closure)

    @cached_property
    def report(self) -> ClosureReport | None:
        """Counts by the ground truth; None without one."""
        return None if self.truth is None else evaluate_closures(self.within, self.truth)

    @cached_property
    def positions(self) -> np.ndarray:
        """[N, 3] metres of the images: ground truth, else odometry; NaN where there is none."""
        poses = self.poses if any(pose is not None for pose in self.poses) else self.odometry
        nowhere = np.full(3, math.nan)
        return np.array([nowhere if p is None else p.position for p in poses]).reshape(-1, 3)

    @property
    def positions_from(self) -> str:
        """What `positions` are from, in words; empty where there are none."""
        if any(pose is not None for pose in self.poses):
            return 'ground truth'
        return 'odometry' if any(pose is not None for pose in self.odometry) else ''

    @cached_property
    def row_of(self) -> dict[int, int]:
        """The number of each image by its stamp."""
        return {stamp: row for row, stamp in enumerate(self.stamps)}

    def rows(self) -> list[list[str]]:
        """The figures for a table: name and value."""
        rows = [
            ['images', str(len(self.stamps))],
            ['keyframes', str(self.keyframes)],
            ['closures within the drive', str(len(self.within))],
            ['closures with the map', str(len(self.closures) - len(self.within))],
        ]
        report = self.report
        if report is None or self.truth is None:
            return rows
        criteria = self.truth.criteria
        precision = 'none' if math.isnan(report.precision) else f'{report.precision:.3f}'
        return [
            *rows,
            [
                'right',
                f'{report.right} (within {criteria.distance:g} m and {criteria.angle:g} degrees; '
                f'{self.criteria_from})',
            ],
            ['wrong', str(report.wrong)],
            ['without ground truth', str(report.unknown)],
            ['precision', precision],
            ['revisits found', f'{report.found} of {report.revisits} ({report.images} images)'],
        ]

    def advice(self) -> list[str]:
        """Where nothing was found within the drive: why, and which parameters to look at."""
        if self.within:
            return []
        lines = ['why no closure within the drive was found:']
        lines += [f'  {line}' for line in self.diagnosis.lines(self.config)]
        searched = self.diagnosis.outcomes.total()
        if searched and self.diagnosis.outcomes[LoopOutcome.NO_OLD_KEYFRAME] == searched:
            lines.append(
                '  no image was searched at all: the drive is shorter than what is excluded as '
                'recent, or not one image is a keyframe'
            )
        return lines

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings in use by group and name."""
        groups = ('network', 'retrieval', 'verification', 'loops')
        return {group: asdict(getattr(self.config, group)) for group in groups}

    def outcomes(self) -> list[tuple[LoopOutcome, int, Mapping[str, object]]]:
        """What became of the images: number of images, and the parameters that decide it."""
        counted = self.diagnosis.outcomes.most_common()
        return [(each, count, values_of(each, self.config)) for each, count in counted]

    def csv_row(self, closure: LoopClosure) -> list[Any]:
        """The values of `COLUMNS`; empty where one is not known."""
        relative = closure.relative
        transform: list[Any] = [''] * 8
        if relative is not None:
            transform = [*relative.translation.tolist(), *relative.orientation.tolist()]
            transform.append(' '.join(f'{value:.9g}' for value in relative.covariance.reshape(-1)))
        right = self.is_right(closure)
        return [
            closure.candidate_id,
            closure.session_from,
            closure.session_to,
            closure.stamp_from_ns,
            closure.stamp_to_ns,
            closure.frame_from or CAMERA_FRAME,
            closure.frame_to or CAMERA_FRAME,
            f'{closure.similarity:.6f}',
            '' if math.isnan(closure.probability) else f'{closure.probability:.6f}',
            closure.verification.name,
            closure.matches,
            closure.inliers,
            int(relative is not None),
            int(relative is not None and relative.metric),
            *transform,
            '' if right is None else int(right),
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything as values for JSON; NaN for a probability that is not known."""
        report, truth = self.report, self.truth
        judged = None
        if report is not None and truth is not None:
            judged = {
                **asdict(report),
                'precision': report.precision,
                'criteria': {**asdict(truth.criteria), 'from': self.criteria_from},
            }
        return {
            'source': self.source,
            'map': self.map or None,
            'session_id': self.session_id,
            'images': len(self.stamps),
            'keyframes': self.keyframes,
            'closures_within_drive': len(self.within),
            'closures_with_map': len(self.closures) - len(self.within),
            'ground_truth': judged,
            'images_by_outcome': self.diagnosis.as_json(self.config),
            'most_inliers_unverified': self.diagnosis.most_inliers,
            'settings': self.settings(),
            'closures': [self._closure_json(closure) for closure in self.closures],
        }

    def _closure_json(self, closure: LoopClosure) -> dict[str, Any]:
        relative = closure.relative
        transform = None
        if relative is not None:
            transform = {
                'translation': relative.translation.tolist(),
                'orientation_xyzw': relative.orientation.tolist(),
                'metric_scale': relative.metric,
                'covariance': relative.covariance.tolist(),
            }
        return {
            'candidate_id': closure.candidate_id,
            'within_drive': self.is_within(closure),
            'session_from': closure.session_from,
            'session_to': closure.session_to,
            'stamp_from_ns': closure.stamp_from_ns,
            'stamp_to_ns': closure.stamp_to_ns,
            'frame_from': closure.frame_from or CAMERA_FRAME,
            'frame_to': closure.frame_to or CAMERA_FRAME,
            'similarity': closure.similarity,
            'probability': closure.probability,
            'verification': closure.verification.name,
            'matches': closure.matches,
            'inliers': closure.inliers,
            'from_t_to': transform,
            'right': self.is_right(closure),
        }
