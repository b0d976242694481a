"""Files that a user gives: regular ones only, of a limited size."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from helpers.disk_limits import small_files

from fol_vpr.errors import InputError, StorageError, WeightsError
from fol_vpr.files import (
    atomic_bytes,
    atomic_text,
    check_regular_file,
    natural_key,
    open_file,
    printable,
    read_bytes,
    read_text,
)

POINTER = (
    'version https://git-lfs.github.com/spec/v1\n'
    'oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n'
)


def test_reads_a_file_and_a_link_to_it(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'\xef\xbb\xbfplace')
    link = tmp_path / 'link'
    link.symlink_to(path)
    assert read_text(link) == 'place'
    assert read_bytes(path) == b'\xef\xbb\xbfplace'


def test_a_fifo_does_not_block(tmp_path):
    path = tmp_path / 'fifo'
    os.mkfifo(path)
    with pytest.raises(InputError, match='is a FIFO, expected a calibration'):
        check_regular_file(path, 'a calibration')


@pytest.mark.parametrize('path', ['/dev/zero', '/dev/null', '/dev/tty'])
def test_a_device_is_refused(path):
    with pytest.raises(InputError, match='device'):
        read_bytes(path)


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind('s')
        with pytest.raises(InputError, match='socket'):
            open_file('s')


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r'is a folder, expected a map'):
        read_bytes(tmp_path, 'a map')


def test_what_does_not_exist(tmp_path):
    with pytest.raises(WeightsError, match='does not exist, expected a checkpoint'):
        open_file(tmp_path / 'none', 'a checkpoint', WeightsError)
    with pytest.raises(InputError, match='is no path'):
        open_file('a\0b')


def test_a_file_beyond_the_limit_is_refused(tmp_path):
    path = tmp_path / 'large'
    path.write_bytes(bytes(11))
    assert read_bytes(path, limit=11) == bytes(11)
    with pytest.raises(InputError, match='more than 10 bytes'):
        read_bytes(path, limit=10)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    path = tmp_path / 'drive.mcap'
    path.write_text(POINTER)
    with pytest.raises(InputError, match='git lfs pull'):
        open_file(path)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / 'text'
    path.write_bytes(b'ab\xff')
    with pytest.raises(InputError, match='no UTF-8 text at byte 2, expected a table'):
        read_text(path, 'a table')


def test_handles_are_closed_after_errors(tmp_path):
    os.mkfifo(tmp_path / 'fifo')
    before = len(list(Path('/proc/self/fd').iterdir()))
    for _ in range(20):
        with pytest.raises(InputError):
            open_file(tmp_path / 'fifo')
    assert len(list(Path('/proc/self/fd').iterdir())) == before


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('day/0001.jpg', 'day/0001.jpg'),
        ('Straße 5 東京', 'Straße 5 東京'),
        ('a\x1b[31mb', 'a\\x1b[31mb'),
        ('a\nb\r', 'a\\nb\\r'),
        ('\u202eabc', '\\u202eabc'),
        ('\udcff', '\\udcff'),
        ('x' * 300, 'x' * 100 + '...' + 'x' * 100),
    ],
)
def test_text_from_strangers_is_printable(text, shown):
    assert printable(text) == shown
    printable(text).encode()


@pytest.mark.parametrize(
    'names',
    [
        ['1.jpg', '2.jpg', '10.jpg', '100.jpg'],
        ['x', 'x1', 'x1b', 'x2', 'x10', 'x10a', 'y'],
        ['001.png', '1.png', '02.png', '2.png'],
        ['seq2/frame9.png', 'seq2/frame10.png', 'seq10/frame1.png'],
        ['a-b.jpg', 'a/2.JPG', 'a/10.jpeg', 'b.jpg'],
        # Decimals of seconds, as Python prints them, and not numbers of their own.
        ['1305031452.125.png', '1305031452.5.png', '1305031452.791720.png', '1305031452.8.png'],
        ['1.2.png', '1.10.png'],
        ['9' * 90, '1' + '0' * 90],
        ['\u0661.jpg', '\u0662.jpg'],
    ],
)
def test_natural_order(names):
    assert sorted(set(names), key=natural_key) == names


def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(tmp_path):
    (tmp_path / 'results').mkdir()
    file, link = tmp_path / 'results' / 'today.json', tmp_path / 'latest.json'
    file.write_text('old')
    link.symlink_to('results/today.json')
    with atomic_text(link) as stream:
        stream.write('new')
    assert link.is_symlink() and file.read_text() == 'new'
    file.unlink()
    with atomic_bytes(link) as stream:
        stream.write(b'newer')
    assert link.is_symlink() and file.read_bytes() == b'newer'


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    path, read = tmp_path / 'fifo', []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_text()), daemon=True)
    reader.start()
    with atomic_text(path) as stream:
        stream.write('through it')
    reader.join(10)
    assert read == ['through it'] and path.is_fifo()
    assert [each.name for each in tmp_path.iterdir()] == ['fifo']


@pytest.mark.parametrize('to_a_file', [False, True])
def test_the_output_of_the_program_has_a_name_in_dev(tmp_path, to_a_file):
    """Nothing is put in place of that name, nor of the file that the shell has opened."""
    code = (
        'import sys\n'
        'from fol_vpr.files import atomic_text\n'
        'print("before", flush=True)\n'
        'with atomic_text("/dev/stdout") as stream: stream.write("document\\n")\n'
        'print("after", flush=True)\n'
    )
    before = os.lstat('/dev/stdout').st_ino
    output = tmp_path / 'output'
    with output.open('a') as file:
        done = subprocess.run(
            [sys.executable, '-c', code],
            stdout=file if to_a_file else subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    assert os.lstat('/dev/stdout').st_ino == before
    said = output.read_text() if to_a_file else done.stdout
    assert said == 'before\ndocument\nafter\n'


def test_a_file_in_memory_is_replaced_like_any_other():
    if not os.access('/dev/shm', os.W_OK):
        pytest.skip('there is no /dev/shm that can be written')
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        path = Path(folder, 'results.json')
        for text in ('old', 'new'):
            with atomic_text(path) as stream:
                stream.write(text)
        assert path.read_text() == 'new'


def test_what_does_not_fit_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / 'picture.png'
    path.write_bytes(b'old')
    with (
        small_files(1000),
        pytest.raises(StorageError, match=r'picture\.png cannot be written: File too large'),
        atomic_bytes(path) as stream,
    ):
        stream.write(bytes(2000))
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]
