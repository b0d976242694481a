"""Facts of the machine, from trees of files as kernels show them."""

from __future__ import annotations

from pathlib import Path

from fol_vpr.checks.machine.facts import ThermalZone
from fol_vpr.cli.doctor.gathering.machine import container, machine_facts

CPUINFO = """\
processor\t: 0
model name\t: Some  CPU @ 2.00GHz
flags\t\t: fpu avx2 avx512f avx512_vnni

processor\t: 1
model name\t: Some  CPU @ 2.00GHz
flags\t\t: fpu avx2
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_container_with_limits_of_version_2(tmp_path):
    root = write(tmp_path, {
        '.dockerenv': '',
        'proc/cpuinfo': CPUINFO,
        'proc/meminfo': 'MemTotal: 2000 kB\nMemAvailable: 1000 kB\n',
        'proc/loadavg': '1.50 1.00 0.50 2/345 6789\n',
        'proc/self/cgroup': '0::/robot/node\n',
        'sys/fs/cgroup/cpu.max': 'max 100000\n',
        'sys/fs/cgroup/robot/cpu.max': '150000 100000\n',
        'sys/fs/cgroup/robot/node/cpu.max': '400000 100000\n',
        'sys/fs/cgroup/robot/memory.max': '500000\n',
        'sys/fs/cgroup/robot/memory.current': '200000\n',
        'sys/fs/cgroup/robot/node/memory.max': 'max\n',
    })  # fmt: skip
    facts = machine_facts(root)
    assert facts.processor == 'Some CPU @ 2.00GHz'
    # What one core lacks, a thread that moves there cannot use.
    assert facts.flags == {'fpu', 'avx2'}
    assert (facts.memory, facts.available, facts.load) == (2048000, 1024000, 1.5)
    assert (facts.quota, facts.memory_limit, facts.memory_used) == (1.5, 500000, 200000)
    assert facts.container == 'docker'
    assert facts.effective_cores <= 1.5


def test_limits_of_version_1(tmp_path):
    root = write(tmp_path, {
        'proc/self/cgroup': '4:memory:/a\n3:cpu,cpuacct:/a\n',
        'sys/fs/cgroup/memory/a/memory.limit_in_bytes': '4096\n',
        'sys/fs/cgroup/memory/a/memory.usage_in_bytes': '1024\n',
        'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
        'sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '50000\n',
        'sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '100000\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
    })  # fmt: skip
    facts = machine_facts(root)
    assert (facts.quota, facts.memory_limit, facts.memory_used) == (0.5, 4096, 1024)


def test_frequency_temperature_and_power(tmp_path):
    cpu, zone = 'sys/devices/system/cpu/cpu0', 'sys/class/thermal/thermal_zone0'
    root = write(tmp_path, {
        'proc/device-tree/model': 'Raspberry Pi 5 Model B\0',
        f'{cpu}/cpufreq/scaling_governor': 'powersave\n',
        f'{cpu}/cpufreq/scaling_max_freq': '1200000\n',
        f'{cpu}/cpufreq/cpuinfo_max_freq': '2400000\n',
        f'{cpu}/thermal_throttle/core_throttle_count': '3\n',
        f'{zone}/type': 'cpu-thermal\n',
        f'{zone}/temp': '81000\n',
        f'{zone}/trip_point_0_type': 'active\n',
        f'{zone}/trip_point_0_temp': '50000\n',
        f'{zone}/trip_point_1_type': 'critical\n',
        f'{zone}/trip_point_1_temp': '110000\n',
        f'{zone}/trip_point_2_type': 'passive\n',
        f'{zone}/trip_point_2_temp': '85000\n',
        'sys/class/thermal/thermal_zone1/temp': '-274000\n',
        'sys/devices/platform/soc/soc:firmware/get_throttled': '50005\n',
    })  # fmt: skip
    facts = machine_facts(root)
    assert facts.processor == 'Raspberry Pi 5 Model B'
    assert (facts.governors, facts.frequency_cap) == ({'powersave': 1}, 0.5)
    assert facts.zones == (ThermalZone('cpu-thermal', 81.0, 85.0),)
    assert facts.throttled == 3
    assert facts.power_problem == 'the firmware reports: under-voltage, throttled'


def test_a_machine_that_tells_nothing(tmp_path):
    facts = machine_facts(tmp_path)
    assert (facts.memory, facts.load, facts.quota, facts.throttled) == (None, None, None, None)
    assert container(tmp_path) == ''


def test_this_machine():
    facts = machine_facts()
    assert facts.cores >= facts.effective_cores > 0
    assert facts.memory > 0
