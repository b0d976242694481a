"""The places that an index in Milvus is tested with, a server, and a file of Milvus Lite."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.retrieval.milvus_server import LocalMilvusServer, MilvusServerUnavailableError


@pytest.fixture(scope='session')
def milvus_server(tmp_path_factory):
    pytest.importorskip('pymilvus', reason='pymilvus is not installed: pip install pymilvus')
    try:
        server = LocalMilvusServer(tmp_path_factory.mktemp('milvus_server'))
    except MilvusServerUnavailableError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture(scope='session')
def lite_uri(tmp_path_factory):
    pytest.importorskip('milvus_lite', reason='milvus-lite is not installed')
    return str(tmp_path_factory.mktemp('milvus_lite') / 'fleet.db')


@pytest.fixture(params=['server', 'lite'])
def uri(request):
    """Tests with it run against both."""
    if request.param == 'lite':
        return request.getfixturevalue('lite_uri')
    return request.getfixturevalue('milvus_server').uri


@pytest.fixture(scope='session')
def rows():
    found = np.random.default_rng(0).standard_normal((60, 16))
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit.astype(np.float16).astype(np.float32)
