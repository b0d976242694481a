"""Whether a calibration fits what it is used with is said, with the remedy."""

from dataclasses import replace

import pytest

from fol_vpr.config import (
    CALIBRATED,
    RecognizerConfig,
    VerificationConfig,
    declaration,
    setting_of,
    settings_of,
)
from fol_vpr.datatypes import MapInfo
from fol_vpr.decision.calibration import DEFAULTS
from fol_vpr.recognizer.calibration_fit import (
    calibration_in_words,
    calibration_problem,
    calibration_remarks,
    settings_of_map_in_words,
)

USUAL = RecognizerConfig()
MADE = replace(DEFAULTS, settings=settings_of(USUAL), provenance={'calibration_error': 0.02})
INFO = MapInfo(
    'm.folmap', 'id', 'm', 2, 'model-a', 'fixed', 'fine', 9, 1, 8, 8, 1, 'map', False, None, True
)


def with_other(name: str) -> RecognizerConfig:
    """The usual settings with another value of one."""
    group, _, key = name.partition('.')
    value, choices = setting_of(USUAL, name), declaration(name).metadata['choices']
    other = next(c for c in choices if c != value) if choices else value * 0.5
    if isinstance(value, int):
        other = value + 1
    return replace(USUAL, **{group: replace(getattr(USUAL, group), **{key: other})})


@pytest.mark.parametrize('name', CALIBRATED)
def test_each_setting_that_differs_is_named_with_both_values(name):
    config = with_other(name)
    said = calibration_problem(INFO, MADE, config)
    assert name in said and 'm.folmap' in said and 'fol_vpr calibrate' in said
    assert 'made with other settings' in calibration_in_words(MADE, config)
    assert calibration_problem(INFO, MADE, USUAL) == ''


def test_settings_that_no_probability_depends_on_are_free():
    free = VerificationConfig(probability=0.99, consecutive=9, second_views=0, refine_pose=False)
    assert calibration_problem(INFO, MADE, RecognizerConfig(verification=free)) == ''


@pytest.mark.parametrize(
    ('facts', 'precision', 'words'),
    [
        ({'model_id': 'model-b'}, '', 'other weights'),
        ({'codec': 'tiny'}, '', 'other codec'),
        ({'precision': 'float32'}, 'int8', 'network.precision float32'),
        ({'precision': 'int8'}, 'bfloat16', '--precision bfloat16'),
    ],
)
def test_a_calibration_of_another_map_or_number_format_is_named(facts, precision, words):
    assert words in calibration_problem(INFO, replace(MADE, provenance=facts), USUAL, precision)


def test_bfloat16_on_a_robot_and_float32_at_home_are_no_reason_to_warn():
    made = replace(MADE, provenance={'precision': 'float32'})
    assert calibration_problem(INFO, made, USUAL, 'bfloat16') == ''


def test_an_older_calibration_says_what_it_has_not_recorded():
    some = replace(MADE, settings={n: v for n, v in MADE.settings.items() if 'min_' not in n})
    (said,) = calibration_remarks(INFO, some)
    assert 'no record of' in said and 'verification.min_inliers' in said
    assert 'an older version' in said and 'again' in said
    (said,) = calibration_remarks(INFO, replace(MADE, settings={}))
    assert 'no record of any setting' in said
    assert calibration_remarks(INFO, MADE) == []


def test_a_poor_one_says_so_whenever_its_map_comes_into_use():
    (said,) = calibration_remarks(INFO, replace(MADE, provenance={'calibration_error': 0.127}))
    assert 'poor: expected calibration error 0.127, add a drive' in said


def test_a_scale_that_the_calibration_does_not_have_is_named():
    (said,) = calibration_remarks(replace(INFO, scale='room'), MADE)
    assert 'scale of m.folmap is room' in said and '0.3' in said and '10' in said


def test_what_the_map_brings_and_what_was_given_are_told_apart():
    given = frozenset({'verification.speed'})
    config = RecognizerConfig(
        verification=VerificationConfig(place_radius=0.4, speed=1.0), given=given
    )
    said = settings_of_map_in_words(replace(INFO, scale='room'), MADE, config)
    assert said.startswith('scale room; of the map or its scale: ')
    assert 'verification.place_radius 0.4' in said
    assert said.endswith('given: verification.speed 1')
    assert 'nobody named one' in settings_of_map_in_words(INFO, None, USUAL)
