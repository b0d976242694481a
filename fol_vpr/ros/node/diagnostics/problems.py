"""What the diagnostics find, and what of it goes to the log: once at its begin and at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus

from fol_vpr.errors import escape_controls

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

# Seconds that a problem has to last before the log names it: what passes sooner is no news.
BEGIN = 3.0
# Seconds without a problem after which it counts as over: what comes and goes is one problem.
END = 10.0
# Parts that say nothing while the node does not listen to images.
OF_IMAGES = ('images', 'stamps', 'recognition')


@dataclass(frozen=True)
class Problem:
    """Something that should be mended.

    Attributes:
        level: WARN or ERROR.
        kind: name in a few words; the same as long as the problem lasts, whatever its numbers.
        message: what is wrong, with numbers, and what to do.
        reason: the log names the problem again where this changes.
        patience: seconds that it has to last before the log names it.
        is_logged: whether the log has it from elsewhere; then the log only gets its end.
    """

    level: bytes
    kind: str
    message: str
    reason: str = ''
    patience: float = BEGIN
    is_logged: bool = False


class Part(NamedTuple):
    """One status.

    Attributes:
        problems: the gravest first.
        message: what it says where there are none.
        values: by name.
    """

    problems: Sequence[Problem]
    message: str
    values: Mapping[str, object]


class LogLine(NamedTuple):
    """What goes to the log: WARN and ERROR at the begin of a problem, OK at its end."""

    level: bytes
    text: str


@dataclass
class _Lasting:
    """A problem since it was seen first."""

    problem: Problem
    begin: float
    last: float
    announced: bool = False


class ProblemLog:
    """Decides what the log says of problems."""

    def __init__(self) -> None:
        self._lasting: dict[tuple[str, str], _Lasting] = {}

    def update(self, parts: Mapping[str, Part], listening: bool, now: float) -> list[LogLine]:
        """What is to be logged now.

        Args:
            parts: the statuses by name.
            listening: whether the node listens to images.
            now: seconds of a clock that never stands still.
        """
        found = {(name, p.kind): p for name, part in parts.items() for p in part.problems}
        lines = []
        for key, problem in found.items():
            line = self._seen(key, problem, now)
            if line is not None:
                lines.append(line)
        for key in self._lasting.keys() - found.keys():
            lasting = self._lasting[key]
            if key[0] in OF_IMAGES and not listening:
                # Not mended, only not looked for.
                del self._lasting[key]
            elif now - lasting.last >= END:
                del self._lasting[key]
                if lasting.announced:
                    lines.append(LogLine(OK, _end(key, lasting)))
        return lines

    def _seen(self, key: tuple[str, str], problem: Problem, now: float) -> LogLine | None:
        lasting = self._lasting.setdefault(key, _Lasting(problem, now, now))
        changed = problem.reason != lasting.problem.reason
        lasting.problem, lasting.last = problem, now
        if lasting.announced and not changed:
            return None
        if not lasting.announced and now - lasting.begin < problem.patience:
            return None
        lasting.announced = True
        if problem.is_logged:
            return None
        return LogLine(problem.level, f'{key[0]}: {escape_controls(problem.message)}')


def _end(key: tuple[str, str], lasting: _Lasting) -> str:
    seconds = lasting.last - lasting.begin
    return f'{key[0]}: over after {seconds:.0f} s: {lasting.problem.kind}'
