"""How good a calibration is, in a word."""

from dataclasses import replace

import pytest

from fol_vpr.decision import Calibration, CalibrationQuality
from fol_vpr.decision.calibration import DEFAULTS


def with_facts(**facts: object) -> Calibration:
    return replace(DEFAULTS, provenance=facts)


@pytest.mark.parametrize(
    ('error', 'outside', 'word'),
    [(0.03, 0.02, 'good'), (0.06, 0.02, 'fair'), (0.127, 0.04, 'poor'), (0.03, 0.2, 'poor')],
)
def test_the_word_goes_by_the_worse_error(error, outside, word):
    found = CalibrationQuality.of(
        with_facts(calibration_error=error, calibration_error_outside=outside)
    )
    assert found.word == word and found.is_poor == (word == 'poor')
    assert str(found).startswith(f'{word}: expected calibration error {error:.3f}')
    assert ('add a drive' in str(found)) == (word == 'poor')


def test_what_chance_alone_would_show_is_said():
    found = CalibrationQuality.of(
        with_facts(calibration_error=0.04, reliability=[[100, 0.5, 0.5], [100, 1.0, 1.0]])
    )
    # A share of 100 answers at 0.5 deviates by sqrt(2 / pi) * 0.05 on the average.
    assert found.by_chance == pytest.approx(0.5 * 0.0399, rel=0.01)
    assert found.answers == 200 and '0.020 with 200 answers' in str(found)


@pytest.mark.parametrize(
    'facts',
    [
        {},
        {'calibration_error': 'small', 'reliability': 'yes'},
        {'calibration_error': True, 'reliability': [[0, 0.5, 0.5], [3, 'x', 1], [-1, 0.1, 0.1]]},
        {'calibration_error': float('nan'), 'reliability': [[5, 7.0, 1.0]]},
    ],
)
def test_what_is_not_recorded_is_not_made_up(facts):
    found = CalibrationQuality.of(with_facts(**facts))
    assert found.word == 'unknown' and not found.is_poor
    assert 'no calibration error is recorded' in str(found)
