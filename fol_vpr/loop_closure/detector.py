"""Finds loop closures of the running drive: with itself, and with places of the loaded map."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Features, Frame, LoopClosure, MapInfo, PlaceHypothesis, Verification
from fol_vpr.errors import InputError, MapError, StorageError
from fol_vpr.geometry.metric.refinement import refine_pose
from fol_vpr.loop_closure.diagnosis import LoopDiagnosis, LoopOutcome, failed_verification
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.loop_closure.feedback import (
    FeedbackCounts,
    FeedbackLedger,
    threshold_from_rows,
    threshold_from_session,
)
from fol_vpr.loop_closure.publication import AdaptiveThreshold, LoopCandidate, PublicationPolicy
from fol_vpr.loop_closure.recorder import SessionRecorder
from fol_vpr.loop_closure.revisits import BaselineView, find_revisits
from fol_vpr.mapping import map_header
from fol_vpr.network import FeatureExtractor

# Unique in the process, because a node makes a new recognizer each time that it is configured.
# They start at a random number, so that feedback meant for an earlier process does not fit.
_candidate_ids = itertools.count(secrets.randbits(40))


@dataclass(frozen=True)
class LoopStatus:
    """State of the search for loop closures.

    Attributes:
        enabled: whether the running drive is searched.
        keyframes: number of keyframes of the running drive.
        file: path of the map file that holds them; empty where it is a temporary one.
        counts: of published closures and of the feedback to them.
        problem: why keyframes or feedback could not be stored; empty where they could.
        diagnosis: what became of the images of the drive.
    """

    enabled: bool
    keyframes: int
    file: str
    counts: FeedbackCounts
    problem: str
    diagnosis: LoopDiagnosis = field(default_factory=LoopDiagnosis)


class LoopClosureDetector:
    """Records the keyframes of the drive, searches them, and decides which closures to publish.

    Args:
        config: of the recognizer.
        extractor: the network.
        session_id: name of the running drive.

    Raises:
        InputError, StorageError: the session file cannot be made there.
    """

    def __init__(
        self, config: RecognizerConfig, extractor: FeatureExtractor, session_id: str
    ) -> None:
        self._config = config
        self._extractor = extractor
        self._session_id = session_id
        self._tracker = DistanceTracker(config.loops.speed)
        self._threshold = AdaptiveThreshold(config.loops)
        self._policy = PublicationPolicy(config.loops, config.verification, self._threshold)
        self._ledger = FeedbackLedger(self._threshold)
        self._session: SessionRecorder | None = None
        self._problem = ''
        self._diagnosis = LoopDiagnosis()
        if config.loops.enabled:
            header = map_header(
                extractor,
                name='',
                codec=config.loops.codec,
                frame_id=config.loops.frame,
                scale=config.scale,
            )
            self._session = SessionRecorder(config.loops, header, session_id, self._tracker)
            previous = self._session.previous
            if previous is not None:
                self._inherit_threshold(threshold_from_session(previous, extractor.model_id))

    @property
    def enabled(self) -> bool:
        """Whether the running drive is searched."""
        return self._session is not None

    @property
    def status(self) -> LoopStatus:
        """The state of the search; from any thread."""
        session = self._session
        return LoopStatus(
            enabled=session is not None,
            keyframes=0 if session is None else session.keyframes,
            file=str(session.path) if session is not None and session.is_persistent else '',
            counts=self._ledger.counts,
            problem=self._problem,
            diagnosis=self._diagnosis.copy(),
        )

    def set_config(self, config: RecognizerConfig) -> None:
        """Take other settings; those of the session file stay."""
        self._config = config
        self._threshold.config = config.loops
        self._policy.set_config(config.loops, config.verification)
        self._tracker.speed = config.loops.speed
        if self._session is not None:
            self._session.set_config(config.loops)

    def reset(self) -> None:
        """Forget revisits that were observed but not published yet."""
        self._policy.reset()

    def on_map_loaded(self, rows: Mapping[str, str], path: Path) -> None:
        """Start anew with another map, at the threshold that feedback to that map led to.

        Args:
            rows: the calibration table of the map.
            path: the map.
        """
        self.reset()
        self._inherit_threshold(threshold_from_rows(rows, path))

    # ---- images

    def process(
        self,
        frame: Frame,
        features: Features,
        localized: PlaceHypothesis | None = None,
        measure: Callable[[], PlaceHypothesis | None] | None = None,
    ) -> tuple[LoopClosure, ...]:
        """The loop closures of the next image of the drive.

        Args:
            frame: the image, with its odometry where there is any.
            features: of the image.
            localized: the believed hypothesis in the loaded map; None where there is none.
            measure: gives `localized` with its pose measured. It is called where a closure with
                the map is published and `verification.pose_rate` may have left the image out.

        Raises:
            MapError: the keyframes cannot be read any more.
        """
        self._tracker.update(frame.stamp_ns, frame.odometry)
        revisits: list[PlaceHypothesis] = []
        confirmed: LoopCandidate | None = None
        try:
            # Untrained features agree by pixel positions, whatever they show.
            if self._session is not None and self._extractor.trained:
                device = self._extractor.device
                revisits = find_revisits(self._session, frame, features, self._config, device)
                confirmed = self._policy.confirm(
                    [self._candidate(h, self._session) for h in revisits]
                )
        finally:
            self._add_keyframe(
                frame, features, None if confirmed is None else confirmed.hypothesis
            )
        found: list[PlaceHypothesis] = []
        if localized is not None and self._policy.accept_map_closure(self._candidate(localized)):
            left_out = localized.relative is None and self._config.verification.pose_rate > 0
            found.append((measure() if measure and left_out else None) or localized)
        if self._session is not None and confirmed is not None:
            # The number of the keyframe is known only now that the image was added or skipped.
            confirmed = replace(confirmed, keyframe=self._keyframe_number())
            outcome = self._policy.outcome(confirmed)
            if outcome is LoopOutcome.PUBLISHED:
                self._policy.remember(confirmed)
                found.append(self._refine(confirmed.hypothesis, self._session, frame, revisits))
            self._diagnosis.add(outcome, revisits)
        elif self._session is not None:
            self._diagnosis.add(self._unconfirmed(revisits), revisits)
        return tuple(self._publish(frame, hypothesis) for hypothesis in found)

    def _unconfirmed(self, revisits: list[PlaceHypothesis]) -> LoopOutcome:
        """Why no revisit of an image was confirmed."""
        if not self._extractor.trained:
            return LoopOutcome.UNTRAINED
        if not revisits:
            return LoopOutcome.NO_OLD_KEYFRAME
        if all(each.verification != Verification.GEOMETRY for each in revisits):
            return failed_verification(revisits, self._config)
        verified = self._policy.is_run_verified
        return LoopOutcome.LOW_EVIDENCE if verified else LoopOutcome.FEW_IMAGES

    def _add_keyframe(
        self, frame: Frame, features: Features, confirmed: PlaceHypothesis | None
    ) -> None:
        if self._session is None:
            return
        try:
            self._session.add_if_keyframe(frame, features, confirmed)
            self._problem = ''
        except (MapError, StorageError, InputError) as error:
            # Images are answered all the same, and the next one is tried again.
            self._problem = f'the keyframe was not stored: {error}'

    def _candidate(
        self, hypothesis: PlaceHypothesis, session: SessionRecorder | None = None
    ) -> LoopCandidate:
        place_distance = None if session is None else session.distance_at(hypothesis.place.index)
        return LoopCandidate(
            hypothesis, self._tracker.distance, self._keyframe_number(), place_distance
        )

    def _refine(
        self,
        revisit: PlaceHypothesis,
        session: SessionRecorder,
        frame: Frame,
        revisits: list[PlaceHypothesis],
    ) -> PlaceHypothesis:
        """The revisit with its relative pose, where the images measure one."""
        config = self._config.verification
        if not config.refine_pose or revisit.verification != Verification.GEOMETRY:
            return revisit
        view = BaselineView(session, revisit.place.index, self._config.loops)
        here = replace(revisit, place=view.with_baseline_covariance(revisit.place))
        places = [
            view.with_baseline_covariance(each.place)
            for each in revisits
            if view.is_within_baseline(each.place)
        ]
        found = refine_pose(here, frame, view, places, config)
        return replace(revisit, relative=found.relative)

    def _keyframe_number(self) -> int:
        """Number of the image that was due last; estimated by the distance without a session."""
        if self._session is not None:
            return self._session.due_count
        return int(self._tracker.distance // max(self._config.loops.keyframe_distance, 0.01))

    def _publish(self, frame: Frame, hypothesis: PlaceHypothesis) -> LoopClosure:
        closure = LoopClosure(
            candidate_id=next(_candidate_ids),
            session_from=self._session_id,
            session_to=hypothesis.place.session_id,
            stamp_from_ns=frame.stamp_ns,
            stamp_to_ns=hypothesis.place.stamp_ns,
            frame_from=frame.frame_id,
            frame_to=hypothesis.place.sensor_frame,
            similarity=hypothesis.similarity,
            probability=hypothesis.probability,
            verification=hypothesis.verification,
            matches=hypothesis.matches,
            inliers=hypothesis.inliers,
            relative=hypothesis.relative,
        )
        self._ledger.add(closure)
        return closure

    # ---- feedback, and the session file

    def feedback(self, candidate_id: int, accepted: bool, reason: str = '') -> str:
        """Learn from the feedback of a back-end to a closure; from any thread.

        Returns:
            Why the feedback is ignored; empty where it counts.
        """
        ignored = self._ledger.record_answer(candidate_id, accepted, reason)
        if not ignored:
            self._store_feedback()
        return ignored

    def _inherit_threshold(self, threshold: float | None) -> None:
        """Start at the threshold of an earlier drive, and store it for the next one."""
        if self._ledger.start_at(threshold):
            self._store_feedback()

    def _store_feedback(self) -> None:
        if self._session is None:
            return
        try:
            self._session.annotate(self._ledger.to_json())
        except (MapError, StorageError) as error:
            self._problem = f'the feedback was not stored: {error}'

    def save(self) -> MapInfo:
        """Write the drive so far as one map file; see `SessionRecorder.save`."""
        if self._session is None:
            raise InputError('no keyframes are kept: set loops.enabled and loops.session_file')
        return self._session.save()

    def close(self) -> None:
        """Close the session file."""
        if self._session is not None:
            self._session.close()
