"""What each codec keeps of local features, and that a query is compared with it rightly."""

import numpy as np
import pytest

from fol_vpr.database import CODECS
from fol_vpr.database.format.codecs import rotation
from fol_vpr.database.format.grid import on_stride
from fol_vpr.datatypes import LocalFeatures

REDUCED = ('fine', 'compact', 'tiny')
DIM = 128


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def grid_positions(lines: np.ndarray, step: tuple[float, float]) -> np.ndarray:
    """Where the network puts line i, column and row: i + 2 steps from the border of the image."""
    return ((lines + 2) * np.array(step) - 0.5).astype(np.float32)


def dense(seed: int, side: int = 33, kept: float = 1.0, dim: int = DIM) -> LocalFeatures:
    """Features on a dense grid of an image of 640 x 480, of which some are left out."""
    rng = np.random.default_rng(seed)
    lines = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    lines = lines[rng.random(len(lines)) < kept]
    positions = grid_positions(lines, (640 / (side + 3), 480 / (side + 3)))
    weights = rng.random(len(lines), dtype=np.float32) / 200
    return LocalFeatures(unit(rng.standard_normal((len(lines), dim))), positions, weights)


def stored(name: str, features: LocalFeatures) -> tuple[LocalFeatures, LocalFeatures, int]:
    """The rows that a codec keeps, what comes back of them, and the bytes between."""
    codec = CODECS[name]
    kept = codec.subsample(features)
    blob = codec.encode(kept)
    return kept, codec.decode(blob, len(kept.weights), features.descriptors.shape[1]), len(blob)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (unit(a.astype(np.float64)) * unit(b.astype(np.float64))).sum(axis=1)


@pytest.mark.parametrize(
    ('name', 'rows', 'row_bytes'), [('fine', 17, 134), ('compact', 9, 134), ('tiny', 9, 22)]
)
def test_rows_and_bytes_of_the_reduced_ones(name, rows, row_bytes):
    kept, back, size = stored(name, dense(0))
    assert len(kept.weights) == rows**2
    assert size == 16 + rows**2 * row_bytes
    assert back.descriptors.dtype == np.int8
    assert np.abs(back.positions - kept.positions).max() < 640 / 65535
    np.testing.assert_allclose(back.weights, kept.weights, rtol=1e-3)


@pytest.mark.parametrize('name', ['fine', 'compact'])
def test_what_was_decoded_can_be_encoded_again(name):
    _, back, _ = stored(name, dense(1))
    descriptors = back.descriptors.copy()
    descriptors[0, 0] = -128
    blob = CODECS[name].encode(LocalFeatures(descriptors, back.positions, back.weights))
    again = CODECS[name].decode(blob, len(descriptors), DIM).descriptors
    np.testing.assert_array_equal(again[1:], descriptors[1:])
    assert again[0, 0] == -127


@pytest.mark.parametrize('name', ['fine', 'compact'])
def test_eight_bits_keep_directions(name):
    kept, back, _ = stored(name, dense(1))
    assert cosines(kept.descriptors, back.descriptors).min() > 0.9998


def test_one_bit_gives_the_cosine_that_the_threshold_stands_for():
    codec = CODECS['tiny']
    kept, back, _ = stored('tiny', dense(2, side=65))
    rng = np.random.default_rng(3)
    across = rng.standard_normal(kept.descriptors.shape)
    across = unit(across - (across * kept.descriptors).sum(1, keepdims=True) * kept.descriptors)
    for cosine in (0.3, 0.7, 1.0):
        rows = unit(cosine * kept.descriptors + np.sqrt(1 - cosine**2) * across)
        query = codec.transform_query(LocalFeatures(rows, kept.positions, kept.weights))
        found = cosines(query.descriptors, back.descriptors)
        assert found.mean() == pytest.approx(codec.threshold(cosine), abs=0.01)
        assert found.std() < 0.06


