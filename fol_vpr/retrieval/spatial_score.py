"""What the matches of two images say for their showing one place.

Two things count: how far the cosine of each match is over the threshold, and how many of the
others it agrees with. Where two images show one place, what lies at about one distance has moved
about alike from one image to the other; matches that are there by chance point anywhere. So each
match votes for its displacement, in cells, and counts for the votes about it. The rapid spatial
scoring of Patch-NetVLAD (Hausler et al., CVPR 2021) is alike, with one mean
displacement for all. No one motion of the camera is asked for: that is left to the geometric
verification of the few best.
"""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import LocalFeatures
from fol_vpr.retrieval.matching import unit_rows

# Of a displacement, in shares of the larger side of the image: matches agree that are in the same
# cell or in neighbouring ones.
CELL = 0.075


class SpatialScorer:
    """What the matches of one query with references say.

    Args:
        query: of which descriptors are of unit length, float32.
        threshold: cosine that all matches exceed.
    """

    def __init__(self, query: LocalFeatures, threshold: float) -> None:
        self._descriptors = query.descriptors
        self._shares = _shares(query.positions)
        self._threshold = threshold

    def of(self, reference: LocalFeatures, pairs: np.ndarray) -> float:
        """Evidence of the matches with a reference.

        Args:
            reference: that the query was matched with.
            pairs: [K, 2] rows of the query and of the reference.

        Returns:
            The sum over the matches of how far each cosine is over the threshold, times the root
            of that sum over the matches that it agrees with; to the power of 2/3. Where all agree,
            this is how far they are over the threshold together; where they do not, it is less. 0
            without a match.
        """
        if not len(pairs):
            return 0.0
        rows = unit_rows(reference.descriptors[pairs[:, 1]])
        cosines = np.einsum('ij,ij->i', self._descriptors[pairs[:, 0]], rows)
        # Of what is over the threshold by a hair, rounding may say otherwise here.
        excess = np.maximum(cosines - self._threshold, 0)
        moved = self._shares[pairs[:, 0]] - _shares(reference.positions)[pairs[:, 1]]
        agreed = float(excess @ np.sqrt(_agreeing(moved, excess)))
        return float(agreed ** (2 / 3))


def _shares(positions: np.ndarray) -> np.ndarray:
    """Positions [N, 2] in shares, 0 to 1, of the larger side of what they cover in their image."""
    if not len(positions):
        return positions
    x, y = positions[:, 0], positions[:, 1]
    left, top = x.min(), y.min()
    side = max(x.max() - left, y.max() - top)
    if not 0 < side < np.inf:
        return np.zeros_like(positions)
    shares: np.ndarray = (positions - np.array((left, top))) / side
    return shares


def _agreeing(moved: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """For each match [K] the sum of `excess` over all that `moved` [K, 2] alike, with itself."""
    down, right = np.floor(moved / CELL).astype(np.int64).T
    down, right = down - down.min() + 1, right - right.min() + 1
    height, width = int(down.max()) + 2, int(right.max()) + 2
    votes = np.bincount(down * width + right, excess, height * width).reshape(height, width)
    rows = votes[:-2] + votes[1:-1] + votes[2:]
    around = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    agreeing: np.ndarray = around[down - 1, right - 1]
    return agreeing
