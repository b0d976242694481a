"""Writers that are killed, and disks that fill up: what was acknowledged is there."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.disk_limits import small_disk, small_files
from helpers.small_maps import add_place, build, features, jpeg

from fol_vpr.database import MapEditor, MapReader, check_map
from fol_vpr.errors import StorageError

COUNT = 4


def add(editor: MapEditor, number: int, rows: int = 40) -> str:
    return add_place(
        editor,
        features(number, rows),
        session_id='later',
        stamp_ns=number,
        uri=str(number),
        image_jpeg=jpeg(number),
        place_id=f'p{number}',
    ).place_id


def change(path: Path, seed: int, say: Callable[[str], None]) -> None:
    """Change a map without end, saying each change when it was acknowledged."""
    dice = random.Random(seed)
    with MapEditor(path) as editor:
        number = 1000 * (seed + 1)
        while True:
            own = [name for name in editor.place_ids if name.startswith('p')]
            what = dice.random()
            if what < 0.15 and own:
                say(f'-{editor.remove([dice.choice(own)])[0]}')
            elif what < 0.25:
                editor.save()
                say('s')
            else:
                say(f'+{add(editor, number)}')
                number += 1


def run_and_kill(path: Path, seed: int, dice: random.Random) -> list[str]:
    """Change a map in another process, kill it at a random moment; what it acknowledged."""
    reader, writer = os.pipe()
    # Forked rather than started: a new interpreter takes longer than what is to be tested.
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            change(path, seed, lambda line: os.write(writer, f'{line}\n'.encode()))
        finally:
            os._exit(1)
    os.close(writer)
    said, wanted = b'', dice.randrange(6)
    started = time.monotonic()
    while said.count(b'\n') < wanted:
        said += os.read(reader, 1 << 16)
    # Somewhere within the next change or the one after it, by the pace so far; without one,
    # somewhere in the beginning.
    pace = (time.monotonic() - started) / wanted if wanted else 0.03
    time.sleep(dice.uniform(0, 1.5) * pace)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    with os.fdopen(reader, 'rb') as rest:
        return (said + rest.read()).decode().split()


def present(path: Path) -> set[str]:
    with MapReader(path) as reader:
        for place in reader.places:
            if place.place_id.startswith('p'):
                number = int(place.place_id[1:])
                local, expected = reader.local_features(place.index), features(number).local
                np.testing.assert_array_equal(local.positions, expected.positions)
                assert reader.image(place.index) == jpeg(number)
        return {place.place_id for place in reader.places}


def survive(path: Path, kills: int) -> None:
    build(path, COUNT)
    expected = present(path)
    dice = random.Random(5)
    acknowledged = 0
    for seed in range(kills):
        lines = run_and_kill(path, seed, dice)
        for line in lines:
            (expected.add if line[0] == '+' else expected.discard)(line[1:])
        acknowledged += len(lines)
        found = present(path)
        # The last change may have been stored without having been acknowledged yet.
        assert len(found ^ expected) <= 1, (seed, lines, found ^ expected)
        assert check_map(path) == []
        expected = found
        if len(expected) > 60:
            with MapEditor(path) as editor:
                editor.remove(sorted(expected)[COUNT:])
            expected = present(path)
    assert acknowledged > kills


def test_what_was_acknowledged_survives_kills(tmp_path):
    survive(tmp_path / 'm.folmap', 25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_was_acknowledged_survives_many_kills(tmp_path):
    survive(tmp_path / 'm.folmap', 200)


# ---- full disks


def fill(path: Path) -> list[str]:
    """Add places until there is no space; the acknowledged ones."""
    names = []

    def go_on(rows: int) -> None:
        while True:
            names.append(add(editor, len(names), rows))

    with MapEditor(path) as editor:
        for rows in (3000, 3000, 6000):
            with pytest.raises(StorageError, match='free some space'):
                go_on(rows)
    return names


def assert_kept(path: Path, names: list[str]) -> None:
    with MapReader(path) as reader:
        assert [place.place_id for place in reader.places][COUNT:] == names
    assert check_map(path) == []


def test_a_full_disk_loses_no_place(tmp_path):
    folder = tmp_path / 'disk'
    with small_disk(folder, 4_000_000):
        path = folder / 'm.folmap'
        build(path, COUNT)
        names = fill(path)
        assert len(names) > 5
        with (
            MapEditor(path) as editor,
            pytest.raises(StorageError, match='free some space'),
        ):
            editor.save()
        assert_kept(path, names)
        assert (folder / 'm.folmap').exists()


def test_a_limit_on_the_size_of_files_loses_no_place(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, COUNT)
    with small_files(2_000_000):
        names = fill(path)
    assert len(names) > 5
    assert_kept(path, names)
    with MapEditor(path) as editor:
        add(editor, 99)
        editor.save()
    assert_kept(path, [*names, 'p99'])


def test_readers_come_and_go_while_a_map_grows(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, COUNT)
    child = os.fork()
    if child == 0:
        try:
            change(path, 1, lambda _: None)
        finally:
            os._exit(1)
    try:
        seen = set()
        for _ in range(30):
            with MapReader(path) as reader:
                assert len(reader.global_descriptors()) == len(reader.places)
                for place in reader.places:
                    reader.local_features(place.index)
                seen.add(reader.info.places)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        assert len(seen) > 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert check_map(path) == []
