#!/usr/bin/env bash
# small_gicp 1.0.1 (PyPI): two clouds that do not touch each other are registered with
# converged=True and an error of 0.0.
#
# Expected by most: where no point finds a partner within max_correspondence_distance, `converged` is
# False, or the error is large.
# Seen: without partners there is nothing to minimise: the step is zero, which counts as converged,
# before the first iteration. The transform is the initial guess, and the error is the smallest that
# there is. The error of a good registration is larger, as it is a sum over the partners, so
# that whoever keeps the candidate with the smallest error keeps this one. num_inliers is 0.
# Matters for: verifying loop closures with scans. A candidate at a wrong place, or an initial guess so
# far off that the scans do not touch, passes a test of `converged` and of the error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check small_gicp==1.0.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import small_gicp

generator = np.random.default_rng(0)
cloud = generator.uniform(0, 20, size=(2000, 3))
cloud[:, 2] = np.sin(cloud[:, 0]) + 0.3 * np.cos(2 * cloud[:, 1])

results = {}
for name, shift in (('near', [0.3, 0.2, 0]), ('far', [50, 50, 0])):
    results[name] = result = small_gicp.align(cloud, cloud + np.array(shift))
    print(
        f'{name}: converged {result.converged}, error {result.error:.3f}, inliers '
        f'{result.num_inliers}, translation {result.T_target_source[:3, 3].round(2)}'
    )
near, far = results['near'], results['far']
assert near.converged and np.allclose(near.T_target_source[:3, 3], [-0.3, -0.2, 0], atol=0.01)
assert far.converged and far.error == 0 < near.error and far.num_inliers == 0
assert np.array_equal(far.T_target_source, np.eye(4))
PY
