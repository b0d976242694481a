"""Chooses the number format of the network's matrix products."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from fol_vpr.errors import DeviceError

log = logging.getLogger(__name__)

_DTYPES = {
    'float32': torch.float32,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
    # For everything except the products with weights.
    'int8': torch.float32,
}
# Flags of /proc/cpuinfo: instructions that multiply bfloat16, and those that multiply int8.
AMX_BFLOAT16 = 'amx_bf16'
_BFLOAT16 = {'avx512_bf16': 'AVX-512 BF16', 'bf16': 'Arm BF16'}
_INT8 = ('avx512_vnni', 'avx_vnni')
# How many times as fast products in bfloat16 must be: below it, the passes between the products
# and the noise of a trial outweigh the gain.
_WORTH_IT = 1.3
# Rows, inputs and outputs of the trial's product: the first linear layer of a feed-forward block
# of ViT-S at 322 px.
_TRIAL_SHAPE = (530, 384, 1536)
_TRIAL_REPETITIONS = 4


class Precision(NamedTuple):
    """The number format of matrix products.

    Attributes:
        name: float32, bfloat16, float16 or int8.
        dtype: of the tensors; float32 for int8, whose products alone have 8 bits.
        reason: why it was chosen, in words.
    """

    name: str
    dtype: torch.dtype
    reason: str


class Trial(NamedTuple):
    """Seconds that one matrix product took in each format."""

    float32: float
    bfloat16: float


def choose_precision(setting: str, device: torch.device) -> Precision:
    """The number format that a setting stands for on `device`.

    Raises:
        DeviceError: int8 is set where it is not faster than float32.
    """
    if setting == 'int8' and not (device.type == 'cpu' and has_fast_int8()):
        raise DeviceError(
            f'precision is int8, which is not faster on {device}: it needs a CPU with AVX-512 '
            'VNNI or AVX VNNI; use bfloat16 or float32'
        )
    if setting != 'auto':
        return Precision(setting, _DTYPES[setting], 'as set')
    if device.type == 'cuda':
        return Precision('bfloat16', torch.bfloat16, 'a GPU')
    name, reason = _choice_of_this_processor(torch.get_num_threads())
    return Precision(name, _DTYPES[name], reason)


def decide(flags: Set[str], torch_bfloat16: bool, trial: Trial | None) -> tuple[str, str]:
    """The number format for a CPU, float32 or bfloat16, and the reason in words.

    int8 is never chosen: it changes answers slightly, and takes longer than bfloat16 where a
    processor has AMX.

    Args:
        flags: of the processor, as `read_flags` gives them.
        torch_bfloat16: whether torch has products in bfloat16 for this processor.
        trial: result of the trial; needed where `needs_trial`.
    """
    found = _bfloat16_of(flags)
    if not found:
        int8 = '; int8 takes less time than float32' if flags & set(_INT8) else ''
        return 'float32', f'the processor has no instructions for bfloat16{int8}'
    if not torch_bfloat16:
        return 'float32', f'the processor has {found}, but this torch does not use it'
    if AMX_BFLOAT16 in flags:
        return 'bfloat16', f'the processor has {found}'
    if trial is None:
        return 'float32', f'the processor has {found}, but no trial was made'
    ratio = trial.float32 / trial.bfloat16
    said = f'the processor has {found}, with which a product is {ratio:.1f} times as fast'
    if math.isfinite(ratio) and ratio >= _WORTH_IT:
        return 'bfloat16', f'{said} in bfloat16'
    return 'float32', f'{said} in bfloat16, expected {_WORTH_IT}'


def needs_trial(flags: Set[str], torch_bfloat16: bool) -> bool:
    """Whether the flags leave open if products in bfloat16 are faster.

    With AMX they take a quarter of the time. Without, they take between half the time and longer
    than in float32, depending on the processor and on torch.
    """
    return torch_bfloat16 and bool(_bfloat16_of(flags)) and AMX_BFLOAT16 not in flags


def _bfloat16_of(flags: Set[str]) -> str:
    """Name of the instructions for bfloat16; empty for none."""
    if AMX_BFLOAT16 in flags:
        return 'AMX'
    return next((name for flag, name in _BFLOAT16.items() if flag in flags), '')


def read_flags(cpuinfo: str) -> frozenset[str]:
    """Instruction sets of the first processor in the text of /proc/cpuinfo, x86 or Arm."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(':')
        if key.strip() in ('flags', 'Features'):
            return frozenset(value.split())
    return frozenset()


@functools.cache
def processor_flags() -> frozenset[str]:
    """Instruction sets of this machine's processor; empty where the kernel does not tell."""
    try:
        return read_flags(Path('/proc/cpuinfo').read_text())
    except OSError:
        return frozenset()


def has_fast_int8() -> bool:
    """Whether processor and torch multiply 8 bit integers faster than float32."""
    engines = torch.backends.quantized.supported_engines
    return bool(processor_flags() & set(_INT8)) and 'x86' in engines


def torch_has_bfloat16() -> bool:
    """Whether torch multiplies bfloat16 with this processor's vector instructions."""
    supported = getattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', None)
    return torch.backends.mkldnn.is_available() and supported is not None and bool(supported())


@functools.cache
def _choice_of_this_processor(threads: int) -> tuple[str, str]:
    """`decide` for this machine; a trial is made once per number of threads."""
    flags, supported = processor_flags(), torch_has_bfloat16()
    trial = time_products() if needs_trial(flags, supported) else None
    if trial is not None:
        log.debug('%d threads: %s', threads, trial)
    return decide(flags, supported, trial)


def time_products() -> Trial:
    """Time a product of the network's shape in both formats, some milliseconds in all.

    The formats take turns, and the fastest of some repetitions counts, so that other work on the
    machine has little influence.
    """
    rows, inputs, outputs = _TRIAL_SHAPE
    # Numbers of ordinary size: products of zeros or subnormal numbers take another time.
    x = torch.linspace(-1, 1, rows * inputs).view(rows, inputs)
    w = torch.linspace(1, -1, outputs * inputs).view(outputs, inputs)
    pairs = {dtype: (x.to(dtype), w.to(dtype)) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(pairs, math.inf)
    with torch.inference_mode():
        for repetition in range(-1, _TRIAL_REPETITIONS):
            for dtype, (left, right) in pairs.items():
                started = time.perf_counter()
                F.linear(left, right)
                if repetition >= 0:
                    best[dtype] = min(best[dtype], time.perf_counter() - started)
    return Trial(best[torch.float32], best[torch.bfloat16])
