"""The shipped network, exported once for all tests of the runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fol_vpr.network.runtime.onnx_file import export_onnx


@pytest.fixture(scope='session')
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with fol_tiny as `fol_vpr export onnx` leaves it there."""
    pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    folder = tmp_path_factory.mktemp('weights') / 'new'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('FOL_VPR_WEIGHTS', str(folder))
        path, _ = export_onnx('fol_tiny')
    assert path.parent == folder and [each.name for each in folder.iterdir()] == [path.name]
    return folder


@pytest.fixture
def exported(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The exported file, in the weights folder of this test."""
    monkeypatch.setenv('FOL_VPR_WEIGHTS', str(weights_folder))
    return weights_folder / 'fol_tiny-182.onnx'
