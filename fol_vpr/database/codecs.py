"""How the local features of a place become one blob, and features again.

A map names its codec in the meta table, so that a file tells by itself how it is read.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fol_vpr.datatypes import LocalFeatures


class Codec(Protocol):
    """Turns local features into bytes and back.

    What `decode` gives for what `encode` took may differ by the codec's loss, but never in the
    number or order of rows. All numbers are little-endian.
    """

    name: str

    def encode(self, features: LocalFeatures) -> bytes:
        """Bytes of features with descriptors [N, C], positions [N, 2] and weights [N]."""
        ...

    def decode(self, blob: bytes, count: int, dim: int) -> LocalFeatures:
        """Features of `count` rows with `dim` numbers per descriptor, as float32.

        Raises:
            ValueError: the blob has another size than these need.
        """
        ...


class PlainCodec:
    """Positions and weights in float32, then the descriptors in a float type of choice.

    Positions are pixels of images that may be thousands wide, where float16 would round to whole
    pixels; together with the weights they are 12 of 268 bytes per row at C = 128 in float16.
    """

    def __init__(self, name: str, dtype: str) -> None:
        self.name = name
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
        expected = count * (3 * 4 + dim * self._dtype.itemsize)
        if count < 0 or len(blob) != expected:
            raise ValueError(f'{len(blob)} bytes, expected {expected} for {count} rows')
        positions = np.frombuffer(blob, '<f4', 2 * count)
        weights = np.frombuffer(blob, '<f4', count, offset=8 * count)
        rows = np.frombuffer(blob, self._dtype, count * dim, offset=12 * count)
        return LocalFeatures(
            descriptors=rows.astype(np.float32, copy=False).reshape(count, dim),
            positions=positions.astype(np.float32, copy=False).reshape(count, 2),
            weights=weights.astype(np.float32, copy=False),
        )


CODECS: dict[str, Codec] = {
    codec.name: codec for codec in (PlainCodec('float32', '<f4'), PlainCodec('float16', '<f2'))
}
