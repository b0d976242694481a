"""Whether a runtime other than torch can use what the machine has."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.machine.facts import GpuFacts, RuntimeFacts

_PAGE = 'docs/how-to/runtimes.md'


def examine_runtime(
    gpu: GpuFacts, runtime: RuntimeFacts, *, device: str = 'auto'
) -> Iterator[Finding]:
    """Findings on a runtime; whether torch is installed does not matter to it.

    Args:
        gpu: what kernel and driver show.
        runtime: what is installed.
        device: the setting network.device.
    """
    if runtime.error:
        yield Finding(
            'gpu.runtime',
            Severity.ERROR,
            f'network.runtime is {runtime.name}, which cannot be imported: {runtime.error}',
            'the network cannot run',
            f'install it for this machine and this Python ({_PAGE})',
            f'pip install {runtime.name}',
        )
        return
    has = f'{runtime.name} {runtime.version} has the devices {", ".join(runtime.devices)}'
    has_nvidia = bool(gpu.pci or gpu.device_files or gpu.driver or gpu.jetson)
    if device != 'auto' and device.partition(':')[0] not in {
        each.partition(':')[0] for each in runtime.devices
    }:
        yield Finding(
            'gpu.runtime',
            Severity.ERROR,
            f'{has}, and network.device is {device}',
            'the node cannot be configured',
            f'install the package or driver for that device ({_PAGE}), or set network.device to '
            'auto',
        )
    elif runtime.name == 'onnxruntime' and has_nvidia and runtime.devices == ('cpu',):
        yield Finding(
            'gpu.unused',
            Severity.WARNING,
            f'the machine has an NVIDIA GPU, but {has}',
            'the network runs on the CPU',
            "install onnxruntime-gpu (on a Jetson NVIDIA's wheel) in place of onnxruntime "
            f'({_PAGE})',
            '' if gpu.jetson else 'pip uninstall onnxruntime; pip install onnxruntime-gpu',
        )
    else:
        yield ok('gpu.runtime', has)
