"""The running drive as a map: its keyframes, on the disk as they come, and searched at once."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, replace
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
from fol_vpr.errors import InputError, MapError, StorageError
from fol_vpr.loop_closure.distance import DistanceTracker
from fol_vpr.loop_closure.keyframes import DriveKeyframes
from fol_vpr.mapping.build import thumbnail
from fol_vpr.mapping.live import LiveMap

MAX_NAMES = 10_000


@dataclass(frozen=True)
class SessionMaker:
    """What all keyframes of a drive have in common.

    Attributes:
        session_id: the drive.
        model_id, preprocessing_id, weights_name: of the network that describes them.
        descriptor_dim, local_dim: lengths of its descriptors.
    """

    session_id: str
    model_id: str
    preprocessing_id: str
    weights_name: str
    descriptor_dim: int
    local_dim: int


class SessionRecorder:
    """The keyframes of the running drive.

    They lie in a map file from the first one on: those after it in the changes beside that file,
    so that what `add` has returned survives the end of the process, however it comes, and any
    program can open the file as a map. In memory are their global descriptors and what is known
    of them as places; local features are read when they are compared. Poses are those of the
    odometry.

    `add_if_keyframe`, `search` and `local_features` are for one thread at a time; `save` and
    `annotate` may be called meanwhile.

    Args:
        config: where, and which images become keyframes.
        maker: what the file says of itself.
        travel: how far the drive has gone; told of every image before `add_if_keyframe` is.

    Attributes:
        path: the file.
        before: that of the drive before, where the same name was given; None where there is none.

    Raises:
        InputError: the name of the file is none of a map.
        StorageError: there is no such folder.
    """

    def __init__(self, config: LoopsConfig, maker: SessionMaker, travel: DistanceTracker) -> None:
        self._config = config
        self._maker = maker
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if not config.session_file:
            self._folder = tempfile.TemporaryDirectory(prefix='fol_vpr_session_')
            self.path = Path(self._folder.name) / 'session.folmap'
            self.before: Path | None = None
        else:
            self.path, self.before = _free_path(config.session_file)
        self._map: LiveMap | None = None
        self._taken = DriveKeyframes(config, travel)
        # Held while the file is written as a whole, when no keyframe can be added.
        self._saving = threading.Lock()
        # Held while the map is used for a moment, or is replaced by itself as it was written.
        self._use = threading.RLock()
        self._unwritten = ''

    # ---- keyframes

    @property
    def keyframes(self) -> int:
        """How many there are."""
        return len(self._taken)

    @property
    def due(self) -> int:
        """How many images were due as keyframes so far, skipped ones too."""
        return self._taken.due

    @property
    def lasting(self) -> bool:
        """Whether the file stays when the session is closed."""
        return self._folder is None

    def add_if_keyframe(
        self, frame: Frame, features: Features, shown: PlaceHypothesis | None = None
    ) -> Place | None:
        """Take note of the next image, and keep it where it is a keyframe.

        Args:
            frame: with its odometry, where there is any.
            features: of the frame.
            shown: an older keyframe that the image is certain to show again.

        Returns:
            The keyframe as it is stored, on the disk; None where the image is none.

        Raises:
            StorageError: no space or no permission; the keyframes before are safe.
        """
        if not self._taken.wants(frame, features):
            return None
        if self._taken.is_redundant(frame, features, shown):
            self._taken.skip(frame, features)
            return None
        if not self._saving.acquire(blocking=False):
            return None
        try:
            place = self._add(replace(frame, pose=frame.odometry), features)
        finally:
            self._saving.release()
        self._taken.store(frame, features)
        if self._unwritten:
            self.annotate(self._unwritten)
        return place

    def _add(self, frame: Frame, features: Features) -> Place:
        if self._map is None:
            self._map = self._begin(frame, features)
            return self._map.place(0)
        # The map is replaced by nobody while this holds `_saving`.
        return self._map.add(
            frame,
            features,
            session_id=self._maker.session_id,
            store_image=self._config.store_images,
        )

    def _begin(self, frame: Frame, features: Features) -> LiveMap:
        """The map of the first keyframe."""
        maker = self._maker
        header = MapHeader(
            name=self.path.stem,
            model_id=maker.model_id,
            preprocessing_id=maker.preprocessing_id,
            weights_name=maker.weights_name,
            codec=self._config.codec,
            descriptor_dim=maker.descriptor_dim,
            local_dim=maker.local_dim,
            frame_id=self._config.frame,
        )
        with MapWriter(self.path, header, source_id=maker.session_id, resumable=False) as writer:
            writer.add(
                frame,
                features,
                session_id=maker.session_id,
                source_position=0,
                image_jpeg=thumbnail(frame.image) if self._config.store_images else None,
            )
            writer.finish()
        # It takes keyframes as they come, without ever copying those before, in little memory.
        return LiveMap(MapReader(self.path), StorageConfig(), RetrievalConfig(index='bytes'))

    # ---- searching

    @property
    def codec(self) -> Codec:
        """How local features are stored, and what queries are to be compared by."""
        return CODECS[self._config.codec]

    def search(self, features: Features, k: int) -> list[Candidate]:
        """The `k` keyframes of largest global similarity that are not recent, best first."""
        old = self._taken.old()
        if self._map is None or not old:
            return []
        with self._use:
            found = self._map.search(features, k + self.keyframes - old)
        return [candidate for candidate in found if candidate.index < old][:k]

    def place(self, number: int) -> Place:
        """A keyframe by its number."""
        with self._use:
            return self._session_map().place(number)

    def neighbours(self, number: int, reach: int) -> list[Place]:
        """Keyframes within `reach` of this one in their order, nearest first; without itself."""
        numbers = range(max(0, number - reach), min(self.keyframes, number + reach + 1))
        found = [self.place(each) for each in numbers if each != number]
        return sorted(found, key=lambda place: abs(place.index - number))

    def path_at(self, number: int) -> float:
        """Metres of the drive at a keyframe."""
        return self._taken.path_at(number)

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
        """Write what is to be remembered of loop closures into the file, JSON.

        What comes before the first keyframe, or while the file is written as a whole, is written
        after that.

        Raises:
            StorageError: no space or no permission; it is written with the next keyframe.
        """
        self._unwritten = feedback
        if self._map is None or self._saving.locked():
            return
        self._map.annotate(FEEDBACK, feedback)
        self._unwritten = ''

    def save(self) -> MapInfo:
        """Write the drive so far as one file, which goes on to grow; see `MapEditor.save`.

        Images are answered meanwhile, but become no keyframes.

        Raises:
            InputError: it is kept in a temporary file.
            MapError: there is no keyframe yet.
            StorageError: no space or no permission; nothing is lost.
        """
        if not self.lasting:
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
        """Let go of the file, and remove it where it was a temporary one."""
        with self._saving, self._use:
            if self._map is not None:
                self._map.close()
                self._map = None
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None


def _free_path(given: str) -> tuple[Path, Path | None]:
    """The file of a drive, never one that is there already, and that of the drive before."""
    path = Path(given).expanduser()
    if path.suffix != '.folmap':
        raise InputError(
            f'loops.session_file is {given!r}, expected the path of a .folmap file to make'
        )
    if not path.parent.is_dir():
        raise StorageError(
            f'loops.session_file is {given!r}, but there is no folder {path.parent}: create it'
        )
    before = None
    for number in range(1, MAX_NAMES):
        name = path if number == 1 else path.with_stem(f'{path.stem}-{number}')
        if not name.exists():
            return name, before
        before = name
    raise StorageError(f'{path} and its next {MAX_NAMES} numbers exist already: move them away')
