"""A loaded map, which can be searched and changed at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from fol_vpr.compiled import aligned_copy, read_only
from fol_vpr.config import RetrievalConfig, StorageConfig
from fol_vpr.database import Codec, HitCounter, MapEditor, MapReader, Store, read_hits
from fol_vpr.datatypes import (
    Candidate,
    Features,
    Frame,
    LocalFeatures,
    MapInfo,
    Place,
    PlaceHypothesis,
    Prior,
    Verification,
)
from fol_vpr.errors import MapBusyError, MapError, StorageError
from fol_vpr.mapping.build import thumbnail
from fol_vpr.mapping.index import open_map_index
from fol_vpr.mapping.memory import plan_memory
from fol_vpr.retrieval import FeatureCache, index_layouts

# Most bytes of decoded local features that are kept in memory: at 100 kB a place those of 600
# places, of which a robot that stays in one area meets the same again and again.
CACHED_BYTES = 64 << 20


class LiveMap:
    """A loaded map with its index, in which places keep their number while it is loaded.

    Searching and reading may go on in several threads while one call adds, removes or saves.

    Args:
        reader: the map; closed by `close`.
        config: memory budget, and whether hits are recorded.
        retrieval: the search index.
        device: where the network runs.

    Raises:
        DeviceError: the map does not fit the memory budget.
        MapError: the map is damaged.
    """

    def __init__(
        self,
        reader: MapReader,
        config: StorageConfig,
        retrieval: RetrievalConfig,
        device: str = 'cpu',
    ) -> None:
        info = reader.info
        self.plan = plan_memory(
            info.places,
            index_layouts(retrieval, info.places, info.descriptor_dim, device),
            0 if config.local_features == 'file' else reader.local_bytes(),
            config,
            psutil.virtual_memory().available,
        )
        if self.plan.hold_local_features:
            reader.hold_local_features()
        self._reader = reader
        self._config = config
        self._retrieval = replace(retrieval, index=self.plan.index_name)
        self._device = device
        self._index = open_map_index(reader, self._retrieval, device)
        # The index is not thread-safe.
        self._searching = threading.Lock()
        self._places = list(reader.places)
        self._rows: dict[int, int] = {}
        self._removed: set[int] = set()
        self._editor: MapEditor | None = None
        self._added: Store | None = None
        spare = self.plan.budget - self.plan.total
        self._features = FeatureCache(self._load_features, max(0, min(CACHED_BYTES, spare)))
        self._hits = HitCounter(reader.path) if config.record_hits else None
        self.hit_problem = ''
        self.info: MapInfo = info

    @property
    def path(self) -> Path:
        """The file of the map."""
        return self._reader.path

    @property
    def places(self) -> tuple[Place, ...]:
        """The places in the map now; `Place.index` is their number."""
        removed = self._removed
        return tuple(place for place in self._places if place.index not in removed)

    def place(self, number: int) -> Place:
        """The place of a number, also where it has been removed."""
        return self._places[number]

    def neighbours(self, number: int, reach: int) -> list[Place]:
        """Places of the same session that were inserted within `reach` of this one, nearest first.

        Without the place itself.
        """
        here = self._places[number]
        close = self._places[max(0, number - reach) : number + reach + 1]
        found = [
            place
            for place in close
            if place.session_id == here.session_id
            and place.index != number
            and place.index not in self._removed
        ]
        return sorted(found, key=lambda place: abs(place.index - number))

    @property
    def codec(self) -> Codec:
        """How local features are stored, and how queries are transformed to match them."""
        return self._reader.codec

    @property
    def index_description(self) -> str:
        """The search index in words."""
        return self._index.description

    @property
    def index_problem(self) -> str:
        """What keeps the search index from working as it should; empty where nothing does."""
        return self._index.problem

    def search(self, features: Features, k: int, prior: Prior | None = None) -> list[Candidate]:
        """The `k` places of largest global similarity that the prior allows, best first."""
        with self._searching:
            return self._index.search(features.global_descriptor, k, prior)

    def local_features(self, number: int) -> LocalFeatures:
        """Local features of a place; those used last are kept in memory, decoded.

        Raises:
            MapError: they are damaged.
        """
        return self._features.get(number)

    def _load_features(self, number: int) -> LocalFeatures:
        row = self._rows.get(number)
        if row is None or self._added is None:
            local = self._reader.local_features(number)
        else:
            local = self._added.local_features(row)
        # A tenth less time for each of the many images that they are matched with.
        return replace(local, descriptors=read_only(aligned_copy(local.descriptors)))

    def image(self, number: int) -> bytes | None:
        """JPEG of a place, or None where the map has none of it.

        Raises:
            MapError: it is damaged.
        """
        row = self._rows.get(number)
        if row is None or self._added is None:
            return self._reader.image(number)
        return self._added.image(row)

    def calibration(self) -> dict[str, str]:
        """The calibration of the map, as its file has it; empty where it has none."""
        return self._reader.calibration()

    # ---- changing

    def add(
        self,
        frame: Frame,
        features: Features,
        *,
        session_id: str,
        place_id: str = '',
        store_image: bool = True,
    ) -> Place:
        """Add a place; it is on the disk, and found from the next search on.

        Args:
            frame: with the pose of the base in the map frame, where it is known.
            features: of the frame.

        Raises:
            InputError: values that cannot be stored, or a place_id that is taken.
            MapBusyError: another process changes the map, or has changed it.
            StorageError: no space or no permission; the map is as before.
        """
        editor = self._editor_for_changes()
        stored = editor.add(
            frame,
            features,
            session_id=session_id,
            place_id=place_id,
            image_jpeg=thumbnail(frame.image) if store_image else None,
        )
        if self._added is None:
            self._added = editor.reader_of_added()
        number = len(self._places)
        place = replace(stored, index=number)
        self._rows[number] = stored.index
        self._places.append(place)
        # The index comes last, so that each number that a search returns has its place.
        with self._searching:
            self._index.add([place], features.global_descriptor[None])
        self._update_info(added=1, geo=place.geo is not None)
        return place

    def remove(self, place_ids: Sequence[str], session_ids: Sequence[str]) -> int:
        """Remove places by name and by session, all or none; returns how many.

        Raises:
            NotInMapError: a name is not in the map.
            InputError: nothing would be left.
            MapBusyError: another process changes the map, or has changed it.
            StorageError: no space or no permission; the map is as before.
        """
        removed_ids = set(self._editor_for_changes().remove(place_ids, session_ids))
        numbers = [place.index for place in self.places if place.place_id in removed_ids]
        with self._searching:
            self._index.remove(numbers)
        self._removed.update(numbers)
        self._update_info(removed=len(removed_ids))
        return len(removed_ids)

    def annotate(self, name: str, parameters: str) -> None:
        """Write a row of the calibration table; see `MapEditor.annotate`."""
        self._editor_for_changes().annotate(name, parameters)

    def _update_info(self, added: int = 0, removed: int = 0, geo: bool = False) -> None:
        places = self.places
        self.info = replace(
            self.info,
            places=len(places),
            sessions=len({place.session_id for place in places}),
            added=self.info.added + added,
            removed=self.info.removed + removed,
            georeferenced=self.info.georeferenced or geo,
        )

    def _editor_for_changes(self) -> MapEditor:
        """The editor of the map, opened at the first change and kept until the map is closed."""
        if self._editor is None:
            editor = MapEditor(self.path, loaded=self._reader)
            ids = tuple(place.place_id for place in self._places)
            if (editor.info.content_id, editor.place_ids) != (self.info.content_id, ids):
                editor.close()
                raise MapBusyError(
                    f'{self.path} was changed by another process since it was loaded: load it '
                    'again, and repeat the call'
                )
            self._editor = editor
        return self._editor

    def save(self, path: Path | None = None, *, overwrite: bool = False) -> MapInfo:
        """Write the map with all changes as one file; see `MapEditor.save`.

        After the own file of the map was written, `reopened` loads it; this object stays usable
        until then.

        Raises:
            MapBusyError: another process changes the map, or has changed it.
            MapError: the other file exists.
            StorageError: no space or no permission; what was there before is untouched.
        """
        return self._editor_for_changes().save(path, overwrite=overwrite)

    def reopened(self) -> LiveMap:
        """The map loaded again from its file; the editor moves there, and this one is read-only.

        Raises:
            MapError, DeviceError: as when it is loaded.
        """
        reader = MapReader(self.path)
        try:
            opened = LiveMap(reader, self._config, self._retrieval, self._device)
        except BaseException:
            reader.close()
            raise
        opened._editor, self._editor = self._editor, None
        opened._hits, self._hits = self._hits, None
        return opened

    # ---- hits

    def count_hits(self, hypotheses: Sequence[PlaceHypothesis]) -> None:
        """Count the places that passed the geometric verification, where hits are recorded.

        Raises nothing; `hit_problem` holds the message of an error.

        Args:
            hypotheses: of one image.
        """
        for hypothesis in hypotheses:
            if hypothesis.verification == Verification.GEOMETRY:
                self._count_hit(hypothesis.place.index)

    def hits(self) -> dict[str, int]:
        """How often each place was recognised, by its id; empty where it cannot be read.

        Those of the last seconds, which are not in the file yet, are left out.
        """
        try:
            return read_hits(self.path)
        except MapError as error:
            self.hit_problem = str(error)
            return {}

    def _count_hit(self, number: int) -> None:
        if self._hits is None:
            return
        try:
            self._hits.count(self._places[number].place_id)
            self.hit_problem = ''
        except (MapError, StorageError) as error:
            self.hit_problem = str(error)

    def close(self) -> None:
        """Close the file, and release the editor, so that other processes can change the map."""
        if self._hits is not None:
            try:
                self._hits.write()
            except (MapError, StorageError) as error:
                self.hit_problem = str(error)
        if self._editor is not None:
            self._editor.close()
            self._editor = None
        self._features.clear()
        if self._added is not None:
            self._added.close()
        self._index.close()
        self._reader.close()
