"""The network as an ONNX file, for runtimes other than torch: ONNX Runtime, TensorRT."""

from __future__ import annotations

import contextlib
import importlib.util
import json
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
from fol_vpr.network.model.fol import FoL, check_input
from fol_vpr.network.model.vit import PATCH
from fol_vpr.network.preprocessing import DEVIATION, MEAN, RELEASED_SIZE, preprocessing_id
from fol_vpr.network.weights import registry
from fol_vpr.network.weights.checkpoint import WeightsInfo

OPSET = 18
INPUT = 'images'
OUTPUTS = ('global_descriptor', 'local_descriptors', 'kept', 'weights', 'attention')
_NEEDED = ('onnx', 'onnxscript')
# A protobuf message cannot be larger than 2 GB.
_MAX_SINGLE_FILE_BYTES = 1_900_000_000


class _Exported(nn.Module):
    """`FoL.describe` with outputs that need no knowledge of this package."""

    def __init__(self, net: FoL) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images [B, 3, H, W] to the outputs, in the order of `OUTPUTS`."""
        found = self.net.describe(images)
        local = F.normalize(found.dense, dim=-1)
        return found.global_descriptor, local, found.kept, found.weights, found.attention


def export_onnx(
    weights: str, output: str | Path, *, input_size: int = 0, batch: int | None = 1
) -> dict[str, str]:
    """Write the network with its weights to an ONNX file, whole or not at all.

    Input is `images`, [B, 3, S, S] float32: RGB, resized bilinearly without antialiasing, from 0
    to 1, less the mean and over the deviation that the file's metadata names. Outputs, for grids
    of h = S / 14 patches and H = 4 h - 3 positions along a side, are `global_descriptor`
    [B, 8448]; `local_descriptors` [B, H, H, 128], unit length; `kept` [B, H, H] bool, those of
    them that are used, about 3,400; `weights` [B, H, H], the aggregation mask there; `attention`
    [B, h²]. The centre of position (row, column) is at pixel (6.5 + 3.5 column, 6.5 + 3.5 row)
    of the input. Weights that do not fit into one file lie in `output` with `.data` appended.

    Args:
        weights: name or file.
        output: the file to write.
        input_size: side of the input in pixels; 0 takes that of the weights.
        batch: images in a run; None leaves it to each run.

    Returns:
        The metadata that the file was given.

    Raises:
        InputError: the size does not fit the network, or a package is missing.
        WeightsError: there are no such weights.
        StorageError: the file cannot be written.
    """
    _check_packages()
    output = Path(output)
    net, info = registry.load(weights)
    size = input_size or info.input_size or RELEASED_SIZE
    # Two images, because torch takes one for a constant.
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
            # Weights first: the file that names them must never be there without them.
            for part in sorted(Path(folder).iterdir(), key=lambda path: path.name == output.name):
                os.replace(part, output.with_name(part.name))
    except OSError as error:
        raise StorageError(f'cannot write {output}: {error.strerror or error}') from error
    return metadata


def _fix_positions(net: FoL, size: int) -> None:
    """Resample the position embedding once for all, so that no runtime has to agree about how."""
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
    """Without what the exporter says about its own insides."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
