"""Settings, their names, and the files that are generated from them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from fol_vpr.config import NodeConfig, RetrievalConfig
from fol_vpr.errors import InputError
from fol_vpr.ros.node.parameters.documentation import (
    MARKDOWN_PATH,
    YAML_PATH,
    parameter_markdown,
    parameter_yaml,
)
from fol_vpr.ros.node.parameters.settings import Settings, parameters, split_name

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ('path', 'generate'), [(YAML_PATH, parameter_yaml), (MARKDOWN_PATH, parameter_markdown)]
)
def test_committed_file_is_the_generated_one(path, generate):
    assert (ROOT / path).read_text() == generate(), (
        'run python -m fol_vpr.ros.node.parameters.documentation'
    )


def test_the_parameter_file_holds_every_setting_at_its_default():
    yaml = pytest.importorskip('yaml')
    content = yaml.safe_load(parameter_yaml())['/**']['ros__parameters']
    listed = {}
    for key, value in content.items():
        if isinstance(value, dict):
            listed |= {f'{key}.{inner}': each for inner, each in value.items()}
        else:
            listed[key] = value
    usual = {name: default for name, _, default in parameters(Settings())}
    # YAML has lists.
    usual = {k: list(v) if isinstance(v, tuple) else v for k, v in usual.items()}
    assert listed == usual
    # A whole number where ROS expects a float would end the node at its start.
    for name, default in usual.items():
        assert type(listed[name]) is type(default), name


def test_names_without_a_group_are_the_nodes_own():
    assert split_name('replay') == ('node', 'replay')
    assert split_name('retrieval.rerank') == ('retrieval', 'rerank')
    for unknown in ('rerank', 'node.replay', 'retrieval.replay', 'other.x', ''):
        with pytest.raises(InputError, match='there is no parameter'):
            split_name(unknown)


def test_changes_reach_their_part_and_leave_the_rest():
    before = Settings()
    after = before.changed({'retrieval.rerank': 7, 'retrieval.candidates': 9, 'replay': True})
    assert (after.retrieval.rerank, after.retrieval.candidates) == (7, 9)
    assert after.node.replay and not before.node.replay
    assert after.network == before.network
    assert after.recognizer.retrieval == after.retrieval


def test_a_value_outside_its_range_is_refused_by_the_name_that_was_set():
    with pytest.raises(InputError, match=r'retrieval\.rerank is -1, expected from 0'):
        Settings().changed({'retrieval.rerank': -1})
    with pytest.raises(InputError, match=r'image_transport .* expected one of'):
        Settings().changed({'image_transport': 'theora'})
    with pytest.raises(InputError, match='parameter camera_mount is 1 2, expected x y z'):
        Settings().changed({'camera_mount': (1.0, 2.0)})


def test_every_setting_is_a_parameter():
    names = {name for name, _, _ in parameters(Settings())}
    assert {spec.name for spec in fields(NodeConfig)} <= names
    assert {f'retrieval.{spec.name}' for spec in fields(RetrievalConfig)} <= names
