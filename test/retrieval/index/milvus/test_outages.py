"""A Milvus server that is frozen, killed, started again, old, or refuses: the search goes on."""

from __future__ import annotations

import logging
import threading
import time
from concurrent import futures

import pytest
from helpers.descriptors import places

from fol_vpr.errors import MapError
from fol_vpr.retrieval.index.flat import FlatIndex
from fol_vpr.retrieval.index.milvus import MilvusIndex
from fol_vpr.retrieval.index.milvus.connection import Connection
from fol_vpr.retrieval.index.protocol import ArraySource

pytest.importorskip(
    'pymilvus', reason='pymilvus is not installed: pip install pymilvus milvus-lite'
)

# Seconds within which a server on loopback is expected to answer, on a busy machine.
PATIENCE = 120


@pytest.fixture
def server(milvus_server):
    """The server, which serves again when the test has ended."""
    yield milvus_server
    milvus_server.thaw()


@pytest.fixture
def open_with_local(server, rows):
    """Opens indexes that have a local one, for the time in which the server does not answer."""
    indexes = []

    def opened(content, local=True, **options):
        def flat(left):
            return FlatIndex.read(ArraySource(rows), left)

        limits = {'timeout': 20, 'load_timeout': PATIENCE} | options
        index = MilvusIndex(
            server.uri,
            ArraySource(rows[:50]),
            places(50),
            content=content,
            local=flat if local else None,
            **limits,
        )
        indexes.append(index)
        return index

    yield opened
    for index in indexes:
        index.close()


def ids(index, query, k):
    return [candidate.index for candidate in index.search(query, k)]


def wait_until_searched(index, query):
    until = time.monotonic() + PATIENCE
    while index.problem:
        assert time.monotonic() < until, index.problem
        time.sleep(0.1)
        index.search(query, 1)


def freeze_before(monkeypatch, server, method, within=0.3):
    """Freeze the server when a method of its client is about to be called on this thread."""
    original = Connection.call

    def call(self, name, *args, **options):
        if name == method and threading.current_thread() is threading.main_thread():
            server.freeze()
            options['within'] = within
        return original(self, name, *args, **options)

    monkeypatch.setattr(Connection, 'call', call)


def test_a_frozen_server_costs_one_search_its_time_limit(open_with_local, server, rows, caplog):
    index = open_with_local('frozen')
    expected = ids(index, rows[3], 8)
    index._timeout = 0.5
    server.freeze()
    with caplog.at_level(logging.INFO):
        assert ids(index, rows[3], 8) == expected
        assert 'no answer within 0.5 s (search)' in index.problem
        assert 'A local index is searched instead, flat: ' in index.problem
        assert index.problem in index.description
        # Until it answers, it is not asked again, and changes wait.
        assert ids(index, rows[3], 8) == expected
        index.add(places(5, first=50), rows[50:55])
        index.remove([3, 4])
        assert ids(index, rows[52], 1) == [52] and 3 not in ids(index, rows[3], 60)
        assert caplog.text.count('no answer within') == 1
        server.thaw()
        index._timeout = 20
        wait_until_searched(index, rows[0])
        assert 'answers: it is searched from now on' in caplog.text
    assert ids(index, rows[52], 1) == [52] and 3 not in ids(index, rows[3], 60)
    other = open_with_local('frozen')
    stored = set(other._server.stored(PATIENCE).keys)
    assert len(stored) == 55  # the other robot's file still has 3 and 4
    assert {key for key, _ in index._server.search(rows[52], 1, '', 20)} <= stored


@pytest.mark.parametrize(
    'method',
    ['has_collection', 'create_collection', 'create_index', 'load_collection', 'query', 'upsert'],
)
def test_a_server_that_freezes_while_a_map_is_loaded(
    open_with_local, server, rows, monkeypatch, method
):
    with monkeypatch.context() as patch:
        freeze_before(patch, server, method)
        index = open_with_local(f'loading_{method}')
        # A colon is behind it where the limit of the client ended the call before ours.
        assert f'({method}' in index.problem
    assert ids(index, rows[3], 1) == [3]
    # Connecting again is tested with one of them: to the keeper they are the same.
    if method == 'upsert':
        server.thaw()
        wait_until_searched(index, rows[0])
        assert ids(index, rows[3], 1) == [3]


