"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from fol_vpr.evaluation.comparison.compare import FINAL, Against, Changed, Comparison, Quantity
from fol_vpr.evaluation.comparison.text import image_of, query_number, what_it_is
from fol_vpr.evaluation.comparison.words import (
    ALPHA,
    conclusions,
    methods,
    p_words,
    points,
    quantity,
    signed,
)
from fol_vpr.evaluation.metrics import RECALL_AT, Share
from fol_vpr.evaluation.results import Provenance, Result
from fol_vpr.reporting.charts import GREY, RIGHT, SERIES, WRONG, new_figure, plain
from fol_vpr.reporting.page import Card, Cards, Chart, Note, Page, Section, Table, Text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_ROWS = 500
"""Most queries in the table of those that changed."""


def comparison_page(comparison: Comparison, made: Provenance) -> Page:
    """The page of a comparison, without a picture.

    Args:
        comparison: to show.
        made: what made the page.
    """
    names = [comparison.name, *(other.name for other in comparison.others)]
    c = comparison.baseline.evaluation.conditions
    page = Page(
        ' and '.join([', '.join(names[:-1]), names[-1]]),
        f'{c.source} against {c.references} references of {c.map}',
        [('Right', c.ground_truth), ('Compared with', comparison.name)],
    )
    _summary(page, comparison)
    for other in comparison.others:
        pair = f'{comparison.name} and {other.name}'
        section = page.section(pair if len(names) > 2 else 'Differences')
        _differences(section, comparison, other)
        changed = page.section(f'Queries that changed: {pair}' if len(names) > 2 else
                               'Queries that changed')  # fmt: skip
        _changed(changed, comparison, other)
    how = page.section('How to read it')
    how.add(*(Text(each) for each in methods(comparison)))
    _origins(page, comparison, made)
    return page


def _results(comparison: Comparison) -> list[tuple[str, Result]]:
    others = [(other.name, other.result) for other in comparison.others]
    return [(comparison.name, comparison.baseline), *others]


def _summary(page: Page, comparison: Comparison) -> None:
    section = page.section('Side by side')
    cards = []
    for other in comparison.others:
        row = next((row for row in other.yes_no if row.name == f'Recall@1, {FINAL}'), None)
        if row is None:
            continue
        low, high = row.counts.interval()
        shown = row.corrected < ALPHA
        better = 'right' if row.counts.difference > 0 else 'wrong'
        cards.append(
            Card(
                f'{points(row.counts.difference)} points',
                f'Recall@1, {other.name} less {comparison.name}',
                f'95 %: {points(low)} to {points(high)}; '
                + (f'corrected p: {p_words(row.corrected)}' if shown else 'no difference shown'),
                better if shown else '',
            )
        )
    if cards:
        section.add(Cards(cards))
    section.add(Chart(_recalls(comparison), _RECALLS, height=360))
    if any(other.yes_no for other in comparison.others):
        section.add(Chart(_forest(comparison), _FOREST, height=_forest_height(comparison)))
    rows = [
        [
            name,
            *(_share(recall) for recall in result.evaluation.recall_reranked().values()),
            _latency(result),
            what_it_is(result),
        ]
        for name, result in _results(comparison)
    ]
    section.add(
        Table(
            ['Result', *(f'Recall@{k}' for k in RECALL_AT), 'Median latency', 'What it is'],
            rows,
            'Each result by itself, of all its queries with a positive; final order.',
            left=(0, len(RECALL_AT) + 2),
        )
    )


_RECALLS = (
    'Recall@K of each result by itself, with intervals of 95 %. Whether two bars overlap says '
    'little, because both are of the same queries: see the differences.'
)
_FOREST = (
    'Differences in percentage points with intervals of 95 %. Green: shown to be better; orange: '
    'shown to be worse; grey: no difference shown.'
)


