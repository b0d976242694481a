"""Scores the matches of two images by their cosines and by how consistently they are displaced.

Where two images show one place, points at about the same distance are displaced by about the same
vector from one image to the other; accidental matches have random displacements. So each match
votes for the cell of its displacement, and counts by the votes in and around its cell. The rapid
spatial scoring of Patch-NetVLAD (Hausler et al., CVPR 2021) is similar, but compares all
displacements with their mean. No single camera motion is required: geometric verification tests
that for the few best candidates.
"""

from __future__ import annotations

import numpy as np

from fol_vpr.datatypes import LocalFeatures
from fol_vpr.retrieval.matching import unit_rows

# Side of a cell of displacements, as a fraction of the larger side of the image. Matches support
# each other where they are in the same cell or in neighbouring ones.
CELL = 0.075


class SpatialScorer:
    """Computes spatial scores of one query's matches with references.

    Args:
        query: local features of the query; descriptors float32, unit length.
        threshold: cosine that all matches exceed.
    """

    def __init__(self, query: LocalFeatures, threshold: float) -> None:
        self._descriptors = query.descriptors
        self._positions = _normalised(query.positions)
        self._threshold = threshold

    def score(self, reference: LocalFeatures, pairs: np.ndarray) -> float:
        """Score the matches with a reference.

        With e_i the excess of the cosine of match i over the threshold, the score is
        (sum_i e_i * sqrt(sum_j e_j)) ** (2/3), where j are the matches whose displacement supports
        match i, itself included. It is the sum of all e_i where all matches support each other,
        and less where they do not.

        Args:
            reference: local features of the reference.
            pairs: [K, 2] rows of the query and of the reference.

        Returns:
            The score; 0 without a match.
        """
        if not len(pairs):
            return 0.0
        rows = unit_rows(reference.descriptors[pairs[:, 1]])
        cosines = np.einsum('ij,ij->i', self._descriptors[pairs[:, 0]], rows)
        # Rounding may put a match that is barely over the threshold below it here.
        excess = np.maximum(cosines - self._threshold, 0)
        displacements = (
            self._positions[pairs[:, 0]] - _normalised(reference.positions)[pairs[:, 1]]
        )
        total = float(excess @ np.sqrt(_support(displacements, excess)))
        return float(total ** (2 / 3))


def _normalised(positions: np.ndarray) -> np.ndarray:
    """Positions [N, 2], shifted and scaled so that the larger side of what they cover is 1."""
    if not len(positions):
        return positions
    x, y = positions[:, 0], positions[:, 1]
    left, top = x.min(), y.min()
    side = max(x.max() - left, y.max() - top)
    if not 0 < side < np.inf:
        return np.zeros_like(positions)
    normalised: np.ndarray = (positions - np.array((left, top))) / side
    return normalised


def _support(displacements: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """For each match [K] the sum of `excess` over the matches in its cell and the eight around."""
    down, right = np.floor(displacements / CELL).astype(np.int64).T
    down, right = down - down.min() + 1, right - right.min() + 1
    height, width = int(down.max()) + 2, int(right.max()) + 2
    votes = np.bincount(down * width + right, excess, height * width).reshape(height, width)
    rows = votes[:-2] + votes[1:-1] + votes[2:]
    around = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    support: np.ndarray = around[down - 1, right - 1]
    return support
