"""The one path from an image to place hypotheses, offline and live."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fol_vpr.config import RecognizerConfig
from fol_vpr.database import MapReader
from fol_vpr.datatypes import (
    Features,
    Frame,
    LocalizationState,
    LoopClosure,
    MapInfo,
    Place,
    PlaceHypothesis,
    Prior,
    Recognition,
    Verification,
)
from fol_vpr.decision import (
    Calibration,
    Decision,
    LocalizationResult,
    Observation,
    assess_image,
    calibration_from_rows,
)
from fol_vpr.errors import MapError
from fol_vpr.loop_closure.detector import LoopClosureDetector, LoopStatus
from fol_vpr.mapping import LiveMap
from fol_vpr.network import FeatureExtractor, PreparedImage
from fol_vpr.recognizer.compatibility import calibration_in_words, check_fit, plan_in_words
from fol_vpr.recognizer.ranking import rank_hypotheses, with_poses
from fol_vpr.recognizer.retrieval import Seen, look, timed


class PlaceRecognizer:
    """Recognises places of a map in images.

    Holds the network, at most one map, and the evidence of the images seen so far. Its methods
    may be called from several threads; they take turns.

    Args:
        config: weights, retrieval and verification settings.

    Raises:
        WeightsError: the weights are missing, damaged or of another network.
        DeviceError: the device or precision is not to be had.
        InputError, StorageError: the keyframes of the drive cannot be kept where they should.
    """

    def __init__(self, config: RecognizerConfig) -> None:
        self.config = config
        self.extractor = FeatureExtractor(config.network)
        self.session_id = f'live-{uuid.uuid4().hex[:8]}'
        self._map: LiveMap | None = None
        self._closed = False
        self._calibration: Calibration | None = None
        self._decision = Decision(config.verification)
        try:
            self._loops = LoopClosureDetector(config, self.extractor, self.session_id)
        except BaseException:
            self.extractor.close()
            raise
        self._lock = threading.RLock()
        # Whoever changes the map holds this one all the time, and the other for moments only.
        self._edits = threading.RLock()

    # ---- map

    def load_map(self, path: str | Path) -> MapInfo:
        """Load a map and take it instead of the present one, which stays where this fails.

        Raises:
            MapError: no such map, or a damaged one.
            MapMismatchError: made with other weights or another preprocessing.
            DeviceError: it does not fit the memory that it may take.
        """
        reader = MapReader(path)
        try:
            check_fit(reader.info, self.extractor)
            loaded = LiveMap(
                reader, self.config.storage, self.config.retrieval, self.extractor.device
            )
        except BaseException:
            reader.close()
            raise
        with self._edits:
            self._swap_map(loaded)
        return loaded.info

    def _swap_map(self, loaded: LiveMap, *, other: bool = True) -> None:
        """Use a map instead of the present one; `other` where it is not the same one grown."""
        try:
            calibration = calibration_from_rows(loaded.calibration(), str(loaded.path))
        except MapError:
            loaded.close()
            raise
        renumbered = self._map is not None and not _same_numbers(self._map, loaded)
        with self._lock:
            if self._closed:
                loaded.close()
                raise MapError(f'{loaded.path} was loaded too late: the recognizer is closed')
            previous, self._map = self._map, loaded
            before, self._calibration = self._calibration, calibration
            if other or renumbered or calibration != before:
                self._decision = Decision(self.config.verification, calibration)
            if other:
                self._loops.on_map_loaded(loaded.calibration(), loaded.path)
        if previous is not None:
            previous.close()

    @property
    def map_info(self) -> MapInfo | None:
        """What the loaded map says of itself, None where none is loaded."""
        loaded = self._map
        return None if loaded is None else loaded.info

    @property
    def places(self) -> tuple[Place, ...]:
        """References of the loaded map, empty where none is loaded."""
        loaded = self._map
        return () if loaded is None else loaded.places

    def reference_image(self, index: int) -> bytes | None:
        """JPEG of a reference, or None where the map keeps no images."""
        with self._lock:
            return self._loaded().image(index)

    def memory_plan(self) -> str:
        """What network and map take, in words for a log."""
        return plan_in_words(self.extractor, self._map)

    @property
    def index(self) -> str:
        """The index of the loaded map in words, empty where none is loaded."""
        loaded = self._map
        return '' if loaded is None else loaded.index_description

    # ---- changing the map

    def add_place(
        self, frame: Frame, *, session_id: str = '', place_id: str = '', store_image: bool = True
    ) -> Place:
        """Add an image to the loaded map: on the disk when this returns, and searched from now on.

        Args and errors as of `LiveMap.add`; an empty `session_id` takes that of this run.
        """
        with self._edits:
            with self._lock:
                loaded = self._loaded()
                features = self.extractor.extract([frame.image])[0]
            # The disk is waited for while images go on being answered.
            return loaded.add(
                frame,
                features,
                session_id=session_id or self.session_id,
                place_id=place_id,
                store_image=store_image,
            )

    def remove_places(self, place_ids: Sequence[str], session_ids: Sequence[str] = ()) -> int:
        """Remove places from the loaded map; see `LiveMap.remove`."""
        with self._edits:
            removed = self._loaded().remove(place_ids, session_ids)
            self.reset_sequence()
            return removed

    def save_map(self, path: Path | None = None, *, overwrite: bool = False) -> MapInfo:
        """Write the loaded map with all changes as one file; images are answered meanwhile.

        Arguments and errors as of `MapEditor.save`; the written map is the loaded one from then
        on, unless it is another file.
        """
        with self._edits:
            loaded = self._loaded()
            info = loaded.save(path, overwrite=overwrite)
            if info.content_id != loaded.info.content_id and info.map_id == loaded.info.map_id:
                self._swap_map(loaded.reopened(), other=False)
            return info

    @property
    def storage_problem(self) -> str:
        """Why hits could not be counted last time, empty where they could."""
        loaded = self._map
        return '' if loaded is None else loaded.hit_problem

    # ---- queries

    def warm_up(self) -> float:
        """Run the network once at its input size; seconds that it took."""
        with self._lock:
            return self.extractor.warm_up()

    def set_config(self, config: RecognizerConfig) -> None:
        """Take other retrieval and verification settings; those of the network are fixed."""
        with self._lock:
            if config.verification != self.config.verification:
                self._decision = Decision(config.verification, self._calibration)
            self.config = replace(config, network=self.config.network)
            self._loops.set_config(self.config)

    @property
    def calibration(self) -> Calibration | None:
        """That of the loaded map; None where it has none."""
        return self._calibration

    @property
    def decisions(self) -> str:
        """What decisions go by, in words; empty where no map is loaded."""
        if self._map is None:
            return ''
        return calibration_in_words(self._calibration, self.config)

    def reset_sequence(self) -> None:
        """Forget the evidence of earlier images."""
        with self._lock:
            self._decision.reset()
            self._loops.reset()

    def prepare(self, frame: Frame) -> PreparedImage:
        """Do to an image what needs neither network nor map; waits for no other call.

        Raises:
            DeviceError: there is no memory left.
        """
        return self.extractor.prepare(frame.image)

    def recognize(
        self,
        frame: Frame,
        *,
        prepared: PreparedImage | None = None,
        hypotheses: int | None = None,
        sequence: bool = True,
        prior: Prior | None = None,
    ) -> Recognition:
        """Answer where an image was taken.

        Args:
            frame: the query.
            prepared: what `prepare` made of it, where that was done ahead.
            hypotheses: how many to return, `retrieval.hypotheses` where None.
            sequence: whether the image is the next one of the stream, and counts as evidence.
            prior: what is known of the place, and narrows the search; None searches everything.

        Raises:
            MapError: no map is loaded, or the loaded one cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        with self._lock:
            return self._recognize(frame, prepared, hypotheses, sequence, prior)

    def quality_only_result(self, frame: Frame) -> Recognition:
        """The answer where nothing is searched: how good the image is, and no more."""
        quality = assess_image(frame.image)
        return Recognition(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            state=LocalizationState.UNKNOWN,
            hypotheses=(),
            image_quality=quality.score,
            quality_reason=quality.reason,
        )

    def observe(
        self, frame: Frame, features: Features, *, exclude: frozenset[int] = frozenset()
    ) -> Observation:
        """What speaks for which place in an image, before anything is decided; for calibration.

        Args:
            frame: the image.
            features: what `extract` made of it.
            exclude: references, by `Place.index`, that are left out as if the map had none.

        Raises:
            MapError: no map is loaded, or the loaded one cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        with self._lock:
            return self._look(frame, features, self._loaded(), {}, exclude=exclude).observation

    def extract(self, frame: Frame) -> Features:
        """What the network says of an image.

        Raises:
            DeviceError: the device ran out of memory.
        """
        with self._lock:
            return self.extractor.extract([frame.image])[0]

    def _recognize(
        self,
        frame: Frame,
        prepared: PreparedImage | None,
        count: int | None,
        sequence: bool,
        prior: Prior | None,
    ) -> Recognition:
        started = time.perf_counter()
        if self._map is None and self._loops.enabled and sequence:
            return self._without_map(frame, prepared, started)
        loaded = self._loaded()
        timings: dict[str, float] = {}
        features = self.extractor.extract([prepared or frame.image], timings)[0]
        seen = self._look(frame, features, loaded, timings, prior)
        with timed(timings, 'decide'):
            result = self._decide(seen.observation, sequence)
            self._count_hits(loaded, seen.checked)
            published = self.config.retrieval.hypotheses if count is None else count
            answer = rank_hypotheses(seen, result, loaded, published)
        believed = result.believed is not None
        with timed(timings, 'measure'):
            if self.config.verification.refine_pose and self.extractor.trained:
                verification = self.config.verification
                answer = with_poses(answer, frame, loaded, verification, believed=believed)
        closures: tuple[LoopClosure, ...] = ()
        if sequence:
            with timed(timings, 'loops'):
                closures = self._loops.process(frame, features, answer[0] if believed else None)
        timings['total'] = time.perf_counter() - started
        return Recognition(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            state=result.state,
            hypotheses=tuple(answer[:published]),
            loop_closures=closures,
            p_not_in_map=result.p_not_in_map,
            image_quality=seen.quality.score,
            quality_reason=seen.quality.reason,
            timings=timings,
            global_ranking=tuple(seen.observation.candidates),
            map_id=loaded.info.map_id,
            map_frame=loaded.info.frame_id,
        )

    def _look(
        self,
        frame: Frame,
        features: Features,
        loaded: LiveMap,
        timings: dict[str, float],
        prior: Prior | None = None,
        exclude: frozenset[int] = frozenset(),
    ) -> Seen:
        return look(
            frame,
            features,
            loaded,
            self.config,
            device=self.extractor.device,
            timings=timings,
            prior=prior,
            exclude=exclude,
        )

    def _without_map(
        self, frame: Frame, prepared: PreparedImage | None, started: float
    ) -> Recognition:
        """The answer where there is nothing to search but the running drive."""
        timings: dict[str, float] = {}
        features = self.extractor.extract([prepared or frame.image], timings)[0]
        with timed(timings, 'loops'):
            closures = self._loops.process(frame, features)
        answer = self.quality_only_result(frame)
        timings['total'] = time.perf_counter() - started
        return replace(answer, loop_closures=closures, timings=timings)

    def _decide(self, observation: Observation, sequence: bool) -> LocalizationResult:
        if not self.extractor.trained:
            # Random features follow pixel positions more than content, so any two images agree
            # geometrically: their matches are evidence of nothing.
            return LocalizationResult(LocalizationState.UNKNOWN)
        return self._decision.update(observation, sequence=sequence)

    def _count_hits(self, loaded: LiveMap, hypotheses: list[PlaceHypothesis]) -> None:
        for hypothesis in hypotheses if self.extractor.trained else ():
            if hypothesis.verification == Verification.GEOMETRY:
                loaded.hit(hypothesis.place.index)

    # ---- loop closures

    @property
    def loops(self) -> LoopStatus:
        """How the search for loop closures is going; waits for no other call."""
        return self._loops.status

    def closure_feedback(self, candidate_id: int, accepted: bool, reason: str = '') -> str:
        """Learn from a back-end's answer to a closure; see `LoopClosureDetector.feedback`."""
        return self._loops.feedback(candidate_id, accepted, reason)

    def save_session(self) -> MapInfo:
        """Write the running drive as a map file; images are answered meanwhile.

        Errors as of `SessionRecorder.save`.
        """
        return self._loops.save()

    def _loaded(self) -> LiveMap:
        if self._map is None:
            raise MapError('no map is loaded: give one at start, or load one with load_map')
        return self._map

    def close(self) -> None:
        """Free the device and close the map."""
        with self._lock:
            self._closed = True
            if self._map is not None:
                self._map.close()
                self._map = None
            self._loops.close()
            self.extractor.close()


def _same_numbers(a: LiveMap, b: LiveMap) -> bool:
    """Whether the places of two states of a map have the same `Place.index`."""
    numbers = ([(place.index, place.place_id) for place in each.places] for each in (a, b))
    return next(numbers) == next(numbers)
