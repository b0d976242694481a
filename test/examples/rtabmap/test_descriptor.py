"""The script for RTAB-Map, called as its PyDescriptor.cpp calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / 'examples' / 'rtabmap' / 'fol_vpr_descriptor.py'

# What PyDescriptor::parseParameters and extract do: the folder is appended to sys.path, the module
# imported by its bare name, init(dim) called, and each image passed as signed bytes over memory of
# the caller. Where RTAB-Map would end, so does this.
CALLER = f"""
import importlib, sys, ctypes
import numpy as np
sys.path.append({str(SCRIPT.parent)!r})
module = importlib.import_module({SCRIPT.stem!r})
module.init(4096)

def extract(pixels):
    rows, columns = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = (ctypes.c_int8 * max(1, pixels.size)).from_buffer_copy(pixels.tobytes() or b'0')
    array = np.frombuffer(data, np.int8)[: pixels.size].reshape(rows, columns, channels)
    returned = module.extract(array)
    assert isinstance(returned, np.ndarray) and returned.ndim == 2 and returned.shape[0] == 1
    assert returned.dtype == np.float32 and returned.flags.c_contiguous
    ctypes.memset(data, 0, ctypes.sizeof(data))   # RTAB-Map frees it
    return returned.copy()

bgr = np.random.default_rng(5).integers(0, 256, (120, 160, 3), np.uint8)
"""


def call(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'FOL_VPR_DEVICE': 'cpu', **settings}
    return subprocess.run(
        [sys.executable, '-c', CALLER + code],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_descriptors_are_those_of_the_package():
    done = call(
        'from fol_vpr.config import NetworkConfig\n'
        'from fol_vpr.network import FeatureExtractor\n'
        'ours = FeatureExtractor(NetworkConfig(input_size=126, device="cpu"))\n'
        'grey = bgr[:, :, 0]\n'
        'for pixels, rgb in ((bgr, bgr[:, :, ::-1]), (grey, np.stack([grey] * 3, 2))):\n'
        '    expected = ours.extract([np.ascontiguousarray(rgb)])[0].global_descriptor\n'
        '    got = extract(pixels)\n'
        '    assert got.shape == (1, len(expected))\n'
        '    np.testing.assert_array_equal(got[0], expected)\n'
        '    np.testing.assert_allclose(np.linalg.norm(got), 1, atol=1e-5)\n',
        FOL_VPR_INPUT_SIZE='126',
    )
    assert done.returncode == 0, done.stderr
    assert 'fol_tiny on cpu' in done.stderr and 'PyDescriptor/Dim' in done.stderr


@pytest.mark.parametrize('bad', ['bgr[:, :, :2]', 'bgr[:0]', 'bgr[:1, :1]'])
def test_an_image_that_cannot_be_processed_keeps_the_length(bad):
    done = call(
        f'good, bad = extract(bgr), extract({bad})\n'
        'assert good.shape == bad.shape and np.isfinite(bad).all()\n'
        # What Signature::compareTo asserts.
        'assert ((good @ bad.T).item() + 1) / 2 >= 0\n',
        FOL_VPR_INPUT_SIZE='126',
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        ({'FOL_VPR_WEIGHTS': 'nöwhere.pth'}, 'WeightsError'),
        ({'FOL_VPR_INPUT_SIZE': 'large'}, 'ValueError'),
        ({'FOL_VPR_DEVICE': 'tpu'}, 'DeviceError'),
    ],
)
def test_a_network_that_cannot_be_loaded_fails_alike_for_each_image(settings, said):
    done = call(
        'import traceback\n'
        'for _ in range(2):\n'
        '    try:\n'
        '        extract(bgr)\n'
        '    except RuntimeError:\n'
        '        traceback.format_exc().encode("ascii")\n'  # as getPythonTraceback does
        '    else:\n'
        '        raise SystemExit(3)\n',
        **settings,
    )
    assert done.returncode == 0, done.stderr
    assert f'images get no descriptor: {said}' in done.stderr
