#!/usr/bin/env bash
# numba 0.68.1 (PyPI), with fastmath, on processors with FMA: a function that calls another one
# computes other last bits in every process that reads it from the cache (cache=True) than in the
# process that compiled and cached it.
#
# Expected by most: the cache keeps the machine code that ran, so that later processes on the same
# machine compute the same bits; and a function computes the same whoever calls it.
# Seen: `twice` calls `sample`, a sum of four products. Of 270 float32 values, 101 differ between the
# first process and later ones. In a later one, `twice` also differs from `sample` called alone with
# the same arguments; unless `sample` was called (so loaded) before `twice`: then all is as in the
# first process.
# Cause: the code of `twice` holds a copy of `sample`, a weak symbol of the same name, that LLVM
# optimised once more together with `twice`. There it adds ((a + b) + c) + d, in `sample` itself
# (a + b) + (c + d), as contract, reassoc and nsz allow, and FMA rounds both differently. The process
# that compiles has loaded `sample` before, to which the call is bound then. One that reads `twice`
# from the cache loads nothing else, and runs the copy, which is cached but has never run so far.
# To do where runs must agree: inline='always' for callees, or fastmath=False. Or call callees before
# callers in each process. Without nsz the bits agree here, and sums still are in vectors. If the
# cache is filled before runs are compared, these must still call functions in the same order.
# Known: a loaded symbol wins over a weak one (https://github.com/numba/numba/issues/2451); code is
# optimised several times (https://github.com/numba/numba/pull/9570). Cached code that takes another
# time than compiled code (https://github.com/numba/numba/issues/10617) may have the same cause. No
# report of other results was found.
# Matters for: comparing runs by their bits, tests against stored numbers, and bisecting a change of
# results: the run after each change of the sources is the first one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numba==0.68.1 numpy==2.2.6
cat > "$folder/program.py" <<'PY'
import json
import sys

import numpy as np
from numba import njit

flags, inline, first = sys.argv[1:]
fastmath = set(flags.split(',')) if flags else False


@njit(cache=True, fastmath=fastmath, inline=inline)
def sample(image, x, y, found):
    one = np.float32(1)
    a, b, c, d = (one - x) * (one - y), x * (one - y), (one - x) * y, x * y
    for p in range(270):
        found[p] = a * image[p] + b * image[p + 1] + c * image[p + 18] + d * image[p + 19]


@njit(cache=True, fastmath=fastmath)
def twice(image, x, y, one, two):
    sample(image, x, y, one)
    sample(image, y, x, two)


image = np.random.default_rng(1).random(300, np.float32)
x, y = np.float32(0.3), np.float32(0.6)
found = {name: np.zeros(270, np.float32) for name in ('alone', 'by twice', 'unused')}
if first == 'sample':
    sample(image, x, y, found['unused'])
twice(image, x, y, found['by twice'], found['unused'])
compiled = sum(twice.stats.cache_misses.values())
sample(image, x, y, found['alone'])
print(json.dumps([compiled, found['alone'].tolist(), found['by twice'].tolist()]))
PY
"$folder/venv/bin/python" - "$folder" <<'PY'
import json
import os
import subprocess
import sys

folder = sys.argv[1]


def run(flags, inline='never', first='twice'):
    """Whether a process compiled, and what it computed; each program has its own cache."""
    cache = f'{folder}/cache_{flags}_{inline}'
    environment = {**os.environ, 'NUMBA_CACHE_DIR': cache}
    command = [sys.executable, f'{folder}/program.py', flags, inline, first]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def differ(one, two):
    return sum(a != b for a, b in zip(one, two, strict=True))


ALL = 'contract,reassoc,nsz,arcp'
compiles, alone, wanted = run(ALL)
assert compiles == 1
print(f'process 1 compiles; by twice and alone {differ(alone, wanted)} of 270 values differ')
assert alone == wanted
for number, first in (2, 'twice'), (3, 'twice'), (4, 'sample'):
    compiles, alone, found = run(ALL, first=first)
    by = max(abs(a - b) for a, b in zip(found, wanted, strict=True))
    print(f'process {number} calls {first} first; from process 1 {differ(found, wanted)} differ, by up to '
          f'{by:.0e}; by twice and alone {differ(alone, found)}')  # fmt: skip
    assert compiles == 0
    assert (found != wanted) == (alone != found) == (first == 'twice')
for flags, inline in (
    ('contract,reassoc,nsz', 'never'), ('contract,reassoc', 'never'), ('contract,nsz', 'never'),
    ('reassoc,nsz', 'never'), ('', 'never'), (ALL, 'always'),
):  # fmt: skip
    results = [run(flags, inline) for _ in range(2)]
    assert [each[0] for each in results] == [1, 0]
    count = differ(results[0][2], results[1][2])
    print(f'fastmath={flags or False}, inline={inline}: {count} differ between process 1 and 2')
    assert (count > 0) == (flags == 'contract,reassoc,nsz')
PY
