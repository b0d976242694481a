"""A decision with a calibration as if it had been learned from a map."""

from __future__ import annotations

import numpy as np

from fol_vpr.config import VerificationConfig
from fol_vpr.decision import FEATURES, Calibration, Decision

CONFIG = VerificationConfig(max_gap=5.0)
# Mean, scale and weight, as if they had been learned from this map; the others count nothing.
LEARNED = {
    'similarity_zscore': (1.9, 0.8, 0.35),
    'similarity_margin': (0.0, 1.1, 0.65),
    'match_margin': (0.7, 1.4, 0.5),
    'inliers': (3.6, 1.5, 1.65),
    'inlier_ratio': (0.3, 0.2, 0.4),
    'regions': (3.4, 1.5, 0.9),
}
COLUMNS = np.array([LEARNED.get(name, (0.0, 1.0, 0.0)) for name in FEATURES]).T
CALIBRATED = Calibration(*COLUMNS, -2.7, miss_rate=0.1, repeat_rate=0.25)


def decision(config: VerificationConfig = CONFIG, calibration=CALIBRATED) -> Decision:
    return Decision(config, calibration)
