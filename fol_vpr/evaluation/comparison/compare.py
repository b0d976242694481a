"""Results of the same queries, all against the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fol_vpr.config import ComparisonConfig
from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import InputError
from fol_vpr.evaluation.comparison.compatibility import (
    check_ground_truth,
    check_references,
    differences,
    doubts,
)
from fol_vpr.evaluation.comparison.matching import Matching, match_queries
from fol_vpr.evaluation.comparison.statistics import (
    Difference,
    PairedCounts,
    bootstrap_difference,
    holm,
)
from fol_vpr.evaluation.metrics import first_hit
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.reliability import calibration_errors
from fol_vpr.evaluation.report import Evaluation, Recall
from fol_vpr.evaluation.results import Result

FINAL, GLOBAL = 'final order', 'by global descriptor'


@dataclass(frozen=True)
class YesNo:
    """What is true or false of each query, such as that its first hypothesis is right.

    Attributes:
        name: for tables, such as `Recall@1, final order`.
        counts: of the queries that both results have.
        corrected: p-value of McNemar's test, corrected for the number of tests; NaN where no
            query differs, so that nothing was tested.
        more_is_better: whether a larger share is the better one.
    """

    name: str
    counts: PairedCounts
    corrected: float = math.nan
    more_is_better: bool = True


@dataclass(frozen=True)
class Quantity:
    """A number that is computed of all queries, such as a median latency.

    Attributes:
        name: for tables.
        unit: such as `ms`; empty for none.
        difference: of the second result and the first; smaller is better.
    """

    name: str
    unit: str
    difference: Difference


@dataclass(frozen=True)
class Hypothesis:
    """What one result says first of a query.

    Attributes:
        state: empty where the query was not answered.
        place_id: of the first hypothesis; empty where there is none.
        xy: position of that reference in metres; None where not known.
        distance: metres between query and reference; None where not known.
        right: whether it shows the place of the query.
    """

    state: str
    place_id: str
    xy: tuple[float, float] | None
    distance: float | None
    right: bool


@dataclass(frozen=True)
class Changed:
    """A query of which one result has the first hypothesis right, and the other wrong.

    Attributes:
        index: position of the query in the first and in the second result.
        uri: of its image; empty where neither answered it.
        xy: its position in metres; None where not known.
        first, second: what the results say.
    """

    index: tuple[int, int]
    uri: str
    stamp_ns: int
    xy: tuple[float, float] | None
    first: Hypothesis
    second: Hypothesis

    @property
    def gained(self) -> bool:
        """Whether the second result is the one that is right."""
        return self.second.right


@dataclass(frozen=True)
class Against:
    """A result compared with the first.

    Attributes:
        name: of the result.
        result: it.
        matching: the queries that both have.
        counted: number of these with a positive.
        yes_no: recalls, and decisions where both have some.
        quantities: calibration errors and latencies, as far as both have them.
        changed: queries whose first hypothesis is right in one result only.
        differs: settings, weights and versions that differ.
        remarks: why the figures may mean less than they seem to.
    """

    name: str
    result: Result
    matching: Matching
    counted: int
    yes_no: tuple[YesNo, ...]
    quantities: tuple[Quantity, ...]
    changed: tuple[Changed, ...]
    differs: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Results compared with the first.

    Attributes:
        name: of the first.
        baseline: the first result.
        others: the other ones.
        tests: number of tests that the p-values are corrected for.
        config: of the bootstrap.
    """

    name: str
    baseline: Result
    others: tuple[Against, ...]
    tests: int
    config: ComparisonConfig = field(default_factory=ComparisonConfig)


