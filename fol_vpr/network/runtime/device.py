"""Resolves the device setting, and turns out-of-memory errors into DeviceError."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from fol_vpr.errors import DeviceError


def choose_device(setting: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` stands for on this machine.

    Raises:
        DeviceError: the setting is invalid, or there is no such device.
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


@contextlib.contextmanager
def memory_guard(what: str, device: torch.device) -> Iterator[None]:
    """Turn torch's out-of-memory errors into a DeviceError that names `what` did not fit.

    Raises:
        DeviceError: there is not enough memory.
    """
    try:
        yield
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        if device.type == 'cuda':
            torch.cuda.empty_cache()
        raise DeviceError(
            f'{device} has not enough free memory for {what}; use a smaller input_size or '
            'network, or free memory on it'
        ) from error


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch is one; on the CPU it has no class of its own."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or 'allocate memory' in str(error)
