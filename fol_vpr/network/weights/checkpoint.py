"""Loads networks from checkpoints, which must fit in every name and shape, and saves them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from fol_vpr.errors import StorageError, WeightsError
from fol_vpr.files import umask
from fol_vpr.network.model.architectures import ARCHITECTURES, Architecture
from fol_vpr.network.model.fol import FoL, build_fol
from fol_vpr.network.model.initialisation import allocate
from fol_vpr.network.weights.checkpoint_file import Checkpoint, read_checkpoint
from fol_vpr.network.weights.checkpoint_header import FORMAT
from fol_vpr.network.weights.info import IMAGENET, WeightsInfo

_BACKBONE = 'backbone.model.'
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_MAX_PROBLEMS = 50
_MAX_LINE = 200


def load_weights(net: FoL, path: str | Path) -> WeightsInfo:
    """Load a checkpoint into `net`; where that fails, `net` is unchanged.

    Raises:
        WeightsError: the file is missing, damaged, or does not fit `net`. The message names every
            missing or unexpected tensor, wrong shape and tensor that is not finite.
    """
    return _fill(net, read_checkpoint(path))


def open_weights(path: str | Path) -> tuple[FoL, WeightsInfo]:
    """Build the network of a checkpoint's architecture and load the checkpoint into it.

    Raises:
        WeightsError: as for `load_weights`.
    """
    checkpoint = read_checkpoint(path)
    net = build_fol(infer_architecture(checkpoint), initialised=False)
    return net, _fill(net, checkpoint)


def untrained_weights(architecture: str) -> tuple[FoL, WeightsInfo]:
    """A network with the deterministic random parameters of `build_fol`."""
    net = build_fol(architecture)
    tensors = dict(net.state_dict())
    info = WeightsInfo(
        name=f'untrained-{architecture}',
        architecture=architecture,
        sha256=hash_tensors(tensors),
        parameters=sum(tensor.numel() for tensor in tensors.values()),
        trained=False,
    )
    return net, info


def save_weights(
    net: FoL,
    path: str | Path,
    *,
    input_size: int | None = None,
    preprocessing: str = IMAGENET,
    trained: bool = True,
    dtype: torch.dtype = torch.float32,
) -> WeightsInfo:
    """Write parameters and their description to a .safetensors file, atomically.

    Args:
        net: the network.
        path: the file.
        input_size: side in pixels of the input that the parameters were trained for.
        preprocessing: how images are normalised.
        trained: False for random parameters.
        dtype: type of the stored parameters; float16 halves the size of the file.

    Returns:
        What a later load will know about them.

    Raises:
        WeightsError: the name does not end in .safetensors.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix != '.safetensors':
        raise WeightsError(f'expected a file name that ends in .safetensors, got {path}')
    tensors = {
        name: tensor.detach().to('cpu', dtype).contiguous()
        for name, tensor in net.state_dict().items()
    }
    metadata = {
        'format': FORMAT,
        'version': '1',
        'architecture': net.architecture,
        'preprocessing': preprocessing,
        'trained': str(trained).lower(),
        'sha256': hash_tensors(tensors),
    }
    if input_size is not None:
        metadata['input_size'] = str(input_size)
    partial: str | None = None
    try:
        handle, partial = tempfile.mkstemp('.partial', f'.{path.name}.', path.parent)
        with open(handle, 'wb') as file:
            # As the user's other files; `save_file` and mkstemp keep others from reading it.
            os.fchmod(handle, 0o666 & ~umask())
            file.write(save(tensors, metadata))
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            if partial is not None:
                os.unlink(partial)
        raise StorageError(f'cannot write weights to {path}: {error}') from error
    return _describe(Checkpoint(path, tensors, metadata), net.architecture)


