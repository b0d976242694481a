"""The section of a report that says how long answers took, and what got none."""

from __future__ import annotations

from fol_vpr.evaluation.metrics import percentiles
from fol_vpr.evaluation.results import Result
from fol_vpr.reporting.evaluation.figures import TIMED, latency_figure, stages_figure
from fol_vpr.reporting.page import Chart, Note, Section, Table

_HEIGHT = 420
_LIVE = {
    'processing': 'processing one image',
    'waiting': 'waiting for earlier images',
    'total': 'both together',
}


def add_timing(section: Section, result: Result) -> None:
    """Percentiles of each stage, the time over the queries, and drops."""
    evaluation = result.evaluation
    is_live = bool(evaluation.conditions.recording)
    section.intro = (
        'Times of the live node, from the stamp of an image to its answer: the work on the image, '
        'and the time that it waited for others.'
        if is_live
        else 'Times of single images one after the other, from the encoded image to the answer; '
        'nothing waits. The machine is named at the end of the page.'
    )
    if evaluation.unanswered:
        why = 'dropped, or lost on the way' if is_live else 'cannot be read'
        section.add(
            Note(f'{evaluation.unanswered} of {evaluation.queries} queries got no answer: {why}.')
        )
    if evaluation.unmatched:
        section.add(Note(f'{evaluation.unmatched} recorded answers belong to no query.'))
    found = percentiles(answer.timings for answer in evaluation.answers)
    if not found:
        return
    names = {stage: _LIVE.get(stage, stage) if is_live else stage for stage in found}
    if is_live and 'waiting' not in found:
        names['total'] = 'processing and waiting'
    rows = [
        [names[stage], *(f'{values[p] * 1000:.1f}' for p in ('p50', 'p95', 'p99', 'mean'))]
        for stage, values in found.items()
    ]
    bars = [
        (names[stage], [values[p] * 1000 for p in ('p50', 'p95', 'p99')])
        for stage, values in found.items()
    ]
    total = found['total']['mean'] if 'total' in found else 0
    drawn = {s: name for s, name in names.items() if found[s]['mean'] >= total / 100}
    words = 'The time of each stage, query by query.'
    if len(drawn) < len(names):
        words += ' Stages below a hundredth of the whole are left out.'
    if evaluation.queries > TIMED:
        words += f' Each point is the median of {-(-evaluation.queries // TIMED)} queries.'
    section.add(
        Table(
            ['milliseconds', '50 %', '95 %', '99 %', 'mean'],
            rows,
            'The time that so many percent of the queries took at most.',
        ),
        Chart(stages_figure(bars), 'The same as bars.', _HEIGHT),
        Chart(latency_figure(evaluation.answers, drawn, evaluation.queries), words, _HEIGHT),
    )
