"""Exported folders that a stranger has changed, and folders that the export must leave alone."""

import io
import json
import os
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import CAMERA, LOCAL_DIM, add, build, header

from fol_vpr.cli.main import main
from fol_vpr.database import (
    MapReader,
    MapWriter,
    export_map,
    import_map,
    merge_maps,
    repair_map,
)
from fol_vpr.errors import InputError, MapError

ROWS = 40


@pytest.fixture(scope='module')
def exported(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('exported')
    with MapWriter(folder / 'm.folmap', header()) as writer:
        for index in range(2):
            add(writer, index, rows=ROWS, camera=CAMERA)
        writer.set_calibration({'decision': '{}'})
        writer.finish()
    export_map(folder / 'm.folmap', folder / 'out')
    return folder / 'out'


def common(change) -> object:
    """A change of map.json."""

    def apply(folder: Path) -> None:
        path = folder / 'map.json'
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))

    return apply


def text(content: str) -> object:
    return lambda folder: (folder / 'map.json').write_text(content)


def table(old: str, new: str) -> object:
    def apply(folder: Path) -> None:
        path = folder / 'places.csv'
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))

    return apply


def npy_header(shape: tuple, descr: str = '<f2') -> bytes:
    content = io.BytesIO()
    described = {'descr': descr, 'fortran_order': False, 'shape': shape}
    np.lib.format.write_array_header_1_0(content, described)
    return content.getvalue()


def npz(compression: int = zipfile.ZIP_STORED, **parts: bytes) -> object:
    """local_features/000001.npz with these parts in place of the real ones."""

    def apply(folder: Path) -> None:
        path = folder / 'local_features' / '000001.npz'
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        content.update({f'{name}.npy': data for name, data in parts.items()})
        with zipfile.ZipFile(path, 'w', compression) as archive:
            for name, data in content.items():
                archive.writestr(name, data)

    return apply


def link(name: str) -> object:
    """A link in place of a file, to a file outside the folder with the same content."""

    def apply(folder: Path) -> None:
        outside = folder.parent / 'secret'
        shutil.copy(folder / name, outside)
        (folder / name).unlink()
        (folder / name).symlink_to(outside)

    return apply


def fifo(name: str) -> object:
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return apply


ZEROS = np.zeros((2_000_000, LOCAL_DIM), np.float16)
NAMES = (
    'map.json', 'places.csv', 'global_descriptors.npy', 'covariances.npy',
    'local_features/000001.npz', 'images/000001.jpg',
)  # fmt: skip
BAD = {
    'deep JSON': text('[' * 100_000),
    'deep JSON in an object': text('{"format": 2, "x": ' + '[' * 500 + ']' * 500 + '}'),
    'a number of hundreds of digits': text('{"format": ' + '9' * 5000 + '}'),
    'no number': text('{"format": 2, "places": NaN}'),
    'a key twice': text('{"format": 2, "format": 2}'),
    'a text': text('"format"'),
    'places as text': common(lambda c: c.update(places='2')),
    'places that are true': common(lambda c: c.update(places=True)),
    'a trillion places': common(lambda c: c.update(places=10**12)),
    'no places': common(lambda c: c.update(places=0)),
    'a map that is a list': common(lambda c: c.update(map=[])),
    'a name that is a number': common(lambda c: c['map'].update(name=5)),
    'a name that is a list': common(lambda c: c['map'].update(name=['a'])),
    'a name without end': common(lambda c: c['map'].update(name='x' * 100_000)),
    'a dimension that is a number': common(lambda c: c['map'].update(local_dim=16)),
    'a trillion dimensions': common(lambda c: c['map'].update(descriptor_dim='9' * 12)),
    'a deep datum': common(lambda c: c['map'].update(datum='[' * 5000)),
    'a calibration of objects': common(lambda c: c.update(calibration={'decision': {}})),
    'a calibration that is a list': common(lambda c: c.update(calibration=['decision'])),
    'cameras that are numbers': common(lambda c: c.update(cameras=[1])),
    'a camera with a huge matrix': common(lambda c: c['cameras'][0].update(matrix=[10**350] * 9)),
    'a camera of texts': common(lambda c: c['cameras'][0].update(matrix=['x'] * 9)),
    'a stamp of hundreds of digits': table('1305031452791720001', '9' * 5000),
    'a stamp of a hundred digits': table('1305031452791720001', '9' * 100),
    'an image of a hundred digits': table(',960,', f',{"9" * 100},'),
    'a position of a hundred digits': table(',1.0,', f',{"9" * 400},'),
    'a line of one field': lambda f: (f / 'places.csv').write_text(
        '\n'.join([*(f / 'places.csv').read_text().splitlines()[:2], 'x'])
    ),
    'descriptors of a claimed size': lambda f: (f / 'global_descriptors.npy').write_bytes(
        npy_header((10**9, 96))
    ),
    'descriptors that are cut': lambda f: (f / 'global_descriptors.npy').write_bytes(
        npy_header((2, 96)) + b'x'
    ),
    'covariances of a claimed size': lambda f: (f / 'covariances.npy').write_bytes(
        npy_header((2, 6, 6 * 10**15), '<f8')
    ),
    'covariances of objects': lambda f: (f / 'covariances.npy').write_bytes(
        npy_header((2, 6, 6), '|O') + b'x'
    ),
    'a header of brackets': lambda f: (f / 'covariances.npy').write_bytes(
        b'\x93NUMPY\x01\x00' + (9000).to_bytes(2, 'little') + b'(' * 9000
    ),
    'features of a claimed size': npz(descriptors=npy_header((10**12, LOCAL_DIM))),
    'features of a negative size': npz(descriptors=npy_header((-1, LOCAL_DIM))),
    'features of objects': npz(weights=npy_header((ROWS,), '|O') + bytes(8 * ROWS)),
    'features in long doubles': npz(weights=npy_header((ROWS,), '<f16') + bytes(16 * ROWS)),
    'features that unpack to much more': npz(
        zipfile.ZIP_DEFLATED,
        descriptors=npy_header(ZEROS.shape) + ZEROS.tobytes(),
    ),
    **{f'a link in place of {name}': link(name) for name in NAMES},
    **{f'a FIFO in place of {name}': fifo(name) for name in NAMES},
}


