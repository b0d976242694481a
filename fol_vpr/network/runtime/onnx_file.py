"""Exports the network to an ONNX file, for ONNX Runtime, TensorRT and similar."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fol_vpr.config import NetworkConfig
from fol_vpr.errors import InputError, StorageError
from fol_vpr.network.exported.file import INPUT, exported_path
from fol_vpr.network.exported.file import OUTPUTS as FEATURE_OUTPUTS
from fol_vpr.network.model.architectures import PATCH
from fol_vpr.network.model.fol import FoL, check_input
from fol_vpr.network.preprocessing import DEVIATION, MEAN, RELEASED_SIZE, preprocessing_id
from fol_vpr.network.weights import registry
from fol_vpr.network.weights.info import WeightsInfo

OPSET = 18
OUTPUTS = (*FEATURE_OUTPUTS, 'attention')
_NEEDED = ('onnx', 'onnxscript')
# Parameters beyond this many bytes go to a second file: protobuf messages are at most 2 GB.
_MAX_SINGLE_FILE_BYTES = 1_900_000_000


class _Exported(nn.Module):
    """`FoL.describe` with a tuple of tensors as output and local descriptors of unit length."""

    def __init__(self, net: FoL) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images [B, 3, H, W] to the outputs, in the order of `OUTPUTS`."""
        found = self.net.describe(images)
        local = F.normalize(found.dense, dim=-1)
        return found.global_descriptor, local, found.kept, found.weights, found.attention


def export_onnx(
    weights: str, output: str | Path | None = None, *, input_size: int = 0, batch: int | None = 1
) -> tuple[Path, dict[str, str]]:
    """Write the network with its weights to an ONNX file; on failure no file is left.

    The input is `images`, [B, 3, S, S] float32: RGB from 0 to 1, resized bilinearly without
    antialiasing, minus the mean and divided by the deviation in the file's metadata. The outputs,
    with h = S / 14 patches and H = 4 h - 3 positions along a side, are:

    - `global_descriptor` [B, 8448];
    - `local_descriptors` [B, H, H, 128], unit length;
    - `kept` [B, H, H] bool, the selected ones, about 3,400;
    - `weights` [B, H, H], the aggregation mask at the nearest patch;
    - `attention` [B, h²], the extraction mask.

    Position (row, column) is at x = 6.5 + 3.5 column and y = 6.5 + 3.5 row in pixels of the input.
    Weights that do not fit into one file are written to `output` with `.data` appended.

    Args:
        weights: registered name or file.
        output: the file to write; None takes the one in the weights folder where the runtimes
            look for it by the name of the weights.
        input_size: side S of the input in pixels; 0 takes the one that the weights are made for.
        batch: number of images B per run; None leaves it open.

    Returns:
        The file, and its metadata.

    Raises:
        InputError: the network cannot process the size, or a package is missing.
        WeightsError: the weights do not exist or are damaged.
        StorageError: the file cannot be written.
    """
    _check_packages()
    net, info = registry.load(weights)
    size = input_size or info.input_size or RELEASED_SIZE
    output = _in_weights_folder(weights, size) if output is None else Path(output)
    # Two images, because torch.export would fix a batch of one.
    example = torch.zeros(batch or 2, 3, size, size)
    check_input(tuple(example.shape))
    _fix_positions(net, size)
    metadata = _metadata(info, size)
    with _quiet():
        program = torch.onnx.export(
            _Exported(net),
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=None if batch else ({0: torch.export.Dim('batch', min=1)},),
        )
    assert program is not None
    program.model.metadata_props.update(metadata)
    external = 4 * info.parameters > _MAX_SINGLE_FILE_BYTES
    try:
        with tempfile.TemporaryDirectory(dir=output.absolute().parent) as folder:
            program.save(Path(folder) / output.name, external_data=external)
            # The .data file first: the file that refers to it must not exist without it.
            for part in sorted(Path(folder).iterdir(), key=lambda path: path.name == output.name):
                os.replace(part, output.with_name(part.name))
    except OSError as error:
        raise StorageError(f'cannot write {output}: {error.strerror or error}') from error
    return output, metadata


def _in_weights_folder(weights: str, size: int) -> Path:
    path = exported_path(weights, size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f'cannot create {path.parent}: {error.strerror or error}') from error
    return path


def _fix_positions(net: FoL, size: int) -> None:
    """Resample the position embedding before export: runtimes differ in bicubic resampling."""
    backbone, side = net.backbone.model, size // PATCH
    with torch.no_grad():
        backbone.pos_embed = nn.Parameter(backbone.position_embedding((side, side)))


def _metadata(info: WeightsInfo, size: int) -> dict[str, str]:
    return {
        'model_id': info.model_id,
        'weights': info.name,
        'architecture': info.architecture,
        'preprocessing_id': preprocessing_id(NetworkConfig(input_size=size)),
        'input_size': str(size),
        'parameters': str(info.parameters),
        'trained': str(info.trained).lower(),
        'mean': json.dumps(MEAN),
        'deviation': json.dumps(DEVIATION),
    }


def _check_packages() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f'writing ONNX files needs {" and ".join(missing)}: pip install {" ".join(_NEEDED)}'
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's warnings about its own internals."""
    exporter = logging.getLogger('torch.onnx')
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        exporter.setLevel(level)