@pytest.mark.parametrize('method', ['delete', 'upsert'])
def test_a_server_that_freezes_while_places_change(
    open_with_local, server, rows, monkeypatch, method
):
    index = open_with_local('changes')
    freeze_before(monkeypatch, server, method)
    if method == 'delete':
        index.remove([3])
        assert 3 not in ids(index, rows[3], 60)
    else:
        index.add(places(1, first=50), rows[50:51])
        assert ids(index, rows[50], 1) == [50]
        # A colon is behind it where the limit of the client ended the call before ours.
        assert f'({method}' in index.problem


@pytest.mark.slow  # the server starts anew, which may take a minute on a busy machine
@pytest.mark.parametrize('end', ['terminate', 'kill'])
def test_a_server_that_ends_and_is_started_again(open_with_local, server, rows, end):
    index = open_with_local(end, load_timeout=20)
    index._timeout = 1
    getattr(server, end)()
    assert ids(index, rows[3], 8) == [3, *ids(index, rows[3], 8)[1:]]
    assert 'A local index is searched instead' in index.problem
    # One that is loaded in the meantime starts without it.
    late = open_with_local(end, load_timeout=1)
    assert ids(late, rows[3], 1) == [3] and 'Milvus is tried again' in late.problem
    server.start()
    index._timeout = late._timeout = late._load_timeout = 20
    for each in (index, late):
        wait_until_searched(each, rows[0])
        assert each._server is not None and ids(each, rows[3], 1) == [3]


def test_a_dropped_collection_is_filled_again(open_with_local, rows):
    index = open_with_local('dropped')
    index._server._connection.call('drop_collection', index.collection, within=PATIENCE)
    assert ids(index, rows[3], 1) == [3]
    wait_until_searched(index, rows[0])
    assert ids(index, rows[3], 1) == [3] and len(index._server.stored(PATIENCE).keys) == 50


def test_without_a_local_index_a_search_says_so_at_once(open_with_local, server, rows):
    index = open_with_local('alone', local=False)
    index._timeout = 0.5
    server.freeze()
    for _ in range(2):
        with pytest.raises(MapError, match='Nothing is searched instead, as there is no local'):
            index.search(rows[3], 8)
    assert 'Milvus is tried again' in index.problem
    server.thaw()
    index._timeout = 20
    until = time.monotonic() + PATIENCE
    while index.problem and time.monotonic() < until:
        time.sleep(0.1)
        try:
            index.search(rows[3], 1)
        except MapError:
            continue
    assert ids(index, rows[3], 1) == [3]


def test_a_server_that_is_not_there_is_named_without_credentials(rows):
    with pytest.raises(MapError, match=r'cannot be reached at http://127.0.0.1:9, or') as caught:
        MilvusIndex(
            'http://root:s3cret@127.0.0.1:9', ArraySource(rows), places(60), content='c',
            load_timeout=0.5,
        )  # fmt: skip
    assert 's3cret' not in str(caught.value) and 'set retrieval.index to another' in str(
        caught.value
    )


@pytest.fixture
def old_server():
    """A server that names itself version 2.2.16, or refuses the credentials."""
    import grpc
    from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

    class Answers(milvus_pb2_grpc.MilvusServiceServicer):
        refuses = False

        def Connect(self, request, context):
            if self.refuses:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, 'auth check failure s3cret')
            return milvus_pb2.ConnectResponse()

        def GetVersion(self, request, context):
            return milvus_pb2.GetVersionResponse(version='v2.2.16')

    answers = Answers()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(answers, server)
    port = server.add_insecure_port('127.0.0.1:0')
    server.start()
    yield f'http://127.0.0.1:{port}', answers
    server.stop(None)


def test_a_server_that_is_too_old_is_refused(old_server, rows):
    uri, _ = old_server
    with pytest.raises(MapError, match=r'it is Milvus v2\.2\.16, expected 2\.3 or newer: update'):
        MilvusIndex(uri, ArraySource(rows), places(60), content='old')


def test_refused_credentials_are_said_and_not_shown(old_server, rows):
    uri, answers = old_server
    answers.refuses = True
    with pytest.raises(MapError, match='refuses the credentials of retrieval') as caught:
        MilvusIndex(
            f'{uri}?token=root:s3cret', ArraySource(rows), places(60), content='c', load_timeout=2
        )
    assert 's3cret' not in str(caught.value)