def compare(
    named: Sequence[tuple[str, Result]], config: ComparisonConfig | None = None
) -> Comparison:
    """Compare results with the first.

    Args:
        named: a name and a result each, at least two.
        config: of the bootstrap.

    Raises:
        InputError: there are fewer than two results, two have one name, or two are of other
            queries, other references or another ground truth.
    """
    config = config or ComparisonConfig()
    if len(named) < 2:
        raise InputError(f'got {len(named)} results, expected at least two to compare')
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f'two results are called {twice!r}; give them names of their own')
    (baseline_name, baseline), *others = named
    found = []
    for name, result in others:
        try:
            found.append(_against(baseline, name, result, config))
        except InputError as error:
            raise InputError(f'{baseline_name} and {name}: {error}') from error
    tested = [
        (row, column)
        for row, each in enumerate(found)
        for column, measure in enumerate(each.yes_no)
        if measure.counts.discordant
    ]
    corrected = dict(
        zip(
            tested,
            holm([found[r].yes_no[c].counts.p_value() for r, c in tested]),
            strict=True,
        )
    )
    final = tuple(
        replace(
            each,
            yes_no=tuple(
                replace(measure, corrected=corrected.get((row, column), math.nan))
                for column, measure in enumerate(each.yes_no)
            ),
        )
        for row, each in enumerate(found)
    )
    return Comparison(baseline_name, baseline, final, len(tested), config)


def _against(first: Result, name: str, second: Result, config: ComparisonConfig) -> Against:
    check_references(first, second)
    matching = match_queries(first.evaluation, second.evaluation)
    check_ground_truth(first, second, matching)
    pairs = _Pairs(first, second, matching)
    remarks = doubts(first, second, matching)
    if not pairs.counted:
        remarks.insert(0, 'no common query has a known positive, so no recall can be compared')
    return Against(
        name=name,
        result=second,
        matching=matching,
        counted=len(pairs.counted),
        yes_no=(*pairs.recalls(), *pairs.decisions()),
        quantities=(*pairs.calibration(config), *pairs.latencies(config)),
        changed=tuple(pairs.changed()),
        differs=tuple(differences(first, second)),
        remarks=tuple(remarks),
    )


