"""The map of a recognizer: loaded, replaced, changed and saved while images are answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.config import RecognizerConfig
from fol_vpr.database import MapHeader, MapReader, MapWriter
from fol_vpr.datatypes import Features, Frame, MapInfo, Place
from fol_vpr.decision import Calibration, calibration_from_rows
from fol_vpr.errors import MapError
from fol_vpr.mapping import LiveMap
from fol_vpr.mapping.build import thumbnail
from fol_vpr.network import FeatureExtractor
from fol_vpr.recognizer.compatibility import check_fit


@dataclass(frozen=True)
class MapChange:
    """What `MapManager` tells when another map is in use.

    Attributes:
        loaded: the map.
        calibration: of the map; None where it has none.
        is_other_map: False where it is the same map, saved with its changes.
        belief_is_valid: whether the belief of the images so far holds for it: the same places
            under the same numbers, with the same calibration.
    """

    loaded: LiveMap
    calibration: Calibration | None
    is_other_map: bool
    belief_is_valid: bool


class MapManager:
    """Holds at most one map. For several threads.

    Args:
        extractor: the network, which maps have to fit.
        answering: the lock that is held while an image is answered.
        on_map_loaded: called with that lock held, right after another map is in use.

    Attributes:
        live: the map in use; None where none is loaded.
        calibration: of that map; None where it has none.
        editing: the lock that is held all the time while the map is changed or replaced, which
            takes the answering lock for moments only.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        answering: AbstractContextManager[object],
        on_map_loaded: Callable[[MapChange], None],
    ) -> None:
        self._extractor = extractor
        self._answering = answering
        self._on_map_loaded = on_map_loaded
        self._closed = False
        self.editing = threading.RLock()
        self.live: LiveMap | None = None
        self.calibration: Calibration | None = None

    def require(self) -> LiveMap:
        """The map in use.

        Raises:
            MapError: none is loaded, or the recognizer is closed.
        """
        if self._closed:
            raise MapError('the recognizer is closed: make another one')
        if self.live is None:
            raise MapError('no map is loaded: give one at start, or load one with load_map')
        return self.live

    def load(
        self,
        path: str | Path,
        config: RecognizerConfig,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> MapInfo:
        """Load a map and use it instead of the present one, which stays where this fails.

        Args:
            path: the map.
            config: memory budget and search index.
            is_wanted: asked once the map is read; False drops it again.

        Raises:
            MapError: no such map, or a damaged one; or it is no longer wanted.
            MapMismatchError: made with other weights or another preprocessing.
            DeviceError: it does not fit the memory that it may take.
        """
        reader = MapReader(path)
        try:
            check_fit(reader.info, self._extractor)
            loaded = LiveMap(reader, config.storage, config.retrieval, self._extractor.device)
        except BaseException:
            reader.close()
            raise
        with self.editing:
            if not is_wanted():
                loaded.close()
                raise MapError(f'{path} was read too late: load it again')
            self._swap_map(loaded)
        return loaded.info

    def begin(
        self,
        path: Path,
        header: MapHeader,
        frame: Frame,
        features: Features,
        *,
        session_id: str,
        store_image: bool,
        config: RecognizerConfig,
    ) -> MapInfo:
        """Make a map of one place, and use it instead of the present one.

        Args:
            path: of the file, which must not exist.
            header: of the map.
            frame: the place, with the pose of the base in the map frame, where it is known.
            features: of the frame.
            session_id: the drive.
            store_image: whether a JPEG of it is stored.
            config: as of `load`.

        Raises:
            MapError: the file exists.
            StorageError: no space or no permission.
        """
        with MapWriter(path, header, source_id=session_id, resumable=False) as writer:
            writer.add(
                frame,
                features,
                session_id=session_id,
                source_position=0,
                image_jpeg=thumbnail(frame.image) if store_image else None,
            )
            writer.finish()
        return self.load(path, config)

    def _swap_map(self, loaded: LiveMap, *, is_other_map: bool = True) -> None:
        """Use a map instead of the present one, and close that."""
        try:
            calibration = calibration_from_rows(loaded.calibration(), str(loaded.path))
        except MapError:
            loaded.close()
            raise
        renumbered = self.live is not None and not _same_numbers(self.live, loaded)
        with self._answering:
            if self._closed:
                loaded.close()
                raise MapError(f'{loaded.path} was loaded too late: the recognizer is closed')
            previous, self.live = self.live, loaded
            before, self.calibration = self.calibration, calibration
            valid = not (is_other_map or renumbered or calibration != before)
            self._on_map_loaded(MapChange(loaded, calibration, is_other_map, valid))
        if previous is not None:
            previous.close()

    def add(
        self,
        frame: Frame,
        *,
        session_id: str,
        place_id: str,
        store_image: bool,
        features: Features | None = None,
    ) -> Place:
        """Add an image to the map; arguments and errors as of `LiveMap.add`."""
        with self.editing:
            with self._answering:
                loaded = self.require()
                if features is None:
                    features = self._extractor.extract([frame.image])[0]
            # Writing to the disk does not keep images from being answered.
            return loaded.add(
                frame,
                features,
                session_id=session_id,
                place_id=place_id,
                store_image=store_image,
            )

    def remove(self, place_ids: Sequence[str], session_ids: Sequence[str]) -> int:
        """Remove places from the map; how many. Arguments and errors as of `LiveMap.remove`."""
        with self.editing:
            return self.require().remove(place_ids, session_ids)

    def save(self, path: Path | None, *, overwrite: bool) -> MapInfo:
        """Write the map with all changes as one file; arguments and errors as of `LiveMap.save`.

        The written map is in use from then on, unless it is another file.
        """
        with self.editing:
            loaded = self.require()
            info = loaded.save(path, overwrite=overwrite)
            if info.content_id != loaded.info.content_id and info.map_id == loaded.info.map_id:
                self._swap_map(loaded.reopened(), is_other_map=False)
            return info

    def close(self) -> None:
        """Close the map, and refuse others from now on; the caller holds the answering lock."""
        self._closed = True
        if self.live is not None:
            self.live.close()
            self.live = None


def _same_numbers(first: LiveMap, second: LiveMap) -> bool:
    """Whether the places of two states of a map have the same `Place.index`."""
    numbers = [[(p.index, p.place_id) for p in each.places] for each in (first, second)]
    return numbers[0] == numbers[1]
