"""Curves over a threshold: precision and recall, recall over the allowed distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.report import Evaluation


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Precision and recall of the first reference, over the lowest score that is accepted.

    A query is accepted where its score is at least the threshold. Precision is the fraction of the
    accepted queries whose first reference is right; recall is the number of these, divided by the
    number of queries that have a right reference at all.

    Attributes:
        name: of the score.
        thresholds: [N] the different scores, from the highest.
        precision, recall: [N], 0 to 1.
    """

    name: str
    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def recall_at_full_precision(self) -> float:
        """The largest recall at which no accepted query is wrong, 0 to 1."""
        exact = self.precision == 1
        return float(self.recall[exact].max(initial=0))


def precision_recall_curves(evaluation: Evaluation) -> list[PrecisionRecall]:
    """A curve for each score that the answers carry; none without ground truth."""
    positives = evaluation.positives
    findable = sum(bool(positive) for positive in positives)
    if not findable:
        return []
    found = []
    for name, read in _SCORES.items():
        scores, right = [], []
        for answer in evaluation.answers:
            positive, (first, score) = positives[answer.index], read(answer)
            if positive is not None and first is not None and not math.isnan(score):
                scores.append(score)
                right.append(first in positive)
        if scores:
            found.append(_curve(name, np.array(scores), np.array(right), findable))
    return found


def _curve(name: str, scores: np.ndarray, right: np.ndarray, findable: int) -> PrecisionRecall:
    order = np.argsort(-scores, kind='stable')
    scores, hits = scores[order], np.cumsum(right[order])
    # Queries of equal score are accepted together.
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    return PrecisionRecall(name, scores[last], hits[last] / (last + 1), hits[last] / findable)


def _similarity(answer: QueryAnswer) -> tuple[int | None, float]:
    if not answer.global_ranking or not answer.similarities:
        return None, math.nan
    return answer.global_ranking[0], answer.similarities[0]


def _match_score(answer: QueryAnswer) -> tuple[int | None, float]:
    if not answer.ranking or not answer.match_scores:
        return None, math.nan
    return answer.ranking[0], answer.match_scores[0]


def _probability(answer: QueryAnswer) -> tuple[int | None, float]:
    return (answer.ranking[0] if answer.ranking else None), answer.probability


_SCORES = {
    'global similarity': _similarity,
    'local matches': _match_score,
    'probability': _probability,
}


@dataclass(frozen=True, eq=False)
class ToleranceCurve:
    """The fraction of queries whose first reference lies within a distance.

    Attributes:
        queries: with a known position; those without an answer count as too far.
        metres: [N] the distances.
        possible: [N] fraction of queries that have any reference within the distance.
        first: [N] for the order after re-ranking.
        first_global: [N] for the order by global similarity; None where it is not known.
    """

    queries: int
    metres: np.ndarray
    possible: np.ndarray
    first: np.ndarray
    first_global: np.ndarray | None


def tolerance_curve(evaluation: Evaluation, farthest: float, steps: int) -> ToleranceCurve | None:
    """Recall@1 over the allowed distance; headings are not compared. None without positions.

    Args:
        evaluation: with positions of queries and references.
        farthest: the largest distance, metres.
        steps: number of distances, evenly spaced from 0.
    """
    plotted = evaluation.plotted
    if plotted is None:
        return None
    known = np.flatnonzero(~np.isnan(plotted.queries[: evaluation.queries]).any(axis=1))
    references = plotted.references[~np.isnan(plotted.references).any(axis=1)]
    if not len(known) or not len(references):
        return None
    metres = np.linspace(0, farthest, steps)
    first = {a.index: a.ranking[0] for a in evaluation.answers if a.ranking}
    before = {a.index: a.global_ranking[0] for a in evaluation.answers if a.global_ranking}

    def within(distances: np.ndarray) -> np.ndarray:
        with np.errstate(invalid='ignore'):
            return np.asarray((distances[:, None] <= metres).mean(axis=0))

    def distances(chosen: dict[int, int]) -> np.ndarray:
        found = np.full(len(known), math.inf)
        rows = [
            (row, chosen[index]) for row, index in enumerate(known.tolist()) if index in chosen
        ]
        if rows:
            at, to = np.array(rows).T
            apart = plotted.queries[known[at]] - plotted.references[to]
            found[at] = np.linalg.norm(apart, axis=1)
        return found

    nearest = _nearest(plotted.queries[known], references)
    return ToleranceCurve(
        len(known),
        metres,
        within(nearest),
        within(distances(first)),
        within(distances(before)) if before else None,
    )


def _nearest(positions: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Distances [N] to the nearest reference."""
    # Slow to load, and only pages need it.
    from scipy.spatial import KDTree

    return np.asarray(KDTree(references).query(positions)[0])


def similarity_matrix(
    answers: Sequence[QueryAnswer], shape: tuple[int, int], largest: int
) -> np.ndarray | None:
    """The similarities that the answers carry, over queries and references.

    Args:
        answers: to the queries.
        shape: numbers of queries and references.
        largest: most rows and columns; where there are more, each cell is the largest similarity
            of its queries and references.

    Returns:
        [rows, columns], NaN where no similarity is known; None where none is known at all.
    """
    rows, columns = (min(count, largest) for count in shape)
    matrix = np.full((rows, columns), -math.inf)
    for answer in answers:
        if answer.global_ranking and answer.similarities:
            row = answer.index * rows // shape[0]
            column = np.array(answer.global_ranking) * columns // shape[1]
            np.maximum.at(matrix[row], column, answer.similarities)
    matrix[np.isinf(matrix)] = math.nan
    return None if np.isnan(matrix).all() else matrix
