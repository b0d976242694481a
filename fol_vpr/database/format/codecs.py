"""Codecs: how the local features of a place are encoded as one blob, and decoded again.

A map names its codec in the meta table, so that the file itself tells how to read it. A codec may
store a subset of the rows of a reference, and less precise numbers than the network gives. A
query always keeps all rows at full precision: a region that lies at the centre of a patch in the
reference may lie between the centres in the query, and a query needs memory only while it is
answered.
"""

from __future__ import annotations

import functools
import math
from typing import Protocol

import numpy as np

from fol_vpr.database.format.grid import PATCH_STRIDE, on_stride
from fol_vpr.datatypes import LocalFeatures

FRAME_NUMBERS = 4
STEPS = np.iinfo(np.uint16).max


class Codec(Protocol):
    """Encodes local features as bytes, and decodes them.

    Decoded numbers may differ from the encoded ones by the loss of the codec; the number and the
    order of rows never do. All numbers are little-endian.

    Attributes:
        name: key of the codec in `CODECS`, and in the meta table of a map.
    """

    name: str

    def subsample(self, features: LocalFeatures) -> LocalFeatures:
        """The rows of a reference that the codec stores."""
        ...

    def transform_query(self, features: LocalFeatures) -> LocalFeatures:
        """The features of a query, transformed for comparison with decoded ones; the same rows.

        Args:
            features: with descriptors [N, C] in float32.
        """
        ...

    def coarse(self, features: LocalFeatures) -> LocalFeatures | None:
        """The decoded features on the centres of patches, for a fast approximate comparison.

        None if the codec stores no other rows.
        """
        ...

    def coarse_query(self, features: LocalFeatures) -> LocalFeatures:
        """The rows of a query to compare with those of `coarse`: every second line."""
        ...

    def threshold(self, cosine: float) -> float:
        """The cosine between a transformed and a decoded row that corresponds to `cosine`.

        Args:
            cosine: between the two original rows.
        """
        ...

    def encode(self, features: LocalFeatures) -> bytes:
        """Bytes of features with descriptors [N, C], positions [N, 2] and weights [N]."""
        ...

    def decode(self, blob: bytes, count: int, dim: int) -> LocalFeatures:
        """Features of `count` rows with `dim` numbers per descriptor.

        Descriptors are float32, or int8 of which only the direction counts.

        Raises:
            ValueError: the blob has another size than `count` and `dim` require.
        """
        ...