def _recalls(comparison: Comparison) -> Figure:
    figure = new_figure('', 'Recall (%)')
    for number, (name, result) in enumerate(_results(comparison)):
        shares = [
            (k, share)
            for k, share in result.evaluation.recall_reranked().items()
            if share is not None and share.total
        ]
        ends = [share.interval() for _, share in shares]
        values = [100 * share.value for _, share in shares]
        figure.add_bar(
            x=[f'Recall@{k}' for k, _ in shares],
            y=values,
            name=plain(name),
            marker={'color': SERIES[number % len(SERIES)]},
            error_y={
                'type': 'data',
                'symmetric': False,
                'array': [100 * high - v for (_, high), v in zip(ends, values, strict=True)],
                'arrayminus': [v - 100 * low for (low, _), v in zip(ends, values, strict=True)],
                'color': GREY,
            },
            hovertemplate='%{y:.1f} %<extra>' + plain(name) + '</extra>',
        )
    figure.update_layout(barmode='group')
    figure.update_yaxes(range=[0, 102])
    return figure


def _forest(comparison: Comparison) -> Figure:
    """Differences of shares as points with intervals, one row each."""
    figure = new_figure('percentage points', '', legend=False)
    several = len(comparison.others) > 1
    rows = [
        (f'{plain(row.name)}, {plain(other.name)}' if several else plain(row.name), row)
        for other in comparison.others
        for row in other.yes_no
    ]
    for name, row in reversed(rows):
        low, high = (100 * end for end in row.counts.interval())
        value = 100 * row.counts.difference
        shown = row.corrected < ALPHA
        good = (value > 0) is row.more_is_better
        figure.add_scatter(
            x=[value],
            y=[name],
            error_x={'type': 'data', 'symmetric': False, 'array': [high - value],
                     'arrayminus': [value - low]},
            marker={'color': (RIGHT if good else WRONG) if shown else GREY, 'size': 9},
            mode='markers',
            hovertemplate=f'{value:+.1f} ({low:+.1f} to {high:+.1f})<extra></extra>',
        )  # fmt: skip
    figure.add_vline(x=0, line={'color': GREY, 'width': 1, 'dash': 'dot'})
    figure.update_yaxes(showgrid=False, ticklabelstandoff=6)
    return figure


def _forest_height(comparison: Comparison) -> int:
    return 90 + 26 * sum(len(other.yes_no) for other in comparison.others)


def _share(share: Share | None) -> str:
    return 'not recorded' if share is None or not share.total else f'{100 * share.value:.1f} %'


def _latency(result: Result) -> str:
    totals = [a.timings['total'] for a in result.evaluation.answers if 'total' in a.timings]
    return quantity(1000 * median(totals), 'ms') if totals else 'not recorded'


def _differences(section: Section, comparison: Comparison, other: Against) -> None:
    section.add(*(Text(each) for each in conclusions(comparison, other)))
    section.add(*(Note(each) for each in other.remarks))
    if other.differs:
        section.add(Text('What differs: ' + '; '.join(other.differs) + '.'))
    rows = []
    for row in other.yes_no:
        counts = row.counts
        low, high = counts.interval()
        rows.append(
            [row.name, f'{100 * counts.first.value:.1f} %', f'{100 * counts.second.value:.1f} %',
             points(counts.difference), _unbroken(f'{points(low)} to {points(high)}'),
             counts.first_only, counts.second_only,
             p_words(counts.p_value()) if counts.discordant else 'none differ',
             p_words(row.corrected)]
        )  # fmt: skip
    if rows:
        section.add(
            Table(
                ['Share', comparison.name, other.name, 'Points', '95 %',
                 f'Only {comparison.name}', f'Only {other.name}', 'p', 'Corrected'],
                rows,
                f'Of {len(other.matching.pairs)} queries that both have, by {other.matching.by}; '
                f'recalls of the {other.counted} with a positive. "Only": queries for which it '
                'holds in that result alone.',
            )
        )  # fmt: skip
    if other.quantities:
        section.add(
            Table(
                ['Quantity', comparison.name, other.name, 'Difference', '95 %'],
                [_quantity_row(each) for each in other.quantities],
                'Medians over the queries that both answered; smaller is better.',
            )
        )


def _unbroken(text: str) -> str:
    """A text that a narrow column does not break."""
    return text.replace(' ', '\u00a0')


