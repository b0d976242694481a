"""Maps from maps: nothing changes on the way, and what does not belong together is refused."""

from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import (
    add,
    add_place,
    assert_same_places,
    build,
    features,
    header,
    place_ids,
)

from fol_vpr.config import PruningConfig
from fol_vpr.database import (
    HitCounter,
    MapEditor,
    MapWriter,
    Region,
    check_map,
    merge_maps,
    prune_map,
    read_hits,
    split_by_region,
    split_by_session,
)
from fol_vpr.database.tools.prune import cover
from fol_vpr.datatypes import GeoPosition, Place, Pose
from fol_vpr.errors import InputError, MapError, MapMismatchError

COUNT = 25


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('maps') / 'whole.folmap'
    build(path, COUNT)
    return path


def test_split_and_merged_again(whole, tmp_path):
    parts = split_by_session(whole, tmp_path)
    assert [part.places for part in parts] == [10, 10, 5]
    assert [Path(part.path).name for part in parts] == [
        f'whole-drive-{number}.folmap' for number in range(3)
    ]
    assert all(check_map(part.path) == [] for part in parts)
    merged = merge_maps([part.path for part in parts], tmp_path / 'merged.folmap')
    assert (merged.places, merged.sessions, merged.name) == (COUNT, 3, 'merged')
    assert place_ids(tmp_path / 'merged.folmap') == place_ids(whole)
    assert_same_places(whole, tmp_path / 'merged.folmap')
    assert check_map(merged.path) == []


def test_names_of_files_come_safely_from_sessions(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        for index, session in enumerate(('../../a b', '..-..-a b', 'A/B', 'a/b', '')):
            add(writer, index, session_id=session)
        writer.finish()
    folder = tmp_path / 'parts'
    folder.mkdir()
    parts = {Path(part.path).name.lower() for part in split_by_session(path, folder)}
    assert len(parts) == 5
    assert {file.name.lower() for file in folder.iterdir()} == parts


def test_split_by_region(whole, tmp_path):
    inside, outside = tmp_path / 'in.folmap', tmp_path / 'out.folmap'
    infos = split_by_region(whole, Region(3, -1, 7, 1), inside, outside)
    assert [info.places for info in infos] == [5, COUNT - 5]
    assert place_ids(inside) == [f'drive-0/{number:06d}' for number in range(3, 8)]
    assert_same_places(inside, whole)
    with pytest.raises(InputError, match='0 of 25 places'):
        split_by_region(whole, Region(3, 5, 7, 9), tmp_path / 'none.folmap')
    with pytest.raises(InputError, match='lower corner'):
        Region(7, 0, 3, 1)


def test_a_region_on_earth():
    place = Place(0, 'a', 's', 1, 'u', (9, 9), geo=GeoPosition(48.5, 9.25))
    assert Region(9, 48, 10, 49, geodetic=True).holds(place)
    assert not Region(48, 9, 49, 10, geodetic=True).holds(place)
    assert not Region(9, 48, 10, 49).holds(place)


def test_what_two_maps_share_is_taken_once(whole, tmp_path):
    grown = tmp_path / 'grown.folmap'
    split_by_region(whole, Region(0, -1, 14, 1), grown)
    with MapEditor(grown) as editor:
        add_place(editor, features(70), session_id='new', stamp_ns=5, uri='x')
    info = merge_maps([whole, grown], tmp_path / 'merged.folmap')
    assert info.places == COUNT + 1


def test_maps_that_do_not_belong_together(whole, tmp_path):
    def made(name: str, number: int = 50, **changes) -> Path:
        path = tmp_path / f'{name}.folmap'
        with MapWriter(path, header(**changes, name=name), source_id='t') as writer:
            add(writer, number, session_id='drive-0', place_id='drive-0/000001')
            writer.finish()
        return path

    target = tmp_path / 'merged.folmap'
    for change in ({'model_id': 'other'}, {'codec': 'float32'}):
        with pytest.raises(MapMismatchError, match=next(iter(change))):
            merge_maps([whole, made('other', **change)], target, overwrite=True)
        (tmp_path / 'other.folmap').unlink()
    with pytest.raises(MapMismatchError, match='different frames'):
        merge_maps([whole, made('frame', frame_id='odom')], target)
    clash = made('clash')
    with pytest.raises(InputError, match=r"both have a place 'drive-0/000001'.*--qualify"):
        merge_maps([whole, clash], target)
    assert merge_maps([whole, clash], target, qualify=True).places == COUNT + 1
    assert place_ids(target)[-1] == 'clash/drive-0/000001'
    with pytest.raises(MapError, match='exists already'):
        merge_maps([whole, clash], target, qualify=True)
    with pytest.raises(InputError, match='at least two'):
        merge_maps([whole], target)


# ---- pruning


def test_hits_add_up_over_counters(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 4)
    assert read_hits(path) == {}
    first, second = HitCounter(path, interval=1000), HitCounter(path, interval=0)
    for name in ('drive-0/000001', 'drive-0/000001', 'drive-0/000003'):
        first.count(name)
    second.count('drive-0/000003')
    first.write()
    first.write()
    assert read_hits(path) == {'drive-0/000001': 2, 'drive-0/000003': 2}
    info = prune_map(path, tmp_path / 'p.folmap', PruningConfig(never_hit=True))
    assert info.places == 2
    assert place_ids(tmp_path / 'p.folmap') == ['drive-0/000001', 'drive-0/000003']
    (tmp_path / 'm.folmap.hits').write_bytes(b'something else' * 100)
    with pytest.raises(MapError, match='delete it'):
        read_hits(path)


def test_without_counts_nothing_is_pruned(whole, tmp_path):
    with pytest.raises(InputError, match='record_hits'):
        prune_map(whole, tmp_path / 'p.folmap', PruningConfig(never_hit=True))
    with pytest.raises(InputError, match='nothing to prune by'):
        prune_map(whole, tmp_path / 'p.folmap', PruningConfig())


def place_at(index: int, x: float, degrees: float = 0.0) -> Place:
    half = np.radians(degrees) / 2
    pose = Pose(np.array([x, 0, 0]), np.array([0, 0, np.sin(half), np.cos(half)]))
    return Place(index, f'p{index}', 's', index, 'u', (9, 9), pose)


def drive(count: int) -> np.ndarray:
    """Descriptors that turn by 10 degrees from one place to the next."""
    angles = np.radians(10.0) * np.arange(count)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float16)


