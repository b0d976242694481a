"""Building a map: everything once, in order, and nothing lost when it is interrupted."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers.scenes import frames, select_keyframes, write_folder

from fol_vpr.config import MappingConfig, NetworkConfig
from fol_vpr.database import MapReader, check_map
from fol_vpr.datatypes import Frame
from fol_vpr.errors import FolVprError, InputError, MapError
from fol_vpr.mapping import build_map
from fol_vpr.network import FeatureExtractor
from fol_vpr.sources import open_source

CONFIG = MappingConfig()


class ListSource:
    """A drive from a list of frames; an error in the list stands for a bad item."""

    description = 'a made-up drive'
    session_id = 'drive'
    frame_id = 'map'
    own_origin = False
    fingerprint = 'drive-1'
    warnings: ClassVar[list[str]] = []

    def __init__(self, items: list[Frame | FolVprError], *, keyframes: bool = False) -> None:
        self.items = items
        self.selects_keyframes = keyframes

    def __len__(self) -> int:
        return len(self.items)

    def frames(self, start=0, on_bad=None) -> Iterator[tuple[int, Frame]]:
        for position, item in enumerate(self.items[start:], start):
            if isinstance(item, Frame):
                yield position, item
            elif on_bad is None:
                raise item
            else:
                on_bad(position, item)

    def keyframes(self, selector, start=0, on_bad=None) -> Iterator[tuple[int, Frame]]:
        frames = self.frames(start, on_bad)
        return select_keyframes(frames, selector) if self.selects_keyframes else frames


@pytest.fixture(scope='module')
def extractor() -> Iterator[FeatureExtractor]:
    network = FeatureExtractor(NetworkConfig(weights='untrained-vits14', input_size=126))
    yield network
    network.close()


def uris(path: Path) -> list[str]:
    with MapReader(path) as reader:
        return [place.image_uri for place in reader.places]


def test_every_image_of_a_folder_becomes_a_reference_in_order(extractor, tmp_path):
    source = open_source(write_folder(tmp_path / 'images', 4))
    output = tmp_path / 'm.folmap'
    seen = []
    info = build_map(source, output, extractor, CONFIG, progress=lambda *a: seen.append(a))
    assert (info.places, info.model_id) == (4, extractor.model_id)
    assert info.preprocessing_id == extractor.preprocessing_id
    assert [Path(uri).name for uri in uris(output)] == [f'view{i:03d}.jpg' for i in range(4)]
    assert seen == [(i + 1, 4, i + 1) for i in range(4)]
    assert check_map(output) == []


def test_poses_and_stamps_are_kept(extractor, tmp_path):
    build_map(ListSource(frames(3)), tmp_path / 'm.folmap', extractor, CONFIG)
    with MapReader(tmp_path / 'm.folmap') as reader:
        assert [place.stamp_ns for place in reader.places] == [10**9, 2 * 10**9, 3 * 10**9]
        positions = [place.pose.position for place in reader.places]
        assert reader.places[0].sensor_frame == 'camera'
    np.testing.assert_allclose(positions, [[0, 0, 0], [10, 0, 0], [20, 0, 0]])


@pytest.mark.parametrize('keyframes', [False, True])
@pytest.mark.parametrize('stop_after', [1, 3, 5])
def test_an_interrupted_build_goes_on_where_it_stopped(extractor, tmp_path, stop_after, keyframes):
    config = MappingConfig(keyframe_distance=15.0, keyframe_angle=0.0 if not keyframes else 90.0)
    source = ListSource(frames(8), keyframes=keyframes)
    build_map(source, tmp_path / 'whole.folmap', extractor, config)

    class Pulled(Exception):
        pass

    def pull(done: int, total: int, places: int) -> None:
        if done >= stop_after:
            raise Pulled

    output = tmp_path / 'm.folmap'
    with pytest.raises(Pulled):
        build_map(source, output, extractor, config, progress=pull)
    assert not output.exists()
    seen: list[tuple[int, int, int]] = []
    build_map(source, output, extractor, config, progress=lambda *done: seen.append(done))
    assert all(done > stop_after for done, _, _ in seen)
    assert uris(output) == uris(tmp_path / 'whole.folmap')
    with MapReader(output) as resumed, MapReader(tmp_path / 'whole.folmap') as whole:
        np.testing.assert_array_equal(resumed.global_descriptors(), whole.global_descriptors())


def test_images_described_together_are_stored_one_by_one(extractor, tmp_path):
    """Also those before an error, and the few at the end."""
    items = [*frames(5), InputError('truncated')]
    output, batched = tmp_path / 'm.folmap', MappingConfig(batch=3)
    seen: list[tuple[int, int, int]] = []
    with pytest.raises(InputError, match='truncated'):
        build_map(
            ListSource(items), output, extractor, batched, progress=lambda *at: seen.append(at)
        )
    assert seen == [(i + 1, 6, i + 1) for i in range(5)]
    build_map(ListSource(items[:5]), output, extractor, batched)
    build_map(ListSource(items[:5]), tmp_path / 'single.folmap', extractor, CONFIG)
    assert uris(output) == uris(tmp_path / 'single.folmap')
    with MapReader(output) as together, MapReader(tmp_path / 'single.folmap') as single:
        np.testing.assert_allclose(
            together.global_descriptors(), single.global_descriptors(), atol=1e-3
        )


def test_the_network_runs_while_a_place_is_written(extractor, tmp_path, monkeypatch):
    described, extract = threading.Semaphore(0), extractor.extract

    def counted(images):
        features = extract(images)
        described.release()
        return features

    def at_each_place(_done, _total, places) -> None:
        # The features of this place, and those of the next one.
        assert described.acquire(timeout=60)
        if places < 3:
            assert described.acquire(timeout=60), 'the network waited for the disk'
            described.release()

    monkeypatch.setattr(extractor, 'extract', counted)
    build_map(
        ListSource(frames(3)), tmp_path / 'm.folmap', extractor, CONFIG, progress=at_each_place
    )
    with MapReader(tmp_path / 'm.folmap') as reader:
        assert len(reader.places) == 3


def test_a_build_that_fails_leaves_no_thread_behind(extractor, tmp_path):
    def fail(*_counts) -> None:
        raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError) as caught:
        build_map(ListSource(frames(9)), tmp_path / 'm.folmap', extractor, CONFIG, progress=fail)
    assert threading.active_count() == before, caught


def test_bad_items_are_reported_and_left_out(extractor, tmp_path):
    items = [*frames(2), InputError('truncated'), *frames(4)[2:]]
    bad = []
    build_map(
        ListSource(items),
        tmp_path / 'm.folmap',
        extractor,
        CONFIG,
        on_bad=lambda position, error: bad.append((position, str(error))),
    )
    assert bad == [(2, 'truncated')]
    assert len(uris(tmp_path / 'm.folmap')) == 4


def test_without_a_handler_the_first_bad_item_ends_the_build_but_loses_nothing(
    extractor, tmp_path
):
    items = [*frames(2), InputError('truncated')]
    output = tmp_path / 'm.folmap'
    with pytest.raises(InputError, match='truncated'):
        build_map(ListSource(items), output, extractor, CONFIG)
    assert not output.exists()
    seen: list[tuple[int, int, int]] = []
    build_map(
        ListSource(items[:2]), output, extractor, CONFIG, progress=lambda *done: seen.append(done)
    )
    assert seen == []
    assert len(uris(output)) == 2


def test_nothing_usable_is_an_error(extractor, tmp_path):
    source = ListSource([InputError('truncated')])
    with pytest.raises(InputError, match='no usable image'):
        build_map(source, tmp_path / 'm.folmap', extractor, CONFIG, on_bad=lambda *_: None)
    assert not (tmp_path / 'm.folmap').exists()


def test_an_existing_map_is_not_overwritten_unasked(extractor, tmp_path):
    output = tmp_path / 'm.folmap'
    build_map(ListSource(frames(2)), output, extractor, CONFIG)
    before = output.read_bytes()
    with pytest.raises(MapError, match='overwrite'):
        build_map(ListSource(frames(3)), output, extractor, CONFIG)
    assert output.read_bytes() == before
    build_map(ListSource(frames(3)), output, extractor, CONFIG, overwrite=True)
    assert len(uris(output)) == 3
