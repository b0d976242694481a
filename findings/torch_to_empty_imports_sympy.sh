#!/usr/bin/env bash
# torch 2.13.0 (PyPI): memory for a module on the device meta costs an import of sympy.
#
# Expected by most: `module.to_empty(device='cpu')`, the documented way to give memory to a module that
# was built under `torch.device('meta')`, allocates memory, in microseconds for a small layer.
# Seen: it calls `empty_like` on meta tensors, which torch computes by its Python decompositions; these
# import torch.fx.experimental.symbolic_shapes and with it sympy: half a second of CPU time and 35 MB,
# once per process, whatever the size of the module. Building the module and
# `load_state_dict(..., assign=True)` import nothing. It matters for programs that start, load weights
# and answer one question; the usual advice to build on meta in order to start faster makes them slower.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu saves 3 GB of CUDA.
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import resource
import sys
import time

import torch


def used():
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return time.process_time(), megabytes, len(sys.modules)


def cost(what, call):
    before = used()
    call()
    seconds, megabytes, modules = (b - a for a, b in zip(before, used()))
    print(f'{what}: {seconds:.3f} s of CPU time, {megabytes} MB, {modules} modules imported')
    return modules


with torch.device('meta'):
    loaded, emptied = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
assert 'sympy' not in sys.modules
values = {'weight': torch.ones(4, 4), 'bias': torch.ones(4)}
assert cost('load_state_dict(assign=True)', lambda: loaded.load_state_dict(values, assign=True)) == 0
assert cost("to_empty(device='cpu')", lambda: emptied.to_empty(device='cpu')) > 400
assert 'sympy' in sys.modules
PY