def _quantity_row(row: Quantity) -> Sequence[str]:
    found = row.difference
    return [
        row.name,
        quantity(found.first, row.unit),
        quantity(found.second, row.unit),
        signed(found.value, row.unit),
        _unbroken(f'{signed(found.low, row.unit)} to {signed(found.high, row.unit)}'),
    ]


def _changed(section: Section, comparison: Comparison, other: Against) -> None:
    if not other.counted:
        return
    gained = [each for each in other.changed if each.gained]
    lost = [each for each in other.changed if not each.gained]
    section.add(
        Cards(
            [
                Card(str(len(gained)), f'right only in {other.name}', tone='right'),
                Card(str(len(lost)), f'right only in {comparison.name}', tone='wrong'),
            ]
        )
    )
    if other.changed and any(each.xy for each in other.changed):
        section.add(Chart(_plan(comparison, other), _PLAN, height=420, wide=True))
    if other.changed:
        more = f' The first {MAX_ROWS} of {len(other.changed)}.'
        section.add(
            Table(
                ['Query', 'Image', 'Right in', f'{comparison.name}: place', 'm away',
                 f'{other.name}: place', 'm away'],
                [_changed_row(each, comparison.name, other.name)
                 for each in other.changed[:MAX_ROWS]],
                'Queries whose first hypothesis is right in one result only.'
                + (more if len(other.changed) > MAX_ROWS else ''),
                left=(0, 1, 2, 3, 5),
                sortable=True,
            )
        )  # fmt: skip


def _changed_row(changed: Changed, first: str, second: str) -> list[object]:
    said = []
    for each in (changed.first, changed.second):
        said += [
            each.place_id or 'no answer',
            '' if each.distance is None else f'{each.distance:.1f}',
        ]
    which = second if changed.gained else first
    return [query_number(changed), image_of(changed), which, *said]


_PLAN = 'Where the queries that changed were taken, among all queries.'


def _plan(comparison: Comparison, other: Against) -> Figure:
    figure = new_figure('x (m)', 'y (m)', equal=True)
    # UTM coordinates as whole metres, and not as 4.0001M.
    figure.update_xaxes(tickformat='d', nticks=8)
    figure.update_yaxes(tickformat='d', nticks=6)
    plotted = comparison.baseline.evaluation.plotted
    assert plotted is not None
    figure.add_scatter(
        x=plotted.queries[:, 0].round(2).tolist(),
        y=plotted.queries[:, 1].round(2).tolist(),
        mode='markers',
        marker={'color': GREY, 'size': 4, 'opacity': 0.5},
        name='all queries',
        hoverinfo='skip',
    )
    for gained, name, colour, symbol in (
        (True, other.name, RIGHT, 'circle'),
        (False, comparison.name, WRONG, 'x'),
    ):
        chosen = [each for each in other.changed if each.gained is gained and each.xy]
        figure.add_scatter(
            x=[each.xy[0] for each in chosen if each.xy],
            y=[each.xy[1] for each in chosen if each.xy],
            mode='markers',
            marker={'color': colour, 'size': 10, 'symbol': symbol},
            name=f'right only in {plain(name)}',
            text=[f'query {query_number(each)}' for each in chosen],
            hovertemplate='%{text}<extra></extra>',
        )
    return figure


def _origins(page: Page, comparison: Comparison, made: Provenance) -> None:
    section = page.section('What produced it')
    rows = []
    for name, result in _results(comparison):
        c, p = result.evaluation.conditions, result.provenance
        rows.append(
            [name, p.date, f'{p.fol_vpr_version} {p.git_commit}'.strip(), c.weights,
             c.preprocessing_id, result.settings.codec, c.map_id, str(p.machine), p.command]
        )  # fmt: skip
    section.add(
        Table(
            ['Result', 'Date', 'Version', 'Weights', 'Preprocessing', 'Codec', 'Map', 'Machine',
             'Command'],
            rows,
            left=range(9),
        ),
        Text(f'This page: {made.command or "made by a program"}, {made.date}.'),
    )  # fmt: skip
