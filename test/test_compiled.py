"""What Numba compiles: when it is used, and that the program works without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fol_vpr import compiled

ROOT = Path(__file__).resolve().parents[1]
PREPARED = """
from fol_vpr import compiled
import importlib
import sys
assert 'numba' not in sys.modules
assert compiled.ready(compiled.MODULES[0]) is None
reason = compiled.prepare()
print(reason)

def is_there(name):
    module = importlib.import_module(name)
    return compiled.ready(name) is module or not getattr(module, 'supported', lambda: True)()

print(not reason and all(map(is_there, compiled.MODULES)))
"""


def prepared(**environment: str) -> tuple[str, str, str]:
    """Why nothing was compiled, whether everything is ready, and what the log says."""
    done = subprocess.run(
        [sys.executable, '-c', PREPARED], cwd=ROOT, env={**os.environ, **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    reason, ready = done.stdout.splitlines()
    return reason, ready, done.stderr


def test_everything_compiles():
    pytest.importorskip('numba', reason='numba is not installed')
    reason, ready, log = prepared()
    assert (reason, ready) == ('', 'True'), log


ANSWERED = """
import importlib, sys
from pathlib import Path
from helpers.geometry.wall_scene import CONFIG, scene
from helpers.geometry.walls import MOUNTS
from helpers.scenes import frames, write_folder
from fol_vpr import compiled
from fol_vpr.config import MappingConfig, RecognizerConfig
from fol_vpr.geometry import refine_pose
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import open_source

assert compiled.prepare() == ''
modules = [importlib.import_module(name) for name in compiled.MODULES]

def kinds():
    return {
        (module.__name__, name, str(one))
        for module in modules
        for name, function in vars(module).items()
        for one in getattr(function, 'signatures', ())
    }

before = kinds()
folder, recognizer = Path(sys.argv[1]), PlaceRecognizer(RecognizerConfig())
images = open_source(write_folder(folder / 'images', 8))
for codec in ('fine', 'float16', 'tiny'):
    path = folder / f'{codec}.folmap'
    build_map(images, path, recognizer.extractor, MappingConfig(codec=codec))
    recognizer.load_map(path)
    for frame in frames(2, shift=5):
        assert recognizer.recognize(frame).hypotheses
for mount in ('ahead', 'tilted'):
    given = scene(MOUNTS[mount])
    found = refine_pose(given.hypothesis, given.frame, given.views, [], CONFIG)
    assert found.relative is not None
print(sorted(kinds() - before))
"""


def test_nothing_is_compiled_while_an_image_waits(tmp_path):
    """Numba compiles a function again for each kind of argument, an array that cannot be written
    included, and takes seconds for it.
    """
    pytest.importorskip('numba', reason='numba is not installed')
    path = f'{ROOT}:{ROOT / "test"}:{os.environ.get("PYTHONPATH", "")}'
    done = subprocess.run(
        [sys.executable, '-c', ANSWERED, str(tmp_path)], env={**os.environ, 'PYTHONPATH': path},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '[]'


def test_a_thread_compiles_while_numpy_computes(monkeypatch):
    pytest.importorskip('numba', reason='numba is not installed')
    monkeypatch.setattr(compiled, '_ready', {})
    monkeypatch.setattr(compiled, '_failed', [])
    with compiled._lock:
        compiled.prepare_in_background()
        assert compiled.ready(compiled.MODULES[0]) is None
    assert compiled.prepare() == ''
    assert compiled.ready(compiled.MODULES[0]) is not None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    """As for a robot's user without a home, whose package belongs to root."""
    pytest.importorskip('numba', reason='numba is not installed')
    nowhere = tmp_path / 'file'
    nowhere.touch()
    reason, ready, log = prepared(NUMBA_CACHE_DIR=str(nowhere / 'cache'))
    assert (reason, ready) == ('', 'True'), log


