"""Every description of a setting is understood without its neighbours.

`--help` and `ros2 param describe` show one description at a time.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any

import pytest

from fol_vpr import config
from fol_vpr.config import Checked, setting
from fol_vpr.ros.node.parameters.settings import Settings, parameters

CONFIGS = [
    each
    for _, each in inspect.getmembers(config, inspect.isclass)
    if is_dataclass(each) and issubclass(each, Checked)
]
SETTINGS = [(each, spec) for each in CONFIGS for spec in fields(each)]
GROUPS = {spec.name for spec in fields(Settings)}
PARAMETERS = {name for name, _, _ in parameters(Settings())}

# What leans on a description above, or says how strange a thing is rather than what it does.
BEGINNINGS = ('the same', 'likewise', 'how many of', 'as above', 'of it', 'of the same')
PHRASES = (
    'the same in', 'the same of', 'the same for', 'those that are left', 'of them', 'they are',
    'where it has none', 'between them', 'goes before', 'beyond doubt', 'spoken for', 'is worth',
    'are worth', 'so many', 'so often', 'see above', 'that hypothesis', 'besides',
)  # fmt: skip
# A number without one of these has no unit, and is no fraction or factor either.
UNITS = (
    'metres', 'seconds', 'degrees', 'pixels', 'bits', 'hz', 'cosine', 'fraction', 'factor',
    'probability', 'doublings', 'per second',
)  # fmt: skip
COUNTS = ('number of', 'every nth', 'pixels', 'megabytes')
# Words with an underscore that are names of other things.
NAMES = {
    'base_link', 'best_effort', 'camera_calibration', 'camera_info', 'child_frame_id', 'fol_small',
    'fol_tiny', 'fol_vpr', 'image_transport', 'keep_aspect', 'load_map', 'match_count', 'tf2_ros',
    'tf_static',
}  # fmt: skip


def described(config_class: type[Any], spec: Field[Any]) -> str:
    return f'{config_class.__name__}.{spec.name}'


every_setting = pytest.mark.parametrize(
    ('config_class', 'spec'), SETTINGS, ids=[described(*each) for each in SETTINGS]
)


def text_of(spec: Field[Any]) -> str:
    return str(spec.metadata['description'])


def test_all_settings_are_looked_at():
    assert len(CONFIGS) >= 11
    assert {spec.name for _, spec, _ in parameters(Settings())} <= {s.name for _, s in SETTINGS}


@every_setting
def test_a_description_is_a_whole_statement(config_class, spec):
    text = text_of(spec)
    assert text[0].isupper(), text
    assert text.endswith('.'), text
    assert len(text.split()) > 3, text
    assert '  ' not in text, text


@every_setting
def test_a_description_stands_alone(config_class, spec):
    lowered = text_of(spec).lower()
    assert not lowered.startswith(BEGINNINGS)
    assert [each for each in PHRASES if re.search(rf'\b{each}\b', lowered)] == []


@every_setting
def test_a_number_has_its_unit(config_class, spec):
    lowered = text_of(spec).lower()
    if isinstance(spec.default, float):
        assert any(unit in lowered for unit in UNITS), lowered
    elif isinstance(spec.default, int) and not isinstance(spec.default, bool):
        assert any(unit in lowered for unit in COUNTS), lowered


@every_setting
def test_a_choice_is_explained(config_class, spec):
    """The name of a file format, a number format or a message type explains itself."""
    if spec.name != 'storage':
        named = set(re.findall(r'\w+', text_of(spec)))
        missing = set(spec.metadata['choices']) - named
        plain = re.compile(r'float\d+|[A-Z]\w+')
        assert [choice for choice in missing if not plain.fullmatch(choice)] == []


@every_setting
def test_other_settings_are_called_by_their_full_names(config_class, spec):
    words = re.findall(r'(?<![-\w./])[a-z]\w*(?:\.[a-z]\w*)?', text_of(spec))
    named = {
        word for word in words if '_' in word or (word.partition('.')[0] in GROUPS and '.' in word)
    }
    assert named <= PARAMETERS | NAMES, 'name the group too, as retrieval.candidates'


@dataclass
class Poor:
    """Descriptions as they should not be."""

    turn: float = setting(1.0, 'The same for the rotation', choices=('raw',))
    share: float = setting(1.0, 'Fraction that memory_budget does not limit.')


def test_the_checks_find_what_they_are_for():
    turn, share = fields(Poor)
    for check in (
        test_a_description_is_a_whole_statement,
        test_a_description_stands_alone,
        test_a_number_has_its_unit,
        test_a_choice_is_explained,
    ):
        with pytest.raises(AssertionError):
            check(Poor, turn)
    with pytest.raises(AssertionError):
        test_other_settings_are_called_by_their_full_names(Poor, share)
