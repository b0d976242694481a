"""Reads checkpoint files: the authors' .pth as released, and this project's .safetensors.

No code from a file is executed.
"""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fol_vpr.errors import WeightsError
from fol_vpr.files import check_regular_file, open_file, printable
from fol_vpr.network.weights.recorded_hash import is_file

_PREFIX = 'module.'
_MAX_LISTED = 10
_SAVE_TENSORS = (
    'save the tensors alone where it was made, with '
    '`safetensors.torch.save_file(model.state_dict(), "weights.safetensors")`, or ask its author '
    'for such a file'
)


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
    if not is_file(path) and not os.path.exists(path):  # noqa: PTH110 no error for odd names
        raise WeightsError(f'there is no weights file {path}')
    check_regular_file(path, 'weights (.pth or .safetensors)', WeightsError)
    if path.suffix == '.safetensors':
        tensors, metadata = _read_safetensors(path)
    else:
        tensors, metadata = _read_pth(path), {}
    return Checkpoint(path, {_plain_name(name): t for name, t in tensors.items()}, metadata)


def _plain_name(name: str) -> str:
    return name.removeprefix(_PREFIX)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework='pt', device='cpu') as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise WeightsError(_damaged(path, error)) from error


def load_plain(path: Path) -> Any:
    """The content of a file of torch.save: tensors, numbers, texts, and containers of these.

    Raises:
        WeightsError: the file cannot be read, is damaged, or holds other objects.
    """
    _check_archive(path)
    try:
        with torch.serialization.safe_globals(_released_globals()):
            return torch.load(path, map_location='cpu', weights_only=True)
    # torch does not document which exceptions a damaged file causes.
    except Exception as error:
        if type(error).__name__ != 'UnpicklingError':
            raise WeightsError(_damaged(path, error)) from error
        # torch's own words advise to load the file in a way that runs its code.
        what = _named_object(error)
        if what is None:
            reason = 'it is no file of torch.save, or was cut'
            raise WeightsError(_damaged(path, ValueError(reason))) from None
        raise WeightsError(_holds_objects(path, what)) from None


def _read_pth(path: Path) -> dict[str, Tensor]:
    content = load_plain(path)
    state = content.get('model_state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, Mapping):
        raise WeightsError(f'{path} is not a checkpoint: it contains a {type(content).__name__}')
    others = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if others or not all(isinstance(name, str) for name in state):
        raise WeightsError(
            f'{path} is not a checkpoint: these entries are not tensors: '
            f'{printable(", ".join(others[:_MAX_LISTED]))}'
        )
    return dict(state)


def _check_archive(path: Path) -> None:
    """Check that what torch takes out of a zip file is as large as what is in it.

    torch.save does not compress. Compressed tensors could need a thousand times the file's size.
    Files of torch before 1.6 are no zip files, and hold their tensors as they are.
    """
    with open_file(path, 'weights', WeightsError) as file:
        if not file.read(4).startswith(b'PK'):
            if tarfile.is_tarfile(path):
                raise WeightsError(
                    f'{path} cannot be read as weights: it is a tar archive; unpack it and name '
                    'the .pth or .safetensors file in it. A file that torch before 0.1.10 wrote '
                    'has to be loaded there and saved anew'
                )
            return
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise WeightsError(_damaged(path, error)) from error
    if any(entry.filename.endswith('/constants.pkl') for entry in entries):
        raise WeightsError(
            f'{path} cannot be read as weights: it is a TorchScript program (torch.jit.save); '
            f'{_SAVE_TENSORS}'
        )
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise WeightsError(
            f'{path} cannot be read as weights (it is compressed, or claims to hold more than it '
            'has): write it with torch.save or safetensors, which do not compress'
        )


def _named_object(error: Exception) -> str | None:
    """The Python object that torch refused to make; None where it refused something else."""
    text = str(error)
    found = re.search(r'GLOBAL ([\w.]+)', text) or re.search(r'function (\S+)', text)
    if found:
        return found[1]
    words = ('Unsupported global', 'Unsupported class', 'Can only build', 'Trying to ')
    return 'an object of a class' if any(word in text for word in words) else None


def _holds_objects(path: Path, what: str) -> str:
    """The message for a checkpoint that holds more than tensors, numbers and texts."""
    return (
        f'{path} cannot be read as weights: it holds Python objects besides tensors, such as '
        f'{printable(what, 100)}, and '
        f'reading these would run code from the file, so they are not read. If the file is whole, '
        f'{_SAVE_TENSORS}'
    )


def _released_globals() -> list[Any]:
    """NumPy types in released files, which also contain recalls as an array."""
    makers: list[Any] = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
    kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64)]
    # NumPy 1 wrote another module name for the same functions.
    aliases = [(maker, f'numpy.core.multiarray.{maker.__name__}') for maker in makers]
    return [*makers, *aliases, np.ndarray, np.dtype, *kinds]


def _damaged(path: Path, error: Exception) -> str:
    reason = printable(str(error).strip().split('\n', 1)[0]) or type(error).__name__
    # Some of torch's words advise to run the code in the file; others are a bare number.
    if 'weights_only' in reason or reason.isdigit():
        reason = 'it is no file of torch.save'
    return (
        f'{path} cannot be read as weights ({reason}); it is incomplete, damaged or not a '
        'checkpoint: copy or download it again'
    )
