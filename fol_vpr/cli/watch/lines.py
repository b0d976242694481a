"""What `fol_vpr watch` prints where the output is no terminal: a line for each node and moment."""

from __future__ import annotations

import time

from fol_vpr.monitoring import Happening, Level, NodeReport, Presence


def clock_time(moment: float) -> str:
    """A moment of time.monotonic() as the time of the day."""
    return time.strftime('%H:%M:%S', time.localtime(time.time() - time.monotonic() + moment))


def happening_line(happening: Happening) -> str:
    """What happened to a node."""
    return f'{clock_time(happening.moment)} {happening.node} {happening.text}'


def report_line(report: NodeReport, moment: float) -> str:
    """What a node does, with what is wrong at the end.

    Args:
        report: about the node.
        moment: of the report.
    """
    parts = [clock_time(moment), report.name]
    if report.presence != Presence.RUNNING:
        since = '' if report.silent_for is None else f', last heard {report.silent_for:.0f} s ago'
        parts.append(report.presence.value + since)
    parts += _answer(report)
    parts += [
        f'in {rate(report.received_rate)}',
        f'answered {rate(report.answered_rate)}',
    ]
    if report.counts is not None:
        share = report.counts.dropped_share
        parts.append(f'dropped {"-" if share is None else f"{share:.0%}"}')
    for name in ('processing', 'waiting'):
        latency = getattr(report, name)
        if latency is not None:
            parts.append(f'{name} {latency.median * 1e3:.0f}/{latency.high * 1e3:.0f} ms')
    parts += [f'{each.level.name} {each.part}: {each.message}' for each in report.complaints]
    parts += [f'{Level.WARN.name} {problem}' for problem in report.problems]
    return ' | '.join(parts)


def rate(value: float | None) -> str:
    """A rate in images per second; `-` while unknown."""
    return '-' if value is None else f'{value:.1f}/s'


def probability(value: float | None) -> str:
    """A probability; `-` where uncalibrated."""
    return '-' if value is None else f'{value:.2f}'


def _answer(report: NodeReport) -> list[str]:
    if report.answer is None:
        return [f'{report.lifecycle or "lifecycle state unknown"}, no answer yet']
    answer = report.answer
    parts = [f'{answer.state} p {probability(answer.probability)}']
    if answer.place_id:
        parts.append(f'place {answer.place_id}')
    if answer.reason:
        parts.append(answer.reason)
    return parts
