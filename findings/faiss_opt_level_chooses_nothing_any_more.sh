#!/usr/bin/env bash
# faiss-cpu 1.15.1 (PyPI): FAISS_OPT_LEVEL has no effect, and the log says that AVX could not be loaded
# where it is used.
#
# Expected by most: as in the wheels of earlier versions, each of which held a library for every
# instruction set, that FAISS_OPT_LEVEL=generic keeps FAISS from AVX2, and that 'Could not load library
# with AVX2 support' followed by 'Loading faiss.' means the slow generic code.
# Seen: the wheel has one library, which chooses by the processor when it is called. The loader still
# looks for the others, logs at level INFO that it cannot load them, and takes the one there is, whatever
# FAISS_OPT_LEVEL says. FAISS_SIMD_LEVEL=NONE, AVX2 ... is what limits it now;
# faiss.SIMDConfig.get_level_name() tells the level. A scan of 4 bit codes takes 5 to 25 times as long
# with NONE.
# Matters for: reproducing results of another processor, for who pins the level in a service file, and
# for who reads the log.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.2.6
cat > "$folder/level.py" <<'PY'
import logging
import time

logging.basicConfig(level=logging.INFO, format='%(message)s')
import faiss
import numpy as np

rows = np.random.default_rng(0).standard_normal((50_000, 64), dtype=np.float32)
faiss.omp_set_num_threads(1)
index = faiss.index_factory(64, 'PQ32x4fs')
index.train(rows[:10_000])
index.add(rows)
spent = []
for _ in range(7):
    before = time.process_time()
    index.search(rows[:64], 10)
    spent.append(time.process_time() - before)
print(faiss.SIMDConfig.get_level_name(), f'{1000 * min(spent):.1f}')
PY
level() { env -u FAISS_OPT_LEVEL -u FAISS_SIMD_LEVEL "$@" "$folder/venv/bin/python" "$folder/level.py"; }
plain=$(level 2> "$folder/log")
generic=$(level FAISS_OPT_LEVEL=generic 2> /dev/null)
none=$(level FAISS_SIMD_LEVEL=NONE 2> /dev/null)
echo "level and ms of 64 searches: $plain; FAISS_OPT_LEVEL=generic: $generic; FAISS_SIMD_LEVEL=NONE: $none"
grep -E 'Could not load|Loading faiss\.' "$folder/log"
[[ ${plain% *} == "${generic% *}" && ${plain% *} != NONE && ${none% *} == NONE ]]
awk "BEGIN { exit !(${none#* } > 2 * ${generic#* }) }"
# Only where the processor has them does the loader look for AVX2 or AVX-512.
! grep -q avx2 /proc/cpuinfo || grep -q "Could not load library with AVX2 support" "$folder/log"
