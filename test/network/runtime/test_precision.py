"""The number format that `auto` stands for, for processors of all kinds.

The lines of flags are those of /proc/cpuinfo of the named processors, without what has nothing to
do with vectors.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch

from fol_vpr.errors import DeviceError
from fol_vpr.network.runtime.precision import (
    Trial,
    choose_precision,
    decide,
    has_fast_int8,
    needs_trial,
    processor_flags,
    read_flags,
    time_products,
    torch_has_bfloat16,
)

SAPPHIRE_RAPIDS = (
    'fma aes xsave avx f16c rdrand hypervisor abm 3dnowprefetch fsgsbase bmi1 avx2 smep bmi2 '
    'avx512f avx512dq rdseed adx smap avx512ifma clflushopt clwb avx512cd sha_ni avx512bw '
    'avx512vl xsaveopt xsavec xgetbv1 xsaves avx_vnni avx512_bf16 wbnoinvd ida arat avx512vbmi '
    'umip pku ospke waitpkg avx512_vbmi2 gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme '
    'avx512_vpopcntdq rdpid cldemote movdiri movdir64b md_clear serialize amx_bf16 avx512_fp16 '
    'amx_tile amx_int8 flush_l1d arch_capabilities'
)
ZEN4 = (
    'fma aes xsave avx f16c rdrand fsgsbase bmi1 avx2 smep bmi2 erms invpcid avx512f avx512dq '
    'rdseed adx smap avx512ifma clflushopt clwb avx512cd sha_ni avx512bw avx512vl xsaveopt '
    'avx512_bf16 clzero irperf xsaveerptr avx512vbmi umip pku ospke avx512_vbmi2 gfni vaes '
    'vpclmulqdq avx512_vnni avx512_bitalg avx512_vpopcntdq rdpid'
)
ZEN3 = (
    'fma cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt aes xsave avx f16c rdrand hypervisor abm '
    'sse4a misalignsse fsgsbase bmi1 avx2 smep bmi2 erms invpcid rdseed adx smap clflushopt clwb '
    'sha_ni xsaveopt xsavec xgetbv1 xsaves clzero xsaveerptr arat umip vaes vpclmulqdq rdpid fsrm'
)
ALDER_LAKE = (
    'fma aes xsave avx f16c rdrand fsgsbase bmi1 avx2 smep bmi2 erms rdseed adx smap clflushopt '
    'clwb sha_ni xsaveopt xsavec xgetbv1 xsaves split_lock_detect avx_vnni gfni vaes vpclmulqdq'
)
CASCADE_LAKE = (
    'fma aes xsave avx f16c rdrand fsgsbase bmi1 avx2 smep bmi2 erms avx512f avx512dq rdseed adx '
    'smap clflushopt clwb avx512cd avx512bw avx512vl xsaveopt xsavec xgetbv1 xsaves avx512_vnni'
)
COBALT_100 = (
    'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma '
    'lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm uscat ilrcpc flagm ssbs sb paca pacg '
    'dcpodp sve2 sveaes svebitperm svesha3 svesm4 flagm2 frint svei8mm svebf16 i8mm bf16'
)
CORTEX_A76 = (
    'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop '
    'asimddp'
)
TWICE, EQUAL, SLOWER = Trial(4e-3, 2e-3), Trial(4e-3, 3.9e-3), Trial(4e-3, 30e-3)


def of_x86(flags):
    return read_flags(f'processor\t: 0\nvendor_id\t: X\nflags\t\t: {flags}\nbugs\t\t: bf16\n')


def of_arm(flags):
    return read_flags(f'processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: {flags}\n')


@pytest.mark.parametrize(
    ('flags', 'in_torch', 'trial', 'chosen', 'words'),
    [
        (of_x86(SAPPHIRE_RAPIDS), True, None, 'bfloat16', 'AMX'),
        (of_x86(SAPPHIRE_RAPIDS), False, None, 'float32', 'this torch does not use it'),
        (of_x86(ZEN4), True, TWICE, 'bfloat16', 'AVX-512 BF16, .* 2.0 times as fast in bfloat16'),
        (of_x86(ZEN4), True, EQUAL, 'float32', '1.0 times as fast in bfloat16, expected 1.3'),
        (of_x86(ZEN4), True, SLOWER, 'float32', '0.1 times'),
        (of_x86(ZEN4), True, None, 'float32', 'no trial'),
        (of_x86(ZEN4), True, Trial(math.nan, 1e-3), 'float32', 'nan times'),
        (of_x86(ZEN4), False, None, 'float32', 'this torch'),
        # torch says that it supports bfloat16 wherever there is AVX-512, and emulates it.
        (of_x86(CASCADE_LAKE), True, None, 'float32', 'no instructions for bfloat16; int8 takes'),
        (of_x86(ALDER_LAKE), False, None, 'float32', 'no instructions for bfloat16; int8 takes'),
        (of_x86(ZEN3), False, None, 'float32', 'no instructions for bfloat16$'),
        (of_arm(COBALT_100), True, TWICE, 'bfloat16', 'Arm BF16, .* 2.0 times'),
        (of_arm(COBALT_100), True, EQUAL, 'float32', 'Arm BF16, .* 1.0 times'),
        (of_arm(COBALT_100), False, None, 'float32', 'this torch'),
        (of_arm(CORTEX_A76), False, None, 'float32', 'no instructions for bfloat16$'),
        (frozenset(), False, None, 'float32', 'no instructions'),
    ],
)
def test_the_choice_for_a_processor_and_its_reason(flags, in_torch, trial, chosen, words):
    name, reason = decide(flags, in_torch, trial)
    assert name == chosen
    assert re.search(words, reason)


@pytest.mark.parametrize(
    ('flags', 'in_torch', 'needed'),
    [
        (of_x86(SAPPHIRE_RAPIDS), True, False),
        (of_x86(ZEN4), True, True),
        (of_x86(ZEN4), False, False),
        (of_x86(ZEN3), True, False),
        (of_arm(COBALT_100), True, True),
        (of_arm(CORTEX_A76), True, False),
    ],
)
def test_a_trial_is_made_where_the_flags_leave_it_open(flags, in_torch, needed):
    assert needs_trial(flags, in_torch) is needed


def test_flags_are_those_of_the_first_processor_alone():
    assert of_x86('avx2 fma') == {'avx2', 'fma'}
    assert of_arm('bf16') == {'bf16'}
    assert read_flags('processor : 0\nmodel name : flags of bf16\n') == frozenset()


def test_this_machine():
    kernel = Path('/proc/cpuinfo')
    flags = processor_flags()
    assert flags == (read_flags(kernel.read_text()) if kernel.exists() else frozenset())
    cpu = choose_precision('auto', torch.device('cpu'))
    assert cpu.dtype == getattr(torch, cpu.name)
    if not flags & {'amx_bf16', 'avx512_bf16', 'bf16'}:
        assert cpu.name == 'float32'
    if 'amx_bf16' in flags and torch_has_bfloat16():
        assert cpu.name == 'bfloat16'
    assert choose_precision('auto', torch.device('cpu')) == cpu


def test_a_trial_times_both_formats():
    trial = time_products()
    assert 0 < trial.float32 < 10
    assert 0 < trial.bfloat16 < 10


def test_settings_that_name_a_format():
    cpu, cuda = torch.device('cpu'), torch.device('cuda')
    assert choose_precision('auto', cuda)[:2] == ('bfloat16', torch.bfloat16)
    assert choose_precision('float16', cuda)[:2] == ('float16', torch.float16)
    assert choose_precision('bfloat16', cpu) == ('bfloat16', torch.bfloat16, 'as set')
    with pytest.raises(DeviceError, match='int8'):
        choose_precision('int8', cuda)
    if has_fast_int8():
        assert choose_precision('int8', cpu)[:2] == ('int8', torch.float32)
    else:
        with pytest.raises(DeviceError, match='VNNI'):
            choose_precision('int8', cpu)
