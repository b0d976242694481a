"""What the installed torch is, and which devices it can use."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from fol_vpr.network.runtime.device import choose_device
from fol_vpr.network.runtime.precision import choose_precision, has_fast_int8


def torch_facts() -> dict[str, Any]:
    """Version, builds and devices of torch; asks the driver, and allocates nothing on a GPU.

    Returns:
        `version`, `cuda` and `hip` (versions that it was built for, empty for none), `available`,
        `problem` (what it said when it was asked for GPUs), `devices` (name, capability, memory),
        `architectures`, `int8`, `precision` (what `auto` stands for, and why) and
        `threads`.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        available = torch.cuda.is_available()
        problem = '; '.join(str(each.message) for each in said)
    if not available and torch.version.cuda and not problem:
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            problem = str(error)
    precision = choose_precision('auto', choose_device('auto'))
    devices = []
    for number in range(torch.cuda.device_count() if available else 0):
        found = torch.cuda.get_device_properties(number)
        devices.append(
            {
                'name': found.name,
                'capability': [found.major, found.minor],
                'memory': found.total_memory,
            }
        )
    return {
        'version': torch.__version__,
        'cuda': torch.version.cuda or '',
        'hip': getattr(torch.version, 'hip', None) or '',
        'available': available,
        'problem': problem.strip().split('\n', 1)[0],
        'devices': devices,
        'architectures': torch.cuda.get_arch_list() if available else [],
        'int8': has_fast_int8(),
        'precision': f'{precision.name}: {precision.reason}',
        'threads': torch.get_num_threads(),
    }
