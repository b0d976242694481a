"""The page of the loop closures of a drive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fol_vpr.datatypes import LoopClosure
from fol_vpr.evaluation.results import Provenance
from fol_vpr.mapping import stamp_in_words
from fol_vpr.reporting import (
    Card,
    Cards,
    Chart,
    Details,
    Gallery,
    GalleryItem,
    Page,
    Picture,
    Section,
    Table,
    Text,
)
from fol_vpr.reporting.charts import GREY, RIGHT, SERIES, WRONG, new_figure
from fol_vpr.reporting.loops.pairs import (
    LoadImage,
    colouring,
    evidence_in_words,
    most_dubious,
    verdict,
)
from fol_vpr.reporting.loops.result import LoopsResult

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SHORT_NS = 180e9
"""A drive shorter than this has its time axis in seconds."""
MAX_ROWS = 1000
"""Most closures in the table."""
MAX_ARCS = 2000
"""Most closures on the plan; those with the least evidence are drawn first."""
MAX_TRACK = 10_000
"""Most positions of the track."""
MAX_PAIRS = 60
"""Most closures whose images the page holds; the gallery shows the first of them."""
SHOWN_PAIRS = 12
IMAGE_WIDTH = 400
COLOURS = {'right': RIGHT, 'wrong': WRONG, '': GREY}
NAMES = {'right': 'right', 'wrong': 'wrong', '': 'not in the ground truth'}


def closures_page(result: LoopsResult, images: LoadImage, provenance: Provenance) -> Page:
    """The page of the loop closures of a drive.

    Without a ground truth it tells nothing of right and wrong.

    Args:
        result: the closures.
        images: returns the images of a closure.
        provenance: what produced the closures.
    """
    facts = [('made by', f'fol_vpr {provenance.fol_vpr_version}, {provenance.date}')]
    if result.map:
        facts.insert(0, ('map', result.map))
    if result.truth is not None:
        criteria = result.truth.criteria
        facts.insert(
            0,
            (
                'right',
                f'within {criteria.distance:g} m and {criteria.angle:g} degrees '
                f'({result.criteria_from})',
            ),
        )
    page = Page('Loop closures', result.source, facts)
    shown = most_dubious(result, MAX_PAIRS)
    pictures = {closure.candidate_id: _pictures(result, closure, images) for closure in shown}
    _add_summary(page.section('Summary'), result)
    if result.closures:
        _add_track(page.section('Track'), result, pictures)
        _add_times(page.section('Times'), result)
        _add_gallery(page.section('Images'), result, pictures)
        _add_table(page.section('Closures'), result)
    _add_diagnosis(page.section('What became of the images'), result)
    _add_settings(page.section('Settings'), result, provenance)
    return page


def _add_summary(section: Section, result: LoopsResult) -> None:
    count = len(result.within)
    cards = [
        Card(str(len(result.stamps)), 'images', f'{result.keyframes} keyframes'),
        Card(str(count), 'closures within the drive'),
    ]
    if result.map:
        cards.append(Card(str(len(result.closures) - count), 'closures with the map'))
    report = result.report
    if report is not None:
        cards += [
            Card(str(report.right), 'right', tone='right'),
            Card(str(report.wrong), 'wrong', tone='wrong' if report.wrong else ''),
            Card(
                'none' if math.isnan(report.precision) else f'{report.precision:.1%}',
                'precision', 'right of those with ground truth',
            ),
            Card(f'{report.found} of {report.revisits}', 'revisits found',
                 f'{report.images} images'),
        ]  # fmt: skip
    section.add(Cards(cards))
    section.add(*(Text(line.strip()) for line in result.advice()))


def _add_track(section: Section, result: LoopsResult, pictures: dict[int, list[Picture]]) -> None:
    at, names = _drawn_at(result)
    figure = new_figure(*names, equal=bool(result.positions_from))
    rows = np.linspace(0, len(at) - 1, min(len(at), MAX_TRACK)).round().astype(int)
    _lines(figure, at[rows], name='drive', line={'color': GREY, 'width': 1.5})
    within = [closure for closure in most_dubious(result, len(result.closures))
              if result.is_within(closure)]  # fmt: skip
    drawn = within[:MAX_ARCS]
    how = colouring(result)
    if how.judged:
        for word, colour in COLOURS.items():
            own = [closure for closure in drawn if verdict(result, closure) == word]
            if own:
                _arcs(figure, result, at, own, pictures, f'{NAMES[word]} ({len(own)})', colour)
    elif drawn:
        values = [c.probability if how.words == 'probability' else c.inliers for c in drawn]
        scale = {
            'color': [None if math.isnan(v) else float(v) for v in values],
            'colorscale': 'Viridis', 'showscale': True, 'size': 8,
            'colorbar': {'thickness': 10, 'title': {'text': how.words, 'side': 'right'}},
        }  # fmt: skip
        _arcs(figure, result, at, drawn, pictures, f'closures ({len(drawn)})', SERIES[0], scale)
    details = {
        str(closure.candidate_id): Details(
            _title(result, closure), pictures[closure.candidate_id], _facts(result, closure)
        )
        for closure in result.closures
        if closure.candidate_id in pictures
    }
    caption = 'A line ties the image at which a closure was found to the older place.'
    if result.positions_from:
        caption += f' Positions of the {result.positions_from}.'
    if not how.judged:
        caption += f' Coloured by {how.words}.'
    if len(within) > len(drawn):
        caption += f' {len(drawn)} of {len(within)} closures are drawn, the most dubious ones.'
    caption += ' A click on a mark shows its images'
    caption += '.' if len(result.closures) <= MAX_PAIRS else ', of the most dubious ones.'
    section.add(Chart(figure, caption, 620, details, wide=True))


def _drawn_at(result: LoopsResult) -> tuple[np.ndarray, tuple[str, str]]:
    """[N, 2] where each image is drawn, and the names of the axes."""
    if result.positions_from:
        return result.positions[:, :2], ('x in metres', 'y in metres')
    seconds = (np.asarray(result.stamps) - result.stamps[0]) / 1e9
    return np.column_stack([seconds, seconds]), ('seconds of the image', 'seconds of the place')


def _ends(result: LoopsResult, at: np.ndarray, closure: LoopClosure) -> tuple[Any, Any]:
    here, there = (result.row_of[s] for s in (closure.stamp_from_ns, closure.stamp_to_ns))
    if result.positions_from:
        return at[here], at[there]
    return at[here], np.array([at[here, 0], at[there, 1]])


def _arcs(
    figure: Figure,
    result: LoopsResult,
    at: np.ndarray,
    closures: list[LoopClosure],
    pictures: dict[int, list[Picture]],
    name: str,
    colour: str,
    marker: dict[str, Any] | None = None,
) -> None:
    points: list[np.ndarray] = []
    starts = []
    for closure in closures:
        here, there = _ends(result, at, closure)
        points += [here, there, np.full(2, math.nan)]
        starts.append(here)
    line = {'color': colour, 'width': 1.5}
    _lines(figure, np.array(points), name=name, line=line, legendgroup=name, showlegend=False)
    ends = np.array(starts)
    figure.add_scatter(
        x=_rounded(ends[:, 0]), y=_rounded(ends[:, 1]), mode='markers', name=name,
        legendgroup=name, marker=marker or {'color': colour, 'size': 8}, hoverinfo='text',
        text=[f'{_title(result, c)}<br>{evidence_in_words(c)}' for c in closures],
        customdata=[str(c.candidate_id) if c.candidate_id in pictures else '' for c in closures],
    )  # fmt: skip


def _lines(figure: Figure, at: np.ndarray, **values: Any) -> None:
    figure.add_scatter(
        x=_rounded(at[:, 0]), y=_rounded(at[:, 1]), mode='lines', hoverinfo='skip', **values
    )


def _rounded(values: np.ndarray) -> list[float | None]:
    return [round(float(value), 3) if math.isfinite(value) else None for value in values]


def _add_times(section: Section, result: LoopsResult) -> None:
    duration = result.stamps[-1] - result.stamps[0]
    unit, unit_ns = ('seconds', 1e9) if duration < _SHORT_NS else ('minutes', 60e9)
    times = {
        closure.candidate_id: (closure.stamp_from_ns - result.stamps[0]) / unit_ns
        for closure in result.closures
    }
    figure = new_figure(f'{unit} from the start of the drive', 'closures')
    figure.update_layout(barmode='stack')
    length = duration / unit_ns
    bins = {'start': 0, 'end': max(length, 1e-3), 'size': max(length, 1e-3) / 40}
    if result.truth is None:
        groups = [('closures', SERIES[0], list(result.closures))]
    else:
        groups = [
            (NAMES[word], colour, [c for c in result.closures if verdict(result, c) == word])
            for word, colour in COLOURS.items()
        ]
    for name, colour, own in groups:
        if own:
            figure.add_histogram(
                x=[times[c.candidate_id] for c in own], xbins=bins, name=f'{name} ({len(own)})',
                marker={'color': colour},
            )  # fmt: skip
    figure.update_yaxes(tickformat='d', rangemode='tozero')
    section.add(Chart(figure, 'When the closures were found.', 300))
    ages = [(c.stamp_from_ns - c.stamp_to_ns) / 1e9 for c in result.within]
    if ages:
        older = new_figure('seconds between image and place', 'closures', legend=False)
        older.add_histogram(x=ages, nbinsx=40, marker={'color': SERIES[0]})
        older.update_yaxes(tickformat='d', rangemode='tozero')
        section.add(Chart(older, 'How much older the place is than the image.', 300))


def _add_gallery(
    section: Section, result: LoopsResult, pictures: dict[int, list[Picture]]
) -> None:
    items = [
        GalleryItem(
            _title(result, closure), pictures[closure.candidate_id], _facts(result, closure),
            verdict(result, closure),
        )
        for closure in most_dubious(result, SHOWN_PAIRS)
    ]  # fmt: skip
    first = 'Wrong ones first, then those' if result.truth is not None else 'Those'
    explanation = f'{first} with the least evidence. {len(items)} of {len(result.closures)}.'
    section.add(Gallery('Most dubious closures', explanation, items))


def _add_table(section: Section, result: LoopsResult) -> None:
    judged = result.truth is not None
    calibrated = any(math.isfinite(closure.probability) for closure in result.closures)
    header = ['found at s', 'place of s', 'session', 'verification', 'inliers', 'matches',
              'similarity']  # fmt: skip
    header += ['probability'] if calibrated else []
    header += ['transform'] + (['right'] if judged else [])
    rows = []
    for closure in result.closures[:MAX_ROWS]:
        row: list[object] = [
            f'{_seconds(result, closure.stamp_from_ns):.2f}',
            f'{_seconds(result, closure.stamp_to_ns):.2f}' if result.is_within(closure)
            else stamp_in_words(closure.stamp_to_ns),
            'this drive' if result.is_within(closure) else closure.session_to,
            closure.verification.name, closure.inliers, closure.matches,
            f'{closure.similarity:.3f}',
        ]  # fmt: skip
        if calibrated:
            row.append('' if math.isnan(closure.probability) else f'{closure.probability:.3f}')
        relative = closure.relative
        row.append('' if relative is None else 'metres' if relative.metric else 'direction')
        if judged:
            row.append(verdict(result, closure))
        rows.append(row)
    left = {2, 3, len(header) - 1} | ({len(header) - 2} if judged else set())
    count = len(result.closures)
    caption = f'The first {MAX_ROWS} of {count}.' if count > MAX_ROWS else ''
    section.add(Table(header, rows, caption, left=left, sortable=True))


def _add_diagnosis(section: Section, result: LoopsResult) -> None:
    section.intro = (
        'What became of the search for an older place of the drive with each image, and the '
        'parameters that decide it.'
    )
    rows = [
        [
            outcome.words,
            count,
            ', '.join(f'{name} = {value}' for name, value in values.items()),
        ]
        for outcome, count, values in result.outcomes()
    ]
    section.add(Table(['outcome', 'images', 'parameters'], rows, left=(0, 2)))


def _add_settings(section: Section, result: LoopsResult, provenance: Provenance) -> None:
    rows = [
        ['version', f'fol_vpr {provenance.fol_vpr_version}'],
        ['commit', provenance.git_commit],
        ['command', provenance.command],
        ['date', provenance.date],
        ['machine', str(provenance.machine)],
    ]
    section.add(Table(['made by', ''], [row for row in rows if row[1]], left=(0, 1)))
    settings = [
        [f'{group}.{name}', str(value)]
        for group, values in result.settings().items()
        for name, value in values.items()
    ]
    section.add(Table(['setting', 'value'], settings, left=(0, 1)))


def _pictures(result: LoopsResult, closure: LoopClosure, images: LoadImage) -> list[Picture]:
    captions = ('image', 'place')
    return [
        Picture(jpeg, caption)
        for image, caption in zip(images(closure), captions, strict=True)
        if (jpeg := _jpeg(image)) is not None
    ]


def _jpeg(image: np.ndarray | None) -> bytes | None:
    """JPEG of an RGB image with at most `IMAGE_WIDTH` columns."""
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > IMAGE_WIDTH:
        size = (IMAGE_WIDTH, max(1, round(height * IMAGE_WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 78])
    return jpeg.tobytes() if encoded else None


def _seconds(result: LoopsResult, stamp_ns: int) -> float:
    return (stamp_ns - result.stamps[0]) / 1e9


def _title(result: LoopsResult, closure: LoopClosure) -> str:
    here = f'image at {_seconds(result, closure.stamp_from_ns):.1f} s'
    if result.is_within(closure):
        return f'{here}, place of {_seconds(result, closure.stamp_to_ns):.1f} s'
    return f'{here}, place of the map'


def _facts(result: LoopsResult, closure: LoopClosure) -> list[tuple[str, str]]:
    facts = [('evidence', evidence_in_words(closure))]
    if word := verdict(result, closure):
        facts.insert(0, ('ground truth', word))
    if closure.relative is not None:
        length = float(np.linalg.norm(closure.relative.translation))
        facts.append(
            ('transform', f'{length:.2f} m' if closure.relative.metric else 'a direction')
        )
    return facts
