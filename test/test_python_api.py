"""What `fol_vpr` offers to programs, and what the documentation shows of it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.scenes import write_folder

import fol_vpr

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'^```python\n(.*?)^```', re.DOTALL | re.MULTILINE)


def test_every_name_is_there_and_is_what_type_checkers_see():
    checked = set()
    for node in ast.walk(ast.parse((ROOT / 'fol_vpr' / '__init__.py').read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('fol_vpr.'):
            home = __import__(node.module, fromlist=['_'])
            for alias in node.names:
                assert getattr(fol_vpr, alias.name) is getattr(home, alias.name)
                checked.add(alias.name)
    assert checked | {'__version__'} == set(fol_vpr.__all__) == set(dir(fol_vpr))


def test_a_misspelt_name_is_none():
    with pytest.raises(AttributeError, match='PlaceReconizer'):
        _ = fol_vpr.PlaceReconizer


def test_mypy_knows_the_types(tmp_path):
    pytest.importorskip('mypy')
    script = tmp_path / 'user.py'
    script.write_text(
        'import fol_vpr\n'
        "answer = fol_vpr.PlaceRecognizer.for_map('m.folmap').query('a.jpg')\n"
        'reveal_type(answer.best)\n'
        'fol_vpr.PlaceReconizer\n'
    )
    done = subprocess.run(
        [sys.executable, '-m', 'mypy', '--strict', '--cache-dir', str(tmp_path), str(script)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 'fol_vpr.datatypes.answers.PlaceHypothesis | None' in done.stdout, done.stdout
    assert 'has no attribute "PlaceReconizer"' in done.stdout
    assert done.stdout.count('error:') == 1


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documentation names."""
    root = tmp_path_factory.mktemp('api')
    photos = write_folder(root / 'photos', 4)
    shutil.copy(photos / 'view001.jpg', root / 'photo.jpg')
    return root


def run(code: str, folder: Path) -> str:
    """What a program prints that knows the package, and nothing of ROS."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    hide = "import sys; sys.modules['rclpy'] = None\n"
    done = subprocess.run(
        [sys.executable, '-c', hide + code],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_five_lines_of_the_readme(folder):
    (block,) = [b for b in BLOCK.findall((ROOT / 'README.md').read_text()) if 'for_map' in b]
    fol_vpr.build_map(folder / 'photos', folder / 'campus.folmap', overwrite=True)
    said = run(block, folder)
    # No calibration, so no probability.
    assert said.startswith('UNKNOWN ') and said.split()[-2:] == ['photos/000001', 'nan'], said


def test_the_page_on_the_python_api_runs_as_it_stands(folder):
    page = (ROOT / 'docs' / 'how-to' / 'python_api.md').read_text()
    (folder / 'campus.folmap').unlink(missing_ok=True)
    said = run('\n'.join(BLOCK.findall(page)), folder)
    assert said.startswith('4 places in campus.folmap\n')
    assert 'at [10.  0.  0.]\n' in said
    assert '(image * 255).round().astype(np.uint8)' in said
    states = [line.split()[1:] for line in said.splitlines()[-4:]]
    assert [name for _, name in states] == [f'mine/00000{n}' for n in range(4)]
    assert states[-1][0] == 'LOCALIZED'
