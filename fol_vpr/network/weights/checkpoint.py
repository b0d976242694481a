"""Checkpoint files: the authors' .pth as released, and this project's .safetensors.

A file is read without running code from it, and goes into a network only if every name and every
shape is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fol_vpr.errors import StorageError, WeightsError
from fol_vpr.network.model.fol import FoL, build_fol
from fol_vpr.network.model.vit import ARCHITECTURES, Architecture

IMAGENET = 'imagenet'
_FORMAT = 'fol_vpr.weights'
_PREFIX = 'module.'
_BACKBONE = 'backbone.model.'


@dataclass(frozen=True)
class WeightsInfo:
    """What is known of a set of weights.

    Attributes:
        name: how people call them: a registered name, or the file's name.
        architecture: a key of `ARCHITECTURES`.
        sha256: of names, shapes and float32 values of all tensors; the same for the same weights
            in any container.
        parameters: how many numbers they are.
        trained: False for the deterministic random ones.
        input_size: side in pixels that they were made for, or None where the file does not say.
        preprocessing: `imagenet`, the mean and deviation that images are normalised by.
        path: of the file, or None where there is none.
    """

    name: str
    architecture: str
    sha256: str
    parameters: int
    trained: bool = True
    input_size: int | None = None
    preprocessing: str = IMAGENET
    path: Path | None = None

    @property
    def model_id(self) -> str:
        """What a map records: architecture and hash."""
        return f'{self.architecture}:{self.sha256}'


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a file by parameter name, and the file's own words about them."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by its name."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


def load_weights(net: FoL, path: str | Path) -> WeightsInfo:
    """Fill `net` from a checkpoint; a failed load leaves it as it was.

    Raises:
        WeightsError: the file is missing, damaged, or does not fit `net`; every missing or
            unexpected name and every misshapen or non-finite tensor is named.
    """
    return _fill(net, read_checkpoint(path))


def open_weights(path: str | Path) -> tuple[FoL, WeightsInfo]:
    """A network of the architecture that the checkpoint is of, filled from it.

    Raises:
        WeightsError: as `load_weights`.
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
    """Write a .safetensors file with what it is, whole or not at all.

    Args:
        net: whose parameters are written.
        path: the file.
        input_size: side in pixels that they are made for.
        preprocessing: how images are normalised.
        trained: False for random ones.
        dtype: to round the parameters to; in float16 the file has half the size.

    Raises:
        WeightsError: the name does not end in .safetensors.
        StorageError: it cannot be written there.
    """
    path = Path(path)
    if path.suffix != '.safetensors':
        raise WeightsError(f'weights are saved as .safetensors, got the name {path}')
    tensors = {
        name: tensor.detach().to('cpu', dtype).contiguous()
        for name, tensor in net.state_dict().items()
    }
    metadata = {
        'format': _FORMAT,
        'version': '1',
        'architecture': net.architecture,
        'preprocessing': preprocessing,
        'trained': str(trained).lower(),
        'sha256': hash_tensors(tensors),
    }
    if input_size is not None:
        metadata['input_size'] = str(input_size)
    partial = path.with_name(path.name + '.partial')
    try:
        # Not save_file, whose files only their owner can read.
        partial.write_bytes(save(tensors, metadata))
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StorageError(f'cannot write weights to {path}: {error}') from error
    return _describe(Checkpoint(path, tensors, metadata), net.architecture)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Tensors of a .safetensors or .pth file under this project's names, on the CPU.

    Raises:
        WeightsError: the file is missing, damaged, or holds something else.
    """
    path = Path(path)
    if not is_file(path):
        raise WeightsError(f'there is no weights file {path}')
    if path.suffix == '.safetensors':
        tensors, metadata = _read_safetensors(path)
    else:
        tensors, metadata = _read_pth(path), {}
    return Checkpoint(path, {_plain_name(name): t for name, t in tensors.items()}, metadata)


def is_file(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        WeightsError: it cannot be told, for lack of permission or because the name is too long.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise WeightsError(
            f'{path} cannot be looked for ({error.strerror}): check its name and permissions'
        ) from error


def infer_architecture(checkpoint: Checkpoint) -> str:
    """The architecture whose dimensions the tensors have.

    Raises:
        WeightsError: it is none of the known ones.
    """
    shapes = checkpoint.shapes()
    token = shapes.get(_BACKBONE + 'cls_token')
    if not token:
        raise WeightsError(
            f'{checkpoint.path} is no FoL checkpoint: it has no {_BACKBONE}cls_token among its '
            f'{len(shapes)} tensors'
        )
    blocks = {
        int(m[1]) for name in shapes if (m := re.match(rf'{_BACKBONE}blocks\.(\d+)\.', name))
    }
    depth = max(blocks, default=-1) + 1
    swiglu = any('.mlp.w12.' in name for name in shapes)
    convolutions = any('.patch_embed.conv1.' in name for name in shapes)
    for name, known in ARCHITECTURES.items():
        if known == Architecture(
            token[-1], depth, known.heads, swiglu, convolutions, known.positions
        ):
            return name
    raise WeightsError(
        f'{checkpoint.path} has a backbone of width {token[-1]} and depth {depth}, which is none '
        f'of {", ".join(ARCHITECTURES)}'
    )


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and float32 values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().to('cpu', torch.float32).contiguous()
        digest.update(f'{name}{list(values.shape)}'.encode())
        digest.update(values.numpy().astype('<f4', copy=False).data)
    return digest.hexdigest()


def _fill(net: FoL, checkpoint: Checkpoint) -> WeightsInfo:
    _check_fit(net, checkpoint)
    if any(parameter.is_meta for parameter in net.parameters()):
        net.to_empty(device='cpu')
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
    if metadata.get('format') != _FORMAT:
        return info
    if metadata.get('sha256') != info.sha256:
        raise WeightsError(
            f'{checkpoint.path} is damaged: its tensors have the SHA-256 {info.sha256}, it was '
            f'written with {metadata.get("sha256")}; copy or download it again'
        )
    size = metadata.get('input_size', '')
    return replace(
        info,
        input_size=int(size) if size.isdecimal() else None,
        preprocessing=metadata.get('preprocessing', IMAGENET),
    )


def _check_fit(net: FoL, checkpoint: Checkpoint) -> None:
    """Raise one WeightsError that names everything about the file that does not fit."""
    expected = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    found = checkpoint.shapes()
    problems = [f'missing: {name}' for name in expected if name not in found]
    problems += [f'unexpected: {name}' for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        if expected[name] != found[name]:
            problems.append(f'{name} is {list(found[name])}, expected {list(expected[name])}')
        elif not checkpoint.tensors[name].isfinite().all():
            problems.append(f'{name} holds values that are not finite')
    if checkpoint.metadata.get('preprocessing', IMAGENET) != IMAGENET:
        problems.append(f'unknown preprocessing {checkpoint.metadata["preprocessing"]}')
    if problems:
        raise WeightsError(
            f'{checkpoint.path} does not fit {net.architecture}, '
            f'{len(problems)} problems:\n  ' + '\n  '.join(sorted(problems))
        )


def _plain_name(name: str) -> str:
    return name.removeprefix(_PREFIX)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework='pt', device='cpu') as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise WeightsError(_damaged(path, error)) from error


def _read_pth(path: Path) -> dict[str, Tensor]:
    try:
        with torch.serialization.safe_globals(_released_globals()):
            content = torch.load(path, map_location='cpu', weights_only=True)
    # A damaged file makes the unpickler fail in ways that torch does not list.
    except Exception as error:
        raise WeightsError(_damaged(path, error)) from error
    state = content.get('model_state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, Mapping):
        raise WeightsError(f'{path} is no checkpoint: it holds a {type(content).__name__}')
    strange = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if strange or not all(isinstance(name, str) for name in state):
        raise WeightsError(
            f'{path} is no checkpoint: these entries are no tensors: {", ".join(strange)}'
        )
    return dict(state)


def _released_globals() -> list[Any]:
    """What the training code of FoL keeps beside the tensors: recalls as a NumPy array."""
    makers: list[Any] = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
    kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64)]
    # NumPy 1 wrote another module name for the same functions.
    aliases = [(maker, f'numpy.core.multiarray.{maker.__name__}') for maker in makers]
    return [*makers, *aliases, np.ndarray, np.dtype, *kinds]


def _damaged(path: Path, error: Exception) -> str:
    reason = str(error).strip().split('\n', 1)[0][:200] or type(error).__name__
    return (
        f'{path} cannot be read as weights ({reason}); it is cut short, damaged or something '
        'else: copy or download it again'
    )