class _Pairs:
    """The answers of two results to the queries that both have."""

    def __init__(self, first: Result, second: Result, matching: Matching) -> None:
        self._results = first, second
        self._evaluations: tuple[Evaluation, Evaluation] = first.evaluation, second.evaluation
        of = [{a.index: a for a in each.answers} for each in self._evaluations]
        self._answers: list[tuple[QueryAnswer | None, QueryAnswer | None]] = [
            (of[0].get(a), of[1].get(b)) for a, b in matching.pairs
        ]
        self._indices = matching.pairs
        self._positives = [self._evaluations[0].positives[a] for a, _ in matching.pairs]
        self.counted = [n for n, positive in enumerate(self._positives) if positive]
        """Pairs that the recall counts: those with a positive."""

    def recalls(self) -> list[YesNo]:
        """Recall@K of both orders, where both results hold them."""
        orders: tuple[
            tuple[
                str, Callable[[Evaluation], Recall], Callable[[QueryAnswer], Sequence[int] | None]
            ],
            ...,
        ] = (
            (FINAL, Evaluation.recall_reranked, lambda answer: answer.ranking),
            (GLOBAL, Evaluation.recall_global, lambda answer: answer.global_ranking),
        )
        found = []
        for order, recall, ranking in orders if self.counted else ():
            known = [recall(each) for each in self._evaluations]
            for k in known[0]:
                if any(each[k] is None for each in known):
                    continue
                right = [
                    [self._hit(pair, side, ranking, k) for pair in self.counted] for side in (0, 1)
                ]
                found.append(YesNo(f'Recall@{k}, {order}', PairedCounts.of(*right)))
        same = [row for row in found if row.name.endswith(GLOBAL)]
        # Results without re-ranking have one order.
        if [row.counts for row in same] == [r.counts for r in found if r not in same]:
            return [row for row in found if row not in same]
        return found

    def _hit(
        self,
        pair: int,
        side: int,
        ranking: Callable[[QueryAnswer], Sequence[int] | None],
        k: int,
    ) -> bool:
        answer = self._answers[pair][side]
        if answer is None:
            return False
        rank = first_hit(ranking(answer) or (), self._positives[pair] or ())
        return rank is not None and rank < k

    def decisions(self) -> list[YesNo]:
        """Shares of decisions that are right and wrong, of the queries whose place is known."""
        if any(each.decisions() is None for each in self._evaluations):
            return []
        judged = [n for n, positive in enumerate(self._positives) if positive is not None]
        found = []
        for state in (LocalizationState.LOCALIZED, LocalizationState.NOT_IN_MAP):
            for right in (True, False):
                holds = [[self._decided(n, side, state, right) for n in judged] for side in (0, 1)]
                counts = PairedCounts.of(*holds)
                if judged and counts.first.hits + counts.second.hits:
                    words = f'{state.name}, {"right" if right else "wrong"}'
                    found.append(YesNo(words, counts, more_is_better=right))
        return found

    def _decided(self, pair: int, side: int, state: LocalizationState, right: bool) -> bool:
        answer, positive = self._answers[pair][side], self._positives[pair]
        if answer is None or answer.state is not state:
            return False
        if state is LocalizationState.LOCALIZED:
            return (bool(answer.ranking) and answer.ranking[0] in (positive or ())) is right
        return (not positive) is right

    def calibration(self, config: ComparisonConfig) -> list[Quantity]:
        """Expected calibration errors, where both results have probabilities."""
        if any(each.decisions() is None for each in self._evaluations):
            return []
        kinds: tuple[tuple[str, Callable[[QueryAnswer], float], bool], ...] = (
            ('calibration error, first hypothesis', lambda a: a.probability, True),
            ('calibration error, not in the map', lambda a: a.p_not_in_map, False),
        )
        found = []
        for name, said, of_first in kinds:
            columns: list[tuple[float, float, float, float]] = []
            for (one, two), positive in zip(self._answers, self._positives, strict=True):
                if one is None or two is None or positive is None:
                    continue
                a, b = said(one), said(two)
                if not (math.isnan(a) or math.isnan(b)):
                    right = [
                        bool(x.ranking) and x.ranking[0] in positive if of_first else not positive
                        for x in (one, two)
                    ]
                    columns.append((a, right[0], b, right[1]))
            if columns:
                a, right_a, b, right_b = np.array(columns, np.float64).T
                found.append(
                    Quantity(
                        name,
                        '',
                        bootstrap_difference(
                            [a, right_a], [b, right_b], calibration_errors, config
                        ),
                    )
                )
        return found

    def latencies(self, config: ComparisonConfig) -> list[Quantity]:
        """Medians of each stage that both results timed, of the queries that both ran it for."""
        stages: dict[str, list[tuple[float, float]]] = {}
        for one, two in self._answers:
            if one is None or two is None:
                continue
            for stage, seconds in one.timings.items():
                if stage in two.timings:
                    stages.setdefault(stage, []).append((seconds, two.timings[stage]))
        found = []
        for stage, pairs in stages.items():
            first, second = 1000 * np.array(pairs).T
            difference = bootstrap_difference([first], [second], np.median, config)
            found.append(Quantity(f'{stage}, median', 'ms', difference))
        return found

    def changed(self) -> list[Changed]:
        """The queries whose first hypothesis is right in one result only."""
        found = []
        for pair in self.counted:
            first, second = (self._hypothesis(pair, side) for side in (0, 1))
            if first.right is second.right:
                continue
            known = [answer for answer in self._answers[pair] if answer is not None]
            plotted = self._evaluations[0].plotted
            found.append(
                Changed(
                    index=self._indices[pair],
                    uri=known[0].uri if known else '',
                    stamp_ns=known[0].stamp_ns if known else 0,
                    xy=None if plotted is None else _xy(plotted.queries[self._indices[pair][0]]),
                    first=first,
                    second=second,
                )
            )
        return found

    def _hypothesis(self, pair: int, side: int) -> Hypothesis:
        answer, plotted = self._answers[pair][side], self._evaluations[side].plotted
        if answer is None or not answer.ranking:
            return Hypothesis('' if answer is None else answer.state.name, '', None, None, False)
        place = answer.ranking[0]
        xy = query = None
        if plotted is not None:
            xy = _xy(plotted.references[place])
            query = _xy(plotted.queries[self._indices[pair][side]])
        return Hypothesis(
            state=answer.state.name,
            place_id=self._results[side].references.place_ids[place],
            xy=xy,
            distance=None if xy is None or query is None else math.dist(xy, query),
            right=place in (self._positives[pair] or ()),
        )


def _xy(position: np.ndarray) -> tuple[float, float] | None:
    return None if np.isnan(position).any() else (float(position[0]), float(position[1]))
