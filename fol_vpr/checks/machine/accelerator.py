"""Whether torch can use the GPU that the machine has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fol_vpr.checks.findings import Finding, Severity, ok, skipped
from fol_vpr.checks.machine.facts import GpuFacts, TorchFacts

_WHEELS = 'pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126'
_JETSON = (
    "install NVIDIA's wheel of torch for this JetPack (docs.nvidia.com, Installing PyTorch for "
    'Jetson Platform): the wheels of PyPI for aarch64 are for the CPU or for servers'
)


def examine_accelerator(
    gpu: GpuFacts, torch: TorchFacts, *, device: str = 'auto', in_container: bool = False
) -> Iterator[Finding]:
    """Findings on GPU and torch.

    Args:
        gpu: what kernel and driver show.
        torch: what is installed.
        device: the setting network.device.
        in_container: whether this process runs in a container.
    """
    if torch.error:
        yield Finding(
            'gpu.torch',
            Severity.ERROR,
            f'torch cannot be imported: {torch.error}',
            'the network cannot run',
            'install torch for this machine and this Python (docs/how-to/install_on_a_robot.md)',
            'python3 -c "import torch"',
        )
        return
    if gpu.visible is not None and gpu.visible.strip() in ('', '-1', 'NoDevFiles'):
        yield Finding(
            'gpu.hidden',
            Severity.WARNING,
            f'CUDA_VISIBLE_DEVICES is {gpu.visible!r}, which hides all GPUs',
            'the network runs on the CPU',
            'unset it, or name the GPU',
            'unset CUDA_VISIBLE_DEVICES',
        )
    has_nvidia = bool(gpu.pci or gpu.device_files or gpu.driver or gpu.jetson)
    name = ', '.join(gpu.names) or (
        'a Jetson' if gpu.jetson else f'an NVIDIA GPU ({", ".join(gpu.pci or gpu.device_files)})'
    )
    wants_cuda = device.startswith('cuda')
    if torch.available:
        yield from _usable(torch)
    elif has_nvidia and not torch.cuda:
        yield Finding(
            'gpu.cpu_only_torch',
            Severity.ERROR if wants_cuda else Severity.WARNING,
            f'the machine has {name}, but torch {torch.version} is built for the CPU only',
            'the network runs on the CPU, which takes many times as long'
            if not wants_cuda
            else f'network.device is {device}, which this torch does not have',
            _JETSON if gpu.jetson else 'install a torch that is built for CUDA',
            '' if gpu.jetson else _WHEELS,
        )
    elif has_nvidia and not (gpu.driver or gpu.device_files or gpu.jetson):
        yield Finding(
            'gpu.driver',
            Severity.ERROR if wants_cuda else Severity.WARNING,
            f'the machine has {name}, but its driver is not '
            f'{"visible in this container" if in_container else "loaded"}',
            'the network runs on the CPU',
            'start the container with `--gpus all` and the NVIDIA container toolkit'
            if in_container
            else 'install the driver (`sudo ubuntu-drivers install`), and restart',
            '' if in_container else 'nvidia-smi',
        )
    elif has_nvidia:
        problem = torch.problem or gpu.smi_problem or 'it finds no device'
        yield Finding(
            'gpu.unusable',
            Severity.ERROR if wants_cuda else Severity.WARNING,
            f'the machine has {name}, and torch {torch.version} is built for CUDA '
            f'{torch.cuda}, but cannot use it: {problem}'
            + (f' (driver {gpu.driver})' if gpu.driver else ''),
            'the network runs on the CPU',
            'the driver has to be at least as new as the CUDA of torch: update the driver, or '
            'install a torch for an older CUDA; after an update of the driver restart the machine',
            'nvidia-smi',
        )
    elif wants_cuda:
        yield Finding(
            'gpu.missing',
            Severity.ERROR,
            f'network.device is {device}, and this machine shows no NVIDIA GPU',
            'the node cannot be configured',
            'set network.device to auto or cpu; in a container, start it with `--gpus all`',
        )
    elif gpu.amd and not torch.hip:
        yield Finding(
            'gpu.cpu_only_torch',
            Severity.WARNING,
            f'the machine has an AMD GPU, but torch {torch.version} is not built for ROCm',
            'the network runs on the CPU',
            'install a torch that is built for ROCm',
        )
    else:
        chosen = f'; precision auto is {torch.precision}' if torch.precision else ''
        yield ok('gpu.none', f'no GPU; torch {torch.version} on the CPU{chosen}')


def _usable(torch: TorchFacts) -> Iterator[Finding]:
    for device in torch.devices:
        major, minor = device.capability
        if torch.hip or built_for(torch.architectures, device.capability):
            yield ok(
                'gpu.usable',
                f'{device.name}, {device.memory / 1e9:.0f} GB, compute capability '
                f'{major}.{minor}; torch {torch.version}',
            )
        else:
            yield Finding(
                'gpu.capability',
                Severity.ERROR,
                f'{device.name} has compute capability {major}.{minor}, and torch '
                f'{torch.version} is built for {", ".join(torch.architectures)}',
                'the first image ends with "no kernel image is available for execution on the '
                'device"',
                'install a torch that is built for this GPU: a newer one for a new GPU, an older '
                'one (CUDA 11.8 or 12.6) for an old GPU; or set network.device to cpu',
                'python3 -c "import torch; print(torch.cuda.get_arch_list())"',
            )


def built_for(architectures: Iterable[str], capability: tuple[int, int]) -> bool:
    """Whether code that was compiled for architectures runs on a GPU.

    Code for sm_XY runs on GPUs of the same major version and at least that minor one; PTX for
    compute_XY on all that are as new. Names with a letter, such as sm_90a, are for one GPU alone
    (CUDA C++ Programming Guide, Compute Capabilities).

    Args:
        architectures: such as sm_80, sm_90a, compute_90.
        capability: major and minor compute capability of the GPU.
    """
    for name in architectures:
        match = re.fullmatch(r'(sm|compute)_(\d+)(\d)([a-z]?)', name)
        if match is None:
            continue
        built = int(match[2]), int(match[3])
        if match[4] == 'a':
            fits = built == capability
        elif match[1] == 'compute':
            fits = built <= capability
        else:
            fits = built[0] == capability[0] and built[1] <= capability[1]
        if fits:
            return True
    return False


def torch_not_examined(reason: str) -> Finding:
    """The finding that nothing is known of torch."""
    return skipped('gpu.torch', reason)
