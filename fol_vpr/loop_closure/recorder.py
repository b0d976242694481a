"""The running drive as a map file, to which keyframes are added and which is searched."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from fol_vpr.config import LoopsConfig, RetrievalConfig, StorageConfig
from fol_vpr.database import CODECS, FEEDBACK, Codec, MapHeader, MapReader, MapWriter
from fol_vpr.datatypes import (
    Candidate,
    Features,
    Frame,
    LocalFeatures,
    MapInfo,
    Place,
    PlaceHypothesis,
)
from fol_vpr.errors import InputError, MapError
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.loop_closure.keyframes import SessionKeyframes
from fol_vpr.mapping.build import thumbnail
from fol_vpr.mapping.free_path import free_path, map_path_in_folder
from fol_vpr.mapping.live import LiveMap

FILE_SETTINGS = ('session_file', 'frame', 'codec', 'store_images')


class SessionRecorder:
    """The keyframes of the running drive.

    The first keyframe makes a map file; later ones are added to the changes beside it. Each is on
    the disk when `add_if_keyframe` returns it, and any program can open the file as a map. The
    global descriptors and the places are held in memory; local features are read when they are
    matched. Poses are those of the odometry.

    `add_if_keyframe`, `search` and `local_features` are for one thread at a time; `save` and
    `annotate` may be called meanwhile.

    Args:
        config: the session file, and which images become keyframes.
        header: of the map file; its name is replaced by that of the file.
        session_id: the drive.
        tracker: distance of the drive, updated by each image before `add_if_keyframe` is called.

    Attributes:
        path: of the map file.
        previous: file of the previous drive with the same `session_file`, or None.

    Raises:
        InputError: `session_file` does not end in .folmap.
        StorageError: its folder does not exist.
    """

    def __init__(
        self,
        config: LoopsConfig,
        header: MapHeader,
        session_id: str,
        tracker: DistanceTracker,
    ) -> None:
        self._config = config
        self._header = header
        self._session_id = session_id
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if not config.session_file:
            self._folder = tempfile.TemporaryDirectory(prefix='fol_vpr_session_')
            self.path = Path(self._folder.name) / 'session.folmap'
            self.previous: Path | None = None
        else:
            given = Path(config.session_file).expanduser()
            self.path, self.previous = free_path(map_path_in_folder(given, 'loops.session_file'))
        self._map: LiveMap | None = None
        self._keyframes = SessionKeyframes(config, tracker)
        # Held while the whole file is written; no keyframe can be added meanwhile.
        self._saving = threading.Lock()
        # Held while the map is read, or replaced by the file that was written.
        self._use = threading.RLock()
        self._unwritten = ''

    def set_config(self, config: LoopsConfig) -> None:
        """Take other settings for the images from now on; those of the file stay."""
        file = {name: getattr(self._config, name) for name in FILE_SETTINGS}
        self._config = replace(config, **file)
        self._keyframes.set_config(self._config)

    # ---- keyframes

    @property
    def keyframes(self) -> int:
        """Number of keyframes."""
        return len(self._keyframes)

    @property
    def due_count(self) -> int:
        """Number of images that were due as keyframes so far, skipped ones included."""
        return self._keyframes.due_count

    @property
    def is_persistent(self) -> bool:
        """Whether the file stays when the session is closed."""
        return self._folder is None

    def add_if_keyframe(
        self, frame: Frame, features: Features, revisited: PlaceHypothesis | None = None
    ) -> Place | None:
        """Add the next image of the drive where it is a keyframe.

        Args:
            frame: with its odometry, where there is any.
            features: of the frame.
            revisited: hypothesis of an older keyframe that the image is confirmed to show.

        Returns:
            The keyframe, stored on the disk; None where the image is not one.

        Raises:
            StorageError: no space or no permission; the keyframes before are safe.
        """
        if not self._keyframes.is_due(frame, features):
            return None
        if self._keyframes.is_redundant(frame, features, revisited):
            self._keyframes.skip(frame, features)
            return None
        if not self._saving.acquire(blocking=False):
            return None
        try:
            place = self._add(replace(frame, pose=frame.odometry), features)
        finally:
            self._saving.release()
        self._keyframes.store(frame, features)
        if self._unwritten:
            self.annotate(self._unwritten)
        return place

    def _add(self, frame: Frame, features: Features) -> Place:
        if self._map is None:
            self._map = self._create_map(frame, features)
            return self._map.place(0)
        # The map is replaced by nobody while this holds `_saving`.
        return self._map.add(
            frame,
            features,
            session_id=self._session_id,
            store_image=self._config.store_images,
        )

    def _create_map(self, frame: Frame, features: Features) -> LiveMap:
        """Write the map file with its first keyframe."""
        header, session_id = replace(self._header, name=self.path.stem), self._session_id
        with MapWriter(self.path, header, source_id=session_id, resumable=False) as writer:
            writer.add(
                frame,
                features,
                session_id=session_id,
                source_position=0,
                image_jpeg=thumbnail(frame.image) if self._config.store_images else None,
            )
            writer.finish()
        # It takes keyframes as they come, without ever copying those before, in little memory.
        return LiveMap(MapReader(self.path), StorageConfig(), RetrievalConfig(index='bytes'))

    # ---- searching

    @property
    def codec(self) -> Codec:
        """How local features are stored, and how queries are transformed to match them."""
        return CODECS[self._header.codec]

    def search(self, features: Features, k: int) -> list[Candidate]:
        """The `k` keyframes of largest global similarity that are not recent, best first."""
        count = self._keyframes.searchable_count()
        if self._map is None or not count:
            return []
        with self._use:
            found = self._map.search(features, k + self.keyframes - count)
        return [candidate for candidate in found if candidate.index < count][:k]

    def place(self, number: int) -> Place:
        """A keyframe by its number."""
        with self._use:
            return self._session_map().place(number)

    def neighbours(self, number: int, reach: int) -> list[Place]:
        """Keyframes up to `reach` before and after one in their order, nearest first."""
        numbers = range(max(0, number - reach), min(self.keyframes, number + reach + 1))
        found = [self.place(each) for each in numbers if each != number]
        return sorted(found, key=lambda place: abs(place.index - number))

    def distance_at(self, number: int) -> float:
        """Metres driven when a keyframe was taken."""
        return self._keyframes.distance_at(number)

    def local_features(self, number: int) -> LocalFeatures:
        """Local features of a keyframe.

        Raises:
            MapError: they are damaged.
        """
        with self._use:
            return self._session_map().local_features(number)

    def image(self, number: int) -> bytes | None:
        """JPEG of a keyframe, or None where none are kept.

        Raises:
            MapError: it is damaged.
        """
        with self._use:
            return self._session_map().image(number)

    def _session_map(self) -> LiveMap:
        if self._map is None:
            raise MapError(f'{self.path} has no keyframe yet: drive, and try again')
        return self._map

    # ---- keeping

    def annotate(self, feedback: str) -> None:
        """Write the feedback to loop closures, JSON, into the file.

        Before the first keyframe, or while the whole file is written, it is written afterwards.

        Raises:
            StorageError: no space or no permission; it is written with the next keyframe.
        """
        self._unwritten = feedback
        if self._map is None or self._saving.locked():
            return
        self._map.annotate(FEEDBACK, feedback)
        self._unwritten = ''

    def save(self) -> MapInfo:
        """Write the drive so far as one file, which grows further; see `MapEditor.save`.

        Images are answered meanwhile, but none becomes a keyframe.

        Raises:
            InputError: the session file is a temporary one.
            MapError: there is no keyframe yet.
            StorageError: no space or no permission; nothing is lost.
        """
        if not self.is_persistent:
            raise InputError(
                'the keyframes of this drive are in a temporary file: set loops.session_file to '
                'keep them'
            )
        with self._saving:
            present = self._session_map()
            info = present.save()
            if info.content_id != present.info.content_id:
                written = present.reopened()
                with self._use:
                    self._map = written
                present.close()
        if self._unwritten:
            self.annotate(self._unwritten)
        return info

    def close(self) -> None:
        """Close the file, and remove it where it is a temporary one."""
        with self._saving, self._use:
            if self._map is not None:
                self._map.close()
                self._map = None
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None