def infer_architecture(checkpoint: Checkpoint) -> str:
    """The key in `ARCHITECTURES` of the architecture that the tensors have the shapes of.

    Raises:
        WeightsError: it is none of them.
    """
    shapes = checkpoint.shapes()
    token = shapes.get(_BACKBONE + 'cls_token')
    if not token:
        raise WeightsError(
            f'{checkpoint.path} is not a FoL checkpoint: {_BACKBONE}cls_token is not among its '
            f'{len(shapes)} tensors'
        )
    blocks = {
        int(m[1])
        for name in shapes
        if (m := re.match(rf'{_BACKBONE}blocks\.([0-9]{{1,4}})\.', name))
    }
    depth = max(blocks, default=-1) + 1
    swiglu = any('.mlp.w12.' in name for name in shapes)
    convolutions = any('.patch_embed.conv1.' in name for name in shapes)
    trunk = any('.patch_embed.trunk.' in name for name in shapes)
    for name, known in ARCHITECTURES.items():
        if known == Architecture(
            token[-1], depth, known.heads, swiglu, convolutions, known.positions, trunk
        ):
            return name
    raise WeightsError(
        f'{checkpoint.path} has a backbone of width {token[-1]} and depth {depth}, which is none '
        f'of {", ".join(ARCHITECTURES)}'
    )


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and float32 values, in alphabetical order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().to('cpu', torch.float32).contiguous()
        digest.update(f'{name}{list(values.shape)}'.encode())
        digest.update(values.numpy().astype('<f4', copy=False).data)
    return digest.hexdigest()


def _fill(net: FoL, checkpoint: Checkpoint) -> WeightsInfo:
    _check_fit(net, checkpoint)
    allocate(net)
    net.load_state_dict(checkpoint.tensors)
    return _describe(checkpoint, net.architecture)


def _describe(checkpoint: Checkpoint, architecture: str) -> WeightsInfo:
    metadata = checkpoint.metadata
    info = WeightsInfo(
        name=checkpoint.path.name,
        architecture=architecture,
        sha256=hash_tensors(checkpoint.tensors),
        parameters=sum(tensor.numel() for tensor in checkpoint.tensors.values()),
        trained=metadata.get('trained') != 'false',
        path=checkpoint.path,
    )
    if metadata.get('format') != FORMAT:
        return info
    if metadata.get('sha256') != info.sha256:
        raise WeightsError(
            f'{checkpoint.path} is damaged: its tensors have the SHA-256 {info.sha256}, it was '
            f'written with {metadata.get("sha256")}; copy or download it again'
        )
    size = metadata.get('input_size', '')
    return replace(
        info,
        # The setting network.input_size has no more digits.
        input_size=int(size) if re.fullmatch('[0-9]{1,4}', size) else None,
        preprocessing=metadata.get('preprocessing', IMAGENET),
    )


def _check_fit(net: FoL, checkpoint: Checkpoint) -> None:
    """Raise one WeightsError that lists everything in the file that does not fit `net`."""
    expected = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    found = checkpoint.shapes()
    problems = [f'missing: {name}' for name in expected if name not in found]
    problems += [f'unexpected: {name}' for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        if expected[name] != found[name]:
            problems.append(f'{name} is {list(found[name])}, expected {list(expected[name])}')
        elif checkpoint.tensors[name].dtype not in _FLOATS:
            kind = str(checkpoint.tensors[name].dtype).removeprefix('torch.')
            problems.append(f'{name} holds {kind}, expected floating-point numbers')
        elif not checkpoint.tensors[name].isfinite().all():
            problems.append(f'{name} holds values that are not finite')
    if checkpoint.metadata.get('preprocessing', IMAGENET) != IMAGENET:
        problems.append(f'unknown preprocessing {checkpoint.metadata["preprocessing"]}')
    if problems:
        raise WeightsError(
            f'{checkpoint.path} does not fit {net.architecture}, '
            f'{len(problems)} problems:\n  ' + '\n  '.join(_first(problems))
        )


def _first(problems: list[str]) -> list[str]:
    # What does not fit says more than what is missing.
    ordered = sorted(problems, key=lambda each: (each.startswith(('missing', 'unexp')), each))
    shown = [problem[:_MAX_LINE] for problem in ordered[:_MAX_PROBLEMS]]
    rest = len(problems) - len(shown)
    return [*shown, f'and {rest} more'] if rest else shown
