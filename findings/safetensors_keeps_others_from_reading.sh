#!/usr/bin/env bash
# safetensors 0.8.0 (PyPI): save_file writes files that nobody but their owner can read.
#
# Expected by most: a new file gets the permissions that the umask leaves, as from open(), numpy.save
# or torch.save: with umask 022 everybody may read it.
# Seen: mode 600 whatever the umask; where the file is there already, it is replaced, and its mode
# becomes 600 as well. Weights that one user saves, and that the node of another user is to load, end in
# "permission denied". `safetensors.numpy.save`, which returns bytes, and a write of one's own keep
# the umask.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check safetensors==0.8.0 numpy==2.2.6
umask 022
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save, save_file

folder, tensors = Path(sys.argv[1]), {'weight': np.zeros(3, np.float32)}


def mode(name):
    found = f'{(folder / name).stat().st_mode & 0o777:o}'
    print(f'{name}: {found}')
    return found


np.save(folder / 'numpy.npy', tensors['weight'])
(folder / 'bytes.safetensors').write_bytes(save(tensors))
save_file(tensors, folder / 'new.safetensors')
(folder / 'there.safetensors').touch()
(folder / 'there.safetensors').chmod(0o644)
save_file(tensors, folder / 'there.safetensors')
assert (mode('numpy.npy'), mode('bytes.safetensors')) == ('644', '644')
assert (mode('new.safetensors'), mode('there.safetensors')) == ('600', '600')
PY
