"""The sections of a report that say how good the answers are."""

from __future__ import annotations

import math

import numpy as np

from fol_vpr.datatypes import Cause, LocalizationState
from fol_vpr.evaluation.decisions import STATEMENTS
from fol_vpr.evaluation.metrics import RECALL_AT, Share
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.reliability import Bin, calibration_error, reliability_bins
from fol_vpr.evaluation.report import Evaluation, references_off_words
from fol_vpr.evaluation.results import Result
from fol_vpr.evaluation.results.curves import (
    precision_recall_curves,
    similarity_matrix,
    tolerance_curve,
)
from fol_vpr.reporting.evaluation.figures import (
    precision_recall_figure,
    reliability_figure,
    similarity_figure,
    tolerance_figure,
)
from fol_vpr.reporting.page import Card, Cards, Chart, Section, Table, Text

FARTHEST = 50.0
"""Most metres that the curve over the allowed distance reaches; in a smaller map its diagonal."""
STEPS = 101
CELLS = 160
"""Most rows and columns of the similarity matrix."""


def percent(value: float) -> str:
    """A share from 0 to 1 in words."""
    return 'none' if math.isnan(value) else f'{100 * value:.1f} %'


def add_recall(section: Section, result: Result) -> None:
    """Recall@K, recall at full precision, and curves over score and distance."""
    evaluation = result.evaluation
    counted = evaluation.queries - evaluation.without_positive
    section.intro = (
        f'Recall@K is the share of queries that have a right reference among their first K. It '
        f'counts the {counted} of {evaluation.queries} queries that have a right reference in the '
        'map at all; those without an answer count as misses. Intervals are 95 % Wilson scores.'
    )
    if off := evaluation.wrong_first():
        queries = f'{len(off)} {"query" if len(off) == 1 else "queries"}'
        section.intro += (
            f' The first reference of {queries} is wrong: {references_off_words(off)}, in the '
            'order of the map. A few are a place beside the right one, many one that looks alike.'
        )
    rerank = evaluation.conditions.rerank
    after = 'after re-ranking' if rerank else 'as is' if rerank == 0 else 'hypotheses'
    rows = [
        ('global similarity', evaluation.recall_global()),
        (after, evaluation.recall_reranked()),
    ]
    if evaluation.unanswered:
        rows.append(('among the answered', evaluation.recall_answered()))
    header = ['order', *(f'Recall@{k}' for k in RECALL_AT)]
    cells = [[name, *(_share(shares[k]) for k in RECALL_AT)] for name, shares in rows]
    section.add(Table(header, cells, 'Recall before and after re-ranking, with intervals.'))
    if curves := precision_recall_curves(evaluation):
        section.add(
            Table(
                ['score', 'recall at 100 % precision', 'lowest score accepted'],
                [
                    [
                        curve.name,
                        percent(curve.recall_at_full_precision),
                        _lowest_accepted(curve.thresholds, curve.precision),
                    ]
                    for curve in curves
                ],
                'Recall at 100 % precision is the share of queries that can be answered by their '
                'first reference without a single mistake, where only answers above one threshold '
                'of the score are accepted. It is chosen on these very queries, so that it is a '
                'limit and no promise for another drive.',
            ),
            Chart(
                precision_recall_figure(curves),
                'Precision over recall, for every threshold of each score. Recall ends below '
                '100 %, as the first reference of some queries is wrong at any threshold.',
            ),
        )
    if curve := tolerance_curve(evaluation, _farthest(evaluation), STEPS):
        section.add(
            Chart(
                tolerance_figure(curve),
                f'Share of the {curve.queries} queries with a known position whose first '
                'reference lies within a distance. Headings are not compared here, so that this '
                'can exceed the recall above. Dotted: the limit that the map sets.',
            )
        )


def _farthest(evaluation: Evaluation) -> float:
    """Metres of the axis: in a room 50 m would press the whole curve into its first pixels."""
    known = np.zeros((0, 2))
    if evaluation.plotted is not None:
        known = evaluation.plotted.references
        known = known[np.isfinite(known).all(axis=1)]
    diagonal = float(np.hypot(*np.ptp(known, axis=0))) if len(known) else 0.0
    return min(diagonal, FARTHEST) or FARTHEST


def add_similarity(section: Section, result: Result) -> None:
    """The similarities of queries and references as a matrix."""
    evaluation = result.evaluation
    shape = evaluation.queries, evaluation.conditions.references
    matrix = similarity_matrix(evaluation.answers, shape, CELLS)
    if matrix is None:
        return
    section.intro = (
        'Cosine of the global descriptors of each query and its ten most similar references. A '
        'drive along the map is a line; marks away from it are places that look alike.'
    )
    words = 'Empty: not among the ten most similar.'
    if max(shape) > CELLS:
        words += ' A cell is the largest of the queries and references that fall into it.'
    section.add(Chart(similarity_figure(matrix, shape), words, 460, wide=True))


