"""Findings on GPU and torch, from facts as real machines give them."""

from __future__ import annotations

import pytest
from helpers.doctor.findings import by_key, problems

from fol_vpr.checks import Severity
from fol_vpr.checks.machine.accelerator import built_for, examine_accelerator
from fol_vpr.checks.machine.facts import CudaDevice, GpuFacts, TorchFacts

CPU = TorchFacts(version='2.13.0+cpu')
CUDA = TorchFacts(version='2.13.0+cu126', cuda='12.6')
DRIVEN = GpuFacts(
    pci=('0000:01:00.0',), device_files=('/dev/nvidia0',), driver='550.54.15',
    names=('NVIDIA GeForce RTX 4090',),
)  # fmt: skip


@pytest.mark.parametrize(
    'gpu',
    [
        DRIVEN,
        GpuFacts(device_files=('/dev/nvidia0',)),
        GpuFacts(driver='550.54.15'),
        GpuFacts(pci=('0000:01:00.0',)),
        GpuFacts(jetson='R36 (release), REVISION: 4.0'),
    ],
)
def test_a_torch_for_the_cpu_on_a_machine_with_a_gpu(gpu):
    found = by_key(examine_accelerator(gpu, CPU))['gpu.cpu_only_torch']
    assert found.severity is Severity.WARNING
    assert '2.13.0+cpu is built for the CPU only' in found.seen
    assert ('JetPack' in found.remedy) == bool(gpu.jetson)
    assert ('whl/cu' in found.command) != bool(gpu.jetson)
    wanted = by_key(examine_accelerator(gpu, CPU, device='cuda:0'))['gpu.cpu_only_torch']
    assert wanted.severity is Severity.ERROR


def test_a_gpu_without_a_driver_and_in_a_container():
    bare = GpuFacts(pci=('0000:01:00.0',))
    assert 'ubuntu-drivers' in by_key(examine_accelerator(bare, CUDA))['gpu.driver'].remedy
    inside = by_key(examine_accelerator(bare, CUDA, in_container=True))['gpu.driver']
    assert '--gpus all' in inside.remedy


def test_a_driver_that_torch_cannot_use():
    old = TorchFacts(version='2', cuda='12.6', problem='The NVIDIA driver is too old')
    found = by_key(examine_accelerator(DRIVEN, old))['gpu.unusable']
    assert 'too old' in found.seen
    assert '550.54.15' in found.seen
    said = GpuFacts(driver='1.0', smi_problem='nvidia-smi: Driver/library version mismatch')
    assert 'mismatch' in by_key(examine_accelerator(said, CUDA))['gpu.unusable'].seen


def test_hidden_and_missing_gpus():
    hidden = GpuFacts(driver='1.0', visible='')
    assert 'gpu.hidden' in problems(examine_accelerator(hidden, CUDA))
    assert 'gpu.hidden' not in by_key(examine_accelerator(GpuFacts(visible='0'), CPU))
    assert problems(examine_accelerator(GpuFacts(), CPU, device='cuda')) == {'gpu.missing'}
    assert problems(examine_accelerator(GpuFacts(), CPU)) == set()
    amd = examine_accelerator(GpuFacts(amd=True), CPU)
    assert 'ROCm' in by_key(amd)['gpu.cpu_only_torch'].seen


def test_a_torch_that_is_broken():
    found = by_key(examine_accelerator(DRIVEN, TorchFacts(error='libcudnn.so.9: not found')))
    assert found['gpu.torch'].severity is Severity.ERROR


def usable(capability: tuple[int, int], architectures: tuple[str, ...]) -> TorchFacts:
    device = CudaDevice('a GPU', capability, 24 * 10**9)
    return TorchFacts(
        version='2', cuda='12.6', available=True, devices=(device,), architectures=architectures
    )


def test_a_torch_that_was_built_for_other_gpus():
    new = usable((12, 0), ('sm_80', 'sm_86', 'sm_90'))
    found = by_key(examine_accelerator(DRIVEN, new))['gpu.capability']
    assert found.severity is Severity.ERROR
    assert '12.0' in found.seen
    right = usable((8, 9), ('sm_80', 'sm_86', 'sm_90'))
    assert problems(examine_accelerator(DRIVEN, right)) == set()


@pytest.mark.parametrize(
    ('architectures', 'capability', 'fits'),
    [
        (['sm_80'], (8, 6), True),
        (['sm_86'], (8, 0), False),
        (['sm_70'], (8, 0), False),
        (['compute_70'], (8, 0), True),
        (['compute_90'], (8, 0), False),
        (['sm_90a'], (9, 0), True),
        (['sm_90a'], (9, 1), False),
        (['sm_120'], (12, 0), True),
        (['sm_50', 'gfx90a'], (6, 1), False),
        ([], (8, 0), False),
    ],
)
def test_which_gpus_a_build_runs_on(architectures, capability, fits):
    assert built_for(architectures, capability) is fits