@pytest.mark.parametrize('name', CODECS)
def test_a_query_keeps_its_rows_and_their_length(name):
    features = dense(4)
    query = CODECS[name].transform_query(features)
    assert query.descriptors.shape == features.descriptors.shape
    np.testing.assert_allclose(np.linalg.norm(query.descriptors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize('name', REDUCED)
@pytest.mark.parametrize('rows', [0, 1])
def test_next_to_no_rows(name, rows):
    whole = dense(5)
    features = LocalFeatures(
        whole.descriptors[:rows], whole.positions[:rows], whole.weights[:rows]
    )
    kept, back, _ = stored(name, features)
    assert len(kept.weights) == len(back.weights) == rows
    np.testing.assert_allclose(back.positions, features.positions)


@pytest.mark.parametrize('name', REDUCED)
def test_a_row_of_zeros_is_no_trouble(name):
    features = dense(6, side=5)
    features.descriptors[:] = 0
    _, back, _ = stored(name, features)
    assert np.isfinite(back.descriptors).all()


@pytest.mark.parametrize('name', CODECS)
@pytest.mark.parametrize('change', [-1, 1])
def test_blobs_of_another_size_are_refused(name, change):
    codec = CODECS[name]
    kept = codec.subsample(dense(7))
    blob = codec.encode(kept)
    cut = blob[:-1] if change < 0 else blob + b'\0'
    for wrong, count in ((cut, len(kept.weights)), (blob, len(kept.weights) + change), (b'', 1)):
        with pytest.raises(ValueError, match='expected'):
            codec.decode(wrong, count, DIM)


@pytest.mark.parametrize('dim', [1, 12, 128])
def test_the_rotation_is_one_and_the_same(dim):
    matrix = rotation(dim)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(dim), atol=1e-5)
    # Maps were written with it.
    expected = {1: 1.0, 12: 0.083326, 128: -0.035750}[dim]
    assert matrix[0, 0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ('stride', 'lines'), [(1, range(33)), (2, range(0, 33, 2)), (4, range(0, 33, 4))]
)
def test_every_nth_line_is_kept(stride, lines):
    features = dense(8)
    rows = on_stride(features.positions, stride)
    wanted = grid_positions(np.array([[line, line] for line in lines]), (640 / 36, 480 / 36))
    for axis in (0, 1):
        np.testing.assert_allclose(np.unique(features.positions[rows, axis]), wanted[:, axis])


def test_lines_are_counted_from_the_border_also_where_the_first_ones_are_missing():
    lines = np.stack(np.meshgrid(np.arange(6, 12), np.arange(7, 30)), axis=-1).reshape(-1, 2)
    rows = on_stride(grid_positions(lines, (3.5, 2.1875)), 4)
    assert {tuple(line) for line in lines[rows] % 4} == {(0, 0)}
    assert len(rows) == 6


def test_positions_on_no_grid_are_kept_whole():
    rng = np.random.default_rng(9)
    for positions in (rng.uniform(0, 960, (300, 2)), np.full((5, 2), 3.0), np.zeros((1, 2))):
        assert len(on_stride(positions.astype(np.float32), 4)) == len(positions)


@pytest.mark.parametrize('name', ['float32', 'float16', 'fine'])
@pytest.mark.parametrize('kept', [1.0, 0.6])
def test_coarse_rows_are_those_on_patch_centres_before_and_after_storing(name, kept):
    features = dense(5, kept=kept)
    codec = CODECS[name]
    _, back, _ = stored(name, features)
    few = codec.coarse(back)
    centres = on_stride(features.positions, 4)
    assert few is not None and 0 < len(few.positions) == len(centres) < len(back.positions)
    np.testing.assert_allclose(few.positions, features.positions[centres], atol=640 / 65535)
    assert cosines(few.descriptors, features.descriptors[centres]).min() > 0.999
    asked = codec.coarse_query(features)
    assert (asked.positions == features.positions[on_stride(features.positions, 2)]).all()


@pytest.mark.parametrize('name', ['compact', 'tiny'])
def test_codecs_of_patch_centres_have_nothing_coarser(name):
    assert CODECS[name].coarse(stored(name, dense(5))[1]) is None
