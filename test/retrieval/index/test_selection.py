"""Selection of the index of a map, and its reason in the log."""

import ast
import logging
from pathlib import Path

import numpy as np
import pytest
from helpers.descriptors import places, structured, unit

from fol_vpr.config import RetrievalConfig
from fol_vpr.errors import InputError, MapError
from fol_vpr.retrieval import index as package
from fol_vpr.retrieval import open_index
from fol_vpr.retrieval.index import ArraySource, LargeIndex, choose_index

DIM = 8448


@pytest.mark.parametrize(
    ('references', 'device', 'free', 'name'),
    [
        (1, 'cpu', 0, 'flat'),
        (10_000, 'cpu', 0, 'flat'),
        (20_000, 'cpu', 0, 'large'),
        (1_000_000, 'cpu', 0, 'large'),
        (10_000, 'cuda', 8 << 30, 'gpu'),
        (100_000, 'cuda:0', 8 << 30, 'gpu'),
        (1_000_000, 'cuda:0', 8 << 30, 'large'),
        (10_000, 'cuda', 1 << 20, 'flat'),
    ],
)
def test_size_and_device_decide(references, device, free, name):
    choice = choose_index(RetrievalConfig(), references, DIM, device, free)
    assert choice.name == name and 'MB' in choice.reason


def test_a_uri_selects_milvus():
    config = RetrievalConfig(index_uri='http://fleet:19530')
    assert choose_index(config, 10, DIM, 'cpu').name == 'milvus'


@pytest.mark.parametrize('name', ['flat', 'bytes', 'large', 'gpu'])
def test_a_configured_index_is_used(name):
    assert choose_index(RetrievalConfig(index=name), 10, DIM, 'cpu').name == name


def test_milvus_needs_a_uri():
    with pytest.raises(InputError, match='index_uri is empty'):
        choose_index(RetrievalConfig(index='milvus'), 10, DIM, 'cpu')


@pytest.mark.parametrize('uri', ['ftp://host', 'map.folmap', 'nonsense'])
def test_an_invalid_uri_is_refused(uri):
    rows = unit(np.eye(4))
    config = RetrievalConfig(index_uri=uri)
    with pytest.raises(InputError, match=r'retrieval.index_uri is .* expected http'):
        open_index(config, ArraySource(rows), places(4), content='c')


@pytest.mark.parametrize('name', ['auto', 'flat', 'bytes', 'large', 'gpu'])
def test_the_log_names_the_index_and_the_reason(name, caplog, tmp_path):
    caplog.set_level(logging.INFO)
    rows = unit(np.eye(6))
    config = RetrievalConfig(index=name)
    index = open_index(config, ArraySource(rows), places(6), cache=tmp_path / 'c')
    assert index.search(rows[3], 1)[0].index == 3
    why = 'descriptors are compared' if name == 'auto' else 'as configured'
    assert index.description in caplog.text and why in caplog.text


def test_while_a_milvus_server_is_away_a_local_index_is_searched(tmp_path, monkeypatch, caplog):
    pytest.importorskip('pymilvus', reason='pymilvus is not installed')
    rows, _ = structured(20, 3, dim=32)
    config = RetrievalConfig(
        index_uri='http://root:s3cret@127.0.0.1:9', index_timeout=1, index_load_timeout=0.3
    )
    cache = tmp_path / 'm.folmap.index'

    def answers(expected):
        index = open_index(config, ArraySource(rows), places(60), content='c', cache=cache)
        assert expected in index.problem and 'http://127.0.0.1:9' in index.problem
        try:
            return [found.index for found in index.search(rows[7], 3)][:1]
        finally:
            index.close()

    assert answers('A local index is searched instead, bytes: ') == [7]
    # Where reading all descriptors takes long, an index has to be there already.
    monkeypatch.setattr('fol_vpr.retrieval.index.selection.MAX_FLAT_BYTES', 0)
    with pytest.raises(MapError, match='load the map once with'):
        answers('Nothing is searched instead')
    LargeIndex(ArraySource(rows), places(60), content='c', cache=cache).close()
    assert answers('A local index is searched instead, large: ') == [7]
    assert 's3cret' not in caplog.text and caplog.text.count('cannot be reached') >= 3


def test_only_the_index_on_a_gpu_loads_torch():
    """A robot whose network runs without torch does not need it for the search either."""

    def loaded(path: Path) -> set[str]:
        lines = ast.parse(path.read_text()).body
        named = [line.module or '' for line in lines if isinstance(line, ast.ImportFrom)]
        named += [a.name for line in lines if isinstance(line, ast.Import) for a in line.names]
        return {name.split('.')[0] for name in named if name.split('.')[0] == 'torch'} | {
            name for name in named if name == 'fol_vpr.retrieval.index.gpu'
        }

    folder = Path(package.__file__).parent
    found = {path.name for path in folder.rglob('*.py') if loaded(path)}
    assert found == {'gpu.py'}
