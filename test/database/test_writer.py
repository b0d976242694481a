"""Whatever interrupts a build, nothing that was acknowledged is lost and nothing is half-done."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import small_maps
from helpers.disk_limits import small_disk, small_files
from helpers.small_maps import add, add_place, assert_content, build, features, header

from fol_vpr.database import MapReader, MapWriter, check_map
from fol_vpr.errors import InputError, MapError, StorageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def start_build(path: Path, count: int, rounds: int) -> 'subprocess.Popen[str]':
    """Run `small_maps` as another process."""
    command = [sys.executable, small_maps.__file__, str(path), str(count), str(rounds)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
    )


def test_places_as_they_are_stored(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        assert (writer.resumed, writer.source_position) == (0, 0)
        added = [add(writer, index) for index in range(12)]
        assert writer.source_position == 33
        assert not path.exists()
        info = writer.finish()
    assert names(tmp_path) == ['m.folmap']
    with MapReader(path) as reader:
        assert reader.info == info
        for ours, stored in zip(added, reader.places, strict=True):
            without_pose = {**vars(ours), 'pose': None}
            assert without_pose == {**vars(stored), 'pose': None}
            np.testing.assert_allclose(ours.pose.position, stored.pose.position)
            np.testing.assert_allclose(ours.pose.orientation, stored.pose.orientation)


def test_an_interrupted_build_goes_on(tmp_path):
    path = tmp_path / 'm.folmap'
    map_ids = set()
    for stop in (4, 4, 9):
        with MapWriter(path, header(), source_id='test') as writer:
            for index in range(writer.resumed, stop):
                add(writer, index)
        map_ids.add((tmp_path / 'm.folmap.partial').exists())
    with MapWriter(path, header(), source_id='test') as writer:
        assert (writer.resumed, writer.source_position) == (9, 24)
        assert add(writer, 9).index == 9
        writer.finish()
    assert_content(path, 10)
    assert check_map(path) == []


def test_a_map_that_was_whole_but_not_renamed_is_finished(tmp_path, monkeypatch):
    path = tmp_path / 'm.folmap'

    def fail(*_):
        raise OSError(5, 'Input/output error')

    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0)
        with monkeypatch.context() as patch:
            patch.setattr('os.replace', fail)
            with pytest.raises(StorageError, match='Input/output'):
                writer.finish()
    assert names(tmp_path) == ['m.folmap.partial']
    with MapWriter(path, header(), source_id='test') as writer:
        assert writer.resumed == 1
        add(writer, 1)
    with pytest.raises(MapError, match='not finished'):
        MapReader(path)
    build(path, 2)
    assert_content(path, 2)


@pytest.mark.parametrize(
    ('changes', 'source', 'difference'),
    [
        ({'model_id': 'model-2'}, 'test', "model_id is 'model-1', not 'model-2'"),
        ({'codec': 'float32'}, 'test', 'codec'),
        ({'descriptor_dim': 97}, 'test', "descriptor_dim is '96', not '97'"),
        ({}, 'another bag', "source_id is 'test', not 'another bag'"),
    ],
)
def test_a_build_of_something_else_is_not_gone_on_with(tmp_path, changes, source, difference):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0)
    with pytest.raises(MapError, match='overwrite') as caught:
        MapWriter(path, header(**changes), source_id=source)
    assert difference in str(caught.value)
    with MapWriter(path, header(), source_id='test') as writer:
        assert writer.resumed == 1
    with MapWriter(path, header(**changes), source_id=source, overwrite=True) as writer:
        assert writer.resumed == 0
    assert names(tmp_path) == []


def test_an_existing_map_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 3)
    before = path.read_bytes()
    with pytest.raises(MapError, match='overwrite'):
        MapWriter(path, header(), source_id='test')
    with MapWriter(path, header(), source_id='test', overwrite=True) as writer:
        for index in range(5):
            add(writer, index)
        assert path.read_bytes() == before
        writer.finish()
    assert_content(path, 5)
    assert names(tmp_path) == ['m.folmap']


def test_a_map_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0)
        path.write_text('somebody else made this')
        with pytest.raises(MapError, match='exists already'):
            writer.finish()
    assert path.read_text() == 'somebody else made this'
    path.unlink()
    build(path, 1)
    assert_content(path, 1)


def test_old_logs_are_not_replayed_into_a_new_map(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 3)
    log = tmp_path / 'm.folmap.partial-wal'
    with MapWriter(path, header(), source_id='test', overwrite=True) as writer:
        add(writer, 7)
        stale = log.read_bytes()
        writer.finish()
    (tmp_path / 'm.folmap-wal').write_bytes(stale)
    build(path, 4, overwrite=True)
    assert names(tmp_path) == ['m.folmap']
    assert_content(path, 4)


def test_a_map_needs_a_place_and_nothing_is_left_without(tmp_path):
    path = tmp_path / 'm.folmap'
    with (
        MapWriter(path, header(), source_id='test') as writer,
        pytest.raises(InputError, match='at least one place'),
    ):
        writer.finish()
    assert names(tmp_path) == []


def test_only_one_writer_at_a_time(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0)
        for overwrite in (False, True):
            with pytest.raises(MapError, match='another process'):
                MapWriter(path, header(), source_id='test', overwrite=overwrite)
        with start_build(path, 3, 1) as other:
            _, complaint = other.communicate()
        assert 'is being written by another process' in complaint
        add(writer, 1)
        writer.finish()
    assert_content(path, 2)


def test_nothing_can_be_added_to_a_finished_map(tmp_path):
    with MapWriter(tmp_path / 'm.folmap', header(), source_id='test') as writer:
        add(writer, 0)
        writer.finish()
        with pytest.raises(MapError, match='finished or closed'):
            add(writer, 1)
        with pytest.raises(MapError):
            writer.finish()


# ---- what is refused


def nan_at(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flat[0] = np.nan
    return array


GOOD = features(0)
BAD_FEATURES = {
    'global of another network': replace(GOOD, global_descriptor=np.ones(7, np.float32)),
    'global with NaN': replace(GOOD, global_descriptor=nan_at(GOOD.global_descriptor)),
    'global not of unit length': replace(GOOD, global_descriptor=GOOD.global_descriptor * 2),
    'local of another network': replace(
        GOOD, local=replace(GOOD.local, descriptors=GOOD.local.descriptors[:, :5])
    ),
    'fewer positions': replace(GOOD, local=replace(GOOD.local, positions=np.zeros((3, 2)))),
    'local with NaN': replace(
        GOOD, local=replace(GOOD.local, descriptors=nan_at(GOOD.local.descriptors))
    ),
    'image without pixels': replace(GOOD, image_size=(0, 540)),
    'position with NaN': replace(
        GOOD, local=replace(GOOD.local, positions=nan_at(GOOD.local.positions))
    ),
}


@pytest.mark.parametrize('bad', BAD_FEATURES.values(), ids=BAD_FEATURES)
def test_features_that_do_not_fit_are_refused_and_leave_no_trace(tmp_path, bad):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0)
        with pytest.raises(InputError):
            add_place(writer, bad, session_id='new', source_position=99)
        assert writer.source_position == 0
        add(writer, 1)
        assert writer.finish().sessions == 1
    assert_content(path, 2)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [({'place_id': 'drive-0/000000'}, 'unique'), ({'stamp_ns': 2**63}, '64-bit')],
)
def test_values_that_cannot_be_stored(tmp_path, changes, reason):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        add(writer, 0)
        with pytest.raises(InputError, match=reason):
            add(writer, 1, session_id='new', **changes)
        add(writer, 1)
        writer.finish()
    assert_content(path, 2)
    assert check_map(path) == []


def test_names_of_files_may_be_any_bytes(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        place = add(writer, 0, uri=b'caf\xe9/\xff.jpg'.decode('utf-8', 'surrogateescape'))
        writer.finish()
    with MapReader(path) as reader:
        assert reader.places[0].image_uri == place.image_uri
    assert check_map(path) == []


@pytest.mark.parametrize('changes', [{'codec': 'pq8'}, {'descriptor_dim': 0}])
def test_headers_that_cannot_be(tmp_path, changes):
    with pytest.raises(InputError):
        MapWriter(tmp_path / 'm.folmap', header(**changes), source_id='test')
    assert names(tmp_path) == []


def test_targets_that_cannot_be(tmp_path):
    with pytest.raises(StorageError, match='no folder'):
        MapWriter(tmp_path / 'none' / 'm.folmap', header(), source_id='test')
    with pytest.raises(MapError, match='folder'):
        MapWriter(tmp_path, header(), source_id='test', overwrite=True)
    with pytest.raises(StorageError, match='too long'):
        MapWriter(tmp_path / ('x' * 300), header(), source_id='test')


@pytest.mark.parametrize('content', [b'not a database' * 1000, b'SQLite format 3\0' + b'x' * 9000])
def test_a_partial_that_is_something_else(tmp_path, content):
    partial = tmp_path / 'm.folmap.partial'
    partial.write_bytes(content)
    with pytest.raises(MapError, match='delete it'):
        MapWriter(tmp_path / 'm.folmap', header(), source_id='test')
    assert partial.read_bytes() == content


# ---- storage


def test_no_permission(tmp_path, unprivileged):
    folder = tmp_path / 'closed'
    folder.mkdir(mode=0o555)
    with unprivileged(), pytest.raises(StorageError, match='permissions'):
        MapWriter(folder / 'm.folmap', header(), source_id='test')
    assert names(folder) == []


def test_a_folder_that_cannot_be_searched(tmp_path, unprivileged):
    folder = tmp_path / 'locked'
    folder.mkdir(mode=0o600)
    with unprivileged(), pytest.raises(StorageError, match='permissions'):
        MapWriter(folder / 'm.folmap', header(), source_id='test')
    folder.chmod(0)
    with unprivileged(), pytest.raises(StorageError, match='permissions'):
        MapWriter(folder / 'm.folmap', header(), source_id='test')


def fill(path: Path) -> int:
    """Add places until there is no space; how many were acknowledged."""
    acknowledged = 0

    def go_on(rows: int) -> None:
        nonlocal acknowledged
        while True:
            add(writer, acknowledged, rows)
            acknowledged += 1

    with MapWriter(path, header(), source_id='test') as writer:
        for rows in (4000, 4000, 8000):
            with pytest.raises(StorageError, match='free some space'):
                go_on(rows)
    return acknowledged


def test_a_full_disk_loses_nothing(tmp_path):
    folder = tmp_path / 'disk'
    with small_disk(folder, 4_000_000):
        path = folder / 'm.folmap'
        acknowledged = fill(path)
        assert acknowledged > 5
        subprocess.run(
            ['mount', '-o', 'remount,size=40000000', str(folder)], check=True, capture_output=True
        )
        assert build(path, acknowledged + 3, rows=4000).places == acknowledged + 3
        assert check_map(path) == []


def test_a_limit_on_the_size_of_files_loses_nothing(tmp_path):
    path = tmp_path / 'm.folmap'
    with small_files(3_000_000):
        acknowledged = fill(path)
    assert acknowledged > 5
    assert build(path, acknowledged + 3, rows=4000).places == acknowledged + 3
    assert check_map(path) == []


# ---- kills


def run_until_killed(path: Path, count: int, rounds: int, seconds: float) -> int:
    """Build in another process, kill it after a while; the last place it acknowledged, or -1."""
    with start_build(path, count, rounds) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        said += process.stdout.read()
        assert process.wait() in (-signal.SIGKILL, 0)
    # The last line may have been cut by the kill.
    return max(map(int, said[: said.rfind('\n')].split()), default=-1)


def test_what_was_acknowledged_survives_kills(tmp_path):
    path = tmp_path / 'm.folmap'
    delays = random.Random(7)
    acknowledged = -1
    for _ in range(10):
        last = run_until_killed(path, 10**6, 1, delays.uniform(0, 0.15))
        assert last > acknowledged
        acknowledged = last
        assert not path.exists()
        with MapWriter(path, header(), source_id='test') as writer:
            # One more may have been stored whose acknowledgement the kill prevented.
            assert acknowledged + 1 <= writer.resumed <= acknowledged + 2
            assert writer.source_position == 3 * (writer.resumed - 1)
            stored = writer.resumed
    build(path, stored)
    assert_content(path, stored)
    assert check_map(path) == []


def test_a_kill_at_the_end_leaves_a_whole_map_or_none(tmp_path):
    path = tmp_path / 'm.folmap'
    delays = random.Random(8)
    for _ in range(6):
        run_until_killed(path, 3, 1000, delays.uniform(0, 0.1))
        if path.exists():
            assert check_map(path) == []
            assert_content(path, 3)
    build(path, 3, overwrite=True)
    assert names(tmp_path) == ['m.folmap']


def test_the_source_of_a_build_may_get_another_name(tmp_path):
    """The same bag, given by another path, goes on with the build; the map has the first name."""
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(sources=(('drive-0', 'bag a'),)), source_id='test') as writer:
        add(writer, 0)
    with MapWriter(path, header(sources=(('drive-0', './a'),)), source_id='test') as writer:
        assert writer.resumed == 1
        writer.finish()
    with MapReader(path) as reader:
        assert reader.header.sources == (('drive-0', 'bag a'),)
