"""The charts of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from plotly.graph_objects import Figure

from fol_vpr.datatypes import LocalizationState
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.outcomes import Outcome, outcome
from fol_vpr.evaluation.reliability import Bin
from fol_vpr.evaluation.report import Evaluation
from fol_vpr.evaluation.results.curves import PrecisionRecall, ToleranceCurve
from fol_vpr.reporting.charts import GREY, RIGHT, SERIES, UNDECIDED, WRONG, new_figure
from fol_vpr.reporting.evaluation.frames import is_mistake

TIMED = 1500
"""Most points along the time; where there are more queries, a point stands for several."""
_SIZES = ((500, 8), (2000, 6))
"""Most queries, and the pixels of a mark."""
_SYMBOLS = {'o': 'circle', 'X': 'x', 'x': 'x', 's': 'square', '.': 'circle'}
_STATES = {
    LocalizationState.LOCALIZED: (SERIES[0], 'circle'),
    LocalizationState.NOT_IN_MAP: (SERIES[3], 'square'),
    LocalizationState.AMBIGUOUS: (UNDECIDED, 'circle-open'),
    LocalizationState.UNKNOWN: (GREY, 'circle-open'),
}

Group = tuple[str, str, str, list[int]]
"""Words, colour, symbol and the queries of an outcome."""


def outcome_groups(evaluation: Evaluation) -> list[Group]:
    """The queries by what came out, mistakes last, so that they are drawn above the others.

    Without any ground truth these are the states alone, or just answered and not answered.
    """
    sequence = evaluation.decisions() is not None
    judged = evaluation.is_judged
    groups: dict[tuple[str, str, str], list[int]] = {}
    mistakes: dict[tuple[str, str, str], list[int]] = {}
    answered = set()
    for answer in evaluation.answers:
        answered.add(answer.index)
        if not judged or not answer.ranking:
            groups.setdefault(_state_style(answer, sequence), []).append(answer.index)
            continue
        found = outcome(answer, evaluation.positives[answer.index], sequence=sequence)
        into = mistakes if is_mistake(found) else groups
        into.setdefault(_style(found), []).append(answer.index)
    if missing := [i for i in range(evaluation.queries) if i not in answered]:
        groups['not answered', GREY, 'x-thin-open'] = missing
    return [(*style, queries) for style, queries in {**groups, **mistakes}.items()]


def _style(found: Outcome) -> tuple[str, str, str]:
    right = found in (Outcome.RIGHT, Outcome.LOCALIZED_RIGHT, Outcome.NOT_IN_MAP_RIGHT)
    colour = WRONG if is_mistake(found) else RIGHT
    if not (right or is_mistake(found) or found is Outcome.UNDECIDED_RIGHT):
        colour = GREY
    symbol = _SYMBOLS[found.marker]
    return found.words, colour, symbol if found.filled else f'{symbol}-open'


def _state_style(answer: QueryAnswer, sequence: bool) -> tuple[str, str, str]:
    if not sequence:
        return ('answered', SERIES[0], 'circle') if answer.ranking else ('empty', GREY, 'circle')
    return (answer.state.name, *_STATES[answer.state])


def trajectory_figure(evaluation: Evaluation) -> Figure | None:
    """Queries where they were taken, in the colour of their outcome; None without positions."""
    plotted = evaluation.plotted
    if plotted is None:
        return None
    figure = new_figure('x in metres', 'y in metres', equal=True)
    x, y = plotted.references.T
    figure.add_scatter(
        x=_metres(x), y=_metres(y), mode='markers', name=f'references ({len(x)})',
        marker={'size': 4, 'color': GREY, 'opacity': 0.45}, hoverinfo='skip',
    )  # fmt: skip
    answers = {answer.index: answer for answer in evaluation.answers}
    groups = outcome_groups(evaluation)
    wrong = [q for words, colour, _, queries in groups if colour == WRONG for q in queries]
    ends = [(plotted.queries[q], plotted.references[answers[q].ranking[0]]) for q in wrong]
    if ends:
        gap = np.full(2, np.nan)
        lines = np.array([point for pair in ends for point in (*pair, gap)])
        figure.add_scatter(
            x=_metres(lines[:, 0]), y=_metres(lines[:, 1]), mode='lines', hoverinfo='skip',
            name='to the wrong reference', line={'color': WRONG, 'width': 1}, opacity=0.6,
        )  # fmt: skip
    for group in groups:
        x, y = plotted.queries[group[3]].T
        _marks(figure, group, x, y, evaluation)
    return figure


def order_figure(evaluation: Evaluation) -> Figure:
    """The first reference of each query by number, where positions are not known."""
    figure = new_figure('query', 'first reference')
    known = [(q, min(p), max(p)) for q, p in enumerate(evaluation.positives) if p]
    if known:
        q, low, high = np.array(known).T
        x = np.stack([q, q, q], axis=1).ravel()
        y = np.stack([low, high, np.full(len(q), np.nan)], axis=1).ravel()
        figure.add_scatter(
            x=x, y=y, mode='lines', name='right references', hoverinfo='skip',
            line={'color': GREY, 'width': 3}, opacity=0.4,
        )  # fmt: skip
    first = {a.index: a.ranking[0] for a in evaluation.answers if a.ranking}
    for words, colour, symbol, queries in outcome_groups(evaluation):
        found = [q for q in queries if q in first]
        if found:
            group = (words, colour, symbol, found)
            places = np.array([first[q] for q in found])
            _marks(figure, group, np.array(found), places, evaluation)
    return figure


def _marks(
    figure: Figure, group: Group, x: np.ndarray, y: np.ndarray, evaluation: Evaluation
) -> None:
    words, colour, symbol, queries = group
    # Marks of a long drive would cover each other.
    size = next((size for most, size in _SIZES if evaluation.queries <= most), 4)
    figure.add_scatter(
        x=_metres(x), y=_metres(y), mode='markers', name=f'{words} ({len(queries)})',
        customdata=np.array(queries),
        hovertemplate='query %{customdata}<extra>%{fullData.name}</extra>',
        marker={'color': colour, 'symbol': symbol, 'size': size + 2 * (colour == WRONG),
                'line': {'width': 1.5 if symbol.endswith('open') else 0, 'color': colour}},
    )  # fmt: skip


def precision_recall_figure(curves: Sequence[PrecisionRecall]) -> Figure:
    """Precision over recall, a line for each score."""
    figure = new_figure('recall', 'precision')
    for curve in curves:
        keep = _spread(len(curve.recall))
        figure.add_scatter(
            x=_short(curve.recall[keep]), y=_short(curve.precision[keep]), mode='lines',
            name=curve.name, customdata=_short(curve.thresholds[keep]),
            hovertemplate='recall %{x:.1%}, precision %{y:.1%}, at %{customdata:.3g} or more',
        )  # fmt: skip
    figure.update_xaxes(range=[0, 1.02], tickformat='.0%')
    figure.update_yaxes(tickformat='.0%')
    return figure


def tolerance_figure(curve: ToleranceCurve) -> Figure:
    """Recall@1 over the allowed distance."""
    figure = new_figure('allowed distance in metres', 'queries')
    lines = [
        ('any reference', curve.possible, GREY),
        ('first by global similarity', curve.first_global, SERIES[0]),
        ('first hypothesis', curve.first, RIGHT),
    ]
    for name, values, colour in lines:
        if values is not None:
            figure.add_scatter(
                x=_short(curve.metres), y=_short(values), mode='lines', name=name,
                line={'color': colour, 'dash': 'dot' if colour == GREY else 'solid'},
                hovertemplate='%{y:.1%} within %{x:.3~g} m',
            )  # fmt: skip
    figure.update_yaxes(tickformat='.0%', range=[0, 1.02])
    return figure


def reliability_figure(curves: Sequence[tuple[str, Sequence[Bin]]]) -> Figure:
    """The fraction right over the predicted probability."""
    figure = new_figure('predicted probability', 'fraction right')
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode='lines', name='as often as predicted', hoverinfo='skip',
        line={'color': GREY, 'dash': 'dot', 'width': 1.5},
    )  # fmt: skip
    for number, (name, bins) in enumerate(curves):
        counts = np.array([each.count for each in bins])
        figure.add_scatter(
            x=[each.said for each in bins], y=[each.right for each in bins], mode='lines+markers',
            name=name, customdata=counts,
            marker={'size': (6 + 18 * np.sqrt(counts / counts.max())).round(1), 'opacity': 0.8},
            line={'width': 1.5, 'color': SERIES[2 * number]},
            hovertemplate='predicted %{x:.1%}, right %{y:.1%}, %{customdata} queries',
        )  # fmt: skip
    figure.update_xaxes(range=[-0.03, 1.05], tickformat='.0%')
    figure.update_yaxes(range=[-0.05, 1.08], tickformat='.0%')
    return figure


def stages_figure(rows: Sequence[tuple[str, Sequence[float]]]) -> Figure:
    """The 50th, 95th and 99th percentile of each stage, in milliseconds."""
    figure = new_figure('milliseconds', '', barmode='overlay')
    names = [name for name, _ in rows]
    for column, share, opacity in ((2, '99 %', 0.3), (1, '95 %', 0.55), (0, '50 %', 1.0)):
        values = [round(percentiles[column], 3) for _, percentiles in rows]
        figure.add_bar(
            x=values, y=names, orientation='h', name=f'{share} take at most', opacity=opacity,
            marker={'color': SERIES[0]}, hovertemplate='%{x:.1f} ms',
        )  # fmt: skip
    figure.update_layout(legend_traceorder='reversed', bargap=0.35)
    figure.update_yaxes(autorange='reversed')
    return figure


def latency_figure(answers: Sequence[QueryAnswer], names: dict[str, str], queries: int) -> Figure:
    """The time of each stage over the queries, in milliseconds."""
    figure = new_figure('query', 'milliseconds')
    step = -(-queries // TIMED)
    for number, (stage, name) in enumerate(names.items()):
        values = np.full(-(-queries // step) * step, np.nan)
        for answer in answers:
            values[answer.index] = answer.timings.get(stage, np.nan) * 1000
        blocks = values.reshape(-1, step)
        known = ~np.isnan(blocks).all(axis=1)
        shown = np.full(len(blocks), np.nan)
        shown[known] = np.nanmedian(blocks[known], axis=1)
        figure.add_scatter(
            x0=0, dx=step, y=_short(shown), mode='lines', name=name,
            line={'width': 2 if stage == 'total' else 1.2, 'color': SERIES[number % len(SERIES)]},
            hovertemplate='query %{x}: %{y:.1f} ms',
        )  # fmt: skip
    return figure


def similarity_figure(matrix: np.ndarray, shape: tuple[int, int]) -> Figure:
    """The similarities over queries and references."""
    figure = new_figure('reference', 'query', legend=False)
    # The scale stands where the tools of other charts are.
    figure.update_layout(modebar_orientation='h', margin_t=40)
    steps = [count / cells for count, cells in zip(shape, matrix.shape, strict=True)]
    figure.add_heatmap(
        z=np.round(matrix, 3).astype(np.float32), colorscale='Viridis', x0=0, dx=steps[1], y0=0,
        dy=steps[0], hoverongaps=False, colorbar={'title': 'cosine', 'thickness': 12},
        hovertemplate='query %{y:.0f}, reference %{x:.0f}: %{z:.3f}<extra></extra>',
    )  # fmt: skip
    figure.update_yaxes(autorange='reversed')
    return figure


def _metres(values: np.ndarray) -> np.ndarray:
    """As 32-bit numbers about millimetres apart; larger coordinates stay 64-bit."""
    with np.errstate(invalid='ignore'):
        exact = np.abs(np.nan_to_num(values)).max(initial=0) > 8000
    return np.asarray(values, np.float64 if exact else np.float32)


def _short(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)


def _spread(count: int) -> np.ndarray:
    """At most `TIMED` positions of `count`, with the first ones, where precision changes most."""
    if count <= TIMED:
        return np.arange(count)
    even = np.linspace(0, count - 1, TIMED - 200).round().astype(int)
    return np.unique(np.append(np.arange(200), even))
