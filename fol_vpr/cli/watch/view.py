"""The view of `fol_vpr watch` as lines that fit a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from fol_vpr.cli.watch.lines import clock_time, probability, rate
from fol_vpr.monitoring import Happening, Latency, Level, NodeReport, Presence, Status

STATE_STYLES = {
    'LOCALIZED': 'bold green',
    'AMBIGUOUS': 'bold dark_orange',
    'NOT_IN_MAP': 'bold bright_blue',
    'UNKNOWN': 'bold yellow',
}
_LEVEL_STYLES = {
    Level.OK: 'green',
    Level.WARN: 'bold yellow',
    Level.ERROR: 'bold red',
    Level.STALE: 'bold magenta',
}
_LABEL = 11
_ROW_LINES = 4
"""A node that would have fewer lines than these is shown in a row of a table."""
_HAPPENINGS = 6


@dataclass(frozen=True)
class Glyphs:
    """Characters that draw the view.

    Attributes:
        rule: of the lines between nodes.
        states: of the history of answers, by state.
        other: of any other state.
        full, empty: of the bar of a probability.
        cut: where a line is cut off.
    """

    rule: str
    states: dict[str, str]
    other: str
    full: str
    empty: str
    cut: str


UNICODE = Glyphs(
    '─',
    {'LOCALIZED': '█', 'AMBIGUOUS': '▓', 'UNKNOWN': '░', 'NOT_IN_MAP': '▁'},
    '?',
    '█',
    '░',
    '…',
)
ASCII = Glyphs(
    '-',
    {'LOCALIZED': '#', 'AMBIGUOUS': '+', 'UNKNOWN': '.', 'NOT_IN_MAP': '_'},
    '?',
    '#',
    '.',
    '~',
)


@dataclass(frozen=True)
class _Line:
    """A line of the view; those of the lowest weight are left out where there is no room."""

    text: Text
    weight: int


def screen(
    reports: Sequence[NodeReport],
    happenings: Sequence[Happening],
    *,
    now: float,
    width: int,
    height: int,
    hint: str = '',
    glyphs: Glyphs = UNICODE,
) -> list[Text]:
    """The whole view, of at most `height` lines of at most `width` columns.

    Args:
        reports: about the nodes.
        happenings: what happened to them, the newest last.
        now: the moment that is shown.
        width: of the terminal in columns.
        height: of the terminal in lines.
        hint: what is shown while there is no node.
        glyphs: that the terminal can show.
    """
    many = f'{len(reports)} node{"" if len(reports) == 1 else "s"}'
    lines = [_between('fol_vpr watch', f'{many}  {clock_time(now)}  Ctrl-C ends', width, 'dim')]
    room = height - 1
    if not reports:
        lines += [Text(part) for part in textwrap.wrap(hint, width)]
        return [_cut(line, width, glyphs) for line in lines[:height]]
    news = min(len(happenings), _HAPPENINGS)
    reserved = min(news + 1, max(2, room // 6)) if news else 0
    budget = (room - reserved) // len(reports)
    if budget < _ROW_LINES:
        lines += _rows(reports, room - reserved, width, glyphs)
    else:
        for report in reports:
            lines += _fitting(list(_block(report, width, glyphs)), budget)
    left = height - len(lines)
    if news and left >= 2:
        lines.append(_rule('events', '', width, glyphs))
        for each in happenings[-min(news, left - 1) :]:
            lines.append(
                Text.assemble(
                    (clock_time(each.moment), 'dim'), ' ', (each.node, 'cyan'), f' {each.text}'
                )
            )
    return [_cut(line, width, glyphs) for line in lines[:height]]


def _fitting(lines: list[_Line], budget: int) -> list[Text]:
    kept = sorted(range(len(lines)), key=lambda number: (-lines[number].weight, number))[:budget]
    return [lines[number].text for number in sorted(kept)]


def _block(report: NodeReport, width: int, glyphs: Glyphs) -> Iterator[_Line]:
    """The lines about one node."""
    standing = report.lifecycle if report.presence == Presence.RUNNING else report.presence.value
    level = report.level.name
    yield _Line(
        _rule(report.name, f'{standing} {glyphs.rule} {level}', width, glyphs, report.level), 100
    )
    yield from _presence(report)
    yield from _answer(report, width, glyphs)
    yield _Line(_labelled('images', _images(report)), 80)
    if report.processing is not None and report.waiting is not None:
        yield _Line(
            _labelled(
                'latency',
                f'processing {_latency(report.processing)}   waiting {_latency(report.waiting)}',
            ),
            75,
        )
    if report.loaded_map is not None:
        loaded = report.loaded_map
        calibrated = 'calibrated' if loaded.calibrated else 'not calibrated'
        sessions = 'session' if loaded.sessions == 1 else 'sessions'
        text = f'{loaded.name}: {loaded.places} places, {loaded.sessions} {sessions}, {calibrated}'
        yield _Line(_labelled('map', text if loaded.name else 'none'), 40)
    if report.history:
        yield _Line(_history(report.history, width, glyphs), 45)
    yield from _closures(report)
    yield from _diagnostics(report, width)


def _presence(report: NodeReport) -> Iterator[_Line]:
    if report.presence == Presence.RUNNING:
        return
    since = '' if report.silent_for is None else f', last heard {_age(report.silent_for)} ago'
    text = {
        Presence.GONE: 'not on the network any more',
        Presence.SILENT: 'listed, but sends nothing: it hangs, was killed, or cannot be reached',
    }[report.presence]
    yield _Line(_labelled(report.presence.value, f'{text}{since}', 'bold magenta'), 99)


def _answer(report: NodeReport, width: int, glyphs: Glyphs) -> Iterator[_Line]:
    answer = report.answer
    if answer is None:
        yield _Line(_labelled('state', 'no answer yet'), 98)
        return
    assert report.state_age is not None and report.answer_age is not None
    style = STATE_STYLES.get(answer.state, 'bold')
    text = Text.assemble((answer.state.ljust(_LABEL), style), 'probability ')
    text.append(probability(answer.probability), style)
    if answer.probability is not None:
        full = round(12 * answer.probability)
        text.append(f' {glyphs.full * full}', style)
        text.append(glyphs.empty * (12 - full), 'dim')
    text.append(f'  for {_age(report.state_age)}')
    if report.answer_age > 1.5:
        text.append(f', the last answer {_age(report.answer_age)} ago', 'magenta')
    yield _Line(text, 98)
    if answer.reason:
        for number, part in enumerate(_wrapped('reason', answer.reason, width)):
            yield _Line(part, 95 if number == 0 else 70)
    if answer.remedy:
        for number, part in enumerate(_wrapped('remedy', answer.remedy, width)):
            yield _Line(part, 85 if number == 0 else 65)
    if answer.place_id:
        place = f'{answer.place_id}  session {answer.session_id}'
        if answer.similarity is not None:
            place += f'  similarity {answer.similarity:.2f}'
        yield _Line(_labelled('place', f'{place}  inliers {answer.inliers}'), 90)


def _images(report: NodeReport) -> Text:
    text = Text(f'in {rate(report.received_rate)}  answered {rate(report.answered_rate)}')
    counts = report.counts
    if counts is None:
        return text
    share = counts.dropped_share
    text.append(f'  dropped {"-" if share is None else f"{share:.0%}"}', 'yellow' if share else '')
    text.append(f'  bad {counts.bad}', 'yellow' if counts.bad else '')
    text.append(f'  lost {counts.lost}', 'yellow' if counts.lost else '')
    text.append(f'  waiting {counts.waiting}')
    return text


def _latency(latency: Latency) -> str:
    return f'{latency.median * 1e3:.0f} ms, p95 {latency.high * 1e3:.0f} ms'


def _history(history: Sequence[str], width: int, glyphs: Glyphs) -> Text:
    shown = history[-max(1, width - _LABEL - 18) :]
    text = Text().append('history'.ljust(_LABEL), 'dim')
    for state in shown:
        style = STATE_STYLES.get(state, '').removeprefix('bold ')
        text.append(glyphs.states.get(state, glyphs.other), style)
    share = sum(state == 'LOCALIZED' for state in shown) / len(shown)
    text.append(f' {share:.0%} LOCALIZED', 'dim')
    return text


def _closures(report: NodeReport) -> Iterator[_Line]:
    for number, (age, closure) in enumerate(report.closures):
        text = (
            f'{_age(age)} ago'.ljust(11) + f'{closure.session_from} to {closure.session_to}  '
            f'p {probability(closure.probability)}  {closure.verification} '
            f'{closure.inliers}/{closure.matches}'
        )
        if number == 0 and report.closures_seen > 1:
            text += f', {report.closures_seen} in all'
        label = 'closures' if number == 0 else ''
        yield _Line(_labelled(label, text), 50 if number == 0 else 30 - number)


def _diagnostics(report: NodeReport, width: int) -> Iterator[_Line]:
    for number, status in enumerate(report.complaints):
        label, style = status.level.name, _LEVEL_STYLES[status.level]
        text = f'{status.part}: {status.message}'
        for position, part in enumerate(_wrapped(label, text, width, style)):
            yield _Line(part, (92 if position == 0 else 60) - number)
    for problem in report.problems:
        for position, part in enumerate(_wrapped('WARN', problem, width, 'bold yellow')):
            yield _Line(part, 93 if position == 0 else 61)
    fine = [status.part for status in report.statuses if status.level == Level.OK]
    if fine:
        yield _Line(_labelled('OK', ', '.join(fine), 'green'), 35)


def _rows(reports: Sequence[NodeReport], room: int, width: int, glyphs: Glyphs) -> Iterator[Text]:
    """A table with a row for each node."""
    name_width = min(max(len(report.name) for report in reports), max(12, width - 58))
    head = f'{"node".ljust(name_width)}  state       prob    in/s  answ/s  drop   ms  diagnostics'
    yield Text(head, 'dim')
    shown = reports[: room - 1] if len(reports) <= room - 1 else reports[: room - 2]
    for report in shown:
        yield _row(report, name_width)
    if len(shown) < len(reports):
        yield Text(
            f'{glyphs.cut} {len(reports) - len(shown)} more: make the terminal taller, or name '
            'nodes or a namespace',
            'dim',
        )


def _row(report: NodeReport, name_width: int) -> Text:
    answer, counts = report.answer, report.counts
    state = '-' if answer is None else answer.state
    share = None if counts is None else counts.dropped_share
    ms = '-' if report.processing is None else f'{report.processing.median * 1e3:.0f}'
    name = report.name if len(report.name) <= name_width else report.name[-name_width:]
    numbers = (
        f'{"-" if answer is None else probability(answer.probability):>4}  '
        f'{_number(report.received_rate):>6}  {_number(report.answered_rate):>6}  '
        f'{"-" if share is None else f"{share:.0%}":>4}  {ms:>3}  '
    )
    complaint: Status | None = next(iter(report.complaints), None)
    text = Text.assemble(
        (name.ljust(name_width), 'cyan'),
        '  ',
        (state.ljust(10), STATE_STYLES.get(state, '')),
        f'  {numbers}',
    )
    level = report.level
    said = level.name if level != Level.STALE else report.presence.value
    text.append(said, _LEVEL_STYLES[level])
    if complaint is not None and level != Level.STALE:
        text.append(f' {complaint.part}: {complaint.message}')
    return text


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.1f}'


def _labelled(label: str, content: str | Text, style: str = 'dim') -> Text:
    text = Text().append(label.ljust(_LABEL), style)
    if len(label) >= _LABEL:
        text.append(' ')
    return text.append_text(content if isinstance(content, Text) else Text(content))


def _wrapped(label: str, content: str, width: int, style: str = 'dim') -> Iterator[Text]:
    parts = textwrap.wrap(content, max(20, width - _LABEL)) or ['']
    for number, part in enumerate(parts[:3]):
        yield _labelled(label if number == 0 else '', part, style)


def _rule(left: str, right: str, width: int, glyphs: Glyphs, level: Level | None = None) -> Text:
    style = 'dim' if level is None else _LEVEL_STYLES[level]
    text = Text.assemble((f'{glyphs.rule * 2} ', 'dim'), (f'{left} ', 'bold'))
    fill = max(0, width - text.cell_len - len(right) - (4 if right else 0))
    text.append(glyphs.rule * fill, 'dim')
    if right:
        text.append(f' {right} ', style)
        text.append(glyphs.rule * 2, 'dim')
    return text


def _between(left: str, right: str, width: int, style: str) -> Text:
    space = max(1, width - len(left) - len(right))
    return Text.assemble((left, 'bold'), ' ' * space, (right, style))


def _cut(text: Text, width: int, glyphs: Glyphs) -> Text:
    text = text.copy()
    text.no_wrap = True
    if text.cell_len > width:
        text.truncate(max(0, width - 1), overflow='crop')
        text.append(glyphs.cut)
    return text


def _age(seconds: float) -> str:
    if seconds < 60:
        return f'{seconds:.1f} s' if seconds < 10 else f'{seconds:.0f} s'
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{rest:02d} h' if hours else f'{minutes}:{rest:02d} min'
