"""Scores the matches of two images by their cosines and by how consistently they are displaced.

Where two images show one place, points at about the same distance are displaced by about the same
vector from one image to the other; accidental matches have random displacements. So each match
votes for the cell of its displacement, and counts by the votes in and around its cell. The rapid
spatial scoring of Patch-NetVLAD (Hausler et al., CVPR 2021) is similar, but compares all
displacements with their mean. No single camera motion is required: geometric verification tests
that for the few best candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from fol_vpr import compiled
from fol_vpr.datatypes import LocalFeatures
from fol_vpr.retrieval.cpu_matching import unit_rows

# Side of a cell of displacements, as a fraction of the larger side of the image. Matches support
# each other where they are in the same cell or in neighbouring ones.
CELL = 0.075
# Displacements from -1 to 1 fall into so many cells, with an empty one on either side.
_BORDER = math.ceil(1 / CELL) + 1
_SIDE = 2 * _BORDER + 1


class SpatialScorer:
    """Computes spatial scores of one query's matches with references.

    Args:
        query: local features of the query; descriptors float32, unit length.
        threshold: cosine that all matches exceed.
    """

    def __init__(self, query: LocalFeatures, threshold: float) -> None:
        self._descriptors = query.descriptors
        self._positions = normalised(query.positions)
        self._threshold = threshold
        self._compiled = compiled.ready('fol_vpr.retrieval.compiled_spatial')

    def scores(
        self, references: Sequence[LocalFeatures], matches: Sequence[np.ndarray]
    ) -> list[float]:
        """Score the matches with each of some references.

        With e_i the excess of the cosine of match i over the threshold, the score is
        (sum_i e_i * sqrt(sum_j e_j)) ** (2/3), where j are the matches whose displacement supports
        match i, itself included. It is the sum of all e_i where all matches support each other,
        and less where they do not.

        Args:
            references: local features of the references.
            matches: for each of them [K, 2] rows of the query and of the reference.

        Returns:
            The scores; 0 without a match.
        """
        if self._compiled is not None:
            pairs = zip(references, matches, strict=True)
            return [self._score(self._compiled, one, rows) for one, rows in pairs]
        if not any(map(len, matches)):
            return [0.0] * len(matches)
        given = list(zip(references, matches, strict=True))
        ours = np.concatenate([pairs[:, 0] for pairs in matches])
        owner = np.repeat(np.arange(len(matches)), [len(pairs) for pairs in matches])
        theirs = np.concatenate([normalised(one.positions)[rows[:, 1]] for one, rows in given])
        rows = np.concatenate([unit_rows(one.descriptors[rows[:, 1]]) for one, rows in given])
        cosines = np.einsum('ij,ij->i', self._descriptors[ours], rows)
        # Rounding may put a match that is barely over the threshold below it here.
        excess = np.maximum(cosines - self._threshold, 0)
        support = _support(owner, self._positions[ours] - theirs, excess)
        totals = np.bincount(owner, excess * np.sqrt(support), len(matches))
        scores: list[float] = (totals ** (2 / 3)).tolist()
        return scores

    def _score(self, module: ModuleType, reference: LocalFeatures, rows: np.ndarray) -> float:
        """The score of the matches with one reference, by the `module` compiled_spatial.py."""
        if not len(rows):
            return 0.0
        # It is compiled for these types alone.
        theirs = reference.descriptors
        theirs = np.ascontiguousarray(theirs, np.int8 if theirs.dtype == np.int8 else np.float32)
        found = module.score(
            np.ascontiguousarray(self._descriptors, np.float32),
            np.ascontiguousarray(self._positions, np.float32),
            compiled.read_only(theirs),
            compiled.read_only(np.ascontiguousarray(reference.positions, np.float32)),
            np.ascontiguousarray(rows, np.int64),
            float(self._threshold),
            np.float32(CELL),
            _BORDER,
        )
        return float(found)


def normalised(positions: np.ndarray) -> np.ndarray:
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


def _support(owner: np.ndarray, displacements: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """For each match the sum of `excess` over its reference's in its cell and the eight around.

    Args:
        owner: [K], number of the reference of each match, ascending.
        displacements: [K, 2], from -1 to 1.
        excess: [K].
    """
    down, right = np.floor(displacements / CELL).astype(np.int64).T + _BORDER
    votes = np.bincount(
        (owner * _SIDE + down) * _SIDE + right, excess, (owner[-1] + 1) * _SIDE * _SIDE
    ).reshape(-1, _SIDE, _SIDE)
    rows = votes[:, :-2] + votes[:, 1:-1] + votes[:, 2:]
    around = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    support: np.ndarray = around[owner, down - 1, right - 1]
    return support
