"""Progress where nobody watches, and files that are whole or not there."""

from __future__ import annotations

import io
import os
import stat

import pytest

from fol_vpr.cli.common import console
from fol_vpr.cli.common.console import Progress, check_writable, working
from fol_vpr.cli.common.terminal import _PrintableStream
from fol_vpr.errors import StorageError
from fol_vpr.files import atomic_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_only_now_and_then(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(console.time, 'monotonic', lambda: now[0])
    stream = io.StringIO()
    with Progress('map build', stream=stream) as progress:
        for done in range(101, 141):
            now[0] += 1.0
            progress(done, 200, f'{done} references')
    # 100 images were there from an earlier run and must not count into the rate.
    assert stream.getvalue().splitlines() == [
        'map build: 110 of 200, 1.0 images/s, 90 s left (110 references)',
        'map build: 120 of 200, 1.0 images/s, 80 s left (120 references)',
        'map build: 130 of 200, 1.0 images/s, 70 s left (130 references)',
        'map build: 140 of 200, 1.0 images/s, 60 s left (140 references)',
    ]


@pytest.mark.parametrize('stream', [io.StringIO(), Terminal()])
def test_work_without_a_count_shows_its_seconds(monkeypatch, stream):
    monkeypatch.setattr(console, 'QUIET_INTERVAL', 0.01)
    monkeypatch.setattr(console, '_TICK', 0.01)
    with working('export', stream=stream):
        while 'export: 0 s' not in stream.getvalue():
            pass
    if stream.isatty():
        # The line has gone when the results come.
        assert stream.getvalue().split('\r')[-2:] == [' ' * 18, '']
    else:
        assert stream.getvalue().splitlines()[0] == 'export: 0 s'


def test_a_bar_on_a_terminal():
    stream = Terminal()
    with Progress('fetch', unit='B', stream=stream) as progress:
        progress(0, 2_000_000)
        progress(2_000_000, 2_000_000)
        progress.warn('a word')
    assert '2.00M/2.00M' in stream.getvalue()
    assert 'a word\n' in stream.getvalue()


def test_a_word_above_the_bar_begins_a_line():
    """Also where the stream is the one that `fol_vpr` wraps, so that names cannot drive it."""
    stream = Terminal()
    with Progress('fetch', stream=_PrintableStream(stream)) as progress:
        progress(1, 2)
        progress.warn('a word')
        progress.close()
        progress.warn('the last word')
    before, _, after = stream.getvalue().partition('a word\n')
    assert before.endswith('\r')
    assert before.split('\r')[-2].strip() == ''
    assert 'fetch:' in after
    assert after.endswith('\nthe last word\n')


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'out.json'
    path.write_text('old')
    with pytest.raises(TypeError), atomic_text(path) as file:
        file.writelines(['half', 2])
    assert path.read_text() == 'old'
    assert [p.name for p in tmp_path.iterdir()] == ['out.json']


def test_a_whole_write_replaces_it_with_usual_permissions(tmp_path):
    path, other = tmp_path / 'out.json', tmp_path / 'other'
    path.write_text('old')
    other.write_text('')
    with atomic_text(path) as file:
        file.write('new')
    assert path.read_text() == 'new'
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


@pytest.mark.parametrize('name', ['nowhere/out.json', 'folder'])
def test_what_cannot_be_written_is_known_beforehand(tmp_path, name):
    (tmp_path / 'folder').mkdir()
    with pytest.raises(StorageError, match=name):
        check_writable(tmp_path / name)
    with pytest.raises(StorageError, match=name), atomic_text(tmp_path / name) as file:
        file.write('x')
    assert list(tmp_path.rglob('*')) == [tmp_path / 'folder']


def test_a_missing_folder_is_to_be_created(tmp_path):
    with pytest.raises(StorageError, match=r'there is no folder .*nodir; create it'):
        check_writable(tmp_path / 'nodir' / 'c.csv')


def test_the_output_of_the_program_and_a_link_can_be_written(tmp_path):
    check_writable('/dev/stdout')
    (tmp_path / 'link').symlink_to('file')
    check_writable(tmp_path / 'link')
    (tmp_path / 'lost').symlink_to('nowhere/file')
    with pytest.raises(StorageError, match='lost cannot be written'):
        check_writable(tmp_path / 'lost')
    os.mkfifo(tmp_path / 'pipe')
    check_writable(tmp_path / 'pipe')
    assert list(tmp_path.glob('*')) and (tmp_path / 'pipe').is_fifo()
