"""The metadata.yaml of every release of rosbag2, and of bags that were moved about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from helpers.source_files import SECOND, bag, compressed, encode, picture, storage_file

from fol_vpr.errors import InputError
from fol_vpr.sources import Bag, open_source

QOS = '- history: 3\n  depth: 0\n  reliability: 1'


def drive(path: Path, storage: str = 'sqlite3') -> Path:
    images = [compressed(stamp * SECOND, encode(picture())) for stamp in (1, 2, 3)]
    return bag(path, images, storage)


def write_metadata(path: Path, information: dict[str, object]) -> None:
    content = {'rosbag2_bagfile_information': information}
    (path / 'metadata.yaml').write_text(yaml.safe_dump(content))


def information(path: Path, version: int) -> dict[str, object]:
    """As the release with this version of the metadata writes it; see MetadataIo of rosbag2."""
    file = storage_file(path).name
    topic: dict[str, object] = {
        'name': '/camera/compressed',
        'type': 'sensor_msgs/msg/CompressedImage',
        'serialization_format': 'cdr',
    }
    found: dict[str, object] = {
        'version': version,
        'storage_identifier': 'sqlite3' if file.endswith('db3') else 'mcap',
        'relative_file_paths': [f'{path.name}/{file}' if version < 4 else file],
        'duration': {'nanoseconds': 2 * SECOND},
        'starting_time': {'nanoseconds_since_epoch': SECOND},
        'message_count': 3,
        'topics_with_message_count': [{'topic_metadata': topic, 'message_count': 3}],
    }
    if version >= 3:
        found |= {'compression_format': '', 'compression_mode': ''}
    if version >= 4:
        topic['offered_qos_profiles'] = QOS
    if version >= 5:
        found['files'] = [{'path': file, 'message_count': 3}]
    if version >= 6:
        found['custom_data'] = None
    if version >= 7:
        topic['type_description_hash'] = 'RIHS01_15640771531571185e2efc8a100baf923961a4d15d5569652'
    if version >= 8:
        found['ros_distro'] = 'jazzy'
    if version >= 9:
        topic['offered_qos_profiles'] = [{'history': 'unknown', 'reliability': 'best_available'}]
    return found


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('version', range(1, 10))
def test_every_version(tmp_path: Path, version: int, storage: str) -> None:
    path = drive(tmp_path / 'monday', storage)
    write_metadata(path, information(path, version))
    renamed = path.rename(tmp_path / 'tuesday')
    source = open_source(renamed)
    assert len(list(source.frames())) == len(source) == 3
    assert source.warnings == []


def test_newer_version_is_read_with_a_warning(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    write_metadata(path, information(path, 10))
    source = open_source(path)
    assert len(list(source.frames())) == 3
    assert 'version 10, which is newer than 9' in source.warnings[0]


@pytest.mark.parametrize(
    'field',
    [
        'version',
        'storage_identifier',
        'duration',
        'starting_time',
        'message_count',
        'topics_with_message_count',
        'compression_format',
        'compression_mode',
    ],
)
def test_field_that_is_missing_or_of_another_type(tmp_path: Path, field: str) -> None:
    path = drive(tmp_path / 'monday')
    for value in (None, '?', [7], {}):
        content = information(path, 8)
        del content[field]
        if value is not None and field != 'compression_format':
            content[field] = value
        write_metadata(path, content)
        assert len(list(open_source(path).frames())) == 3


def test_files_that_lie_elsewhere(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    there = tmp_path / 'disk' / 'monday.db3'
    there.parent.mkdir()
    shutil.move(storage_file(path), there)
    for name in (str(there), '../disk/monday.db3', 'disk/monday.db3'):
        content = information_without_file(name)
        write_metadata(path, content)
        source = open_source(path)
        assert len(list(source.frames())) == 3
        assert 'files outside of its folder' in source.warnings[0]
        assert 'disk/monday.db3' in source.warnings[0]
        assert {each.name for each in Bag(path).files()} == {'metadata.yaml', 'monday.db3'}


def information_without_file(name: str) -> dict[str, object]:
    return {'version': 5, 'storage_identifier': 'sqlite3', 'relative_file_paths': [name]}


def test_file_that_was_renamed(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    storage_file(path).rename(path / 'tuesday.db3')
    said = r'missing: monday\.db3; the folder holds tuesday\.db3; .*`ros2 bag reindex'
    with pytest.raises(InputError, match=said):
        open_source(path)


def test_metadata_without_files(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    for paths in (None, [], 'monday.db3', [7]):
        write_metadata(path, {'version': 5, 'relative_file_paths': paths})
        with pytest.raises(InputError, match=r'names no files; `ros2 bag reindex'):
            open_source(path)


def test_unknown_compression(tmp_path: Path) -> None:
    path = drive(tmp_path / 'monday')
    content = {**information(path, 8), 'compression_format': 'own', 'compression_mode': 'FILE'}
    write_metadata(path, content)
    with pytest.raises(InputError, match=r"compressed with 'own', expected zstd; .*convert"):
        open_source(path)


@pytest.mark.parametrize('mode', ['', 'NONE', None])
def test_compression_format_without_compression(tmp_path: Path, mode: str | None) -> None:
    path = drive(tmp_path / 'monday')
    content = {**information(path, 8), 'compression_format': 'own', 'compression_mode': mode}
    write_metadata(path, content)
    assert len(list(open_source(path).frames())) == 3


def test_files_of_a_split_bag_are_merged_by_time(tmp_path: Path) -> None:
    """`ros2 bag reindex` lists them in the order of their names, 10 before 2."""
    path = tmp_path / 'monday'
    path.mkdir()
    names = []
    for number in (1, 10, 2):
        stamps = [number * SECOND, number * SECOND + 5]
        part = bag(
            tmp_path / f'monday_{number}',
            [compressed(stamp, encode(picture())) for stamp in stamps],
        )
        names.append(shutil.move(storage_file(part), path).rsplit('/')[-1])
    write_metadata(path, {'version': 5, 'relative_file_paths': names})
    read = [message.receive_ns for message in Bag(path).read(['/camera/compressed'])]
    assert len(read) == 6 and read == sorted(read)
