"""Builds a map while the robot drives: images become places of it instead of being localized."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fol_vpr.config import DriveMappingConfig, NodeConfig
from fol_vpr.datatypes import Cause, Explanation, Frame, Recognition
from fol_vpr.errors import FolVprError, InputError, MapError, StorageError
from fol_vpr.mapping.free_path import free_path, map_path_in_folder
from fol_vpr.mapping.keyframes import DriveKeyframes
from fol_vpr.ros.node.mapping.poses import MappingPoses
from fol_vpr.ros.node.parameters.settings import Settings, confined_path

if TYPE_CHECKING:
    from rclpy.node import Node

    from fol_vpr.recognizer import PlaceRecognizer

# Seconds between two messages on the log about images that cannot be stored.
LOG_PERIOD = 10.0


@dataclass(frozen=True)
class MappingStatus:
    """How far a map is that the node builds.

    Attributes:
        path: the file.
        places: that it has.
        stored: of this drive.
        without_pose: images that were not stored because their pose was not known.
        problem: why the last due image was not stored; empty if it was.
    """

    path: str
    places: int
    stored: int
    without_pose: int
    problem: str


class DriveMapper:
    """Stores keyframes of the drive in a map, which it makes with the first one.

    Each keyframe is on the disk when `process` returns: in the map file or in the changes beside
    it, which `finish` merges into the file. `process` is for one thread.

    Args:
        node: whose log is written.
        recognizer: whose map grows; it has the existing map loaded already.
        config: where the map is, and what becomes a place of it.
        path: of the map; see `output_path`.
        poses: of the robot.
        on_map_changed: called after each keyframe.
    """

    def __init__(
        self,
        node: Node,
        recognizer: PlaceRecognizer,
        config: DriveMappingConfig,
        path: Path,
        poses: MappingPoses,
        on_map_changed: Callable[[], None],
    ) -> None:
        self._node = node
        self._recognizer = recognizer
        self._config = config
        self.path = path
        self.poses = poses
        self._on_map_changed = on_map_changed
        self._keyframes = DriveKeyframes(config)
        self._session_id = config.session or time.strftime('drive-%Y%m%d-%H%M%S')
        self._check_session()
        self._stored = self._without_pose = 0
        self._problem = ''
        self._finished = False

    def _check_session(self) -> None:
        known = {place.session_id for place in self._recognizer.places}
        if self._config.session in known:
            raise InputError(
                f'{self.path} has a session {self._config.session!r} already: give this drive '
                'another name in mapping.session, or none'
            )
        number, name = 1, self._session_id
        while self._session_id in known:
            number += 1
            self._session_id = f'{name}-{number}'

    @property
    def status(self) -> MappingStatus:
        """How far the map is."""
        info = self._recognizer.map_info
        return MappingStatus(
            path=str(self.path),
            places=0 if info is None else info.places,
            stored=self._stored,
            without_pose=self._without_pose,
            problem=self._problem,
        )

    def process(self, frame: Frame, prepared: Any, settings: Settings) -> Recognition:
        """Store an image where it is a keyframe; the answer to it, which is UNKNOWN.

        Args:
            frame: the next image of the stream, with its odometry.
            prepared: what PlaceRecognizer.prepare or extract made of it.
            settings: of the node.

        Raises:
            DeviceError: the device ran out of memory.
        """
        answer = self._recognizer.recognize_within_drive(frame, prepared=prepared)
        if answer.quality_reason and answer.image_quality == 0:
            outcome = f'an image that is not stored: {answer.quality_reason}'
        else:
            outcome = self._store(frame, prepared, settings)
        return replace(
            answer,
            explanation=Explanation(
                Cause.MAPPING,
                f'the node builds {self.path.name} and searches no map; {outcome}',
                'to localize in it, start the node with map instead of mapping.output',
            ),
        )

    def _store(self, frame: Frame, prepared: Any, settings: Settings) -> str:
        """Store an image where it is a keyframe; returns in words what became of it."""
        try:
            pose, frame_id = self._pose(frame, settings.node)
        except InputError as error:
            self._without_pose += 1
            return self._failed(str(error))
        frame = replace(frame, pose=pose)
        if not self._keyframes.is_due(frame):
            self._problem = ''
            return 'an image close to the last keyframe'
        features = self._recognizer.extract(frame, prepared)
        if not self._keyframes.is_new_view(features):
            self._keyframes.skip(frame)
            self._problem = ''
            return 'an image that looks like the last keyframe'
        try:
            if self._recognizer.map_info is None:
                self._begin(frame, features, frame_id, settings.node)
            else:
                self._recognizer.add_place(
                    frame,
                    session_id=self._session_id,
                    store_image=self._config.store_images,
                    features=features,
                )
        except (MapError, StorageError, InputError) as error:
            return self._failed(str(error))
        self._keyframes.store(frame, features)
        self._stored += 1
        self._problem = ''
        self._on_map_changed()
        return f'keyframe {self._stored} of {self._session_id}'

    def _pose(self, frame: Frame, settings: NodeConfig) -> tuple[Any, str]:
        pose, frame_id = self.poses.pose_at(frame.stamp_ns, settings)
        info = self._recognizer.map_info
        if info is not None and frame_id not in ('', info.frame_id):
            raise InputError(
                f'the poses are in the frame {frame_id!r}, but the map {self.path} is in '
                f'{info.frame_id!r}: have them published in that frame, or name a new file in '
                'mapping.output'
            )
        return pose, frame_id

    def _begin(self, frame: Frame, features: Any, frame_id: str, settings: NodeConfig) -> None:
        self._recognizer.begin_map(
            self.path,
            frame,
            features,
            session_id=self._session_id,
            codec=self._config.codec,
            frame_id=frame_id or settings.map_frame or 'map',
            own_origin=self._config.poses == 'odom',
            store_image=self._config.store_images,
        )
        self._node.get_logger().info(f'{self.path} begins with the session {self._session_id}')

    def _failed(self, why: str) -> str:
        self._problem = why
        self._node.get_logger().error(
            f'not stored in {self.path}: {why}', throttle_duration_sec=LOG_PERIOD
        )
        return f'an image that is not stored: {why}'

    def finish(self, timeout: float, is_given_up: Callable[[], bool] = lambda: False) -> bool:
        """Merge the keyframes of the drive into the one file of the map.

        Args:
            timeout: seconds after which to wait no longer.
            is_given_up: asked now and then; True ends the wait.

        Returns:
            Whether all is in that file. If not, the log says why; nothing is lost.
        """
        if self._finished or self._recognizer.map_info is None:
            return True
        failure: list[str] = []

        def save() -> None:
            try:
                self._recognizer.save_map()
            except (FolVprError, MemoryError) as error:
                failure.append(str(error) or 'no memory left')

        saving = threading.Thread(target=save, name='save', daemon=True)
        saving.start()
        deadline = time.monotonic() + timeout
        while saving.is_alive() and time.monotonic() < deadline and not is_given_up():
            saving.join(0.1)
        if saving.is_alive():
            failure.append(f'it takes longer than {timeout:g} s (mapping.save_timeout)')
        logger = self._node.get_logger()
        if failure:
            logger.warning(
                f'the last keyframes are not merged into {self.path}: {failure[0]}. They are on '
                f'the disk in {self.path.name}.changes, which belongs to the map; keep the two '
                'files together, and merge them by ~/save_map or `fol_vpr map save`'
            )
            return False
        self._finished = True
        places = self.status.places
        logger.info(f'{self.path} is saved: {places} places, {self._stored} of this drive')
        return True


def output_path(settings: Settings, warn: Callable[[str], Any]) -> Path | None:
    """The file of the map to build, None where none is to be built.

    Args:
        settings: of the node.
        warn: called with a message where another name has to be taken.

    Raises:
        InputError: a map to localize in is given as well, or the path is none.
        StorageError: the folder does not exist.
    """
    config = settings.mapping
    if not config.output:
        return None
    if settings.node.map:
        raise InputError(
            f'map is {settings.node.map!r} and mapping.output is {config.output!r}: a node '
            'localizes in the one or builds the other; leave one of both empty'
        )
    path = confined_path(config.output, settings.node.map_folder).absolute()
    path = map_path_in_folder(path, 'mapping.output')
    if config.poses != 'odom' or not path.exists():
        return path
    free, previous = free_path(path)
    warn(
        f'{previous} exists, and the odometry of another drive has another origin: this drive is '
        f'stored in {free}. To continue one map, take poses in its frame (mapping.poses:=pose)'
    )
    return free
