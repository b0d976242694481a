"""One word that sets all lengths."""

import pytest

from fol_vpr.config import (
    DEFAULT_SCALE,
    SCALES,
    EvaluationConfig,
    LoopsConfig,
    MappingConfig,
    PruningConfig,
    VerificationConfig,
    probable_scale,
    scaled,
)

CONFIGS = (MappingConfig, VerificationConfig, LoopsConfig, EvaluationConfig, PruningConfig)


def test_every_value_of_a_scale_is_one_of_a_setting_that_exists():
    for scale in SCALES.values():
        found = 0
        for config in CONFIGS:
            usual, changed = config(), scaled(config(), scale.name)
            found += sum(getattr(usual, n) != getattr(changed, n) for n in vars(usual))
        assert found == len(scale.values), scale.name


@pytest.mark.parametrize('config', CONFIGS)
def test_the_default_scale_has_the_defaults(config):
    assert scaled(config(), DEFAULT_SCALE) == scaled(config(), '') == config()


def test_each_length_grows_with_the_scale():
    for config, name in (
        (MappingConfig, 'keyframe_distance'),
        (LoopsConfig, 'keyframe_distance'),
        (VerificationConfig, 'place_radius'),
        (EvaluationConfig, 'positive_radius'),
        (PruningConfig, 'radius'),
    ):
        lengths = [getattr(scaled(config(), scale), name) for scale in SCALES]
        assert lengths == sorted(set(lengths))
    distances = [scale.loop_distance for scale in SCALES.values()]
    assert distances == sorted(set(distances))


@pytest.mark.parametrize(
    ('extent', 'name'),
    [
        (0, 'room'),
        (4.1, 'room'),
        (15, 'building'),
        (52, 'building'),
        (100, 'street'),
        (1e6, 'street'),
    ],
)
def test_the_scale_is_guessed_from_the_extent(extent, name):
    assert probable_scale(extent) == name
