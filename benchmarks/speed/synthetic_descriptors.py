"""As many descriptors as wanted that are distributed as those of real images are.

What is real are the descriptors of all images under `$FOL_VPR_SHARED/data`, as the default weights
give them, and the differences between descriptors of two images of one place. Made of them are

- **locations**: the mean, plus two real descriptors (their deviations from the mean) mixed with
  random weights, plus a tail. The mixture has the mean and the covariance of real descriptors, and
  shares directions of their clusters. The tail stands for what a few thousand images cannot span:
  its energy is the share of a descriptor's variance that the other half of the images leaves
  unexplained;
- **views**: a location plus two real differences, mixed likewise, times a factor whose
  distribution has a heavy tail (Student's t with 5 degrees of freedom), plus a tail of the same
  share.

The tail is a shifted row of a pool of Gaussian noise, as new noise would take most of the time.
Everything is drawn block by block from a seeded generator: block b is the same for every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor
from fol_vpr.sources import decode_bytes

VIEWS = 5
"""References that show one location: a map has several passes, and frames some metres apart."""
POOL = 2048
DEGREES = 5.0
# Folders of which images of the same number show the same place.
PAIRED = (
    ('gardens_point/day_left', 'gardens_point/day_right'),
    ('corridor/ref', 'corridor/query'),
)


@dataclass(frozen=True)
class Model:
    """What is real about the made descriptors.

    Attributes:
        mean: [D] float32.
        deviations: [R, D] float32, real descriptors less their mean.
        differences: [S, D] float32, of two views of one place, over the root of 2.
        tail: share of a deviation's variance that is not in the span of others.
    """

    mean: np.ndarray
    deviations: np.ndarray
    differences: np.ndarray
    tail: float

    @property
    def dim(self) -> int:
        """Length D of descriptors."""
        return len(self.mean)

    def block(self, number: int, locations: int) -> tuple[np.ndarray, np.ndarray]:
        """A block of a map: descriptors [locations * VIEWS, D] and one query each [locations, D].

        Both float32, of unit length.
        """
        rng = np.random.default_rng([number, 1])
        places = self.mean + self._drawn(self.deviations, locations, rng)
        count = locations * (VIEWS + 1)
        noise = self._drawn(self.differences, count, rng)
        noise *= np.sqrt(DEGREES / rng.chisquare(DEGREES, (count, 1))).astype(np.float32)
        views = noise.reshape(locations, VIEWS + 1, self.dim)
        views += places[:, None]
        views /= np.linalg.norm(views, axis=2, keepdims=True)
        return views[:, 1:].reshape(-1, self.dim), views[:, 0].copy()

    def _drawn(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """[count, D] with the covariance of `rows`, a part of which is moved to the tail."""
        pool = _pool(self.dim)
        angle = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
        first, second = rng.integers(len(rows), size=(2, count))
        mixed = np.cos(angle)[:, None] * rows[first] + np.sin(angle)[:, None] * rows[second]
        mixed *= np.float32(np.sqrt(1 - self.tail))
        energy = float(np.square(rows).sum(axis=1).mean())
        scale = np.float32(np.sqrt(self.tail * energy / self.dim))
        for row, (noise, shift) in enumerate(
            zip(rng.integers(POOL, size=count), rng.integers(self.dim, size=count), strict=True)
        ):
            mixed[row, shift:] += scale * pool[noise, : self.dim - shift]
            mixed[row, :shift] += scale * pool[noise, self.dim - shift :]
        return mixed


@cache
def _pool(dim: int) -> np.ndarray:
    """[POOL, dim] Gaussian noise."""
    return np.random.default_rng(0).standard_normal((POOL, dim), dtype=np.float32)


def real_model(shared: Path, kept: Path) -> Model:
    """The model of the real images under `shared`; their descriptors are kept in a file."""
    files = sorted(
        path
        for path in (shared / 'data').rglob('*')
        if path.suffix.lower() in ('.jpg', '.jpeg', '.png')
    )
    if kept.is_file():
        rows = np.load(kept, allow_pickle=False).astype(np.float32)
    else:
        rows = np.stack([*_extracted(files)])
        np.save(kept, rows.astype(np.float16))
    if len(rows) != len(files):
        raise SystemExit(f'{kept} has {len(rows)} descriptors of {len(files)} images: delete it')
    mean = rows.mean(axis=0)
    return Model(mean, rows - mean, _differences(files, rows, shared / 'data'), _tail(rows))


def _extracted(files: list[Path]) -> list[np.ndarray]:
    extractor = FeatureExtractor(NetworkConfig())
    rows = []
    for path in files:
        image = decode_bytes(path.read_bytes(), str(path))
        rows.append(extractor.extract([image])[0].global_descriptor)
    return rows


def _differences(files: list[Path], rows: np.ndarray, data: Path) -> np.ndarray:
    """[S, D] of all pairs of images that show one place."""
    by_folder: dict[str, list[int]] = {}
    for row, path in enumerate(files):
        by_folder.setdefault(path.parent.relative_to(data).as_posix(), []).append(row)
    found = []
    for one, other in PAIRED:
        pairs = zip(by_folder.get(one, []), by_folder.get(other, []), strict=True)
        found += [rows[a] - rows[b] for a, b in pairs]
    if not found:
        raise SystemExit(f'{data} has none of the pairs of folders {PAIRED}')
    return np.stack(found) / np.float32(np.sqrt(2))


def _tail(rows: np.ndarray) -> float:
    """Share of the variance of every other descriptor that the span of the rest leaves out.

    Neighbours in a drive resemble each other, so that runs of 50 are kept together.
    """
    held_out = np.arange(len(rows)) // 50 % 2 == 1
    known, new = rows[~held_out], rows[held_out]
    mean = known.mean(axis=0)
    basis = np.linalg.qr((known - mean).T)[0]
    new = new - mean
    return float(1 - np.square(new @ basis).sum() / np.square(new).sum())
