#!/usr/bin/env bash
# kornia_rs 0.2.0 (PyPI): kornia_rs.k3d.pose_graph_optimize takes float64 and gives float64, and computes with
# about seven digits: one kilometre from the origin two poses with one edge do not converge, and at UTM
# coordinates nothing moves while `converged` is True.
#
# Expected by most: the same result wherever the map lies, as GTSAM, g2o and Ceres give with float64.
# Seen: two poses 5 m apart and one edge that says 1 m. At the origin they end 1 m apart, after 2 iterations; 1 km
# east and north of it 3.6 m, after 100, not converged; at an easting of 400 and a northing of 5,000 km they stay 5 m apart,
# converged after 0 iterations. `weight` counts squared: 4 weighs 16 times as much as 1.
# Matters for: graphs whose poses come from GNSS, or from drives of a kilometre: subtract the position of the first
# pose, and look at the edges afterwards, because `converged` does not tell.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check kornia_rs==0.2.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PY' || { cat log; exit 1; }
import numpy as np
from kornia_rs.k3d import pose_graph_optimize

UPRIGHT = np.array([np.eye(3)] * 2)


def edge(x, weight=1.0):
    return np.r_[0, 1, np.eye(3).ravel(), x, 0, 0, weight]


def optimised(x, y):
    """How far apart the poses end, the iterations, and whether they converged."""
    start = np.array([[x, y, 0.0], [x + 5, y, 0.0]])
    _, moved, iterations, converged = pose_graph_optimize(
        UPRIGHT, start, np.array([edge(1.0)]), [0], 100
    )
    apart = float(np.linalg.norm(moved[1] - moved[0]))
    print(f'at {x:g}, {y:g} m: {apart:.3f} m apart, {iterations} iterations, converged {converged}')
    return apart, iterations, converged


apart, _, converged = optimised(0, 0)
assert converged and abs(apart - 1) < 1e-3
apart, _, converged = optimised(1000, 1000)
assert not converged and apart > 2
assert optimised(400_000, 5_000_000) == (5.0, 0, True)

for weight in (1, 4):
    edges = np.array([edge(0.0), edge(1.0, weight)])
    _, moved, _, _ = pose_graph_optimize(UPRIGHT, np.zeros((2, 3)), edges, [0], 100)
    print(f'edges of 0 and 1 m, the second with weight {weight}: {moved[1, 0]:.3f} m')
    assert np.isclose(moved[1, 0], weight**2 / (1 + weight**2), atol=1e-4)
PY
