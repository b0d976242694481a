"""Facts of GPUs, from trees of files and a program in the place of nvidia-smi."""

from __future__ import annotations

from pathlib import Path

import pytest

from fol_vpr.cli.doctor.gathering.gpu import gpu_facts


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def program(path: Path, text: str) -> str:
    write(path, f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return str(path)


def test_a_machine_with_a_driver(tmp_path):
    write(tmp_path / 'dev/nvidia0', '')
    write(tmp_path / 'dev/nvidiactl', '')
    write(
        tmp_path / 'proc/driver/nvidia/version',
        'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\nGCC version: 12\n',
    )
    write(
        tmp_path / 'proc/driver/nvidia/gpus/0000:01:00.0/information',
        'Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 123\n',
    )
    pci = tmp_path / 'sys/bus/pci/devices'
    for name, vendor, kind in (
        ('0000:01:00.0', '0x10de', '0x030000'), ('0000:01:00.1', '0x10de', '0x040300'),
        ('0000:02:00.0', '0x8086', '0x030000'),
    ):  # fmt: skip
        write(pci / name / 'vendor', f'{vendor}\n')
        write(pci / name / 'class', f'{kind}\n')
    facts = gpu_facts(tmp_path, smi='')
    assert facts.pci == ('0000:01:00.0',)
    assert facts.device_files == ('/dev/nvidia0',)
    assert facts.driver == '550.54.15'
    assert facts.names == ('NVIDIA GeForce RTX 4090',)


def test_a_jetson(tmp_path):
    release = '# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64\n'
    write(tmp_path / 'etc/nv_tegra_release', release)
    assert gpu_facts(tmp_path, smi='').jetson == 'R36 (release), REVISION: 4.0'


def test_what_nvidia_smi_says(tmp_path, monkeypatch: pytest.MonkeyPatch):
    smi = program(tmp_path / 'smi', 'echo NVIDIA H200; echo NVIDIA H200')
    assert gpu_facts(tmp_path, smi).names == ('NVIDIA H200', 'NVIDIA H200')
    failing = program(tmp_path / 'failing', 'echo Failed to initialize NVML; exit 18')
    assert gpu_facts(tmp_path, failing).smi_problem == 'nvidia-smi: Failed to initialize NVML'
    assert 'No such file' in gpu_facts(tmp_path, str(tmp_path / 'none')).smi_problem
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert gpu_facts(tmp_path, smi='').visible == ''
