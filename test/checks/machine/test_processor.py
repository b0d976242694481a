"""Findings on processor and memory."""

from __future__ import annotations

import dataclasses

from helpers.doctor.findings import by_key, problems

from fol_vpr.checks.machine.facts import MachineFacts, ThermalZone
from fol_vpr.checks.machine.memory import examine_memory
from fol_vpr.checks.machine.processor import examine_processor, instruction_sets

SOUND = MachineFacts(
    'x86_64', processor='a CPU', flags=frozenset({'avx2', 'avx512f', 'avx512_vnni'}), cores=8,
    usable_cores=8, load=0.5, memory=16 * 10**9, available=8 * 10**9,
    governors={'performance': 8}, frequency_cap=1.0, zones=(ThermalZone('x86_pkg_temp', 50, 100),),
    numba='0.68.1',
)  # fmt: skip


def changed(**values) -> MachineFacts:
    return dataclasses.replace(SOUND, **values)


def test_a_sound_machine():
    assert problems(examine_processor(SOUND)) == set()
    assert problems(examine_memory(SOUND)) == set()
    found = by_key(examine_processor(SOUND))
    assert found['machine.instructions'].seen == 'a CPU: AVX512 VNNI, AVX512, AVX2'
    assert '50 °C' in found['machine.temperature'].seen


def test_instruction_sets():
    assert instruction_sets(frozenset({'asimd', 'asimddp', 'neon'})) == ['dot products', 'NEON']
    assert instruction_sets(frozenset({'amx_tile', 'avx2'})) == ['AMX', 'AVX2']
    old = changed(flags=frozenset({'sse4_2'}))
    assert problems(examine_processor(old)) == {'machine.instructions'}
    arm = changed(architecture='aarch64', flags=frozenset({'asimd'}))
    assert problems(examine_processor(arm)) == set()
    assert problems(examine_processor(changed(flags=frozenset()))) == set()


def test_numba():
    assert 'Numba 0.68.1' in by_key(examine_processor(SOUND))['machine.numba'].seen
    missing = changed(numba='')
    assert problems(examine_processor(missing)) == {'machine.numba'}
    assert by_key(examine_processor(missing))['machine.numba'].command == 'pip install numba'


def test_a_container_with_fewer_cores_than_the_machine():
    found = by_key(examine_processor(changed(quota=1.5)))['machine.cores']
    assert 'control group allows 1.5' in found.seen
    assert 'network.threads to 1' in found.remedy
    pinned = by_key(examine_processor(changed(usable_cores=2)))['machine.cores']
    assert 'may run on 2' in pinned.seen
    assert problems(examine_processor(changed(quota=8.0))) == set()


def test_a_busy_slow_and_hot_machine():
    assert problems(examine_processor(changed(load=7.5))) == {'machine.load'}
    assert problems(examine_processor(changed(load=2.0, quota=2.0))) >= {'machine.load'}
    slow = changed(governors={'powersave': 8}, frequency_cap=0.5)
    assert '50% of the highest' in by_key(examine_processor(slow))['machine.frequency'].seen
    # With intel_pstate this is the usual governor, and no slow one.
    usual = changed(governors={'powersave': 8})
    assert problems(examine_processor(usual)) == set()
    hot = changed(zones=(ThermalZone('a', 96, 100), ThermalZone('b', 60, None)))
    assert '96 °C of 100 °C' in by_key(examine_processor(hot))['machine.temperature'].seen
    without_limit = changed(zones=(ThermalZone('b', 90, None),))
    assert problems(examine_processor(without_limit)) == {'machine.temperature'}
    assert problems(examine_processor(changed(throttled=7))) == {'machine.throttled'}
    assert problems(examine_processor(changed(power_problem='x'))) == {'machine.power'}


def test_a_container_with_less_memory_than_the_machine():
    small = changed(memory_limit=2 * 10**9, memory_used=15 * 10**8)
    found = by_key(examine_memory(small))['machine.memory']
    assert 'allows 2.0 GB, 0.5 GB of it free' in found.seen
    assert found.is_problem
    assert problems(examine_memory(changed(available=5 * 10**8))) == {'machine.memory'}
    assert problems(examine_memory(changed(memory_limit=10**15))) == set()
    assert list(examine_memory(changed(memory=None))) == []
