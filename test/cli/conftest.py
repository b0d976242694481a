"""Small maps for the tests of the command line: building one takes the network a while."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers.cli.sound_input import COUNT, SMALL
from helpers.scenes import write_folder

from fol_vpr.cli.main import main
from fol_vpr.database import check_map

PLACES = 8


class Drive(NamedTuple):
    """Two passes of the same places, a ground truth, and a map of the first."""

    references: Path
    queries: Path
    ground_truth: Path
    map: Path


@pytest.fixture(scope='session')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    root = tmp_path_factory.mktemp('drive')
    truth = root / 'ground_truth.csv'
    # The last query has no positive.
    lines = [f'{i},{i}' for i in range(PLACES - 1)]
    truth.write_text('query_index,ref_indices\n' + '\n'.join(lines) + '\n')
    made = Drive(
        write_folder(root / 'ref', PLACES),
        write_folder(root / 'query', PLACES, shift=10),
        truth,
        root / 'm.folmap',
    )
    build = ['map', 'build', '--images', str(made.references), '--output', str(made.map)]
    assert main([*build, *SMALL]) == 0
    return made


@pytest.fixture(scope='module')
def sound(tmp_path_factory) -> Path:
    """A folder with images, a bag of them, a map of them, and a ground truth; never changed."""
    root = tmp_path_factory.mktemp('sound')
    write_folder(root / 'images', COUNT)
    (root / 'truth.csv').write_text('query_index,ref_indices\n0,0\n1,1\n')
    bag = ['bag', 'from-images', str(root / 'images'), '--output', str(root / 'bag')]
    assert main([*bag, '--rate', '10']) == 0
    build = ['map', 'build', '--images', str(root / 'images'), '--output', str(root / 'm.folmap')]
    assert main([*build, *SMALL]) == 0
    return root


@pytest.fixture
def complaint(capfd) -> Callable[..., str]:
    """Runs a command that must fail as a user error, and gives what it said."""

    def run(*words: object) -> str:
        capfd.readouterr()
        assert main([str(word) for word in words]) == 2
        errors = capfd.readouterr().err
        assert 'Traceback' not in errors
        said = errors[errors.index('fol_vpr: error: ') :]
        assert len(said) > 40
        return said

    return run


@pytest.fixture
def existing(sound, tmp_path) -> Path:
    """A map that is there already, and must be untouched at the end."""
    path = tmp_path / 'existing.folmap'
    shutil.copy(sound / 'm.folmap', path)
    before = path.read_bytes()
    yield path
    untouched = path.read_bytes() == before
    assert untouched
    assert check_map(path) == []