class _GridCodec:
    """What the codecs have in common: a name, and the rows of the dense grid that are stored.

    Args:
        name: of the codec.
        stride: of the stored lines and columns of the dense grid; 1 stores all rows.
    """

    def __init__(self, name: str, stride: int) -> None:
        self.name = name
        self._stride = stride

    def subsample(self, features: LocalFeatures) -> LocalFeatures:
        """See `Codec.subsample`: features that lie on no grid are kept completely."""
        if self._stride == 1:
            return features
        return _rows(features, on_stride(features.positions, self._stride))

    def coarse(self, features: LocalFeatures) -> LocalFeatures | None:
        """See `Codec.coarse`."""
        if self._stride == PATCH_STRIDE:
            return None
        return _rows(features, on_stride(features.positions, PATCH_STRIDE, self._stride))

    def coarse_query(self, features: LocalFeatures) -> LocalFeatures:
        """See `Codec.coarse_query`."""
        return _rows(features, on_stride(features.positions, PATCH_STRIDE // 2))

    def transform_query(self, features: LocalFeatures) -> LocalFeatures:
        """See `Codec.transform_query`: unchanged."""
        return features

    def threshold(self, cosine: float) -> float:
        """See `Codec.threshold`: unchanged."""
        return cosine


class PlainCodec(_GridCodec):
    """All rows: positions and weights in float32, then descriptors in a float type of choice.

    Positions are pixels of images that may be thousands of pixels wide, where float16 would round
    them to whole pixels. Together with the weights they are 12 of 268 bytes per row at C = 128 in
    float16.

    Args:
        name: of the codec.
        dtype: NumPy type of the descriptors, little-endian.
    """

    def __init__(self, name: str, dtype: str) -> None:
        super().__init__(name, stride=1)
        self._dtype = np.dtype(dtype)

    def encode(self, features: LocalFeatures) -> bytes:
        """See `Codec.encode`."""
        arrays = (
            np.ascontiguousarray(features.positions, '<f4'),
            np.ascontiguousarray(features.weights, '<f4'),
            np.ascontiguousarray(features.descriptors, self._dtype),
        )
        return b''.join(array.data for array in arrays)

    def decode(self, blob: bytes, count: int, dim: int) -> LocalFeatures:
        """See `Codec.decode`."""
        _check_size(blob, count, count * (3 * 4 + dim * self._dtype.itemsize))
        positions = np.frombuffer(blob, '<f4', 2 * count)
        weights = np.frombuffer(blob, '<f4', count, offset=8 * count)
        rows = np.frombuffer(blob, self._dtype, count * dim, offset=12 * count)
        return LocalFeatures(
            descriptors=rows.astype(np.float32, copy=False).reshape(count, dim),
            positions=positions.astype(np.float32, copy=False).reshape(count, 2),
            weights=weights.astype(np.float32, copy=False),
        )


class ReducedCodec(_GridCodec):
    """A subset of the rows, eight bits a number, positions in 65,535 steps across the image.

    Layout: offset and step of x and y, [4] float32; positions [N, 2] uint16; weights [N] float16;
    descriptors [N, C] int8. Each row is scaled so that its largest number is ±127. The scale is
    not stored, because descriptors have unit length.

    Args:
        name: of the codec.
        stride: of the stored lines and columns of the dense grid; `PATCH_STRIDE` keeps the
            centres of the network's patches, from which the other rows are interpolated.
    """

    def encode(self, features: LocalFeatures) -> bytes:
        """See `Codec.encode`."""
        frame, positions = _quantised(features.positions)
        arrays = (
            frame,
            positions,
            features.weights.astype('<f2'),
            self._pack(features.descriptors),
        )
        return b''.join(array.tobytes() for array in arrays)

    def decode(self, blob: bytes, count: int, dim: int) -> LocalFeatures:
        """See `Codec.decode`."""
        start = 4 * FRAME_NUMBERS
        _check_size(blob, count, start + count * (3 * 2 + self._row_bytes(dim)))
        frame = np.frombuffer(blob, '<f4', FRAME_NUMBERS)
        steps = np.frombuffer(blob, '<u2', 2 * count, offset=start).reshape(count, 2)
        weights = np.frombuffer(blob, '<f2', count, offset=start + 4 * count)
        packed = np.frombuffer(blob, np.uint8, offset=start + 6 * count)
        return LocalFeatures(
            descriptors=self._unpack(packed.reshape(count, self._row_bytes(dim)), dim),
            positions=frame[:2] + steps.astype(np.float32) * frame[2:],
            weights=weights.astype(np.float32),
        )

    def _row_bytes(self, dim: int) -> int:
        return dim

    def _pack(self, descriptors: np.ndarray) -> np.ndarray:
        # Decoded rows stay int8: the largest number becomes ±127, because the absolute value of
        # -128 does not fit.
        numbers = descriptors.astype(np.float32, copy=False)
        largest = np.abs(numbers).max(axis=1, initial=0, keepdims=True)
        scale = np.divide(127, largest, out=np.zeros_like(largest), where=largest > 0)
        rounded: np.ndarray = np.rint(numbers * scale).astype(np.int8)
        return rounded

    def _unpack(self, packed: np.ndarray, dim: int) -> np.ndarray:
        return packed.view(np.int8)


class BinaryCodec(ReducedCodec):
    """As `ReducedCodec`, but one bit a number: its sign after a fixed rotation.

    The rotation spreads the information of a descriptor evenly over its numbers, so that all
    signs carry about the same. It is an orthogonal matrix that depends on the length C alone. The
    numbers of a query are rotated and keep their precision. For directions that are uniform on
    the sphere, the expected cosine between a query row and such signs is sqrt(2/π) times the
    cosine between the original rows (the mean of |x| for a standard normal x); `threshold`
    applies this factor.
    """

    def transform_query(self, features: LocalFeatures) -> LocalFeatures:
        """See `Codec.transform_query`: rotated."""
        rotated = features.descriptors @ rotation(features.descriptors.shape[1])
        return LocalFeatures(rotated, features.positions, features.weights)

    def threshold(self, cosine: float) -> float:
        """See `Codec.threshold`."""
        return math.sqrt(2 / math.pi) * cosine

    def _row_bytes(self, dim: int) -> int:
        return -(-dim // 8)

    def _pack(self, descriptors: np.ndarray) -> np.ndarray:
        return np.packbits(descriptors @ rotation(descriptors.shape[1]) >= 0, axis=1)

    def _unpack(self, packed: np.ndarray, dim: int) -> np.ndarray:
        bits = np.unpackbits(packed, axis=1, count=dim).view(np.int8)
        signs: np.ndarray = 2 * bits - 1
        return signs


@functools.cache
def rotation(dim: int) -> np.ndarray:
    """An orthogonal matrix [dim, dim] float32, the same on every machine.

    It is made from NumPy's legacy random generator, whose stream is guaranteed not to change.
    """
    q, r = np.linalg.qr(np.random.RandomState(dim).standard_normal((dim, dim)))
    matrix: np.ndarray = (q * np.sign(np.diag(r))).astype(np.float32)
    return matrix


def _rows(features: LocalFeatures, rows: np.ndarray) -> LocalFeatures:
    return LocalFeatures(
        features.descriptors[rows], features.positions[rows], features.weights[rows]
    )


def _check_size(blob: bytes, count: int, expected: int) -> None:
    if count < 0 or len(blob) != expected:
        raise ValueError(f'{len(blob)} bytes, expected {expected} for {count} rows')


def _quantised(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offset and step of x and y, [4] float32, and positions [N, 2] uint16 in these steps."""
    if not len(positions):
        return np.zeros(FRAME_NUMBERS, '<f4'), np.zeros((0, 2), '<u2')
    low = positions.min(axis=0).astype('<f4')
    step = ((positions.max(axis=0) - low) / STEPS).astype('<f4')
    steps = np.divide(
        positions - low, step, out=np.zeros(positions.shape, np.float32), where=step > 0
    )
    return np.concatenate((low, step)), np.rint(steps).clip(0, STEPS).astype('<u2')


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        PlainCodec('float32', '<f4'),
        PlainCodec('float16', '<f2'),
        ReducedCodec('fine', PATCH_STRIDE // 2),
        ReducedCodec('compact', PATCH_STRIDE),
        BinaryCodec('tiny', PATCH_STRIDE),
    )
}
"""The codecs by name; docs/reference/map_format.md compares them."""
