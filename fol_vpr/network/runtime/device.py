"""Which device and precision a setting comes to, and what running out of memory means."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from fol_vpr.errors import DeviceError
from fol_vpr.network.model.linear import has_fast_int8

_DTYPES = {
    'float32': torch.float32,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
    # All but the products with weights.
    'int8': torch.float32,
}


def choose_device(setting: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means here.

    Raises:
        DeviceError: there is none such.
    """
    if setting == 'auto':
        setting = 'cuda' if torch.cuda.is_available() else 'cpu'
    kind, _, number = setting.partition(':')
    if setting == 'cpu':
        return torch.device('cpu')
    if kind != 'cuda' or (number and not number.isdecimal()):
        raise DeviceError(f'device is {setting!r}, expected auto, cpu, cuda or cuda:N')
    if not torch.cuda.is_available():
        raise DeviceError(
            f'device is {setting!r}, but torch {torch.__version__} finds no CUDA device here; '
            'use cpu, or install the driver and a torch built for CUDA'
        )
    index = int(number or 0)
    if index >= torch.cuda.device_count():
        raise DeviceError(
            f'device is {setting!r}, but there are {torch.cuda.device_count()} CUDA devices'
        )
    return torch.device('cuda', index)


def choose_precision(setting: str, device: torch.device) -> tuple[str, torch.dtype]:
    """The precision of matrix products that a setting means on `device`, and the dtype it takes.

    Raises:
        DeviceError: int8 where it is no faster.
    """
    if setting == 'auto':
        setting = 'bfloat16' if device.type == 'cuda' else 'float32'
    if setting == 'int8' and not (device.type == 'cpu' and has_fast_int8()):
        raise DeviceError(
            f'precision is int8, which {device} is not faster with: it needs a CPU with AVX-512 '
            'VNNI or AVX VNNI; use bfloat16 or float32'
        )
    return setting, _DTYPES[setting]


@contextlib.contextmanager
def memory_guard(what: str, device: torch.device) -> Iterator[None]:
    """Turn running out of memory into a DeviceError that names `what` did not fit.

    Raises:
        DeviceError: in place of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        if device.type == 'cuda':
            torch.cuda.empty_cache()
        raise DeviceError(
            f'{device} has no memory left for {what}; use a smaller input_size or network, '
            'or free memory there'
        ) from error


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says so; for the CPU it has no class of its own."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or 'allocate memory' in str(error)
