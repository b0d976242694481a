"""Positions of one map image found again in another one, which no query has to do with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from fol_vpr.datatypes import Camera, Place, Pose
from fol_vpr.geometry.metric.alignment import AlignmentImage, track_points
from fol_vpr.geometry.metric.cache import ByteCache
from fol_vpr.geometry.metric.three_views import sample_epipolar_lines
from fol_vpr.geometry.viewing_rays import Rays

# Bytes that the tracks of all pairs of map images together may take: about 2,000 pairs.
CACHED_BYTES = 16_000_000


@dataclass(frozen=True, eq=False)
class _Tracks:
    """What was tracked between two map images.

    Attributes:
        start: [N] complex128, ascending: x + iy of positions in the first image.
        moved: [N, 2] where they are in the second image; without meaning where not found.
        found: [N] bool, whether they were tracked.
    """

    start: np.ndarray
    moved: np.ndarray
    found: np.ndarray

    def rows(self, start: np.ndarray) -> np.ndarray:
        """[K] the row of each of the positions [K], -1 where it was not tracked yet."""
        if not len(self.start):
            return np.full(len(start), -1)
        rows = np.minimum(np.searchsorted(self.start, start), len(self.start) - 1)
        return np.where(self.start[rows] == start, rows, -1)

    def extended(self, start: np.ndarray, moved: np.ndarray, found: np.ndarray) -> _Tracks:
        """These and further ones, which may repeat each other."""
        every = np.concatenate([self.start, start])
        ordered, first = np.unique(every, return_index=True)
        return _Tracks(
            ordered,
            np.concatenate([self.moved, moved])[first],
            np.concatenate([self.found, found])[first],
        )

    @property
    def bytes(self) -> int:
        return self.start.nbytes + self.moved.nbytes + self.found.nbytes


_NONE = _Tracks(np.zeros(0, np.complex128), np.zeros((0, 2)), np.zeros(0, bool))
_known: ByteCache[_Tracks] = ByteCache(CACHED_BYTES)


def track_to_second_view(
    first: AlignmentImage,
    second: AlignmentImage,
    first_xy: np.ndarray,
    rays: Rays,
    place: Place,
    second_place: Place,
    baseline: Pose,
) -> tuple[np.ndarray, np.ndarray]:
    """Track positions of one map image along their epipolar lines in another one.

    They depend on no query. What was tracked once is cached, because consecutive queries ask for
    the same positions, and a robot comes back.

    Args:
        first, second: the images.
        first_xy: [K, 2] positions in pixels of the original of `first`.
        rays: their K viewing rays.
        place, second_place: of the images, with their cameras.
        baseline: pose of the second camera in the first.

    Returns:
        [K, 2] positions in pixels of the original of `second`, and [K] bool, whether the position
        was tracked.
    """
    camera, size = second_place.camera, second_place.image_size
    assert place.camera is not None and camera is not None
    key = _digest(first, second, baseline, (place.camera, place.image_size), (camera, size))
    known = _known.get(key) or _NONE
    start = np.ascontiguousarray(first_xy, dtype=np.float64).view(np.complex128)[:, 0]
    new = known.rows(start) < 0
    if new.any():
        guesses = sample_epipolar_lines(rays[new], camera, size, baseline)
        known = known.extended(start[new], *track_points(first, second, first_xy[new], guesses))
        if first.source and second.source:
            _known.put(key, known, known.bytes)
    rows = known.rows(start)
    return known.moved[rows], known.found[rows]


def _digest(
    first: AlignmentImage,
    second: AlignmentImage,
    baseline: Pose,
    *cameras: tuple[Camera, tuple[int, int]],
) -> bytes:
    """Of everything that the tracks depend on, beside the positions."""
    digest = hashlib.blake2b(first.source + second.source, digest_size=16)
    digest.update(baseline.position.tobytes() + baseline.orientation.tobytes())
    for camera, size in cameras:
        digest.update(repr((camera.model, camera.size, size)).encode())
        digest.update(camera.matrix.tobytes() + camera.distortion.tobytes())
    return digest.digest()