@pytest.mark.parametrize('kind', BAD)
def test_a_changed_folder_is_refused_and_nothing_stays(exported, tmp_path, kind, capsys):
    folder = tmp_path / 'given'
    shutil.copytree(exported, folder)
    BAD[kind](folder)
    target = tmp_path / 'm.folmap'
    assert main(['map', 'import', str(folder), '--output', str(target)]) == 2
    said = capsys.readouterr().err
    assert str(folder) in said
    assert len(said) < 1500
    assert not list(tmp_path.glob('m.folmap*'))


def test_links_within_the_folder_and_compressed_arrays_are_read(exported, tmp_path):
    folder = tmp_path / 'given'
    shutil.copytree(exported, folder)
    (folder / 'places.csv').rename(folder / 'table.csv')
    (folder / 'places.csv').symlink_to('table.csv')
    features = folder / 'local_features' / '000001.npz'
    with np.load(features) as arrays:
        np.savez_compressed(features, **arrays)
    (tmp_path / 'linked').symlink_to(folder)
    assert import_map(tmp_path / 'linked', tmp_path / 'm.folmap').places == 2


# ---- what the export and other writers leave alone


@pytest.fixture
def sound(tmp_path) -> Path:
    path = tmp_path / 'm.folmap'
    build(path, 2)
    return path


def test_an_export_leaves_a_folder_of_the_same_name_with_partial_alone(sound, tmp_path):
    mine = tmp_path / 'out.partial' / 'thesis.txt'
    mine.parent.mkdir()
    mine.write_text('years of work')
    export_map(sound, tmp_path / 'out')
    assert mine.read_text() == 'years of work'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['m.folmap', 'out', 'out.partial']
    assert (tmp_path / 'out').stat().st_mode & 0o777 == 0o777 & ~_umask()


def test_an_export_that_fails_leaves_nothing(sound, tmp_path):
    with closing(sqlite3.connect(sound)) as connection:
        connection.execute("UPDATE images SET jpeg = x'00' WHERE place = 1")
        connection.commit()
    with pytest.raises(MapError):
        export_map(sound, tmp_path / 'out')
    assert [path.name for path in tmp_path.iterdir()] == ['m.folmap']


def test_an_export_into_an_existing_folder_is_refused(sound, tmp_path):
    (tmp_path / 'out').mkdir()
    with pytest.raises(InputError, match='exists already'):
        export_map(sound, tmp_path / 'out')


def test_a_repair_keeps_what_an_earlier_one_kept(sound):
    kept = sound.with_name('m.folmap.damaged')
    kept.write_text('mine')
    with closing(sqlite3.connect(sound)) as connection:
        connection.execute("UPDATE images SET jpeg = x'00' WHERE place = 1")
        connection.commit()
    assert repair_map(sound).original == sound.with_name('m.folmap.damaged-2')
    assert kept.read_text() == 'mine'


def written_over(path: Path, suffix: str) -> None:
    if suffix == '.partial':
        MapWriter(path, header(), overwrite=True)
    else:
        merge_maps([path, path], path, overwrite=True)


@pytest.mark.parametrize('suffix', ['.partial', '.rewrite'])
def test_a_database_of_another_program_is_not_written_over(sound, suffix):
    other = sound.with_name(sound.name + suffix)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute('CREATE TABLE thesis (text)')
    before = other.read_bytes()
    with pytest.raises(MapError, match=r'database of another program.*move it away'):
        written_over(sound, suffix)
    with closing(sqlite3.connect(other)) as connection:
        assert connection.execute('SELECT count(*) FROM thesis').fetchone() == (0,)
    assert before[:16] == other.read_bytes()[:16]
    with MapReader(sound) as reader:
        assert reader.info.places == 2


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
