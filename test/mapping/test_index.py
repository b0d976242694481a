"""The search index of a map file: how its building is shown."""

import logging

import numpy as np
import pytest
from helpers.small_maps import build

from fol_vpr.cli.common.terminal import index_builds_shown
from fol_vpr.config import RetrievalConfig
from fol_vpr.database import MapReader
from fol_vpr.mapping import index as module
from fol_vpr.mapping.index import open_map_index
from fol_vpr.retrieval.index import protocol

COUNT = 6


@pytest.fixture
def reader(tmp_path):
    build(tmp_path / 'm.folmap', COUNT)
    with MapReader(tmp_path / 'm.folmap') as found:
        yield found


def test_progress_has_a_rate_and_the_time_left(reader, monkeypatch, caplog):
    monkeypatch.setattr(module, 'PROGRESS_INTERVAL', 0.0)
    monkeypatch.setattr(protocol, 'BLOCK_BYTES', 2 * 4 * reader.header.descriptor_dim)
    caplog.set_level(logging.INFO)
    open_map_index(reader, RetrievalConfig(index='large'), 'cpu').close()
    lines = [line for line in caplog.messages if line.startswith('search index of')]
    assert [line.split(': ')[1].split(',')[0] for line in lines] == [
        f'{done} of 6 references' for done in (2, 4, 6)
    ]
    assert '/s, ' in lines[1] and lines[2].endswith(', 0 s left')


def test_the_command_line_shows_it_on_stderr_and_only_within_the_verb(reader, monkeypatch, capsys):
    monkeypatch.setattr(module, 'PROGRESS_INTERVAL', 0.0)
    with index_builds_shown():
        open_map_index(reader, RetrievalConfig(index='large'), 'cpu').close()
    said = capsys.readouterr().err
    assert 'there is no file yet' in said and '6 of 6 references' in said
    (reader.path.parent / 'm.folmap.index').unlink()
    open_map_index(reader, RetrievalConfig(index='large'), 'cpu').close()
    assert 'of 6 references' not in capsys.readouterr().err


def test_descriptors_come_in_the_order_in_which_they_are_asked_for(reader):
    every = reader.global_descriptors()
    for ids in ([4, 1, 1, 5], [0, 1, 2, 3], [3], []):
        np.testing.assert_array_equal(reader.descriptors(ids), every[ids])
