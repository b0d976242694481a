"""`fol_vpr export onnx`: options, refusals, and the file."""

from __future__ import annotations

import pytest

from fol_vpr.cli.main import main


def test_it_writes_the_file_and_says_what_it_holds(tmp_path, capsys):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    output = tmp_path / 'tiny.onnx'
    given = ['--weights', 'fol_tiny', '--input-size', '126', '--batch', '2']
    assert main(['export', 'onnx', *given, '--output', str(output)]) == 0
    assert 'fixed-126-imagenet' in capsys.readouterr().out
    shape = onnx.load(output).graph.input[0].type.tensor_type.shape
    assert [side.dim_value for side in shape.dim] == [2, 3, 126, 126]


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        (['--output', 'f.trt'], '--output is f.trt, expected a file that ends in .onnx'),
        (['--output', '/nowhere/f.onnx'], 'there is no folder /nowhere'),
        (['--output', 'f.onnx', '--batch', '0'], '--batch is 0, expected a number'),
        (['--output', 'f.onnx', '--batch', 'many'], 'or dynamic'),
        (['--output', 'f.onnx', '--input-size', '-1'], '--input-size: input_size is -1'),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(given, words, capsys):
    assert main(['export', 'onnx', *given]) == 2
    assert words in capsys.readouterr().err
