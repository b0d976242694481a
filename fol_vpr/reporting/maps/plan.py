"""Plans of a map: its places by session, by density, and by the directions they are seen from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fol_vpr.mapping import stamp_in_words
from fol_vpr.mapping.overview import MAX_NEIGHBOURS
from fol_vpr.reporting import Chart, Details, Picture
from fol_vpr.reporting.charts import GREY, SERIES, UNDECIDED, WRONG, new_figure, plain
from fol_vpr.reporting.maps.facts import MAX_MARKS, MapFacts, spread

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MANY = 3000
"""From so many marks on they are drawn by WebGL, which stays smooth."""
SHOWN_SESSIONS = 12
"""Sessions with an entry of their own in the legend; the others share one."""
SHOWN_GAPS = 500
# Orange is the colour of the gaps.
SESSION_COLOURS = [colour for colour in SERIES if colour not in (WRONG, GREY)]


def session_plan(facts: MapFacts, images: Mapping[int, bytes]) -> Chart:
    """The places in the colour of their session, with gaps and redundant places.

    Args:
        facts: of the map.
        images: JPEGs of some places by index; a mark shows the nearest one of its session.
    """
    overview = facts.overview
    shown = marks(facts)
    nearest = _nearest_images(facts, shown, images)
    figure = _plan_figure(facts)
    sessions = _grouped_sessions(facts)
    at = _drawn_at(facts)
    for number, (name, members) in enumerate(sessions):
        own = [index for index in shown if overview.places[index].session_id in members]
        _scatter(
            figure, at[own], name=f'{plain(name)} ({len(own)})',
            marker={'size': 6, 'color': SESSION_COLOURS[number % len(SESSION_COLOURS)]},
            text=[_hover(facts, index) for index in own],
            customdata=[nearest.get(index, '') for index in own],
        )  # fmt: skip
    if facts.redundant:
        own = spread(sorted(set(facts.redundant) & set(shown)), MAX_MARKS)
        _scatter(
            figure, at[own], name=f'redundant ({len(facts.redundant)})',
            marker={'size': 11, 'symbol': 'circle-open', 'color': GREY, 'line': {'width': 1.5}},
            hoverinfo='skip',
        )  # fmt: skip
    if overview.gaps:
        rows: list[np.ndarray] = []
        for gap in overview.gaps[:SHOWN_GAPS]:
            rows += [at[gap.before], at[gap.after], np.full(2, math.nan)]
        lines = np.array(rows)
        figure.add_scatter(
            x=_rounded(lines[:, 0]), y=_rounded(lines[:, 1]), mode='lines', hoverinfo='skip',
            name=f'gaps ({len(overview.gaps)})',
            line={'color': WRONG, 'width': 2, 'dash': 'dot'},
        )  # fmt: skip
    details = {
        str(index): Details(
            overview.places[index].place_id, [Picture(jpeg)], place_facts(facts, index)
        )
        for index, jpeg in images.items()
    }
    height = 620 if overview.posed.any() else min(160 + 40 * len(overview.sessions), 620)
    return Chart(figure, _caption(facts, shown, images), height, details, wide=True)


def density_plan(facts: MapFacts) -> Chart:
    """The places coloured by the number of references around each."""
    overview, shown = facts.overview, marks(facts)
    figure = _plan_figure(facts, legend=False)
    counts = [int(overview.density[index]) for index in shown]
    _scatter(
        figure, overview.positions[shown, :2], text=[f'{count} references' for count in counts],
        marker={'size': 6, 'color': counts, 'colorscale': 'Viridis', 'showscale': True,
                'colorbar': {'thickness': 10, 'title': {'text': ''}}},
    )  # fmt: skip
    caption = (
        f'References within {overview.radius:g} m of each, itself included. Places with many are '
        'recognised from more positions, and cost more memory.'
    )
    if counts and max(counts) == MAX_NEIGHBOURS:
        caption += f' At most {MAX_NEIGHBOURS} are counted.'
    return Chart(figure, caption, 420)


def direction_plan(facts: MapFacts) -> Chart:
    """The places by whether they are seen from one direction only."""
    overview, shown = facts.overview, marks(facts)
    figure = _plan_figure(facts)
    single, known = overview.one_direction, np.isfinite(overview.heading_span)
    groups = (
        ('seen from several directions', SERIES[0], known & ~single),
        ('from one direction only', UNDECIDED, known & single),
        ('direction not known', GREY, ~known),
    )
    for name, colour, chosen in groups:
        own = [index for index in shown if chosen[index]]
        if own:
            _scatter(
                figure, overview.positions[own, :2], name=f'{name} ({len(own)})',
                marker={'size': 6, 'color': colour},
                text=[_hover(facts, index) for index in own],
            )  # fmt: skip
    caption = (
        f'Whether the cameras of the references within {overview.radius:g} m look into one '
        'direction, within 90 degrees. A robot that comes the other way does not find a place '
        'that is seen from one direction only.'
    )
    return Chart(figure, caption, 420)


def marks(facts: MapFacts) -> list[int]:
    """The places that are drawn: those with a position, or all where none has one."""
    overview = facts.overview
    posed = np.flatnonzero(overview.posed)
    return spread(posed.tolist() if len(posed) else range(facts.info.places), MAX_MARKS)


def place_facts(facts: MapFacts, index: int) -> list[tuple[str, str]]:
    """Names and values of a place."""
    overview = facts.overview
    place = overview.places[index]
    found = [('session', place.session_id)]
    if place.stamp_ns > 0:
        found.append(('taken', stamp_in_words(place.stamp_ns)))
    if overview.posed[index]:
        x, y, z = overview.positions[index]
        found.append(('position', f'{x:.2f}, {y:.2f}, {z:.2f} m'))
    if place.geo is not None:
        found.append(('degrees', f'{place.geo.latitude:.6f}, {place.geo.longitude:.6f}'))
    if math.isfinite(overview.headings[index]):
        found.append(('looks to', f'{overview.headings[index]:.0f} degrees'))
    if facts.hits:
        found.append(('recognised', f'{facts.hits.get(place.place_id, 0)} times'))
    return found


def _hover(facts: MapFacts, index: int) -> str:
    place = facts.overview.places[index]
    when = f'<br>{stamp_in_words(place.stamp_ns)}' if place.stamp_ns > 0 else ''
    return f'{plain(place.place_id[-60:])}{when}'


def _grouped_sessions(facts: MapFacts) -> list[tuple[str, set[str]]]:
    names = [session.session_id for session in facts.overview.sessions]
    if len(names) <= SHOWN_SESSIONS:
        return [(name, {name}) for name in names]
    first = names[: SHOWN_SESSIONS - 1]
    rest = set(names) - set(first)
    return [*((name, {name}) for name in first), (f'{len(rest)} more sessions', rest)]


def _drawn_at(facts: MapFacts) -> np.ndarray:
    """[P, 2] positions, or number within the session and of the session where none is known."""
    overview = facts.overview
    if overview.posed.any():
        return np.asarray(overview.positions[:, :2])
    at = np.zeros((facts.info.places, 2))
    order = {session.session_id: row for row, session in enumerate(overview.sessions)}
    counts = dict.fromkeys(order, 0)
    for place in overview.places:
        at[place.index] = counts[place.session_id], order[place.session_id]
        counts[place.session_id] += 1
    return at


def _plan_figure(facts: MapFacts, *, legend: bool = True) -> Figure:
    overview = facts.overview
    if not overview.posed.any():
        figure = new_figure('number of the reference in its session', 'session', legend=legend)
        names = [session.session_id for session in overview.sessions]
        figure.update_yaxes(
            tickvals=list(range(len(names))), ticktext=[plain(name[-20:]) for name in names],
            range=[-1, len(names)], showgrid=False,
        )  # fmt: skip
        return figure
    sides = ('east', 'north') if overview.geodetic else ('x', 'y')
    figure = new_figure(f'{sides[0]} in metres', f'{sides[1]} in metres', equal=True,
                        legend=legend)  # fmt: skip
    _add_scale(figure, facts)
    return figure


def _add_scale(figure: Figure, facts: MapFacts) -> None:
    """A bar of a round length, and an arrow to the north where it is known."""
    overview = facts.overview
    if overview.size is None or max(overview.size) <= 0:
        return
    rows = overview.positions[overview.posed, :2]
    longest = max(overview.size)
    length = round_length(longest / 5)
    x, y = float(rows[:, 0].min()), float(rows[:, 1].min() - 0.08 * longest)
    figure.add_scatter(
        x=[x, x + length], y=[y, y], mode='lines+markers', hoverinfo='skip', showlegend=False,
        line={'color': GREY, 'width': 3}, marker={'symbol': 'line-ns-open', 'size': 9,
                                                  'color': GREY},
    )  # fmt: skip
    figure.add_annotation(x=x + length / 2, y=y, text=f'{length:g} m', showarrow=False, yshift=11)
    if overview.geodetic:
        figure.add_annotation(
            xref='paper', yref='paper', x=0.99, y=0.98, ax=0, ay=34, text='N', showarrow=True,
            arrowhead=2, arrowwidth=2, arrowcolor=GREY, yanchor='bottom',
        )  # fmt: skip


def round_length(metres: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most `metres`."""
    power = 10.0 ** math.floor(math.log10(metres))
    return max(step * power for step in (1, 2, 5) if step * power <= metres * 1.0000001)


