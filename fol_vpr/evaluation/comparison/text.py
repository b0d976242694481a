"""A comparison as text for a terminal, and as values for JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

import fol_vpr
from fol_vpr.evaluation.comparison.compare import Against, Changed, Comparison, Hypothesis
from fol_vpr.evaluation.comparison.statistics import Difference
from fol_vpr.evaluation.comparison.words import (
    conclusions,
    methods,
    p_words,
    points,
    quantity,
    signed,
)
from fol_vpr.evaluation.metrics import none_if_nan
from fol_vpr.evaluation.report import align_columns
from fol_vpr.evaluation.results import Result

FORMAT = 'fol_vpr comparison'
FORMAT_VERSION = 1


def as_text(comparison: Comparison, changed: int) -> str:
    """The comparison for a terminal.

    Args:
        comparison: to show.
        changed: most of the queries that changed to list for each result.
    """
    lines = align_columns(
        [
            [name, what_it_is(result), result.evaluation.conditions.ground_truth]
            for name, result in (
                (comparison.name, comparison.baseline),
                *((each.name, each.result) for each in comparison.others),
            )
        ],
        left=(0, 1, 2),
    )
    for other in comparison.others:
        lines += ['', *_table(comparison, other), '']
        lines += [f'differs: {each}' for each in other.differs]
        lines += conclusions(comparison, other)
        lines += ['', *_changed(comparison, other, changed)]
        for remark in other.remarks:
            lines += ['', f'WARNING: {remark}']
    return '\n'.join([*lines, '', *methods(comparison)])


def what_it_is(result: Result) -> str:
    """A result in one line: weights, re-ranking, date."""
    c = result.evaluation.conditions
    parts = [c.weights]
    if c.recording:
        parts.append('live')
    elif c.predictions:
        parts.append('predictions')
    elif c.rerank is not None:
        parts.append(f're-ranked {c.rerank}' if c.rerank else 'not re-ranked')
    parts += [result.provenance.date] if result.provenance.date else []
    return ', '.join(parts)


def _table(comparison: Comparison, other: Against) -> list[str]:
    counted = f'{len(other.matching.pairs)} queries in common by {other.matching.by}'
    rows = [
        [f'{counted}, {other.counted} with a positive', '', '', '', '', '', '', '', ''],
        ['', comparison.name, other.name, 'difference', '95 %', f'only {comparison.name}',
         f'only {other.name}', 'p', 'corrected'],
    ]  # fmt: skip
    title, *table = rows
    for row in other.yes_no:
        counts = row.counts
        low, high = counts.interval()
        tested = counts.discordant > 0
        table.append(
            [row.name, f'{100 * counts.first.value:.1f} %', f'{100 * counts.second.value:.1f} %',
             points(counts.difference), f'{points(low)} to {points(high)}',
             str(counts.first_only), str(counts.second_only),
             p_words(counts.p_value()) if tested else 'none differ', p_words(row.corrected)]
        )  # fmt: skip
    for each in other.quantities:
        d = each.difference
        table.append(
            [each.name, quantity(d.first, each.unit), quantity(d.second, each.unit),
             signed(d.value, each.unit),
             f'{signed(d.low, each.unit)} to {signed(d.high, each.unit)}', '', '', '', '']
        )  # fmt: skip
    return [title[0], *align_columns(table)]


def _changed(comparison: Comparison, other: Against, most: int) -> list[str]:
    gained = sum(each.gained for each in other.changed)
    lost = len(other.changed) - gained
    lines = [
        f'first hypothesis: {lost} right only in {comparison.name}, {gained} right only in '
        f'{other.name}'
    ]
    shown = other.changed[:most]
    if not shown:
        return lines
    table = [['query', 'image', 'at', f'{comparison.name} says', '', f'{other.name} says', '']]
    table += [
        [query_number(each), image_of(each), _at(each.xy), *_said(each.first), *_said(each.second)]
        for each in shown
    ]
    lines += align_columns(table, left=range(7))
    if len(other.changed) > len(shown):
        lines.append(
            f'and {len(other.changed) - len(shown)} more: --changed shows, --json holds them'
        )
    return lines


def query_number(changed: Changed) -> str:
    """Position of a query, in both results where they differ."""
    first, second = changed.index
    return str(first) if first == second else f'{first} / {second}'


def image_of(changed: Changed) -> str:
    """The name of the image of a query; of a bag, its stamp in seconds."""
    if changed.stamp_ns:
        return f'{changed.stamp_ns / 1e9:.3f} s'
    return PurePosixPath(changed.uri).name


def _at(xy: tuple[float, float] | None) -> str:
    return '' if xy is None else f'({xy[0]:.1f}, {xy[1]:.1f})'


def _said(hypothesis: Hypothesis) -> tuple[str, str]:
    mark = 'right' if hypothesis.right else 'wrong'
    if not hypothesis.place_id:
        return mark, 'no answer' if not hypothesis.state else 'no hypothesis'
    away = '' if hypothesis.distance is None else f', {hypothesis.distance:.1f} m away'
    return mark, f'{hypothesis.place_id}{away}'


def as_values(comparison: Comparison, command: str, date: str) -> dict[str, Any]:
    """The comparison as values for JSON; shares from 0 to 1, latencies in milliseconds.

    Args:
        comparison: to write.
        command: the command line; empty where there was none.
        date: ISO 8601 in UTC.
    """
    return {
        'format': FORMAT,
        'format_version': FORMAT_VERSION,
        'fol_vpr_version': fol_vpr.__version__,
        'command': command,
        'date': date,
        'settings': asdict(comparison.config),
        'tests': comparison.tests,
        'methods': methods(comparison),
        'baseline': _result(comparison.name, comparison.baseline),
        'others': [_against(comparison, each) for each in comparison.others],
    }


def _result(name: str, result: Result) -> dict[str, Any]:
    c = result.evaluation.conditions
    return {
        'name': name,
        'map': c.map,
        'map_id': c.map_id,
        'source': c.source,
        'ground_truth': c.ground_truth,
        'weights': c.weights,
        'rerank': c.rerank,
        'provenance': asdict(result.provenance),
        'settings': {
            'codec': result.settings.codec,
            'values': dict(result.settings.values),
        },
    }


def _against(comparison: Comparison, other: Against) -> dict[str, Any]:
    return {
        **_result(other.name, other.result),
        'matched_by': other.matching.by,
        'queries_in_common': len(other.matching.pairs),
        'queries_with_positive': other.counted,
        'queries_only_in_baseline': other.matching.first_only,
        'queries_only_in_this': other.matching.second_only,
        'shares': [
            {
                'name': row.name,
                'baseline': none_if_nan(row.counts.first.value),
                'this': none_if_nan(row.counts.second.value),
                'difference': none_if_nan(row.counts.difference),
                'interval_95': [none_if_nan(each) for each in row.counts.interval()],
                **asdict(row.counts),
                'p_value': row.counts.p_value() if row.counts.discordant else None,
                'p_value_holm': none_if_nan(row.corrected),
            }
            for row in other.yes_no
        ],
        'quantities': [
            {'name': row.name, 'unit': row.unit, **_difference(row.difference)}
            for row in other.quantities
        ],
        'conclusions': conclusions(comparison, other),
        'differs': list(other.differs),
        'remarks': list(other.remarks),
        'changed': [asdict(each) for each in other.changed],
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        'baseline': none_if_nan(found.first),
        'this': none_if_nan(found.second),
        'difference': none_if_nan(found.value),
        'interval_95': [none_if_nan(found.low), none_if_nan(found.high)],
        'queries': found.pairs,
    }
