#!/usr/bin/env bash
# evo 1.38.1 and gtsam 4.3.0 (PyPI): the similarity that evo finds, given to gtsam's Similarity3, puts the
# points elsewhere, by the translation times the scale less one.
#
# Expected by most: rotation, translation and scale of a similarity are the same three numbers in both,
# and the 4x4 matrix of one is that of the other.
# Seen: evo's umeyama_alignment returns R, t and s of s R p + t. gtsam.Similarity3(R, t, s) is
# s (R p + t). With a scale of 2.5 and a translation of 50 m the points are 75 m off, without a word.
# Similarity3.Align of the same pairs is right, and its translation() is t / s; its matrix() has 1 / s in
# the corner, so that a product with (p, 1) is right only after a division by the last number.
# Matters for: monocular trajectories that evo aligned to GNSS and that then go into a graph, and the
# other way round.
# Needs Python 3.11 to 3.13 (wheels of gtsam).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check evo==1.38.1 gtsam==4.3.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import gtsam
import numpy as np
from evo.core.geometry import umeyama_alignment

scale, shift = 2.5, np.array([30.0, 40.0, 0.0])
turn = gtsam.Rot3.Ypr(0.6, 0.1, -0.2)
camera = np.random.default_rng(1).normal(0, 3, (20, 3))
world = scale * camera @ turn.matrix().T + shift

rotation, translation, found = umeyama_alignment(camera.T, world.T, with_scale=True)
print('evo: scale', round(found, 6), 'translation', translation.round(6))
given = gtsam.Similarity3(gtsam.Rot3(rotation), translation, found)
away = np.array([given.transformFrom(point) for point in camera]) - world
print('gtsam with these three: metres off', np.linalg.norm(away, axis=1).round(3)[:3])
assert np.allclose(np.linalg.norm(away, axis=1), 75.0)

pairs = gtsam.Point3Pairs(list(zip(world, camera)))
own = gtsam.Similarity3.Align(pairs)
print('gtsam by itself: scale', round(own.scale(), 6), 'translation', own.translation().round(6))
assert np.allclose([own.transformFrom(point) for point in camera], world)
assert np.allclose(own.translation(), shift / scale) and np.isclose(own.scale(), scale)
raw = own.matrix() @ np.append(camera[0], 1)
print('last number of matrix() @ (p, 1):', round(raw[3], 6))
assert np.isclose(raw[3], 1 / scale) and np.allclose(raw[:3] / raw[3], world[0])
PY
