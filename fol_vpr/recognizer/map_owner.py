"""The map of `PlaceRecognizer`: loaded, read, grown and saved."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import Features, Frame, MapInfo, Place
from fol_vpr.decision import Calibration
from fol_vpr.mapping.build import map_header
from fol_vpr.network import FeatureExtractor
from fol_vpr.recognizer.compatibility import plan_in_words
from fol_vpr.recognizer.map_manager import MapManager
from fol_vpr.recognizer.map_status import MapStatus


class MapOwner(ABC):
    """What `PlaceRecognizer` offers about its map; for several threads.

    Attributes:
        config: the settings in use, with those that the map brings.
        extractor: the network.
        session_id: of the running drive.
    """

    config: RecognizerConfig
    extractor: FeatureExtractor
    session_id: str
    _lock: threading.RLock
    _maps: MapManager

    @abstractmethod
    def reset_sequence(self) -> None:
        """Forget the evidence of earlier images."""

    def load_map(
        self, path: str | Path, *, is_wanted: Callable[[], bool] = lambda: True
    ) -> MapInfo:
        """Load a map and use it instead of the present one, which stays where this fails.

        Args:
            path: the map.
            is_wanted: asked once it is read; False drops it again.

        Raises:
            MapError: no such map, or a damaged one.
            MapMismatchError: made with other weights or another preprocessing.
            DeviceError: it does not fit the memory that it may take.
        """
        return self._maps.load(path, self.config, is_wanted)

    @property
    def map_info(self) -> MapInfo | None:
        """The header of the loaded map, None where none is loaded."""
        loaded = self._maps.live
        return None if loaded is None else loaded.info

    @property
    def places(self) -> tuple[Place, ...]:
        """References of the loaded map, empty where none is loaded."""
        loaded = self._maps.live
        return () if loaded is None else loaded.places

    def hits(self) -> dict[str, int]:
        """How often each reference of the loaded map was recognised; see `LiveMap.hits`."""
        loaded = self._maps.live
        return {} if loaded is None else loaded.hits()

    def reference_image(self, index: int) -> bytes | None:
        """JPEG of a reference, or None where the map keeps no images."""
        with self._lock:
            return self._maps.require().image(index)

    def memory_plan(self) -> str:
        """The memory that network and map take, in words for a log."""
        return plan_in_words(self.extractor, self._maps.live)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration of the loaded map; None where it has none."""
        return self._maps.calibration

    @property
    def map_status(self) -> MapStatus:
        """The loaded map in words; waits for no other call."""
        return MapStatus(
            self._maps.live, self._maps.calibration, self.config, self.extractor.precision
        )

    def begin_map(
        self,
        path: Path,
        frame: Frame,
        features: Features,
        *,
        session_id: str,
        codec: str,
        frame_id: str,
        own_origin: bool,
        store_image: bool,
    ) -> MapInfo:
        """Make a map of one place, and use it instead of the present one.

        Args:
            path: of the file, which must not exist.
            frame: the place, with the pose of the base in the map frame, where it is known.
            features: of the frame, as `extract` returns them.
            session_id: the drive.
            codec: how local features are stored.
            frame_id: frame of the poses.
            own_origin: whether the origin of that frame is where the drive began.
            store_image: whether a JPEG of each place is stored.

        Raises:
            MapError: the file exists.
            StorageError: no space or no permission.
        """
        header = map_header(
            self.extractor,
            name=path.stem,
            codec=codec,
            frame_id=frame_id,
            origin=session_id if own_origin else '',
        )
        return self._maps.begin(
            path,
            header,
            frame,
            features,
            session_id=session_id,
            store_image=store_image,
            config=self.config,
        )

    def add_place(
        self,
        frame: Frame,
        *,
        session_id: str = '',
        place_id: str = '',
        store_image: bool = True,
        features: Features | None = None,
    ) -> Place:
        """Add an image to the loaded map: on the disk when this returns, and searched from now on.

        Args and errors as of `LiveMap.add`; an empty `session_id` takes that of this run, and
        features that are not given are extracted.
        """
        return self._maps.add(
            frame,
            session_id=session_id or self.session_id,
            place_id=place_id,
            store_image=store_image,
            features=features,
        )

    def remove_places(self, place_ids: Sequence[str], session_ids: Sequence[str] = ()) -> int:
        """Remove places from the loaded map; see `LiveMap.remove`."""
        with self._maps.editing:
            removed = self._maps.remove(place_ids, session_ids)
            self.reset_sequence()
            return removed

    def save_map(self, path: Path | None = None, *, overwrite: bool = False) -> MapInfo:
        """Write the loaded map with all changes as one file; images are answered meanwhile.

        Arguments and errors as of `MapEditor.save`; the written map is the loaded one from then
        on, unless it is another file.
        """
        return self._maps.save(path, overwrite=overwrite)
