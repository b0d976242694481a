"""Whether the processor can keep up, and what slows it down."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.machine.facts import MachineFacts

BUSY = 0.8
"""Share of the processors that may be busy before a warning."""
HOT = 5.0
"""Degrees Celsius below the limit of the kernel from which a sensor counts as hot."""
HOT_WITHOUT_LIMIT = 85.0
"""Degrees Celsius from which a sensor counts as hot where the kernel names no limit."""
_SLOW_GOVERNORS = ('powersave', 'conservative')


def examine_processor(facts: MachineFacts) -> Iterator[Finding]:
    """Findings on instruction sets, cores, their limits, frequency and temperature."""
    yield _instructions(facts)
    yield _compiler(facts)
    yield from _cores(facts)
    yield from _frequency(facts)
    yield from _temperature(facts)


def instruction_sets(flags: frozenset[str]) -> list[str]:
    """Names of the instruction sets that the network profits from, the fastest first."""
    known = (
        ('AMX', 'amx_tile'), ('AVX512 VNNI', 'avx512_vnni'), ('AVX VNNI', 'avx_vnni'),
        ('AVX512', 'avx512f'), ('AVX2', 'avx2'), ('SVE', 'sve'), ('I8MM', 'i8mm'),
        ('BF16', 'bf16'), ('dot products', 'asimddp'), ('NEON', 'asimd'), ('NEON', 'neon'),
    )  # fmt: skip
    return list(dict.fromkeys(name for name, flag in known if flag in flags))


def _instructions(facts: MachineFacts) -> Finding:
    found = instruction_sets(facts.flags)
    name = facts.processor or facts.architecture
    on_x86 = facts.architecture in ('x86_64', 'AMD64', 'amd64', 'i686')
    if facts.flags and on_x86 and 'avx2' not in facts.flags:
        return Finding(
            'machine.instructions',
            Severity.WARNING,
            f'{name} shows no AVX2',
            'torch then computes several times slower; some wheels of torch end with "Illegal '
            'instruction"',
            'in a virtual machine pass the processor of the host through (CPU type `host`); '
            'otherwise use a smaller network',
        )
    return ok('machine.instructions', f'{name}: {", ".join(found) or "instruction sets unknown"}')


def _compiler(facts: MachineFacts) -> Finding:
    if facts.numba:
        return ok('machine.numba', f'Numba {facts.numba} compiles matching and geometry')
    return Finding(
        'machine.numba',
        Severity.WARNING,
        'Numba is not installed',
        'NumPy matches images and measures poses: such answers take twice the time',
        'install it; the first start of the node then compiles for some forty seconds',
        'pip install numba',
    )


def _cores(facts: MachineFacts) -> Iterator[Finding]:
    effective = facts.effective_cores
    if effective < facts.cores:
        how = (
            f'the control group allows {facts.quota:g}'
            if facts.quota is not None and facts.quota < facts.usable_cores
            else f'this process may run on {facts.usable_cores}'
        )
        yield Finding(
            'machine.cores',
            Severity.WARNING,
            f'{facts.cores} cores, of which {how}',
            'the network is computed by the cores that remain; more threads than those get in '
            "each other's way",
            'allow more (`docker run --cpus`, `CPUQuota=` of systemd, `taskset`), or set '
            f'network.threads to {max(1, int(effective))}',
        )
    else:
        yield ok('machine.cores', f'{facts.cores} cores')
    if facts.load is not None and facts.load > BUSY * effective:
        yield Finding(
            'machine.load',
            Severity.WARNING,
            f'{facts.load:.1f} processes ran or waited on average over the last minute, on '
            f'{effective:g} cores',
            'what else runs takes time from the recognition, and from the timed trial below',
            'see what runs; give the node cores of its own (`taskset`, systemd `AllowedCPUs=`)',
            'top -o %CPU',
        )


def _frequency(facts: MachineFacts) -> Iterator[Finding]:
    slow = {name: n for name, n in facts.governors.items() if name in _SLOW_GOVERNORS}
    # With intel_pstate and amd-pstate, powersave scales up to the full frequency under load.
    if slow and facts.frequency_cap is not None and facts.frequency_cap >= 1.0:
        yield ok('machine.frequency', f'governor {", ".join(facts.governors)}, not capped')
    elif slow or (facts.frequency_cap is not None and facts.frequency_cap < 0.95):
        cap = '' if facts.frequency_cap is None else f', {facts.frequency_cap:.0%} of the highest'
        yield Finding(
            'machine.frequency',
            Severity.WARNING,
            f'governor of the frequency: {", ".join(facts.governors) or "unknown"}{cap}',
            'the processor computes slower than it could',
            'choose the governor performance; on a Jetson `sudo nvpmodel -m 0 && sudo '
            'jetson_clocks`',
            'sudo cpupower frequency-set -g performance',
        )
    elif facts.governors:
        yield ok('machine.frequency', f'governor {", ".join(facts.governors)}')


def _temperature(facts: MachineFacts) -> Iterator[Finding]:
    hot = [
        zone
        for zone in facts.zones
        if zone.celsius >= (HOT_WITHOUT_LIMIT if zone.limit is None else zone.limit - HOT)
    ]
    if hot:
        named = ', '.join(
            f'{zone.name} {zone.celsius:.0f} °C'
            + ('' if zone.limit is None else f' of {zone.limit:.0f} °C')
            for zone in hot
        )
        yield Finding(
            'machine.temperature',
            Severity.WARNING,
            f'hot: {named}',
            'the kernel slows the machine down at its limit, and images are then answered later',
            'cool it, or take load from it',
        )
    elif facts.zones:
        top = max(facts.zones, key=lambda zone: zone.celsius)
        yield ok('machine.temperature', f'{top.celsius:.0f} °C at most ({top.name})')
    if facts.power_problem:
        yield Finding(
            'machine.power',
            Severity.WARNING,
            facts.power_problem,
            'the firmware slows the processor down',
            'take a stronger power supply and a shorter cable; cool the board',
        )
    if facts.throttled:
        yield Finding(
            'machine.throttled',
            Severity.WARNING,
            f'the processor has slowed down for its temperature {facts.throttled} times since '
            'the machine started',
            'images are answered later while it is slowed down',
            'cool it; on a robot, measure the trial below when it is warm',
        )
