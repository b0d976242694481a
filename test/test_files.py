"""Files that a user gives: regular ones only, of a limited size."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fol_vpr.errors import InputError, WeightsError
from fol_vpr.files import (
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
