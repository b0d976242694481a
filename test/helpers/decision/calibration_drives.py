"""Drives to learn from, made up, whose rule is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.decision.observations import EVERYWHERE, hypothesis, observation

from fol_vpr.calibration import CalibrationDrive, CalibrationExample


def drive(count: int = 80, seed: int = 0, name: str = 'drive') -> CalibrationDrive:
    """Through all 40 places, two images at each; a tenth of the images leads elsewhere."""
    rng = np.random.default_rng(seed)
    examples = []
    for number in range(count):
        right = number // 2 % EVERYWHERE
        other = int((right + rng.integers(10, 30)) % EVERYWHERE)
        similarity, inliers = rng.normal(0.75, 0.08), rng.normal(120, 40)
        if rng.random() < 0.1:
            similarity, inliers = 0.5, 15
        found = [
            hypothesis(right, similarity, round(250 + 100 * (similarity - 0.7)), int(inliers)),
            hypothesis(other, rng.normal(0.5, 0.03), 140, int(rng.integers(5, 25)), 1),
        ]
        found.sort(key=lambda h: -h.similarity)
        found = [replace(h, rank=rank) for rank, h in enumerate(found)]
        alone = [replace(h, rank=0) for h in found if h.place.index != right]
        seen, masked = observation(number, found), observation(number, alone)
        masked = replace(
            masked,
            candidates=[c for c in masked.candidates if c.index != right],
            places=[p for p in masked.places if p.index != right],
        )
        examples.append(CalibrationExample(seen, frozenset([right]), masked))
    return CalibrationDrive(name, examples)
