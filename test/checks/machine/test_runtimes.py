"""Findings on runtimes other than torch."""

from __future__ import annotations

from helpers.doctor.findings import by_key, problems

from fol_vpr.checks import Severity
from fol_vpr.checks.machine.facts import GpuFacts, RuntimeFacts
from fol_vpr.checks.machine.runtimes import examine_runtime

ON_CPU = RuntimeFacts('onnxruntime', version='1.32.0', devices=('cpu',))
NVIDIA = GpuFacts(device_files=('/dev/nvidia0',))


def test_a_runtime_that_fits_is_no_problem():
    found = by_key(examine_runtime(GpuFacts(), ON_CPU))['gpu.runtime']
    assert found.severity is Severity.OK
    assert 'onnxruntime 1.32.0 has the devices cpu' in found.seen
    several = RuntimeFacts('openvino', version='2026.4.1', devices=('cpu', 'gpu:0', 'gpu:1'))
    assert not problems(examine_runtime(NVIDIA, several, device='gpu:1'))


def test_one_that_is_missing_names_how_to_install_it():
    missing = RuntimeFacts('openvino', error="No module named 'openvino'")
    found = by_key(examine_runtime(GpuFacts(), missing))['gpu.runtime']
    assert found.severity is Severity.ERROR
    assert found.command == 'pip install openvino'


def test_a_device_that_it_lacks():
    assert problems(examine_runtime(NVIDIA, ON_CPU, device='cuda:0')) == {'gpu.runtime'}


def test_a_gpu_that_is_not_used():
    found = by_key(examine_runtime(NVIDIA, ON_CPU))['gpu.unused']
    assert found.severity is Severity.WARNING
    assert 'onnxruntime-gpu' in found.command
    assert not by_key(examine_runtime(GpuFacts(jetson='R36'), ON_CPU))['gpu.unused'].command
    with_cuda = RuntimeFacts('onnxruntime', version='1.32.0', devices=('cuda', 'cpu'))
    assert not problems(examine_runtime(NVIDIA, with_cuda))
