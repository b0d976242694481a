#!/usr/bin/env bash
# torch 2.13.0 (PyPI's wheel for the CPU), on two cores: beside one other program that keeps a core
# busy, a pass through many small layers takes twenty times as long, and the processor's time too.
#
# Expected by most: the scheduler shares the cores fairly, so that two threads beside one busy program
# get two thirds of two cores, and a pass takes half as long again, at worst twice as long.
# Seen: the wheel carries GNU's OpenMP, whose threads wait for each other after every layer in a loop,
# for milliseconds. A thread that waits burns its time slices while the one that it waits for shares
# a core with the busy program. A pass of 150 layers took 67 ms alone, and 1784 ms beside the
# program (932 ms of the processor). With GOMP_SPINCOUNT=1000 threads sleep after microseconds:
# 60 ms alone, 79 ms beside it (46 ms of the processor).
# Matters for: any network on a robot's CPU, where other programs always run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.2.6
cat > "$folder/passes.py" <<'PY'
"""Milliseconds of the clock (median) and of the processor for a pass of 150 layers."""
import statistics
import time

import torch

torch.set_num_threads(2)
torch.manual_seed(0)
layers = [torch.nn.Linear(192, 192) for _ in range(150)]
rows = torch.randn(170, 192)
clock = []
with torch.inference_mode():
    for number in range(25):
        if number == 5:
            began = time.process_time()
        before = time.perf_counter()
        values = rows
        for layer in layers:
            values = torch.relu(layer(values))
        clock.append(1000 * (time.perf_counter() - before))
        time.sleep(0.01)
print(statistics.median(clock[5:]), 1000 * (time.process_time() - began) / 20)
PY
"$folder/venv/bin/python" - "$folder" <<'PY'
import os
import statistics
import subprocess
import sys

folder = sys.argv[1]
cores = sorted(os.sched_getaffinity(0))[:2]
if len(cores) < 2:
    sys.exit('two cores are needed')
os.sched_setaffinity(0, cores)
plain = {name: value for name, value in os.environ.items() if 'OMP_' not in name}


def passes(busy, **settings):
    command = [sys.executable, f'{folder}/passes.py']
    done = subprocess.run(command, env=plain | settings, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


found = {}
for turn in range(3):
    for beside in (0, 1):
        programs = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(beside)]
        try:
            for name, settings in (('default', {}), ('1000', {'GOMP_SPINCOUNT': '1000'})):
                found.setdefault((name, beside), []).append(passes(beside, **settings))
        finally:
            for program in programs:
                program.kill()
                program.wait()
clock = {key: statistics.median(run[0] for run in runs) for key, runs in found.items()}
cpu = {key: statistics.median(run[1] for run in runs) for key, runs in found.items()}
for name, beside in found:
    print(f'GOMP_SPINCOUNT {name}, {beside} busy programs: {clock[name, beside]:.1f} ms a pass, '
          f'{cpu[name, beside]:.1f} ms of the processor')
assert clock['default', 1] > 2 * clock['default', 0]
assert cpu['default', 1] > 1.8 * cpu['1000', 1]
assert clock['default', 1] > 1.4 * clock['1000', 1]
PY
