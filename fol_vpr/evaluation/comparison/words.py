"""What the statistics of a comparison say, and what they do not say, in sentences."""

from __future__ import annotations

import math

from fol_vpr.evaluation.comparison.compare import FINAL, Against, Comparison, Quantity, YesNo

ALPHA = 0.05
"""P-value below which a difference counts as shown."""
FEW = 10
"""Queries that differ, below which a test can show large differences only."""

INDEPENDENCE = (
    'All intervals and p-values take the queries as independent. Neighbouring frames of one drive '
    'are not, they fail together: the true intervals are wider, and the true p-values larger.'
)
METHODS = (
    "Shares are tested by McNemar's exact test (binomial, two-sided) on the queries on which both "
    "differ; intervals of their differences are Newcombe's, of 95 %."
)


def methods(comparison: Comparison) -> list[str]:
    """How the figures were made, as sentences."""
    found = [METHODS]
    if comparison.tests > 1:
        found.append(
            f'{comparison.tests} tests were made, so p-values are corrected by the method of '
            f'Holm: with all of them together, chance alone shows a difference at {ALPHA:g} in at '
            'most one of twenty comparisons. The intervals are not corrected.'
        )
    if any(each.quantities for each in comparison.others):
        found.append(
            'Latencies and calibration errors have percentile intervals of 95 % of a paired '
            f'bootstrap over the queries ({comparison.config.resamples} draws, seed '
            f'{comparison.config.seed}). Each result was timed in one run: what else its machine '
            'did at that time is part of the difference, and in no interval.'
        )
    return [*found, INDEPENDENCE]


def conclusions(comparison: Comparison, other: Against) -> list[str]:
    """What one result says against the first: of Recall@1, decisions and latency."""
    chosen = [
        row
        for row in other.yes_no
        if row.name == f'Recall@1, {FINAL}' or row.name.startswith(('LOCALIZED', 'NOT_IN_MAP'))
    ]
    names = comparison.name, other.name
    found = [_of_share(row, names) for row in chosen]
    totals = [row for row in other.quantities if row.name.startswith('total')]
    errors = [row for row in other.quantities if row.unit == '']
    return [*found, *(_of_quantity(row, names) for row in (*totals, *errors))]


def _of_share(row: YesNo, names: tuple[str, str]) -> str:
    counts = row.counts
    low, high = counts.interval()
    between = f'{points(low)} to {points(high)} percentage points'
    if not counts.discordant:
        return (
            f'{row.name}: the same for each of the {counts.total} queries. On other queries they '
            f'may differ all the same: the difference lies within {between}.'
        )
    first, second = f'{counts.first_only} only in {names[0]}', f'{counts.second_only} only in '
    differing = f'{counts.discordant} queries differ, {first}, {second}{names[1]}'
    if row.corrected < ALPHA:
        more = names[1] if counts.difference > 0 else names[0]
        better = 'better' if row.more_is_better else 'worse'
        return (
            f'{row.name}: {more} has more, which is {better}: {points(counts.difference)} '
            f'percentage points for {names[1]}, with an interval of 95 % from {between}. '
            f'{differing}; were both equally good, chance would divide them so unevenly in '
            f'{p_words(counts.p_value())} of all cases (corrected for the number of '
            f'tests: {p_words(row.corrected)}).'
        )
    few = ''
    if counts.discordant < FEW:
        least = 2 * 0.5**counts.discordant
        few = f' So few can show little: the smallest p-value that they allow is {least:.2g}.'
    return (
        f'{row.name}: no difference shown (p = {p_words(row.corrected)}). That does not make them '
        f'equal: {names[1]} may have {between} more. {differing}.{few}'
    )


def _of_quantity(row: Quantity, names: tuple[str, str]) -> str:
    found = row.difference
    first, second = (quantity(value, row.unit) for value in (found.first, found.second))
    said = f'{row.name}: {first} in {names[0]}, {second} in {names[1]}'
    if math.isnan(found.low):
        return f'{said}; one query gives no interval.'
    between = f'{signed(found.low, row.unit)} to {signed(found.high, row.unit)}'
    if found.excludes_zero:
        return f'{said}; the difference lies within {between}, without 0.'
    return f'{said}; no difference shown: it lies within {between}, and 0 with it.'


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return '?' if math.isnan(share) else f'{100 * share:+.1f}'


def p_words(value: float) -> str:
    """A p-value as people read it; empty where nothing was tested."""
    if math.isnan(value):
        return ''
    if value < 0.0001:
        return '< 0.0001'
    return f'{value:.4f}' if value < 0.01 else f'{value:.3f}' if value < 0.1 else f'{value:.2f}'


def quantity(value: float, unit: str) -> str:
    """A number with its unit; calibration errors have none."""
    if math.isnan(value):
        return 'unknown'
    return f'{value:.1f} {unit}' if unit else f'{value:.3f}'


def signed(value: float, unit: str) -> str:
    """A difference with its sign."""
    if math.isnan(value):
        return '?'
    value += 0.0  # -0.0 becomes 0.0
    return f'{value:+.1f}' if unit else f'{value:+.3f}'
