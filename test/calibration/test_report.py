"""What `fol_vpr calibrate` prints of a fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.decision.observations import LEARNED

from fol_vpr.calibration import FittedCalibration, summary_lines
from fol_vpr.decision import FEATURES

PROVENANCE = {**LEARNED.provenance, 'images_in_map': 90}
FITTED = FittedCalibration(replace(LEARNED, provenance=PROVENANCE), [], [], (80, 160), 37)


def test_the_table_has_a_row_for_each_number_with_both_weights():
    lines = summary_lines(FITTED)
    head = next(row for row, line in enumerate(lines) if line.startswith('evidence'))
    assert lines[head].split() == ['evidence', 'weight', 'exact', 'per', 'mean', 'meaning']
    for row, (name, words) in enumerate(FEATURES.items()):
        numbers = (
            f'{LEARNED.weights[row]:+.2f}',
            f'{LEARNED.exact_weights[row]:+.2f}',
            f'{LEARNED.scale[row]:.2f}',
            f'{LEARNED.mean[row]:.2f}',
        )
        assert lines[head + 1 + row].split() == [name, *numbers, *words.split()]


def test_it_says_what_exact_was_learned_from_and_how_much_it_counts():
    said = '\n'.join(summary_lines(FITTED))
    assert 'exact: learned from 37 places beside a right one; 0.30 of its log odds' in said
    without = replace(FITTED.calibration, exact_weights=np.zeros(len(FEATURES)))
    few = '\n'.join(summary_lines(replace(FITTED, calibration=without, beside=3)))
    assert 'exact: not learned, from 3 places beside a right one' in few
