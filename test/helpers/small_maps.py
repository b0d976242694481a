"""Small maps whose content follows from the index, so that any process can check it.

Run as a program it builds one and says on standard output what is safe already:
`small_maps.py MAP COUNT [ROUNDS]`.
"""

import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from fol_vpr.database import MapEditor, MapHeader, MapReader, MapWriter
from fol_vpr.datatypes import Camera, Features, Frame, LocalFeatures, MapInfo, Place, Pose

GLOBAL_DIM = 96
LOCAL_DIM = 16
IMAGE = np.zeros((540, 960, 3), np.uint8)
CAMERA = Camera(
    size=(960, 540),
    matrix=np.array([[700.1, 0.0, 479.7], [0.0, 701.3, 269.9], [0.0, 0.0, 1.0]]),
    model='plumb_bob',
    distortion=np.array([-0.1, 0.01, 1e-4, -2e-4, 1 / 3]),
    mount=Pose(np.array([0.2, -0.01, 1.1]), np.array([-0.5, 0.5, -0.5, 0.5])),
)


def header(**changes) -> MapHeader:
    values = {
        'name': 'small',
        'model_id': 'model-1',
        'preprocessing_id': 'fixed-322-imagenet',
        'weights_name': 'untrained-vits14',
        'codec': 'float16',
        'descriptor_dim': GLOBAL_DIM,
        'local_dim': LOCAL_DIM,
        **changes,
    }
    return MapHeader(**values)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def features(index: int, rows: int = 40) -> Features:
    rng = np.random.default_rng(index)
    local = LocalFeatures(
        descriptors=unit(rng.standard_normal((rows, LOCAL_DIM))),
        positions=rng.uniform(0, 960, (rows, 2)).astype(np.float32),
        weights=rng.random(rows, dtype=np.float32),
    )
    return Features(unit(rng.standard_normal(GLOBAL_DIM)), local, (960, 540))


def jpeg(index: int) -> bytes:
    return b'\xff\xd8' + np.random.default_rng(index).bytes(300)


def add_place(target: MapWriter | MapEditor, features: Features, **values) -> Place:
    """Add a black image; `values` are fields of its frame and arguments of `target.add`."""
    names = {field.name for field in fields(Frame)} & values.keys()
    frame = Frame(IMAGE, **{name: values.pop(name) for name in names})
    return target.add(frame, features, **values)


def add(writer: MapWriter, index: int, rows: int = 40, **changes) -> Place:
    values = {
        'session_id': f'drive-{index // 10}',
        'stamp_ns': 1_305_031_452_791_720_000 + index,
        'uri': f'images/{index:04d}.jpg',
        'frame_id': 'camera',
        'pose': Pose(np.array([index, -0.0, 0.5]), np.array([0, 0, 0.6, 0.8])),
        'image_jpeg': jpeg(index),
        'source_position': 3 * index,
        **changes,
    }
    return add_place(writer, features(index, rows), **values)


def build(path: Path, count: int, rows: int = 40, overwrite: bool = False, **changes) -> MapInfo:
    with MapWriter(path, header(**changes), source_id='test', overwrite=overwrite) as writer:
        for index in range(writer.resumed, count):
            add(writer, index, rows)
        return writer.finish()


def assert_content(path: Path, count: int, rows: int = 40) -> None:
    """The map holds what `build` puts into it."""
    with MapReader(path) as reader:
        assert reader.info.places == count
        descriptors = reader.global_descriptors()
        for index in range(count):
            place, expected = reader.places[index], features(index, rows)
            assert (place.index, place.session_id) == (index, f'drive-{index // 10}')
            assert place.image_uri == f'images/{index:04d}.jpg'
            np.testing.assert_allclose(descriptors[index], expected.global_descriptor, atol=1e-3)
            local = reader.local_features(index)
            np.testing.assert_allclose(
                local.descriptors, expected.local.descriptors, rtol=1e-3, atol=1e-6
            )
            np.testing.assert_array_equal(local.positions, expected.local.positions)
            assert reader.image(index) == jpeg(index)


def main() -> None:
    """Build maps one after the other, saying when each place is acknowledged."""
    path, count, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for _ in range(rounds):
        with MapWriter(path, header(), source_id='test', overwrite=True) as writer:
            for index in range(writer.resumed, count):
                add(writer, index)
                sys.stdout.write(f'{index}\n')
                sys.stdout.flush()
            writer.finish()


def place_ids(path: Path) -> list[str]:
    with MapReader(path) as reader:
        return [place.place_id for place in reader.places]


def assert_same_places(path: Path, other: Path) -> None:
    """All of a map is in another one, bit for bit."""
    with MapReader(path) as ours, MapReader(other) as theirs:
        index = {place.place_id: place.index for place in theirs.places}
        for place in ours.places:
            a, b = ours.record(place.index), theirs.record(index[place.place_id])
            assert (a.descriptor, a.count, a.features, a.jpeg) == (
                b.descriptor,
                b.count,
                b.features,
                b.jpeg,
            )
            assert a.place.stamp_ns == b.place.stamp_ns
            np.testing.assert_array_equal(a.place.pose.position, b.place.pose.position)


if __name__ == '__main__':
    main()
