"""Bags that were recorded with compression, as a folder and each file alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import zstandard
from helpers.bags.ros1_bags import pose_stamped, ros1_bag
from helpers.disk_limits import small_disk
from helpers.source_files import SECOND, bag, compressed, encode, picture, pose, storage_file
from rosbags.rosbag2 import CompressionMode

from fol_vpr.errors import InputError, StorageError
from fol_vpr.sources import Bag, deserialize, open_source
from fol_vpr.sources.bags.storage import unpacking

STORAGES = ['sqlite3', 'mcap']


def drive(path: Path, storage: str, mode: CompressionMode) -> Path:
    messages = []
    for place in (1, 2, 3):
        stamp = place * SECOND
        messages += [pose(stamp, (place, 0, 0)), compressed(stamp, encode(picture()))]
    return bag(path, messages, storage, mode)


def packed_file(folder: Path) -> Path:
    return next(each for each in folder.iterdir() if each.suffix == '.zstd')


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files."""
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))
    return folder


@pytest.mark.parametrize('storage', STORAGES)
def test_compressed_messages(tmp_path: Path, storage: str) -> None:
    path = drive(tmp_path / 'monday', storage, CompressionMode.MESSAGE)
    for given in (path, storage_file(path)):
        source = open_source(given, pose_topic='/pose')
        poses = [frame.pose for _, frame in source.frames()]
        assert [each.position[0] for each in poses if each] == [1, 2, 3]
        assert source.warnings == []


def test_compressed_message_of_unknown_size(tmp_path: Path) -> None:
    image = compressed(SECOND, encode(picture(0, 640, 480)))
    from fol_vpr.sources import typestore

    data = bytes(typestore().serialize_cdr(image.message, image.msgtype))
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(data)
    path = bag(tmp_path / 'monday', [image._replace(message=packed)])
    (message,) = Bag(path).read(['/camera/compressed'])
    assert message.data == data
    path = bag(tmp_path / 'tuesday', [image._replace(message=packed[:-9])])
    with pytest.raises(InputError, match='it is cut off'):
        list(Bag(path).read(['/camera/compressed']))


@pytest.mark.parametrize('storage', STORAGES)
def test_compressed_file_is_unpacked_once(tmp_path: Path, storage: str, temporary: Path) -> None:
    path = drive(tmp_path / 'monday', storage, CompressionMode.FILE)
    for given in (path, packed_file(path)):
        for _ in range(2):
            source = open_source(given, pose_topic='/pose')
            assert len(list(source.frames())) == 3
            assert source.session_id == 'monday'
    assert len(list(temporary.iterdir())) == 1
    assert Bag(path).files() == sorted([packed_file(path), path / 'metadata.yaml'])


@pytest.mark.parametrize('mode', [CompressionMode.FILE, CompressionMode.NONE])
def test_folder_whose_file_was_packed_or_unpacked_by_hand(
    tmp_path: Path, mode: CompressionMode, temporary: Path
) -> None:
    path = drive(tmp_path / 'monday', 'sqlite3', mode)
    (file,) = (each for each in path.iterdir() if each.name != 'metadata.yaml')
    if mode == CompressionMode.FILE:
        unpacked = unpacking.unpacked_file(file)
        (path / file.stem).write_bytes(unpacked.read_bytes())
    else:
        packed = path / f'{file.name}.zstd'
        packed.write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()
    assert len(list(open_source(path, pose_topic='/pose').frames())) == 3


def test_another_file_of_the_same_name_is_unpacked_anew(tmp_path: Path, temporary: Path) -> None:
    path = packed_file(drive(tmp_path / 'monday', 'sqlite3', CompressionMode.FILE))
    assert len(Bag(path).topics) == 2
    other = bag(tmp_path / 'x', [pose(SECOND, (1, 0, 0))], 'mcap', CompressionMode.FILE)
    path.write_bytes(packed_file(other).read_bytes())
    assert len(Bag(path).topics) == 1
    assert len(list(temporary.iterdir())) == 2


def test_packed_bag_of_ros_1(tmp_path: Path, temporary: Path) -> None:
    path = ros1_bag(tmp_path / 'a.bag', [pose_stamped(SECOND, 4.0)])
    packed = path.with_name('a.bag.zstd')
    packed.write_bytes(zstandard.compress(path.read_bytes()))
    (message,) = map(deserialize, Bag(packed).read(['/pose']))
    assert message.pose.position.x == 4.0


def test_unpacked_files_are_removed_at_the_end_also_after_an_error(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday', 'sqlite3', CompressionMode.FILE)
    temporary = tmp_path / 'temporary'
    temporary.mkdir()
    program = (
        'import os, sys\n'
        'from fol_vpr.sources import Bag\n'
        'list(Bag(sys.argv[1]).read(["/pose"]))\n'
        'print(len(os.listdir(sys.argv[2])))\n'
        'raise SystemExit(1 / 0)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program, path, temporary],
        capture_output=True, text=True, check=False,
        env={**os.environ, 'TMPDIR': str(temporary), 'PYTHONPATH': os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout == '1\n', done.stderr
    assert 'ZeroDivisionError' in done.stderr
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize('storage', STORAGES)
def test_cut_off_file(tmp_path: Path, storage: str, temporary: Path) -> None:
    file = packed_file(drive(tmp_path / 'monday', storage, CompressionMode.FILE))
    content = file.read_bytes()
    for end in (4, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:end])
        with pytest.raises(InputError, match=r'zstd .*copy or download it again$') as caught:
            Bag(file)
        assert 'recover' not in str(caught.value)
    file.write_bytes(b'')
    with pytest.raises(InputError, match='is empty'):
        Bag(file)
    assert list(temporary.iterdir()) == []


def test_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / 'a.db3.zstd'
    content = b'SQLite format 3\0' + bytes(3_000_000)
    disk = tmp_path / 'disk'
    with small_disk(disk, 1_000_000):
        monkeypatch.setattr(tempfile, 'tempdir', str(disk))
        for known in (True, False):
            packer = zstandard.ZstdCompressor(write_content_size=known)
            file.write_bytes(packer.compress(content))
            said = rf'unpacking it needs .* in {disk}.*set TMPDIR.*`zstd -d`'
            with pytest.raises(StorageError, match=said):
                Bag(file)
            assert list(disk.iterdir()) == []
    assert not any(str(file) in key for key, *_ in unpacking._unpacked)
