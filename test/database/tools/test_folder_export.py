"""A map as a folder that anybody can read, and back without a bit of difference."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import (
    GLOBAL_DIM,
    LOCAL_DIM,
    add,
    assert_same_places,
    build,
    features,
    header,
    jpeg,
    place_ids,
)

from fol_vpr.database import CODECS, MapReader, MapWriter, check_map, export_map, import_map
from fol_vpr.database.format.codecs import PlainCodec
from fol_vpr.datatypes import GeoPosition, LocalFeatures, Pose
from fol_vpr.errors import InputError, MapError

COUNT = 5


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> tuple[Path, Path]:
    """A map with all that a place may have, and its folder."""
    folder = tmp_path_factory.mktemp('exported')
    path = folder / 'm.folmap'
    pose = Pose(np.array([0.1, -2e-17, 3e8]), np.array([0, 0, 0.6, 0.8]), np.eye(6) / 3)
    with MapWriter(path, header(datum=GeoPosition(48, 9)), source_id='t') as writer:
        add(writer, 0, pose=pose, geo=GeoPosition(48.123456789, 9.1, 400.0))
        add(writer, 1, geo=GeoPosition(-33.0, 18.0))
        add(writer, 2, image_jpeg=None, uri='a, "b"\n; ü.jpg')
        add(writer, 3, rows=0, stamp_ns=-(2**63))
        add(writer, 4, place_id=' the gate ')
        writer.set_calibration({'decision': '{"slope": 2}', 'another': '{}'})
        writer.finish()
    export_map(path, folder / 'exported')
    return path, folder / 'exported'


def test_there_and_back(made, tmp_path):
    path, folder = made
    back = tmp_path / 'back.folmap'
    info = import_map(folder, back)
    assert (info.places, info.name, info.calibrated) == (COUNT, 'small', True)
    assert place_ids(back) == place_ids(path)
    assert_same_places(path, back)
    with MapReader(path) as ours, MapReader(back) as theirs:
        assert ours.header == theirs.header
        assert ours.calibration() == theirs.calibration()
        for a, b in zip(ours.places, theirs.places, strict=True):
            common = {'pose': None, 'geo': str(a.geo)}
            assert {**vars(a), **common} == {**vars(b), **common, 'geo': str(b.geo)}
            for name in ('position', 'orientation', 'covariance'):
                np.testing.assert_array_equal(getattr(a.pose, name), getattr(b.pose, name))
    assert check_map(back) == []


def test_a_researcher_needs_numpy_and_csv_alone(made):
    _, folder = made
    descriptors = np.load(folder / 'global_descriptors.npy')
    assert (descriptors.shape, descriptors.dtype) == ((COUNT, GLOBAL_DIM), np.float16)
    np.testing.assert_allclose(descriptors[1], features(1).global_descriptor, atol=1e-3)
    with (folder / 'places.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert rows[2]['image_uri'] == 'a, "b"\n; ü.jpg'
    assert float(rows[0]['x']) == 0.1
    local = np.load(folder / 'local_features' / '000001.npz')
    assert (local['descriptors'].shape, local['descriptors'].dtype) == (
        (40, LOCAL_DIM),
        np.float16,
    )
    np.testing.assert_array_equal(local['positions'], features(1).local.positions)
    assert (folder / 'images' / '000001.jpg').read_bytes() == jpeg(1)
    assert not (folder / 'images' / '000002.jpg').exists()


@pytest.mark.parametrize('codec', sorted(CODECS))
def test_there_and_back_with_each_codec(tmp_path, codec):
    path, back = tmp_path / 'm.folmap', tmp_path / 'back.folmap'
    build(path, 2, codec=codec)
    export_map(path, tmp_path / 'exported')
    import_map(tmp_path / 'exported', back)
    assert_same_places(path, back)
    with MapReader(back) as reader:
        assert reader.header.codec == codec


def test_a_codec_that_does_not_give_its_bytes_back_is_exact_all_the_same(tmp_path, monkeypatch):
    class Rounding(PlainCodec):
        """Loses more with each round, as quantisation may."""

        def encode(self, local):
            return super().encode(
                LocalFeatures(local.descriptors * 0.9, local.positions, local.weights)
            )

    monkeypatch.setitem(CODECS, 'rounding', Rounding('rounding', '<f2'))
    path, back = tmp_path / 'm.folmap', tmp_path / 'back.folmap'
    build(path, 2, codec='rounding')
    export_map(path, tmp_path / 'exported')
    import_map(tmp_path / 'exported', back)
    assert_same_places(path, back)


def edited(folder: Path, change) -> None:
    rows = (folder / 'places.csv').read_text().splitlines(keepends=True)
    (folder / 'places.csv').write_text(''.join(change(rows)))


BAD = {
    'nothing': lambda f: shutil.rmtree(f),
    'no map.json': lambda f: (f / 'map.json').unlink(),
    'map.json is no json': lambda f: (f / 'map.json').write_text('{'),
    'another format': lambda f: (f / 'map.json').write_text('{"format": 99}'),
    'map.json is a list': lambda f: (f / 'map.json').write_text('[]'),
    'no places': lambda f: (f / 'places.csv').unlink(),
    'a place less': lambda f: edited(f, lambda rows: rows[:-1]),
    'a place more': lambda f: edited(f, lambda rows: [*rows, rows[-1]]),
    'no column': lambda f: edited(f, lambda rows: [rows[0].replace('stamp_ns', 'time'), *rows]),
    'a word as number': lambda f: edited(f, lambda r: [r[0], r[1].replace('0.1', 'x'), *r[2:]]),
    'a place twice': lambda f: edited(f, lambda r: [*r[:-1], r[1]]),
    'a pickle': lambda f: np.save(f / 'covariances.npy', np.array([{}]), allow_pickle=True),
    'half a covariance': lambda f: np.save(
        f / 'covariances.npy', np.where(np.arange(36) < 9, 1.0, np.nan).reshape(1, 6, 6)[[0] * 5]
    ),
    'descriptors of another size': lambda f: np.save(
        f / 'global_descriptors.npy', np.ones((2, 3))
    ),
    'descriptors not unit': lambda f: np.save(
        f / 'global_descriptors.npy', np.ones((COUNT, GLOBAL_DIM), np.float16)
    ),
    'no features': lambda f: (f / 'local_features' / '000001.npz').unlink(),
    'no zip': lambda f: (f / 'local_features' / '000001.npz').write_bytes(b'PK no zip'),
    'another array': lambda f: np.savez(f / 'local_features' / '000001.npz', x=np.ones(3)),
    'features of another size': lambda f: np.savez(
        f / 'local_features' / '000001.npz',
        descriptors=np.ones((4, 3)),
        positions=np.ones((4, 2)),
        weights=np.ones(4),
    ),
    'a blob of another size': lambda f: (f / 'local_features' / '000001.blob').write_bytes(b'x'),
}


@pytest.mark.parametrize('bad', BAD)
def test_what_cannot_be_used_is_named_and_leaves_no_map(made, tmp_path, bad):
    folder = Path(shutil.copytree(made[1], tmp_path / 'exported'))
    BAD[bad](folder)
    with pytest.raises(InputError, match=r'exported|unique'):
        import_map(folder, tmp_path / 'm.folmap')
    assert [path for path in tmp_path.iterdir() if path != folder] == []


def test_nothing_is_overwritten_unasked(made, tmp_path):
    path, folder = made
    with pytest.raises(InputError, match='exists already'):
        export_map(path, folder)
    build(tmp_path / 'm.folmap', 1)
    with pytest.raises(MapError, match='exists already'):
        import_map(folder, tmp_path / 'm.folmap')
    assert import_map(folder, tmp_path / 'm.folmap', overwrite=True).places == COUNT
    assert json.loads((folder / 'map.json').read_text())['places'] == COUNT