@pytest.mark.parametrize(
    'source', ["raise ImportError('Numba needs NumPy 9.9')", "raise OSError('no libLLVM.so')"]
)
def test_a_numba_that_cannot_be_imported_leaves_numpy(tmp_path, source):
    (tmp_path / 'numba.py').write_text(source)
    path = f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}'
    reason, ready, log = prepared(PYTHONPATH=path)
    assert source.split("'")[1] in reason
    assert ready == 'False'
    assert 'NumPy computes instead' in log
    assert log.count('\n') == 1


def test_a_process_that_may_make_no_machine_code_computes_by_numpy():
    """As under MemoryDenyWriteExecute= of systemd, or with SELinux."""
    pytest.importorskip('numba', reason='numba is not installed')
    set_mdwe, refuse = 65, 1  # PR_SET_MDWE of <linux/prctl.h>, from Linux 6.3 on
    program = f"""
import ctypes, sys
if ctypes.CDLL(None).prctl({set_mdwe}, {refuse}, 0, 0, 0):
    sys.exit(77)
from fol_vpr import compiled
print(compiled.prepare())
"""
    done = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip('this kernel cannot forbid it')
    assert done.returncode == 0, done.stderr
    assert 'PermissionError' in done.stdout
    assert 'NumPy computes instead' in done.stderr


def test_each_function_has_a_docstring_as_any_other():
    """Numba keeps it, so that `help` and the pages show it."""
    pytest.importorskip('numba', reason='numba is not installed')
    assert compiled.prepare() == ''
    module = compiled.ready('fol_vpr.retrieval.compiled_matching')
    assert 'nearest neighbours' in module.update_nearest.__doc__


CALLER = """
import sys
from fol_vpr import compiled
compiled.__file__ = sys.argv[1] + '/compiled.py'
sys.path.insert(0, sys.argv[1])
from compiled_caller import twice
print(twice())
"""


def test_code_of_another_file_that_changed_is_compiled_again(tmp_path):
    """Numba itself looks at the file of the function alone, and goes on with the former code."""
    pytest.importorskip('numba', reason='numba is not installed')
    head = 'from fol_vpr.compiled import compiled\n'
    called = '{head}@compiled\ndef once():\n    return {value}\n'
    (tmp_path / 'compiled_caller.py').write_text(
        f'{head}from compiled_called import once\n@compiled\ndef twice():\n    return 2 * once()\n'
    )
    found = []
    for value in (10, 1000):
        (tmp_path / 'compiled_called.py').write_text(called.format(head=head, value=value))
        done = subprocess.run(
            [sys.executable, '-c', CALLER, str(tmp_path)], cwd=ROOT, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        found.append(int(done.stdout))
    assert found == [20, 2000]


TRACKED = """
import hashlib
import numpy as np
from fol_vpr.geometry.metric import compiled_tracking as tracking

numbers = np.random.default_rng(1)
image = np.kron(numbers.integers(0, 255, (12, 12)), np.ones((8, 8), int)).astype(np.uint8)
moved = np.roll(image, (1, 2), (0, 1))
levels = np.array([[0, *image.shape], [image.size, *image[::2, ::2].shape]])
one, two = (np.concatenate([each.ravel(), each[::2, ::2].ravel()]) for each in (image, moved))
start = numbers.uniform(15, 80, (200, 2)).astype(np.float32)
found, tracked = start.copy(), np.empty(200, bool)
tracking.there_and_back(one, levels, two, levels, start, found, tracked, 0.5)
print(tracked.sum(), hashlib.sha256(found.tobytes()).hexdigest())
"""


def test_the_first_process_computes_what_later_ones_do(tmp_path):
    """A function that is read from the cache calls its own copies of others: optimised again.

    They may add in another order than the first process did, where LLVM may ignore signs of zeros.
    """
    pytest.importorskip('numba', reason='numba is not installed')
    environment = {**os.environ, 'NUMBA_CACHE_DIR': str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, '-c', TRACKED], cwd=ROOT, env=environment, capture_output=True,
            text=True, check=True,
        ).stdout
        for _ in range(2)
    )  # fmt: skip
    assert int(first.split()[0]) > 20
    assert first == second
