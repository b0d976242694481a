"""What the installed runtimes are, and which devices they have."""

from __future__ import annotations

import importlib
from typing import Any

from fol_vpr.network.exported.onnxruntime_session import PROVIDERS


def runtime_facts(name: str) -> dict[str, Any]:
    """Version and devices of a runtime other than torch.

    Args:
        name: onnxruntime or openvino.

    Returns:
        `name`, `version` and `devices`, as network.device names them.

    Raises:
        ImportError: it is not installed, or for another machine.
    """
    runtime = importlib.import_module(name)
    if name == 'openvino':
        devices = [each.lower().replace('.', ':') for each in runtime.Core().available_devices]
    else:
        available = runtime.get_available_providers()
        devices = [device for device, provider in PROVIDERS.items() if provider in available]
    return {'name': name, 'version': runtime.__version__, 'devices': devices}