def test_each_dropped_place_has_a_like_one_left_nearby():
    rng = np.random.default_rng(3)
    count, similarity, radius, angle = 300, 0.9, 2.0, np.pi
    places = [place_at(i, rng.uniform(0, 40), rng.uniform(0, 360)) for i in range(count)]
    descriptors = rng.standard_normal((count, 3))
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    kept = cover(descriptors, places, similarity, radius, angle, [0] * count)
    assert len(kept) < 0.9 * count
    for place in places:
        assert any(
            descriptors[place.index] @ descriptors[k] >= similarity - 1e-6
            and np.linalg.norm(place.pose.position - places[k].pose.position) <= radius
            for k in kept
        )


def test_every_third_place_is_enough_where_each_is_like_its_neighbours():
    places = [place_at(i, 1.0 * i) for i in range(30)]
    cosine = float(np.cos(np.radians(10.5)))
    assert cover(drive(30), places, cosine, 5.0, 1.0, [0] * 30) == list(range(1, 30, 3))
    # A place counts as near only within the radius, and with a like direction of view.
    assert len(cover(drive(30), places, cosine, 0.5, 1.0, [0] * 30)) == 30
    turned = [place_at(i, 1.0 * i, 90.0 * (i % 2)) for i in range(30)]
    assert len(cover(drive(30), turned, cosine, 5.0, 1.0, [0] * 30)) == 30
    unposed = [Place(i, f'p{i}', 's', i, 'u', (9, 9)) for i in range(30)]
    assert len(cover(drive(30), unposed, cosine, 0.0, 0.0, [0] * 30)) == 10


def test_of_two_that_are_alike_the_one_that_was_hit_stays():
    same = np.tile(np.array([[1.0, 0.0]]), (3, 1))
    places = [place_at(i, 0.0) for i in range(3)]
    assert cover(same, places, 0.9, 1.0, 1.0, [0, 5, 1]) == [1]
