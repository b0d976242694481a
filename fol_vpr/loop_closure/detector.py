"""Where the running drive comes back: to itself, or to places of the loaded map."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Features, Frame, LoopClosure, MapInfo, PlaceHypothesis, Verification
from fol_vpr.errors import InputError, MapError, StorageError
from fol_vpr.geometry.metric.refinement import refine_pose
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.loop_closure.feedback import (
    FeedbackCounts,
    FeedbackLedger,
    threshold_of,
    threshold_of_drive,
)
from fol_vpr.loop_closure.publication import ClosureGate, LoopCandidate, Threshold
from fol_vpr.loop_closure.recorder import SessionMaker, SessionRecorder
from fol_vpr.loop_closure.revisits import BaselineView, find_revisits
from fol_vpr.network import FeatureExtractor

# Unique in the process, whichever recognizer publishes them: a node makes a new one each time that
# it is configured. An answer to the process before is none to this one.
_candidate_ids = itertools.count(secrets.randbits(40))


@dataclass(frozen=True)
class LoopStatus:
    """How the search for loops is going.

    Attributes:
        enabled: whether the running drive is searched.
        keyframes: of the running drive.
        file: that they lie in; empty where it is a temporary one.
        counts: closures, and what the back-end said of them.
        problem: why keyframes or feedback could not be stored; empty where they could.
    """

    enabled: bool
    keyframes: int
    file: str
    counts: FeedbackCounts
    problem: str


class LoopClosureDetector:
    """Keeps the keyframes of the drive, searches them, and decides what is published.

    Args:
        config: of the recognizer.
        extractor: the network.
        session_id: the running drive.

    Raises:
        InputError, StorageError: the session file cannot be made there.
    """

    def __init__(
        self, config: RecognizerConfig, extractor: FeatureExtractor, session_id: str
    ) -> None:
        self._config = config
        self._extractor = extractor
        self._session_id = session_id
        self._travel = DistanceTracker(config.loops.speed)
        self._threshold = Threshold(config.loops)
        self._gate = ClosureGate(config.loops, config.verification, self._threshold)
        self._ledger = FeedbackLedger(self._threshold)
        self._session: SessionRecorder | None = None
        self._problem = ''
        if config.loops.enabled:
            maker = SessionMaker(
                session_id,
                extractor.model_id,
                extractor.preprocessing_id,
                extractor.weights_name,
                extractor.descriptor_dim,
                extractor.local_dim,
            )
            self._session = SessionRecorder(config.loops, maker, self._travel)
            before = self._session.before
            if before is not None:
                self._begin(threshold_of_drive(before, extractor.model_id))

    @property
    def enabled(self) -> bool:
        """Whether the running drive is searched."""
        return self._session is not None

    @property
    def status(self) -> LoopStatus:
        """How it is going; from any thread."""
        session = self._session
        return LoopStatus(
            enabled=session is not None,
            keyframes=0 if session is None else session.keyframes,
            file=str(session.path) if session is not None and session.lasting else '',
            counts=self._ledger.counts,
            problem=self._problem,
        )

    def set_config(self, config: RecognizerConfig) -> None:
        """Take other settings, but for those of the session file."""
        self._config = config
        self._threshold.config = config.loops
        self._gate.set_config(config.loops, config.verification)

    def reset(self) -> None:
        """Forget what was observed and not published yet."""
        self._gate.reset()

    def on_map_loaded(self, rows: Mapping[str, str], path: Path) -> None:
        """Go on with another map; what feedback to it led to is where this drive begins.

        Args:
            rows: the calibration table of the map.
            path: the map.
        """
        self.reset()
        self._begin(threshold_of(rows, path))

    # ---- images

    def process(
        self,
        frame: Frame,
        features: Features,
        localized: PlaceHypothesis | None = None,
    ) -> tuple[LoopClosure, ...]:
        """The loop closures that the next image of the drive gives.

        Args:
            frame: the image, with its odometry where there is any.
            features: of the image.
            localized: what it was localized by in the loaded map.

        Raises:
            MapError: the keyframes cannot be read any more.
        """
        self._travel.update(frame.stamp_ns, frame.odometry)
        older: list[PlaceHypothesis] = []
        shown: LoopCandidate | None = None
        try:
            # Random features agree by pixel positions, whatever they show.
            if self._session is not None and self._extractor.trained:
                device = self._extractor.device
                older = find_revisits(self._session, frame, features, self._config, device)
                shown = self._gate.confirm([self._candidate(h, self._session) for h in older])
        finally:
            self._keep(frame, features, None if shown is None else shown.hypothesis)
        found: list[PlaceHypothesis] = []
        if localized is not None and self._gate.accept_map_closure(self._candidate(localized)):
            found.append(localized)
        if self._session is not None and shown is not None:
            # Only now it is known whether the image was due.
            shown = replace(shown, keyframe=self._keyframe())
            if self._gate.publish(shown):
                found.append(self._refine(shown.hypothesis, self._session, frame, older))
        return tuple(self._publish(frame, hypothesis) for hypothesis in found)

    def _keep(self, frame: Frame, features: Features, shown: PlaceHypothesis | None) -> None:
        if self._session is None:
            return
        try:
            self._session.add_if_keyframe(frame, features, shown)
            self._problem = ''
        except (MapError, StorageError, InputError) as error:
            # The drive goes on, and so do the answers; the next image tries again.
            self._problem = f'the keyframe was not stored: {error}'

    def _candidate(
        self, hypothesis: PlaceHypothesis, session: SessionRecorder | None = None
    ) -> LoopCandidate:
        place_path = None if session is None else session.path_at(hypothesis.place.index)
        return LoopCandidate(hypothesis, self._travel.path, self._keyframe(), place_path)

    def _refine(
        self,
        back: PlaceHypothesis,
        session: SessionRecorder,
        frame: Frame,
        older: list[PlaceHypothesis],
    ) -> PlaceHypothesis:
        """A closure within the drive with its transform, where that can be measured."""
        config = self._config.verification
        if not config.refine_pose or back.verification != Verification.GEOMETRY:
            return back
        view = BaselineView(session, back.place.index, self._config.loops)
        here = replace(back, place=view.view(back.place))
        places = [view.view(each.place) for each in older if view.reaches(each.place)]
        found = refine_pose(here, frame, view, places, config)
        return replace(back, relative=found.relative)

    def _keyframe(self) -> int:
        """Number of the image that was due last, or what it would be about where none are."""
        if self._session is not None:
            return self._session.due
        return int(self._travel.path // max(self._config.loops.keyframe_distance, 0.01))

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
        self._ledger.published(closure)
        return closure

    # ---- the back-end, and the file

    def feedback(self, candidate_id: int, accepted: bool, reason: str = '') -> str:
        """Take note of what the back-end made of a closure; from any thread.

        Returns:
            Why it is ignored; empty where it counts.
        """
        ignored = self._ledger.answered(candidate_id, accepted, reason)
        if not ignored:
            self._annotate()
        return ignored

    def _begin(self, threshold: float | None) -> None:
        """Begin with the threshold of an earlier drive, and hand it on to the next one."""
        if self._ledger.begin(threshold):
            self._annotate()

    def _annotate(self) -> None:
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
        """Let go of the file."""
        if self._session is not None:
            self._session.close()
