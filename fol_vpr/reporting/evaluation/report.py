"""The page of a result: what came out, why, how fast, and what produced it."""

from __future__ import annotations

from collections.abc import Sequence

from fol_vpr.evaluation.report import UNTRAINED, Evaluation
from fol_vpr.evaluation.results import Result
from fol_vpr.evaluation.results.curves import precision_recall_curves
from fol_vpr.reporting.evaluation.figures import order_figure, trajectory_figure
from fol_vpr.reporting.evaluation.frames import (
    QUERIES,
    FrameImages,
    frame_details,
    shown_queries,
)
from fol_vpr.reporting.evaluation.origin import add_origin
from fol_vpr.reporting.evaluation.quality import (
    add_calibration,
    add_decisions,
    add_recall,
    add_similarity,
    percent,
)
from fol_vpr.reporting.evaluation.timing import add_timing
from fol_vpr.reporting.page import Card, Cards, Chart, Gallery, Note, Page, Section


def evaluation_page(
    result: Result, images: FrameImages | None = None, galleries: Sequence[Gallery] = ()
) -> Page:
    """The report of an evaluation.

    What is not known is not shown: without ground truth there is no recall, and nothing is called
    right or wrong.

    Args:
        result: of the evaluation.
        images: where the images of queries and references come from; None shows none.
        galleries: pictures of single answers.
    """
    evaluation = result.evaluation
    c, provenance = evaluation.conditions, result.provenance
    page = Page(
        'Evaluation of place recognition',
        f'{c.source}, answered from {c.map}',
        [
            fact
            for fact in (
                ('Right is', c.ground_truth if evaluation.is_judged else ''),
                ('Weights', c.weights),
                ('Device', f'{c.device} {c.precision}'.strip()),
                ('Recorded in', c.recording),
                ('fol_vpr', provenance.fol_vpr_version),
                ('Date', provenance.date.replace('T', ' ').replace('+00:00', ' UTC')),
            )
            if fact[1]
        ],
    )
    _add_overview(page.section('Overview'), result)
    _add_trajectory(page.section('Trajectory'), result, images)
    if evaluation.is_judged:
        add_recall(page.section('Recall'), result)
    add_decisions(page.section('Decisions'), result)
    if evaluation.is_judged:
        add_calibration(page.section('Calibration'), result)
    add_timing(page.section('Time'), result)
    add_similarity(page.section('Similarity'), result)
    if galleries:
        section = page.section('Answers in pictures')
        section.add(*[gallery for gallery in galleries if gallery.items])
    add_origin(page.section('Origin'), result)
    return page


def _add_overview(section: Section, result: Result) -> None:
    evaluation = result.evaluation
    if not evaluation.conditions.trained:
        section.add(Note(UNTRAINED))
    section.add(*[Note(warning) for warning in evaluation.conditions.warnings])
    cards = []
    if evaluation.is_judged:
        for k, share in evaluation.recall_reranked().items():
            if share is not None and share.total:
                low, high = share.interval()
                detail = f'95 % interval {100 * low:.1f} to {100 * high:.1f}'
                cards.append(Card(percent(share.value), f'Recall@{k}', detail))
        curves = precision_recall_curves(evaluation)
        if curves:
            best = max(curves, key=lambda curve: curve.recall_at_full_precision)
            cards.append(
                Card(
                    percent(best.recall_at_full_precision),
                    'Recall at 100 % precision',
                    f'by {best.name}',
                )
            )
    cards += _state_cards(evaluation)
    of = f'of {evaluation.conditions.references} references'
    cards.append(Card(f'{evaluation.queries}', 'Queries', f'{of}; {_answered(evaluation)}'))
    section.add(Cards(cards))


def _state_cards(evaluation: Evaluation) -> list[Card]:
    counts, states = evaluation.decisions(), evaluation.states()
    if counts is None:
        return []
    if not evaluation.is_judged:
        return [Card(f'{number}', name) for name, number in states.items() if number]
    undecided = counts.unknown + counts.ambiguous
    cards = [
        Card(f'{counts.localized_right}', 'LOCALIZED, right', '', 'right'),
        Card(f'{counts.localized_wrong}', 'LOCALIZED, wrong', '', 'wrong'),
    ]
    if states['NOT_IN_MAP']:
        cards += [
            Card(f'{counts.not_in_map_right}', 'NOT_IN_MAP, right', '', 'right'),
            Card(f'{counts.not_in_map_wrong}', 'NOT_IN_MAP, wrong', '', 'wrong'),
        ]
    return [*cards, Card(f'{undecided}', 'undecided', 'UNKNOWN or AMBIGUOUS', 'undecided')]


def _answered(evaluation: Evaluation) -> str:
    if not evaluation.unanswered:
        return 'all answered'
    return f'{evaluation.unanswered} not answered; they count as misses'


def _add_trajectory(section: Section, result: Result, images: FrameImages | None) -> None:
    evaluation = result.evaluation
    figure, height = trajectory_figure(evaluation), 560
    words = 'Each mark is a query at its position, in the colour of what came out.'
    if figure is None:
        figure, height = order_figure(evaluation), 440
        words = 'Each mark is a query, over the number of its first reference.'
    if images is None:
        details = {}
    else:
        details = frame_details(result, images)
        words += f' A click on a mark shows its frames. {_left_out(result)}'
    words += ' A click on a name in the legend hides its marks; the mouse wheel zooms.'
    section.add(Chart(figure, words.strip(), height, details, wide=True))


def _left_out(result: Result) -> str:
    shown, missing = shown_queries(result)
    if len(shown) == result.evaluation.queries:
        return 'The page holds the frames of every query.'
    words = (
        f'To keep the page small, it holds the frames of {len(shown)} of '
        f'{result.evaluation.queries} queries, {QUERIES} of them evenly over the drive'
    )
    if not result.evaluation.is_judged:
        return f'{words}.'
    return f'{words}, and mistakes, ' + (
        f'of which {missing} are left out.' if missing else 'all of them.'
    )