def _scatter(figure: Figure, at: np.ndarray, **values: Any) -> None:
    add = figure.add_scattergl if len(at) > MANY else figure.add_scatter
    hover = values.pop('hoverinfo', 'text')
    add(x=_rounded(at[:, 0]), y=_rounded(at[:, 1]), mode='markers', hoverinfo=hover, **values)


def _rounded(values: np.ndarray) -> list[float | None]:
    """Millimetres are enough, and make the page smaller; None breaks a line."""
    return [round(float(value), 3) if math.isfinite(value) else None for value in values]


def _nearest_images(
    facts: MapFacts, shown: Sequence[int], images: Mapping[int, bytes]
) -> dict[int, str]:
    """For each mark the key of the image of its session that is next in the order of the map."""
    by_session: dict[str, list[int]] = {}
    for index in sorted(images):
        by_session.setdefault(facts.overview.places[index].session_id, []).append(index)
    found = {}
    for index in shown:
        known = by_session.get(facts.overview.places[index].session_id)
        if known:
            right = int(np.searchsorted(known, index))
            near = min(known[max(right - 1, 0) : right + 1], key=lambda each: abs(each - index))
            found[index] = str(near)
    return found


def _caption(facts: MapFacts, shown: Sequence[int], images: Mapping[int, bytes]) -> str:
    overview, total = facts.overview, facts.info.places
    parts = []
    if not overview.posed.any():
        parts.append(
            'The map has no positions: the references of each session in their order, a row for '
            'each session.'
        )
    elif overview.geodetic:
        parts.append(f'North is up. {_sentence(overview.extent_in_words())}')
    else:
        parts.append(
            f'The frame {facts.info.frame_id!r} of the map: {overview.extent_in_words()}. '
            'The map does not say where north is.'
        )
    missing = total - int(overview.posed.sum())
    if missing and overview.posed.any():
        parts.append(f'{missing} of {total} references have no position and are not drawn.')
    drawn = total - missing if overview.posed.any() else total
    if len(shown) < drawn:
        parts.append(f'{len(shown)} of {drawn} references are drawn, evenly chosen.')
    if not images:
        parts.append('The map stores no images, so that a click shows none.')
    elif len(images) < total:
        parts.append(
            f'The page holds {len(images)} images of {total}: a click on a mark shows the nearest '
            'one in its session.'
        )
    else:
        parts.append('A click on a mark shows its image.')
    if facts.redundant:
        parts.append('A ring marks a place that another one represents.')
    return ' '.join(parts)


def _sentence(text: str) -> str:
    return f'{text[:1].upper()}{text[1:]}.'