def _lowest_accepted(thresholds: np.ndarray, precision: np.ndarray) -> str:
    exact = np.flatnonzero(precision == 1)
    return f'{thresholds[exact[-1]]:.4g}' if len(exact) else 'none'


def _share(share: Share | None) -> str:
    if share is None:
        return 'not recorded'
    if not share.total:
        return 'none'
    low, high = share.interval()
    return f'{percent(share.value)} ({100 * low:.1f} to {100 * high:.1f})'


def add_decisions(section: Section, result: Result) -> None:
    """States with what was right and wrong of them, and their causes."""
    evaluation = result.evaluation
    counts, states = evaluation.decisions(), evaluation.states()
    if counts is None:
        return
    judged = {
        'LOCALIZED': (counts.localized_right, counts.localized_wrong, counts.localized_unjudged),
        'NOT_IN_MAP': (
            counts.not_in_map_right, counts.not_in_map_wrong, counts.not_in_map_unjudged,
        ),
    }  # fmt: skip
    is_judged = evaluation.is_judged
    header = ['state', 'answers', *(['right', 'wrong', 'not judged'] if is_judged else [])]
    rows: list[list[object]] = []
    for state in reversed(LocalizationState):
        row: list[object] = [state.name, states[state.name]]
        if is_judged:
            row += judged.get(state.name, ('–', '–', '–'))
        rows.append(row)
    if evaluation.unanswered:
        rows.append(['not answered', evaluation.unanswered, *(['–'] * 3 if is_judged else [])])
    section.intro = 'What the robot would have been told, over the sequence of the queries.'
    section.add(Table(header, rows, 'Answers by their state.'))
    if causes := _causes(evaluation.answers):
        section.add(
            Table(
                ['state', 'cause', 'answers', 'an example', 'what helps'],
                causes,
                'Why the answers have their state, the most frequent cause first.',
                left=(0, 1, 3, 4),
                sortable=True,
            )
        )


def _causes(answers: list[QueryAnswer]) -> list[list[object]]:
    groups: dict[tuple[LocalizationState, Cause], list[QueryAnswer]] = {}
    for answer in answers:
        if answer.explanation.cause is not Cause.UNSPECIFIED:
            groups.setdefault((answer.state, answer.explanation.cause), []).append(answer)
    rows: list[list[object]] = []
    order = sorted(groups.items(), key=lambda item: (item[0][0] in STATEMENTS, -len(item[1])))
    for (state, cause), found in order:
        example = found[len(found) // 2]
        said = f'query {example.index}: {example.explanation.reason}'
        remedy = example.explanation.remedy or '–'
        rows.append([state.name, cause.in_words, len(found), said, remedy])
    return rows


def add_calibration(section: Section, result: Result) -> None:
    """Whether statements are right as often as they are probable."""
    evaluation = result.evaluation
    judged = [
        (answer, positive)
        for answer in evaluation.answers
        if (positive := evaluation.positives[answer.index]) is not None
    ]
    first = [
        (a.probability, bool(a.ranking) and a.ranking[0] in positive) for a, positive in judged
    ]
    outside = [(a.p_not_in_map, not positive) for a, positive in judged]
    curves = []
    for name, pairs in (('first hypothesis', first), ('not in the map', outside)):
        known = [(said, right) for said, right in pairs if not math.isnan(said)]
        if known:
            probabilities, right = (list(column) for column in zip(*known, strict=True))
            curves.append((name, reliability_bins(probabilities, right)))
    if not curves:
        if evaluation.decisions() is not None:
            section.add(
                Text(
                    'The map has no calibration, so that its answers carry no probability: '
                    '`fol_vpr calibrate` makes one from a further drive.'
                )
            )
        return
    section.intro = (
        'A calibrated answer that says 90 % is right in nine of ten cases. The expected '
        'calibration error is the mean difference between what was said and what was right, '
        'weighted by the numbers of answers (Naeini et al., AAAI 2015).'
    )
    section.add(Cards([_error_card(name, bins) for name, bins in curves]))
    section.add(
        Chart(
            reliability_figure(curves),
            'Fraction of right statements over their predicted probability, in ten bins. Large '
            'marks stand for many queries; above the dotted line statements are right more often '
            'than they say.',
        ),
        Table(
            ['statement', 'said', 'right', 'queries'],
            [
                [name, percent(each.said), percent(each.right), each.count]
                for name, bins in curves
                for each in bins
            ],
            'The bins of the diagram.',
            half=True,
        ),
    )


def _error_card(name: str, bins: list[Bin]) -> Card:
    count = sum(each.count for each in bins)
    words = f'calibration error, {name}'
    return Card(f'{calibration_error(bins):.3f}', words, f'{count} queries')
