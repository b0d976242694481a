"""GPUs, as the kernel, the driver and nvidia-smi show them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from fol_vpr.checks.machine.facts import GpuFacts

_NVIDIA = '0x10de'
_SMI_TIMEOUT = 10.0
"""Seconds; a driver that hangs must not hang the doctor."""


def gpu_facts(root: Path = Path('/'), smi: str | None = None) -> GpuFacts:
    """What the machine shows of GPUs.

    Args:
        root: where proc, sys, dev and etc are.
        smi: path of nvidia-smi; None looks for it.
    """
    names = [
        value.strip()
        for path in _glob(root / 'proc/driver/nvidia/gpus', '*/information')
        for line in _text(path).splitlines()
        for key, _, value in [line.partition(':')]
        if key.strip() == 'Model'
    ]
    problem = ''
    smi = shutil.which('nvidia-smi') if smi is None else smi
    if smi:
        found, problem = _ask(smi)
        names = found or names
    return GpuFacts(
        pci=tuple(_display_devices(root / 'sys/bus/pci/devices')),
        device_files=tuple(f'/dev/{path.name}' for path in _glob(root / 'dev', 'nvidia[0-9]*')),
        driver=_driver(_text(root / 'proc/driver/nvidia/version')),
        names=tuple(names),
        jetson=_text(root / 'etc/nv_tegra_release').strip().lstrip('# ').split(', GCID')[0],
        smi_problem=problem,
        amd=(root / 'dev/kfd').exists(),
        visible=os.environ.get('CUDA_VISIBLE_DEVICES'),
    )


def _display_devices(folder: Path) -> list[str]:
    """Display devices of NVIDIA on the PCI bus: classes 0x0300 and 0x0302."""
    return [
        device.name
        for device in _glob(folder, '*')
        if _text(device / 'vendor').strip() == _NVIDIA
        and _text(device / 'class').strip().startswith('0x03')
    ]


def _driver(text: str) -> str:
    """The version in `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  ...`."""
    words = text.partition('\n')[0].split()
    return next((w for w in words if w.replace('.', '').isdecimal() and '.' in w), '')


def _ask(smi: str) -> tuple[list[str], str]:
    """Names of the GPUs, and why nvidia-smi failed."""
    command = [smi, '--query-gpu=name', '--format=csv,noheader']
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_SMI_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f'nvidia-smi: {error}'
    said = done.stdout.strip() or done.stderr.strip()
    if done.returncode:
        return [], f'nvidia-smi: {said.splitlines()[0] if said else done.returncode}'
    return [line.strip() for line in done.stdout.splitlines() if line.strip()], ''


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''
