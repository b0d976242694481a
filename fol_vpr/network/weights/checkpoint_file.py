"""Reads checkpoint files: the authors' .pth as released, and this project's .safetensors.

No code from a file is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fol_vpr.errors import WeightsError

_PREFIX = 'module.'


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint file.

    Attributes:
        path: the file.
        tensors: by parameter name.
        metadata: of a .safetensors file; empty for a .pth file.
    """

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by its name."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a .safetensors or .pth file to the CPU, without the prefix of DataParallel.

    Raises:
        WeightsError: the file is missing, damaged, or not a checkpoint.
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
    """Whether a file exists.

    Raises:
        WeightsError: that cannot be determined: no permission, or the name is too long.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise WeightsError(
            f'{path} cannot be accessed ({error.strerror}): check its name and permissions'
        ) from error


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
    # torch does not document which exceptions a damaged file causes.
    except Exception as error:
        raise WeightsError(_damaged(path, error)) from error
    state = content.get('model_state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, Mapping):
        raise WeightsError(f'{path} is not a checkpoint: it contains a {type(content).__name__}')
    others = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if others or not all(isinstance(name, str) for name in state):
        raise WeightsError(
            f'{path} is not a checkpoint: these entries are not tensors: {", ".join(others)}'
        )
    return dict(state)


def _released_globals() -> list[Any]:
    """NumPy types in released files, which also contain recalls as an array."""
    makers: list[Any] = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
    kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64)]
    # NumPy 1 wrote another module name for the same functions.
    aliases = [(maker, f'numpy.core.multiarray.{maker.__name__}') for maker in makers]
    return [*makers, *aliases, np.ndarray, np.dtype, *kinds]


def _damaged(path: Path, error: Exception) -> str:
    reason = str(error).strip().split('\n', 1)[0][:200] or type(error).__name__
    return (
        f'{path} cannot be read as weights ({reason}); it is incomplete, damaged or not a '
        'checkpoint: copy or download it again'
    )
