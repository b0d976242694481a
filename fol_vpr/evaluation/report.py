"""The figures of an evaluation, as numbers, as JSON, as a table, and as one line per query."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import median
from typing import Any, TextIO

from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import escape_controls
from fol_vpr.evaluation.decisions import Decisions, cause_lines, count_causes
from fol_vpr.evaluation.ground_truth import PlottedPositions, Positives
from fol_vpr.evaluation.metrics import (
    RECALL_AT,
    Share,
    first_hit,
    none_if_nan,
    percentiles,
    recall_at,
    references_off,
)
from fol_vpr.evaluation.offline import Answers, QueryAnswer

Recall = dict[int, 'Share | None']
"""For each K the share of queries; None where the answers do not hold it."""

NOT_RECORDED = 'not recorded'
UNTRAINED = (
    'UNTRAINED WEIGHTS: the network has deterministic random weights. These figures show that '
    'all steps work, not how well the method recognises places.'
)


@dataclass(frozen=True)
class Conditions:
    """The conditions of an evaluation, without which its figures cannot be compared.

    Attributes:
        source: description of the queries.
        ground_truth: description of what counts as a positive.
        trained: False for deterministic random weights.
        recording: the bag of live answers, empty where the queries were run offline.
        predictions: the folder of another program's predictions, empty for answers of this one.
        rerank: number of candidates re-ranked; None where it is not known (recordings).
        sequence: whether the decision was made over the sequence of queries; always so in a
            recording.
        calibrated: whether the map has a calibration.
        scale: of the surroundings, given or of the map; empty where nobody named it.
        warnings: why the figures mean less than they seem to, each with its remedy.
    """

    map: str
    map_id: str
    source: str
    ground_truth: str
    weights: str
    trained: bool
    model_id: str
    preprocessing_id: str
    references: int
    recording: str = ''
    predictions: str = ''
    device: str = ''
    precision: str = ''
    rerank: int | None = None
    sequence: bool = False
    calibrated: bool = False
    scale: str = ''
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Answers compared with ground truth.

    Attributes:
        conditions: of the evaluation.
        positives: for each query, answered or not, the references that show its place; None
            where that is not known.
        given: the answers.
        plotted: positions of queries and references; None where one side has none.
    """

    conditions: Conditions
    positives: Positives
    given: Answers
    plotted: PlottedPositions | None = None

    @property
    def answers(self) -> list[QueryAnswer]:
        """In the order of the queries; those that were not answered are missing."""
        return self.given.items

    @property
    def unmatched(self) -> int:
        """Recorded answers that belong to no query."""
        return self.given.unmatched

    @cached_property
    def _by_index(self) -> dict[int, QueryAnswer]:
        return {answer.index: answer for answer in self.answers}

    @property
    def queries(self) -> int:
        """All queries, answered or not."""
        return len(self.positives)

    @property
    def unanswered(self) -> int:
        """Queries without an answer; they count as misses."""
        return self.queries - len(self.answers)

    @property
    def is_judged(self) -> bool:
        """Whether a ground truth tells of any query which references show its place."""
        return any(positive is not None for positive in self.positives)

    @property
    def without_positive(self) -> int:
        """Queries without a known positive; they are left out of the recall."""
        return sum(not positive for positive in self.positives)

    def recall_reranked(self) -> Recall:
        """Recall@K of the order after re-ranking."""
        rankings = self._for_all_queries([a.ranking for a in self.answers])
        return self._known(recall_at(rankings, self.positives))

    def recall_global(self) -> Recall:
        """Recall@K of the order by global similarity; None for recordings, which lack it."""
        rankings = [a.global_ranking for a in self.answers if a.global_ranking is not None]
        if len(rankings) < len(self.answers):
            return dict.fromkeys(RECALL_AT)
        return self._known(recall_at(self._for_all_queries(rankings), self.positives))

    def recall_answered(self) -> Recall:
        """Recall@K of the order after re-ranking, among the queries that were answered."""
        positives = [self.positives[a.index] for a in self.answers]
        return self._known(recall_at([a.ranking for a in self.answers], positives))

    def wrong_first(self) -> list[int]:
        """How many references each first one that is wrong lies from a right one, in map order.

        A few are a place beside the right one; many are a place that looks alike. Queries that
        were not answered, or have no positive, are left out.
        """
        off = [
            references_off(answer.ranking[0], positive)
            for answer in self.answers
            if answer.ranking and (positive := self.positives[answer.index])
        ]
        return [number for number in off if number]

    def _known(self, shares: dict[int, Share]) -> Recall:
        """None for each K above the number of hypotheses that a node or a program wrote down."""
        depth = max((len(a.ranking) for a in self.answers), default=0)
        whole = not (self.conditions.recording or self.conditions.predictions)
        if whole or depth == self.conditions.references:
            return {**shares}
        return {k: share if k <= depth else None for k, share in shares.items()}

    def _for_all_queries(self, rankings: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Rankings of the answers as one for each query, empty where it was not answered."""
        of_all: list[tuple[int, ...]] = [()] * self.queries
        for answer, ranking in zip(self.answers, rankings, strict=True):
            of_all[answer.index] = ranking
        return of_all

    def states(self) -> dict[str, int]:
        """The number of answers with each localisation state; none for predictions."""
        if self.conditions.predictions:
            return {}
        return {s.name: sum(a.state is s for a in self.answers) for s in LocalizationState}

    def decisions(self) -> Decisions | None:
        """Counts of decisions over the sequence; None where queries were decided one by one."""
        if not (self.conditions.sequence or self.conditions.recording):
            return None
        return Decisions.of(self.answers, self.positives)

    def as_json(self) -> dict[str, Any]:
        """The evaluation as values for JSON; shares from 0 to 1, latencies in milliseconds."""
        recall = {'global': self.recall_global(), 'reranked': self.recall_reranked()}
        latency = percentiles(a.timings for a in self.answers)
        return {
            'queries': self.queries,
            'queries_without_positive': self.without_positive,
            'answered': len(self.answers),
            'unanswered': self.unanswered,
            'unmatched_answers': self.unmatched,
            'recall': {name: _values(shares) for name, shares in recall.items()},
            'recall_interval_95': {name: _intervals(shares) for name, shares in recall.items()},
            'recall_among_answered': _values(self.recall_answered()),
            'wrong_first': _spread(self.wrong_first()) if self.is_judged else None,
            'latency_ms': {
                stage: {name: round(seconds * 1000, 3) for name, seconds in values.items()}
                for stage, values in latency.items()
            },
            'states': self.states(),
            'causes': {} if self.conditions.predictions else count_causes(self.answers),
            'decisions': decisions.as_json() if (decisions := self.decisions()) else None,
            **asdict(self.conditions),
        }

    def as_table(self) -> str:
        """The evaluation as text for users."""
        c = self.conditions
        counted = self.queries - self.without_positive
        queries = f'{self.queries} queries'
        if self.is_judged:
            queries = f'{counted} queries with a positive of {self.queries}'
        lines = [
            f'{queries} ({c.source}) against {c.references} references ({c.map})',
            f'weights {c.weights}, preprocessing {c.preprocessing_id}'
            + (f', {c.device} {c.precision}' if c.device else '')
            + (f'; recorded live in {c.recording}' if c.recording else '')
            + (f'; predicted by another program, {c.predictions}' if c.predictions else ''),
        ]
        if self.is_judged:
            lines.append(f'right: {c.ground_truth}')
        if c.recording or self.unanswered:
            lines.append(f'{len(self.answers)} of {self.queries} queries were answered')
        if self.unanswered and self.is_judged:
            among = self.recall_answered()
            lines[-1] += '; the others count as misses. Among the answered: ' + ', '.join(
                f'R@{k} {_percent(share.value) if share else NOT_RECORDED}'
                for k, share in among.items()
            )
        if self.unmatched:
            lines.append(f'{self.unmatched} recorded answers belong to no query')
        if self.is_judged:
            lines += ['', *self._recall_lines(), *self._wrong_lines()]
        lines += ['', *self._latency_lines()]
        decisions = self.decisions()
        if decisions is not None:
            lines += ['', *decisions.lines(judged=self.is_judged)]
            if why := cause_lines(self.answers):
                lines += ['', *why]
        if not c.trained:
            lines += ['', UNTRAINED]
        for warning in c.warnings:
            lines += ['', f'WARNING: {warning}']
        return '\n'.join(lines)

    def _recall_lines(self) -> list[str]:
        reranked = 'hypotheses'
        if self.conditions.rerank is not None:
            reranked = f're-ranked {self.conditions.rerank}' if self.conditions.rerank else 'as is'
        rows = [('global', self.recall_global()), (reranked, self.recall_reranked())]
        table = [['', *(f'Recall@{k}' for k in RECALL_AT)]]
        for name, shares in rows:
            table.append([name, *(_with_interval(shares[k]) for k in RECALL_AT)])
        return align_columns(table)

    def _wrong_lines(self) -> list[str]:
        off = self.wrong_first()
        if not off:
            return []
        times = f'{len(off)} times' if len(off) > 1 else 'once'
        return ['', f'the first is wrong {times}: {references_off_words(off)}']

    def _latency_lines(self) -> list[str]:
        latency = percentiles(a.timings for a in self.answers)
        if not latency:
            return [f'latency {NOT_RECORDED}']
        table = [['milliseconds', 'p50', 'p95', 'p99', 'mean']]
        for stage, values in latency.items():
            name = self._latency_name(stage)
            table.append([name, *(f'{values[c] * 1000:.1f}' for c in table[0][1:])])
        return align_columns(table)

    def _latency_name(self, stage: str) -> str:
        """The name of a row; of a recording, it says what is work and what is waiting."""
        if not self.conditions.recording:
            return stage
        apart = any('waiting' in a.timings for a in self.answers)
        names = {
            'processing': 'processing one image',
            'waiting': 'waiting for earlier images',
            'total': 'both together' if apart else 'processing and waiting',
        }
        return names.get(stage, stage)

    def write_per_query(
        self, file: TextIO, produced_by: Mapping[str, object] | None = None
    ) -> None:
        """Write a line for each query: ranks of its first positive, its first reference, why.

        Args:
            file: text, opened with newline=''.
            produced_by: further columns with the same value in every line, so that a line that is
                cut out of the file still tells what it is of.
        """
        writer, extra = csv.writer(file), dict(produced_by or {})
        right = (self.conditions.ground_truth, *extra.values())
        writer.writerow(
            ['query_index', 'uri', 'stamp_ns', 'state', 'positives', 'global_rank',
             'reranked_rank', 'first_ref_index', 'references_off', 'total_ms', 'processing_ms',
             'waiting_ms', 'cause', 'reason', 'right_is', *extra]
        )  # fmt: skip
        for index, positive in enumerate(self.positives):
            known = '' if positive is None else len(positive)
            answer = self._by_index.get(index)
            if answer is None:
                unknown = [''] * 9
                writer.writerow([index, '', '', 'UNANSWERED', known, *unknown, *right])
                continue
            rankings = answer.global_ranking or (), answer.ranking
            ranks = [first_hit(ranking, positive or ()) for ranking in rankings]
            first = answer.ranking[0] if answer.ranking else None
            off = None if first is None or not positive else references_off(first, positive)
            writer.writerow(
                [index, answer.uri, answer.stamp_ns, answer.state.name, known,
                 *('' if number is None else number for number in (*ranks, first, off)),
                 *(_milliseconds(answer, part) for part in ('total', 'processing', 'waiting')),
                 answer.explanation.cause.name, answer.explanation.reason, *right]
            )  # fmt: skip


def _milliseconds(answer: QueryAnswer, part: str) -> str:
    """Of the total, the work or the waiting; offline, the total is work."""
    seconds = answer.timings.get(part)
    if seconds is None and answer.global_ranking is not None:
        seconds = answer.timings.get('total') if part == 'processing' else 0.0
    return '' if seconds is None else f'{seconds * 1000:.2f}'


def align_columns(table: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> list[str]:
    """Rows of cells as lines with aligned columns.

    Args:
        table: rows of the same length.
        left: columns that are aligned to the left; the others are aligned to the right.

    Returns:
        One line for each row; line ends and control characters in cells are escaped.
    """
    table = [[escape_controls(cell, keep='') for cell in row] for row in table]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        '  '.join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def references_off_words(off: Sequence[int]) -> str:
    """How far wrong references are, as `1 to 8 references from a right one (median 2)`."""
    low, high = min(off), max(off)
    if low == high:
        return f'{low} reference{"s" if low > 1 else ""} from a right one'
    return f'{low} to {high} references from a right one (median {median(off):g})'


def _spread(off: Sequence[int]) -> dict[str, float | None]:
    return {
        'queries': len(off),
        'references_off_median': median(off) if off else None,
        'references_off_max': max(off, default=None),
    }


def _values(shares: Recall) -> dict[str, float | None]:
    return {str(k): none_if_nan(share.value) if share else None for k, share in shares.items()}


def _intervals(shares: Recall) -> dict[str, list[float | None] | None]:
    return {
        str(k): [none_if_nan(v) for v in share.interval()] if share else None
        for k, share in shares.items()
    }


def _percent(value: float) -> str:
    return 'none' if math.isnan(value) else f'{100 * value:.1f} %'


def _with_interval(share: Share | None) -> str:
    if share is None:
        return NOT_RECORDED
    if not share.total:
        return 'no positives'
    low, high = share.interval()
    return f'{_percent(share.value)} ({100 * low:.1f} to {100 * high:.1f})'
