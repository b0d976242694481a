"""The short examples, run as users run them, on a few real images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 6


def run(folder: Path, script: str, *words: str) -> list[str]:
    """The lines that a script prints."""
    done = subprocess.run(
        [sys.executable, ROOT / 'examples' / script, *words],
        cwd=folder, env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope='module')
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every tenth of some images of Gardens Point by day, on the right and on the left."""
    root = tmp_path_factory.mktemp('examples')
    for side in ('day_right', 'day_left'):
        (root / side).mkdir()
        for number in range(IMAGES):
            name = f'Image{10 * number:03d}.jpg'
            shutil.copy(data / 'gardens_point' / side / name, root / side / name)
    return root


def test_photographs(folder):
    asked = ['day_left/Image020.jpg', 'day_left/Image040.jpg']
    lines = run(folder, 'photographs.py', 'day_right', 'right.folmap', *asked)
    assert lines[0] == f'right.folmap: {IMAGES} places of day_right'
    assert lines[1].startswith('Image020.jpg: ') and 'best: day_right/000002' in lines[1]
    assert lines[2].startswith('Image040.jpg: ') and 'best: day_right/000004' in lines[2]


def test_a_map_by_hand(folder):
    rows = [f'Image{10 * n:03d}.jpg,{5 * n},1.5,90' for n in range(IMAGES)]
    (folder / 'poses.csv').write_text('\n'.join(rows))
    lines = run(
        folder, 'map_by_hand.py', 'day_right', 'poses.csv', 'hand.folmap', 'day_left/Image030.jpg'
    )
    assert lines[0] == f'hand.folmap: {IMAGES} places, {IMAGES} with a pose'
    assert lines[-1] == 'best guess: x 15.00 m, y 1.50 m'


def test_a_stream(folder):
    if not (folder / 'right.folmap').exists():
        run(folder, 'photographs.py', 'day_right', 'right.folmap', 'day_left/Image020.jpg')
    lines = run(folder, 'bag.py', 'right.folmap', 'day_left')
    assert len(lines) == IMAGES + 1
    assert sum(int(word) for word in lines[-1].replace(',', '').split()[1::2]) == IMAGES
    assert 'best: day_right/000003' in lines[3]


def test_a_script_says_what_it_takes(folder):
    done = subprocess.run(
        [sys.executable, ROOT / 'examples' / 'bag.py'], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and 'MAP.folmap BAG' in done.stderr
