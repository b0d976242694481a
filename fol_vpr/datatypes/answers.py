"""Results of the recognition of one image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from fol_vpr.datatypes.geometry import Pose, RelativePose
from fol_vpr.datatypes.maps import Candidate, Place
from fol_vpr.errors import escape_controls

_SHOWN_ID = 48
"""Most characters of an id in the one line that an answer prints as."""


class _Named(IntEnum):
    """An IntEnum that prints as its name, and not as its number."""

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        # Numbers on request only, such as f'{state:d}'.
        return format(int(self) if spec.endswith('d') else self.name, spec)


class PoseSource(_Named):
    """Where a hypothesis' pose comes from; values of fol_vpr_msgs/PlaceHypothesis."""

    NONE = 0
    OF_MAP_IMAGE = 1
    REFINED = 2


class LocalizationState(_Named):
    """State of the localization after a query; values of fol_vpr_msgs/PlaceHypothesisArray."""

    UNKNOWN = 0
    NOT_IN_MAP = 1
    AMBIGUOUS = 2
    LOCALIZED = 3


class Cause(_Named):
    """Why the state is what it is; values of fol_vpr_msgs/PlaceHypothesisArray.

    The first three are causes of LOCALIZED, NOT_IN_MAP and AMBIGUOUS, PLACES_ALIKE of UNKNOWN
    too; all from NO_MAP on are causes of UNKNOWN.
    """

    UNSPECIFIED = 0
    PLACE_PROBABLE = 1
    OUTSIDE_PROBABLE = 2
    PLACES_ALIKE = 3
    NO_MAP = 10
    UNTRAINED = 11
    POOR_IMAGE = 12
    NO_CANDIDATES = 13
    NO_MATCHES = 14
    LOW_PROBABILITY = 15
    FEW_IMAGES = 16
    TIME_GAP = 17
    NO_MOTION = 18
    NOT_VERIFIED = 19
    NO_CALIBRATION = 20
    MAPPING = 21

    @property
    def in_words(self) -> str:
        """The cause in a few words, for tables."""
        return _CAUSES[self]


_CAUSES = {
    Cause.UNSPECIFIED: 'no cause given',
    Cause.PLACE_PROBABLE: 'a place is probable enough',
    Cause.OUTSIDE_PROBABLE: 'outside the map is probable enough',
    Cause.PLACES_ALIKE: 'two places alike',
    Cause.NO_MAP: 'no map',
    Cause.UNTRAINED: 'untrained weights',
    Cause.POOR_IMAGE: 'poor image',
    Cause.NO_CANDIDATES: 'nothing searched',
    Cause.NO_MATCHES: 'no local matches',
    Cause.LOW_PROBABILITY: 'no place probable enough',
    Cause.FEW_IMAGES: 'too few images in a row',
    Cause.TIME_GAP: 'sequence begun anew by a jump of the stamps',
    Cause.NO_MOTION: 'views that hardly change',
    Cause.NOT_VERIFIED: 'geometric verification not passed',
    Cause.NO_CALIBRATION: 'no calibration',
    Cause.MAPPING: 'the node builds a map',
}


@dataclass(frozen=True)
class Explanation:
    """Why the state of the localization is what it is.

    Attributes:
        cause: for programs.
        reason: the same in words and numbers, for people; empty where UNSPECIFIED.
        remedy: what would help; empty for LOCALIZED and NOT_IN_MAP.
    """

    cause: Cause = Cause.UNSPECIFIED
    reason: str = ''
    remedy: str = ''


class Verification(_Named):
    """Strongest check that a pair has passed; values of fol_vpr_msgs/LoopClosureCandidate."""

    NONE = 0
    SEQUENCE = 1
    LOCAL = 2
    GEOMETRY = 3


