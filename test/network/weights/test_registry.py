"""Weights by name, and downloads from a local HTTP server that can fail as real ones do."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from fol_vpr.errors import StorageError, WeightsError
from fol_vpr.network import build_fol, fetch_weights, find_weights, list_weights, resolve_weights
from fol_vpr.network.weights.registry import RELEASES, load, weights_folder

FILE = RELEASES['vitb14'].file


@dataclass
class Remote:
    """What the server serves, and how it behaves.

    Attributes:
        cut_after: bytes of one answer after which the connection is closed.
        ranges: the server knows the Range header.
        asked: the Range header of each request.
    """

    content: bytes = b''
    etag: str = '"1"'
    cut_after: int | None = None
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)
    url: str = ''


class Handler(http.server.BaseHTTPRequestHandler):
    remote: Remote

    def do_GET(self):
        remote = self.remote
        wanted = self.headers.get('Range')
        remote.asked.append(wanted)
        if self.path == '/moved/weights':
            self.send_response(302)
            self.send_header('Location', '/weights')
            self.end_headers()
            return
        if self.path != '/weights':
            self.send_error(404)
            return
        start, whole = 0, len(remote.content)
        fresh = self.headers.get('If-Range', remote.etag) == remote.etag
        if wanted and remote.ranges and fresh:
            start = int(re.fullmatch(r'bytes=(\d+)-', wanted)[1])
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {start}-{whole - 1}/{whole}')
        else:
            self.send_response(200)
        self.send_header('ETag', remote.etag)
        self.send_header('Content-Length', str(whole - start))
        self.end_headers()
        end = whole if remote.cut_after is None else start + remote.cut_after
        self.wfile.write(remote.content[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def remote(monkeypatch, checkpoint):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    remote = Remote(content=checkpoint)
    handler = type('TestHandler', (Handler,), {'remote': remote})
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        remote.url = f'http://127.0.0.1:{server.server_port}/weights'
        yield remote
        server.shutdown()
        thread.join()


@pytest.fixture(scope='module')
def checkpoint(tiny):
    buffer = io.BytesIO()
    state = build_fol(tiny).state_dict()
    torch.save({'model_state_dict': {f'module.{n}': t for n, t in state.items()}}, buffer)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv('FOL_VPR_WEIGHTS', str(tmp_path / 'weights'))
    return tmp_path / 'weights'


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_fetched_weights_are_whole_recorded_and_usable_by_name(remote, folder, checkpoint):
    seen = []
    path = fetch_weights('vitb14', lambda done, size: seen.append((done, size)), url=remote.url)
    assert path == folder / FILE
    assert path.read_bytes() == checkpoint
    assert names(folder) == {FILE, f'{FILE}.sha256'}
    digest = hashlib.sha256(checkpoint).hexdigest()
    assert (folder / f'{FILE}.sha256').read_text() == f'{digest}  {FILE}\n'
    assert seen[0] == (0, len(checkpoint)) and seen[-1] == (len(checkpoint), len(checkpoint))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert load('vitb14')[1].name == 'vitb14'
    assert fetch_weights('vitb14', url=remote.url) == path
    assert len(remote.asked) == 1, 'what is there must not be downloaded again'


def test_interrupted_download_continues_where_it_stopped(remote, folder, checkpoint):
    remote.cut_after = 1_000_000
    with pytest.raises(WeightsError, match=r'too early.*run the command again.*by hand'):
        fetch_weights('vitb14', url=remote.url)
    assert not (folder / FILE).exists()
    assert (folder / f'{FILE}.partial').read_bytes() == checkpoint[:1_000_000]
    remote.cut_after = None
    seen = []
    assert fetch_weights(
        'vitb14', lambda *counts: seen.append(counts), url=remote.url
    ).read_bytes() == (checkpoint)
    assert remote.asked == [None, 'bytes=1000000-']
    assert seen[0] == (1_000_000, len(checkpoint))
    assert names(folder) == {FILE, f'{FILE}.sha256'}


def test_download_starts_over_where_the_file_has_changed(remote, folder, checkpoint):
    remote.content, remote.etag, remote.cut_after = b'\1' * len(checkpoint), '"old"', 500_000
    with pytest.raises(WeightsError):
        fetch_weights('vitb14', url=remote.url)
    remote.content, remote.etag, remote.cut_after = checkpoint, '"new"', None
    assert fetch_weights('vitb14', url=remote.url).read_bytes() == checkpoint


def test_download_starts_over_where_the_server_knows_no_ranges(remote, folder, checkpoint):
    remote.ranges, remote.cut_after = False, 500_000
    with pytest.raises(WeightsError):
        fetch_weights('vitb14', url=remote.url)
    remote.cut_after = None
    assert fetch_weights('vitb14', url=remote.url).read_bytes() == checkpoint


def test_complete_partial_needs_no_server(remote, folder, checkpoint):
    remote.cut_after = len(checkpoint) - 1
    with pytest.raises(WeightsError):
        fetch_weights('vitb14', url=remote.url)
    with open(folder / f'{FILE}.partial', 'ab') as file:
        file.write(checkpoint[-1:])
    assert fetch_weights('vitb14', url='http://127.0.0.1:9/').read_bytes() == checkpoint


def test_redirects_are_followed_with_the_range(remote, folder, checkpoint):
    moved = remote.url.replace('/weights', '/moved/weights')
    remote.cut_after = 300_000
    with pytest.raises(WeightsError):
        fetch_weights('vitb14', url=moved)
    remote.cut_after = None
    assert fetch_weights('vitb14', url=moved).read_bytes() == checkpoint
    assert remote.asked[-1] == 'bytes=300000-'


def test_without_a_network_the_error_says_what_to_do(monkeypatch, folder):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with pytest.raises(WeightsError) as raised:
        fetch_weights('vitb14', url='http://127.0.0.1:9/weights')
    words = str(raised.value)
    assert 'https://huggingface.co/shunpeng/FoL/resolve/main/FoL_base.pth' in words
    assert str(folder / FILE) in words
    assert 'by hand' in words
    assert names(folder) == set()


def test_absent_file(remote):
    with pytest.raises(WeightsError, match='404'):
        fetch_weights('vitb14', url=remote.url + '/elsewhere')


def test_content_that_is_not_a_checkpoint_is_discarded(remote, folder):
    remote.content = b'<html>Please log in</html>'
    with pytest.raises(WeightsError, match='cannot be used'):
        fetch_weights('vitb14', url=remote.url)
    assert names(folder) == set()


def test_unknown_name():
    with pytest.raises(WeightsError, match=r'vits15.*vitl14, vitb14'):
        fetch_weights('vits15')


def test_folder_that_cannot_be_written(monkeypatch, tmp_path, remote):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('FOL_VPR_WEIGHTS', str(tmp_path / 'file'))
    with pytest.raises(StorageError, match=r'cannot write.*Not a directory|File exists'):
        fetch_weights('vitb14', url=remote.url)


def test_damage_after_the_download_is_noticed(remote, folder):
    path = fetch_weights('vitb14', url=remote.url)
    assert {entry.name: entry.status for entry in list_weights()}['vitb14'] == 'downloaded'
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert {entry.name: entry.status for entry in list_weights()}['vitb14'] == 'damaged'
    with pytest.raises(WeightsError, match=r'damaged.*fetch it again'):
        load('vitb14')


def test_names_and_paths(monkeypatch, tmp_path, folder, checkpoint):
    assert {entry.name: entry.status for entry in list_weights()}['vitl14'] == 'not downloaded'
    with pytest.raises(WeightsError, match='fol_vpr weights fetch vitl14'):
        resolve_weights('vitl14')
    with pytest.raises(WeightsError, match=r"'absent\.pth'.*untrained-vits14"):
        resolve_weights('absent.pth')
    assert resolve_weights('untrained-vits14') == 'vits14'
    with pytest.raises(WeightsError, match='vits15'):
        load('untrained-vits15')
    folder.mkdir()
    (folder / 'own.pth').write_bytes(checkpoint)
    (folder / 'notes.txt').write_text('')
    assert {entry.name: entry.status for entry in list_weights()}['own.pth'] == 'file'
    assert 'notes.txt' not in {entry.name for entry in list_weights()}
    assert load('own.pth')[1].name == 'own.pth'
    elsewhere = tmp_path / 'elsewhere.pth'
    elsewhere.write_bytes(checkpoint)
    monkeypatch.chdir(tmp_path)
    assert load('elsewhere.pth')[1].name == str(elsewhere)


def test_a_mistyped_name_reads_no_weights(folder, checkpoint):
    folder.mkdir()
    (folder / 'own.pth').write_bytes(checkpoint)
    (folder / 'own.pth.sha256').write_text('not the right one')
    assert {entry.name: entry.status for entry in list_weights()}['own.pth'] == 'damaged'
    with pytest.raises(WeightsError, match=r"no weights 'owm\.pth'.*vitl14.*own\.pth"):
        resolve_weights('owm.pth')


def test_weights_of_a_map_from_another_machine(tmp_path, folder, checkpoint):
    recorded = '/home/builder/weights/own.pth'
    beside = tmp_path / 'maps'
    beside.mkdir()
    with pytest.raises(WeightsError, match='no weights'):
        find_weights(recorded, beside)
    (beside / 'own.pth').write_bytes(checkpoint)
    assert find_weights(recorded, beside) == str(beside / 'own.pth')
    folder.mkdir()
    (folder / 'own.pth').write_bytes(checkpoint)
    assert find_weights(recorded, beside) == str(folder / 'own.pth')
    assert find_weights('own.pth', beside) == str(folder / 'own.pth')
    assert find_weights(r'C:\builder\own.pth', beside) == str(folder / 'own.pth')
    with pytest.raises(WeightsError, match='weights fetch vitb14'):
        find_weights('vitb14', beside)
    (beside / FILE).write_bytes(checkpoint)
    assert find_weights('vitb14', beside) == str(beside / FILE)
    assert find_weights('untrained-vits14', beside) == 'untrained-vits14'
    for nothing in ('', '..', '/', 'a/..', 'own.pth\0', 'x/own\0.pth', 'vits14', '.'):
        with pytest.raises(WeightsError, match='no weights'):
            find_weights(nothing, beside)


def test_a_path_in_a_map_is_not_followed(tmp_path, folder, checkpoint, monkeypatch):
    elsewhere = tmp_path / 'elsewhere'
    beside = tmp_path / 'maps'
    for each in (elsewhere, beside):
        each.mkdir()
    (elsewhere / 'own.pth').write_bytes(checkpoint)
    monkeypatch.chdir(elsewhere)
    for recorded in (str(elsewhere / 'own.pth'), '../elsewhere/own.pth', 'own.pth', './own.pth'):
        with pytest.raises(
            WeightsError, match=r'no file own\.pth is in the weights folder .* give'
        ):
            find_weights(recorded, beside)


def test_names_that_cannot_be_accessed(monkeypatch, tmp_path):
    for name, words in (('x' * 300, 'too long'), ('~nosuch-user/own.pth', 'no weights')):
        with pytest.raises(WeightsError, match=words):
            resolve_weights(name)
    monkeypatch.setenv('FOL_VPR_WEIGHTS', '~nosuch-user/weights')
    with pytest.raises(WeightsError, match='set FOL_VPR_WEIGHTS'):
        list_weights()


def test_folders_that_cannot_be_searched(tmp_path, folder, checkpoint, unprivileged):
    locked = tmp_path / 'locked'
    locked.mkdir()
    (locked / 'own.pth').write_bytes(checkpoint)
    locked.chmod(0)
    with unprivileged(), pytest.raises(WeightsError, match='permissions'):
        resolve_weights(str(locked / 'own.pth'))
    folder.mkdir()
    (folder / 'own.pth').write_bytes(checkpoint)
    with unprivileged():
        assert find_weights(str(locked / 'own.pth'), tmp_path) == str(folder / 'own.pth')
    folder.chmod(0)
    with unprivileged():
        for look in (
            list_weights,
            lambda: resolve_weights('own.pth'),
            lambda: fetch_weights('vitb14'),
        ):
            with pytest.raises(WeightsError, match='permissions'):
                look()
    folder.chmod(0o755)
    locked.chmod(0o755)


def test_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv('FOL_VPR_WEIGHTS')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert weights_folder() == tmp_path / 'fol_vpr' / 'weights'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert weights_folder() == tmp_path / '.cache' / 'fol_vpr' / 'weights'
