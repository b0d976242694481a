"""Options are made from the settings, and nothing but the settings."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace

import pytest

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.config import (
    CameraConfig,
    EvaluationConfig,
    LoopsConfig,
    MappingConfig,
    NetworkConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.errors import InputError

CONFIGS = [
    CameraConfig,
    EvaluationConfig,
    MappingConfig,
    NetworkConfig,
    RetrievalConfig,
    VerificationConfig,
]


def parser_of(config: type) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_settings(parser, config)
    return parser


@pytest.mark.parametrize('config', CONFIGS)
def test_every_setting_has_an_option_with_its_description_and_default(config):
    text = without_spaces(parser_of(config).format_help())
    for spec in fields(config):
        assert f'--{spec.name.replace("_", "-")}' in text
        words = spec.metadata['description']
        assert without_spaces(words) in text
        if spec.default not in ('', ()):
            assert without_spaces(f'{words} Default: {spec.default}.') in text
    assert 'Default:.' not in text and 'Default:().' not in text


def without_spaces(text: str) -> str:
    """Help breaks its lines at spaces and behind hyphens."""
    return ''.join(text.split())


def test_an_option_that_takes_a_file_says_so():
    text = parser_of(CameraConfig).format_help()
    assert '--camera FILE' in text and '--base-frame NAME' in text
    assert '--session-file FILE' in parser_of(LoopsConfig).format_help()


@pytest.mark.parametrize('config', CONFIGS)
def test_nothing_given_changes_nothing(config):
    assert settings(parser_of(config).parse_args([]), config()) == config()


def test_given_ones_win_over_the_base():
    base = replace(NetworkConfig(), weights='vitl14', input_size=504)
    args = parser_of(NetworkConfig).parse_args(['--input-size', '224', '--device', 'cpu'])
    assert settings(args, base) == replace(base, input_size=224, device='cpu')


def test_switches_go_both_ways():
    parser = parser_of(MappingConfig)
    on, off = MappingConfig(store_images=True), MappingConfig(store_images=False)
    assert settings(parser.parse_args(['--no-store-images']), on) == off
    assert settings(parser.parse_args(['--store-images']), off) == on
    assert settings(parser.parse_args([]), off) == off


@pytest.mark.parametrize('value', ['-1.1', '2', 'nan'])
def test_a_value_out_of_range_names_the_option(value):
    args = parser_of(RetrievalConfig).parse_args([f'--match-threshold={value}'])
    with pytest.raises(InputError, match=r'--match-threshold.* expected from -1 to 1'):
        settings(args, RetrievalConfig())


def test_a_setting_of_several_numbers():
    parser = parser_of(CameraConfig)
    numbers = ['0.2', '-1', '1.3', '-0.5', '0.5', '-.5', '0.5']
    mounted = settings(parser.parse_args(['--camera-mount', *numbers]), CameraConfig())
    assert mounted.camera_mount == (0.2, -1.0, 1.3, -0.5, 0.5, -0.5, 0.5)
    with pytest.raises(SystemExit):
        parser.parse_args(['--camera-mount', *numbers[1:]])
    with pytest.raises(InputError, match='camera_mount is 1 2 3 0 0 0 0, expected'):
        settings(parser.parse_args(['--camera-mount', *'1230000']), CameraConfig())