@dataclass(frozen=True, eq=False)
class PlaceHypothesis:
    """The hypothesis that the query shows a reference: scores, verification, implied pose.

    Attributes:
        place: the reference.
        rank: 0 is best.
        similarity: cosine of the global descriptors.
        match_score: score of the local matching; NaN where not re-ranked.
        probability: calibrated probability of being the right place; NaN where uncalibrated.
        inliers: matches that agree with the geometric verification; 0 where not run.
        regions: image regions that the inliers cover, see `geometry.PairGeometry`.
        size_ratio: how large the query shows the inliers, as a multiple of the reference, see
            `geometry.PairGeometry`; NaN where it was not measured.
        verification: the strongest check that was passed.
        query_xy, reference_xy: [K, 2] matched pixel positions that the geometric verification was
            given; None where not run.
        inlier: [K] bool, which of them agree with the geometric verification; None where not run.
        pose_source: where `pose` comes from.
        pose: of the base in the map frame, or None.
        relative: pose of the reference's camera in the frame of the query's camera; None where it
            was not measured.
    """

    place: Place
    rank: int
    similarity: float
    match_score: float = math.nan
    probability: float = math.nan
    inliers: int = 0
    regions: int = 0
    size_ratio: float = math.nan
    verification: Verification = Verification.NONE
    query_xy: np.ndarray | None = None
    reference_xy: np.ndarray | None = None
    inlier: np.ndarray | None = None
    pose_source: PoseSource = PoseSource.NONE
    pose: Pose | None = None
    relative: RelativePose | None = None

    @property
    def matches(self) -> int:
        """Local matches that the geometric verification was given; 0 where not run."""
        return 0 if self.query_xy is None else len(self.query_xy)

    @property
    def place_id(self) -> str:
        """Name of the reference, unique within the map."""
        return self.place.place_id

    def __str__(self) -> str:
        """One line: place, session, scores, and where the pose puts the query."""
        words = [_short(self.place_id)]
        if self.place.session_id:
            words[0] += f' of {_short(self.place.session_id)}'
        if not math.isnan(self.probability):
            words.append(f'probability {self.probability:.3f}')
        words.append(f'similarity {self.similarity:.3f}')
        if self.verification != Verification.NONE:
            words.append(f'{self.inliers} inliers')
        if self.pose is not None:
            words.append('at ' + ', '.join(f'{v:.2f}' for v in self.pose.position) + ' m')
        elif self.place.geo is not None:
            words.append(f'at {self.place.geo.latitude:.6f}, {self.place.geo.longitude:.6f}')
        return ', '.join(words)

    def __repr__(self) -> str:
        return (
            f'<PlaceHypothesis {self.rank}: place_id={_short(self.place_id)!r} '
            f'probability={self.probability:.3f} similarity={self.similarity:.3f} '
            f'inliers={self.inliers} verification={self.verification}>'
        )


@dataclass(frozen=True, eq=False)
class LoopClosure:
    """A verified hypothesis that connects two stamps of one trajectory or of two sessions.

    `from` is the query, `to` the older reference.

    Attributes:
        relative: pose of the camera of `to` in that of `from`, where it was measured. A single
            monocular match measures a direction, and no length.
    """

    candidate_id: int
    session_from: str
    session_to: str
    stamp_from_ns: int
    stamp_to_ns: int
    frame_from: str
    frame_to: str
    similarity: float
    probability: float
    verification: Verification
    matches: int
    inliers: int
    relative: RelativePose | None = None


@dataclass(frozen=True, eq=False)
class Recognition:
    """The answer to one query image.

    Attributes:
        stamp_ns, frame_id: of the query.
        state: of the localization.
        explanation: why it is this state.
        hypotheses: best first.
        believed: the hypothesis that LOCALIZED rests on, the first of `hypotheses`; None in any
            other state.
        loop_closures: published with this image.
        p_not_in_map: probability that the map does not have the place; NaN where uncalibrated.
        image_quality: 0 (unusable) to 1.
        quality_reason: what is wrong with the image; empty where nothing is.
        timings: seconds by stage: resize, forward, search, rerank, verify, decide,
            refine_pose, loops; and `total`.
        global_ranking: the candidates in the order of the global similarity, before re-ranking.
        map_id, map_frame: of the map that was searched; another may be loaded since.
    """

    stamp_ns: int
    frame_id: str
    state: LocalizationState
    hypotheses: tuple[PlaceHypothesis, ...]
    believed: PlaceHypothesis | None = None
    loop_closures: tuple[LoopClosure, ...] = ()
    p_not_in_map: float = math.nan
    image_quality: float = 1.0
    quality_reason: str = ''
    timings: dict[str, float] = field(default_factory=dict)
    global_ranking: tuple[Candidate, ...] = ()
    map_id: str = ''
    map_frame: str = ''
    explanation: Explanation = Explanation()

    @property
    def best(self) -> PlaceHypothesis | None:
        """The first hypothesis, whatever the state; None only where nothing was searched.

        It is the best guess, and right or wrong: `state` says whether to rely on it, and
        `believed` is the same hypothesis where LOCALIZED rests on it, and None otherwise.
        """
        return self.hypotheses[0] if self.hypotheses else None

    @property
    def cause(self) -> Cause:
        """Why the state is what it is, for programs."""
        return self.explanation.cause

    @property
    def reason(self) -> str:
        """Why the state is what it is, in words and numbers."""
        return self.explanation.reason

    @property
    def remedy(self) -> str:
        """What would help; empty for LOCALIZED and NOT_IN_MAP."""
        return self.explanation.remedy

    def __str__(self) -> str:
        """One line: state, cause and best hypothesis; `reason` says more."""
        best = 'nothing was searched' if self.best is None else f'best: {self.best}'
        return f'{self.state} ({self.cause.in_words}); {best}'

    def __repr__(self) -> str:
        return (
            f'<Recognition {self.state} cause={self.cause} stamp_ns={self.stamp_ns} '
            f'hypotheses={len(self.hypotheses)} best={self.best!r}>'
        )


def _short(name: str) -> str:
    """An id in one line: without control characters, and without the middle of a long one."""
    if len(name) > _SHOWN_ID:
        half = _SHOWN_ID // 2 - 1
        name = f'{name[:half]}...{name[-half:]}'
    return escape_controls(name, keep='')
