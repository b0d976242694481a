"""What the tests of bad input have in common: sound files, and what must stay as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.scenes import write_folder
from helpers.sound_input import COUNT, SMALL

from fol_vpr.cli.main import main
from fol_vpr.database import check_map


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
