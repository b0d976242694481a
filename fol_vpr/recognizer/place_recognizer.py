"""The one path from an image to place hypotheses, offline and live."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fol_vpr import compiled
from fol_vpr.config import NetworkConfig, RecognizerConfig, settings_in_use
from fol_vpr.datatypes import (
    Features,
    Frame,
    LocalizationState,
    LoopClosure,
    MapInfo,
    Prior,
    Recognition,
)
from fol_vpr.decision import (
    NO_CANDIDATES,
    NO_MAP,
    UNTRAINED,
    Decision,
    LocalizationResult,
    Observation,
    assess_image,
)
from fol_vpr.errors import InputError
from fol_vpr.loop_closure import LoopClosureDetector, LoopStatus
from fol_vpr.mapping import LiveMap
from fol_vpr.network import FeatureExtractor, PreparedImage
from fol_vpr.recognizer.map_manager import MapChange, MapManager
from fol_vpr.recognizer.map_owner import MapOwner
from fol_vpr.recognizer.opening import recognizer_config_from_map
from fol_vpr.recognizer.ranking import PoseMeasurement, rank_hypotheses
from fol_vpr.recognizer.retrieval import MapQuery
from fol_vpr.recognizer.stages import StageTimer
from fol_vpr.sources import FrameSource, ImageLike, frame_of, images_of

log = logging.getLogger(__name__)


class PlaceRecognizer(MapOwner):
    """Recognises places of a map in images.

    Holds the network, at most one map, and the evidence of the images so far. For several threads,
    which take turns; `prepare` and `extract` run beside the answer to the image before. A context
    manager, which frees the device and closes the map. `for_map` makes one for a map file.

    Args:
        config: weights, retrieval and verification settings. What a map was calibrated with, and
            what its scale says, is taken from the map instead, except for settings that
            `config.given` names; see `fol_vpr.config.map_settings`.

    Raises:
        WeightsError: the weights are missing, damaged or of another network.
        DeviceError: the device or precision is not available.
        InputError, StorageError: the keyframes of the drive cannot be kept where they should.
    """

    def __init__(self, config: RecognizerConfig) -> None:
        self._wanted = config
        self.config = settings_in_use(config)
        self.extractor = FeatureExtractor(config.network)
        self.session_id = f'live-{uuid.uuid4().hex[:8]}'
        self._lock = threading.RLock()
        self._maps = MapManager(self.extractor, self._lock, self._on_map_loaded)
        self._decision = Decision(self.config.verification)
        self._poses = PoseMeasurement(self.extractor.trained)
        try:
            self._loops = LoopClosureDetector(self.config, self.extractor, self.session_id)
        except BaseException:
            self.extractor.close()
            raise

    @classmethod
    def for_map(
        cls,
        path: str | Path,
        *,
        weights: str | Path | None = None,
        device: str = NetworkConfig.device,
        precision: str = NetworkConfig.precision,
        scale: str = '',
        settings: Mapping[str, Any] | None = None,
    ) -> PlaceRecognizer:
        """A recognizer with a map loaded, and with the weights and settings of that map.

        What users should know of the map, such as a calibration that does not fit, is logged as
        warnings.

        Args:
            path: the map, a .folmap file.
            weights: file or name of the weights, where those that the map names are elsewhere.
            device: that the network runs on: cpu, cuda, cuda:N or auto.
            precision: number format of the network, see `NetworkConfig`.
            scale: room, building or street, instead of the scale of the map.
            settings: other settings by their name as a parameter of the node, such as
                `{'retrieval.candidates': 50}`; they come before those of the map.

        Raises:
            MapError: no such map, or a damaged one, or made with other weights.
            WeightsError: the weights are not on this machine, or damaged.
            DeviceError: the device or precision is not available, or the map does not fit the
                memory.
            InputError: a setting is unknown or outside its range.
        """
        values = {'network.device': device, 'network.precision': precision, **(settings or {})}
        config = recognizer_config_from_map(path, weights=weights, settings=values, scale=scale)
        recognizer = cls(config)
        try:
            recognizer.load_map(path)
        except BaseException:
            recognizer.close()
            raise
        for remark in recognizer.map_status.remarks():
            log.warning(remark)
        return recognizer

    def __enter__(self) -> PlaceRecognizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- images

    def query(
        self, image: ImageLike, *, hypotheses: int | None = None, prior: Prior | None = None
    ) -> Recognition:
        """Answer where a single photograph was taken, as `fol_vpr query` does.

        It is decided by itself: it is no part of a stream, and images before it do not count.

        Args:
            image: path of an image file; pixels [H, W, 3] uint8 in the order red, green, blue
                (of OpenCV: `image[:, :, ::-1]`); or a frame, which may carry a camera, so that
                the pose is measured.
            hypotheses: how many to return, at least 1; `retrieval.hypotheses` where None.
            prior: what is known of the place, and narrows the search; None searches everything.

        Raises:
            InputError: the image is none of these, or cannot be read; or the map has nothing that
                the prior is about; or no hypotheses are asked for.
            MapError: no map is loaded, or the loaded one cannot be read any more; or the
                recognizer is closed.
            DeviceError: the device ran out of memory.
        """
        if hypotheses is not None and hypotheses < 1:
            raise InputError(f'hypotheses is {hypotheses}, expected at least 1')
        frame = frame_of(image, log.warning)
        if prior is not None:
            prior.check_places(self._maps.require().places)
        return self.recognize(frame, hypotheses=hypotheses, sequence=False, prior=prior)

    def follow(
        self, images: str | Path | FrameSource | Iterable[ImageLike]
    ) -> Iterator[Recognition]:
        """Answer the images of one stream in order, as the node does.

        Each answer counts the evidence of the images before it. The stream begins anew with each
        call. Only frames carry stamps and odometry, which make the answers surer.

        Args:
            images: a bag or a folder of images, a source of `open_source`, or frames in the order
                of their stamps.

        Yields:
            The answer to each image.

        Raises:
            InputError, MapError, DeviceError: as `query`.
        """
        self.reset_sequence()
        for image in images_of(images):
            yield self.recognize(frame_of(image, log.warning))

    def recognize(
        self,
        frame: Frame,
        *,
        prepared: PreparedImage | Features | None = None,
        hypotheses: int | None = None,
        sequence: bool = True,
        prior: Prior | None = None,
    ) -> Recognition:
        """Answer where an image was taken.

        Args:
            frame: the query.
            prepared: what `prepare` or `extract` returned for it, where that was called ahead.
            hypotheses: how many to return, `retrieval.hypotheses` where None.
            sequence: whether the image is the next one of the stream, and counts as evidence.
            prior: what is known of the place, and narrows the search; None searches everything.

        Raises:
            MapError: no map is loaded, or the loaded one cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        with self._lock:
            count = self.config.retrieval.hypotheses if hypotheses is None else hypotheses
            return self._recognize(frame, prepared, count, sequence, prior)

    def _recognize(
        self,
        frame: Frame,
        prepared: PreparedImage | Features | None,
        count: int,
        sequence: bool,
        prior: Prior | None,
    ) -> Recognition:
        timer = StageTimer()
        if self._maps.live is None and self._loops.enabled and sequence:
            return self._recognize_without_map(frame, prepared, timer)
        loaded = self._maps.require()
        features = self.extract(frame, prepared, timer.seconds)
        query = MapQuery(frame, features, loaded, self.config, self.extractor.device)
        with timer.stage('search'):
            candidates = query.retrieve(prior)
        with timer.stage('rerank'):
            ranked = query.rerank(candidates)
        with timer.stage('verify'):
            retrieved = query.verify(candidates, ranked, count)
        with timer.stage('decide'):
            result = self._decide(retrieved.observation, sequence)
            ranking = rank_hypotheses(retrieved.hypotheses, result, count)
            if self.extractor.trained:
                loaded.count_hits(retrieved.hypotheses)
        with timer.stage('refine_pose'):
            settings = self.config.verification
            ranking = self._poses.measure_if_due(ranking, frame, loaded, settings, sequence)
        closures: tuple[LoopClosure, ...] = ()
        if sequence:
            with timer.stage('loops'):
                measured = partial(self._poses.measured, ranking, frame, loaded, settings)
                closures = self._loops.process(frame, features, ranking.believed, measured)
        return Recognition(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            state=result.state,
            hypotheses=tuple(ranking.hypotheses[:count]),
            believed=ranking.believed,
            loop_closures=closures,
            p_not_in_map=result.p_not_in_map,
            image_quality=retrieved.quality.score,
            quality_reason=retrieved.quality.reason,
            timings=timer.finish(),
            global_ranking=tuple(candidates),
            map_id=loaded.info.map_id,
            map_frame=loaded.info.frame_id,
            explanation=result.explanation,
        )

    def _recognize_without_map(
        self, frame: Frame, prepared: PreparedImage | Features | None, timer: StageTimer
    ) -> Recognition:
        """The answer where only the running drive can be searched."""
        features = self.extract(frame, prepared, timer.seconds)
        with timer.stage('loops'):
            closures = self._loops.process(frame, features)
        answer = self.quality_only_result(frame)
        return replace(answer, loop_closures=closures, timings=timer.finish())

    def _decide(self, observation: Observation, sequence: bool) -> LocalizationResult:
        if not self.extractor.trained:
            # Random features follow pixel positions more than content, so that any two images
            # agree geometrically: their matches are no evidence.
            why = UNTRAINED if observation.candidates else NO_CANDIDATES
            return LocalizationResult(LocalizationState.UNKNOWN, explanation=why)
        return self._decision.update(observation, sequence=sequence)

    def quality_only_result(self, frame: Frame) -> Recognition:
        """The answer where no map is searched: UNKNOWN, with the quality of the image."""
        quality = assess_image(frame.image)
        return Recognition(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            state=LocalizationState.UNKNOWN,
            hypotheses=(),
            image_quality=quality.score,
            quality_reason=quality.reason,
            explanation=NO_MAP,
        )

    def prepare(self, frame: Frame) -> PreparedImage:
        """Resize and normalise an image ahead of `recognize`; waits for no other call.

        Raises:
            DeviceError: the device ran out of memory.
        """
        return self.extractor.prepare(frame.image)

    def recognize_within_drive(
        self, frame: Frame, *, prepared: PreparedImage | Features | None = None
    ) -> Recognition:
        """Answer without searching the map: UNKNOWN, with loop closures within the drive.

        Args:
            frame: the next image of the stream.
            prepared: what `prepare` or `extract` returned for it, where that was called ahead.

        Raises:
            DeviceError: the device ran out of memory.
        """
        with self._lock:
            if not self._loops.enabled:
                return self.quality_only_result(frame)
            return self._recognize_without_map(frame, prepared, StageTimer())

    def extract(
        self,
        frame: Frame,
        prepared: PreparedImage | Features | None = None,
        timings: dict[str, float] | None = None,
    ) -> Features:
        """The features that the network extracts from an image; waits for other extractions only.

        Args:
            frame: the image.
            prepared: what `prepare` or this method returned for it, where it was called ahead.
            timings: where given, the seconds spent are added to its `resize` and `forward`.

        Raises:
            DeviceError: the device ran out of memory, or the recognizer is closed.
        """
        if isinstance(prepared, Features):
            return prepared
        return self.extractor.extract([prepared or frame.image], timings)[0]

    def observe(
        self, frame: Frame, features: Features, *, exclude: frozenset[int] = frozenset()
    ) -> Observation:
        """The evidence of an image, before anything is decided; for calibration.

        Args:
            frame: the image.
            features: of the image, as `extract` returns them.
            exclude: references, by `Place.index`, that are left out as if the map had none.

        Raises:
            MapError: no map is loaded, or the loaded one cannot be read any more.
            DeviceError: the device ran out of memory.
        """
        with self._lock:
            loaded, device = self._maps.require(), self.extractor.device
            query = MapQuery(frame, features, loaded, self.config, device)
            candidates = query.retrieve(exclude=exclude)
            return query.verify(candidates, query.rerank(candidates)).observation

    def reset_sequence(self) -> None:
        """Forget the evidence of earlier images."""
        with self._lock:
            self._decision.reset()
            self._poses.reset()
            self._loops.reset()

    def warm_up(self, *, wait: bool = True) -> float:
        """Run the network once at its input size; seconds that it took.

        It also compiles what is slow in NumPy, which takes some forty seconds at the first start
        on a machine and one later (fol_vpr/compiled.py).

        Args:
            wait: for that. Otherwise NumPy computes until it is done in another thread.
        """
        started = time.perf_counter()
        if wait:
            compiled.prepare()
        else:
            compiled.prepare_in_background()
        return time.perf_counter() - started + self.extractor.warm_up()

    def set_config(self, config: RecognizerConfig) -> None:
        """Take other retrieval and verification settings; those of the network are fixed."""
        with self._lock:
            self._wanted = replace(config, network=self.config.network)
            before = self.config.verification
            self._use_settings(self._maps.live)
            if self.config.verification != before:
                self._decision = Decision(self.config.verification, self._maps.calibration)

    def _use_settings(self, loaded: LiveMap | None) -> None:
        """Take the settings that the user wants, and those that the map brings."""
        calibration = self._maps.calibration
        recorded = None if calibration is None else calibration.settings
        scale = '' if loaded is None else loaded.info.scale
        self.config = settings_in_use(self._wanted, recorded, scale)
        self._loops.set_config(self.config)

    def _on_map_loaded(self, change: MapChange) -> None:
        before = self.config.verification
        self._use_settings(change.loaded)
        if not change.belief_is_valid or self.config.verification != before:
            self._decision = Decision(self.config.verification, change.calibration)
        if change.is_other_map:
            self._loops.on_map_loaded(change.loaded.calibration(), change.loaded.path)

    # ---- loop closures

    @property
    def loops(self) -> LoopStatus:
        """State of the loop closure search; waits for no other call."""
        return self._loops.status

    def closure_feedback(self, candidate_id: int, accepted: bool, reason: str = '') -> str:
        """Learn from a back-end's answer to a closure; see `LoopClosureDetector.feedback`."""
        return self._loops.feedback(candidate_id, accepted, reason)

    def save_session(self) -> MapInfo:
        """Write the running drive as a map file; images are answered meanwhile.

        Errors as of `SessionRecorder.save`.
        """
        return self._loops.save()

    def close(self) -> None:
        """Free the device and close the map."""
        with self._lock:
            self._maps.close()
            self._loops.close()
            self.extractor.close()
