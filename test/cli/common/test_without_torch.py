"""With a runtime other than torch, a robot needs neither torch nor what torch brings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fol_vpr.cli.main import main
from fol_vpr.network.exported.file import exported_path
from fol_vpr.network.runtime.onnx_file import export_onnx

ROOT = Path(__file__).resolve().parents[3]
# What pip installs for torch alone.
OF_TORCH = ('torch', 'sympy', 'networkx', 'jinja2', 'fsspec', 'filelock', 'mpmath')
# What one image needs nothing of.
OF_OTHERS = ('rosbags', 'mcap', 'matplotlib', 'sklearn', 'pymilvus', 'rclpy')
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ImportError('blocked: ' + name, name=name)

sys.meta_path.insert(0, Blocked())
from fol_vpr.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope='module')
def folder(drive, tmp_path_factory) -> Path:
    """A weights folder with the exported network, and a map that torch built."""
    pytest.importorskip('onnxscript')
    folder = tmp_path_factory.mktemp('robot')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('FOL_VPR_WEIGHTS', str(folder))
        export_onnx('fol_tiny', exported_path('fol_tiny', 182))
    build = ['map', 'build', '--images', str(drive.references), '--weights', 'fol_tiny']
    assert main([*build, '--output', str(folder / 'm.folmap'), '--precision', 'float32']) == 0
    return folder


def blocked(folder: Path, modules: tuple[str, ...], *args: str) -> subprocess.CompletedProcess:
    """The program in a process that cannot import some modules."""
    environment = {**os.environ, 'FOL_VPR_WEIGHTS': str(folder)}
    return subprocess.run(
        [sys.executable, '-c', BLOCKED.format(blocked=modules), *args],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize('runtime', ['onnxruntime', 'openvino'])
def test_query_and_evaluate_without_torch(drive, folder, runtime, capsys, tmp_path):
    pytest.importorskip(runtime)
    with_map = ['--map', str(folder / 'm.folmap'), '--precision', 'float32', '--device', 'cpu']
    one = ['query', str(drive.queries / 'view003.jpg'), *with_map, '--json']
    done = blocked(folder, (*OF_TORCH, *OF_OTHERS), *one, '--runtime', runtime)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    capsys.readouterr()
    assert main(one) == 0
    expected = json.loads(capsys.readouterr().out)
    assert found['weights'] == expected['weights'] == 'fol_tiny'
    assert found['state'] == expected['state']
    for ours, theirs in zip(found['hypotheses'], expected['hypotheses'], strict=True):
        assert ours['ref_index'] == theirs['ref_index']
        assert ours['similarity'] == pytest.approx(theirs['similarity'], abs=1e-4)
        if theirs['match_score'] is not None:
            assert ours['match_score'] == pytest.approx(theirs['match_score'], rel=0.01)

    many = ['evaluate', '--queries', str(drive.queries), *with_map, '--runtime', runtime]
    report = tmp_path / 'report.json'
    truth = ['--ground-truth', str(drive.ground_truth), '--json', str(report)]
    done = blocked(folder, OF_TORCH, *many, *truth)
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text())['weights'] == 'fol_tiny'


def test_torch_that_is_missing_is_named_with_the_remedy(drive, folder):
    done = blocked(folder, OF_TORCH, 'query', str(drive.queries / 'view003.jpg'), '--map',
                   str(folder / 'm.folmap'))  # fmt: skip
    assert done.returncode == 2
    assert 'network.runtime to onnxruntime or openvino' in done.stderr


def test_a_map_whose_weights_are_not_exported_names_the_command(drive, folder, tmp_path, capsys,
                                                                monkeypatch):  # fmt: skip
    monkeypatch.setenv('FOL_VPR_WEIGHTS', str(tmp_path))
    command = ['query', str(drive.queries / 'view003.jpg'), '--runtime', 'onnxruntime']
    assert main([*command, '--map', str(drive.map)]) == 2
    said = capsys.readouterr().err
    assert 'fol_vpr export onnx --weights untrained-vits14 --input-size 126' in said
