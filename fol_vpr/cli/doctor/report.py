"""Shows findings on the terminal, or as JSON."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from fol_vpr import __version__
from fol_vpr.checks import Finding, Severity, first_steps
from fol_vpr.checks.findings import GROUPS
from fol_vpr.cli.common.terminal import underlying
from fol_vpr.errors import escape_controls

SCHEMA = 1
"""Version of the JSON; a key that is renamed or removed makes a new one."""
_WIDEST = 100
_STYLES = {
    Severity.ERROR: 'bold red',
    Severity.WARNING: 'bold yellow',
    Severity.OK: 'green',
    Severity.SKIPPED: 'blue',
}
_SIGNS = {
    Severity.ERROR: ('✗', 'ERROR'),
    Severity.WARNING: ('!', 'WARN'),
    Severity.OK: ('✓', 'ok'),
    Severity.SKIPPED: ('–', 'skip'),
}
_COUNTED = {
    Severity.ERROR: ('error', 'errors'),
    Severity.WARNING: ('warning', 'warnings'),
    Severity.OK: ('as it should be', 'as they should be'),
    Severity.SKIPPED: ('not examined', 'not examined'),
}


def print_report(findings: Sequence[Finding], console: Console | None = None) -> None:
    """Print findings in groups, and what to do first; in colours on terminals only.

    Args:
        findings: in order of their groups.
        console: of rich; None takes standard output.
    """
    if console is None:
        # Its sequences for colours have to pass; what findings quote is escaped here.
        console = Console(file=underlying(sys.stdout), highlight=False, soft_wrap=False)
        console.width = min(console.width, _WIDEST)
    group = ''
    for finding in findings:
        if finding.group != group:
            group = finding.group
            console.print()
            console.print(Text(GROUPS[group], style='bold'))
        _print_finding(console, finding)
    console.print()
    _print_summary(console, findings)


def _print_finding(console: Console, finding: Finding) -> None:
    unicode = console.encoding.lower().startswith('utf')
    sign = _SIGNS[finding.severity][0 if unicode else 1]
    style = 'dim' if finding.severity is Severity.SKIPPED else ''
    head = Text('  ').append(f'{sign} ' if unicode else f'{sign:5} ', _STYLES[finding.severity])
    _print_hanging(console, head, [(finding.seen, style)])
    for label, content in (('why', finding.why), ('do', finding.remedy)):
        if content:
            _print_hanging(console, Text(f'    {label:3} ', style='dim'), [(content, '')])
    if finding.command:
        _print_command(console, finding.command, 8)


def _print_hanging(console: Console, head: Text, parts: Sequence[tuple[str, str]]) -> None:
    """Print paragraphs of (words, style) behind a head, with their further lines below them."""
    width = max(20, console.width - head.cell_len)
    for words, style in parts:
        text = Text(escape_controls(words, keep=''), style=style)
        for line in text.wrap(console, width):
            line.rstrip()
            console.print(Text.assemble(head, line), soft_wrap=True)
            head = Text(' ' * head.cell_len)


def _print_command(console: Console, command: str, indent: int) -> None:
    """Print a command as one line, which can be copied whole however long it is."""
    line = Text(' ' * indent + '$ ', style='dim')
    line.append(escape_controls(command, keep=''), style='cyan not dim')
    console.print(line, soft_wrap=True)


def _print_summary(console: Console, findings: Sequence[Finding]) -> None:
    counts = Counter(finding.severity for finding in findings)
    summary = Text()
    for severity, (one, many) in _COUNTED.items():
        if counts[severity]:
            summary.append(', ' if summary else '')
            words = f'{counts[severity]} {one if counts[severity] == 1 else many}'
            summary.append(words, style=_STYLES[severity])
    console.print(summary)
    steps = first_steps(findings)
    if not steps:
        console.print(Text('Nothing to mend.', style='bold'))
        return
    console.print()
    console.print(Text('What to do first', style='bold'))
    for number, finding in enumerate(steps, start=1):
        parts = [(finding.seen, _STYLES[finding.severity])]
        if finding.remedy:
            parts.append((_sentence(finding.remedy), ''))
        _print_hanging(console, Text(f'  {number}. '), parts)
        if finding.command:
            _print_command(console, finding.command, 5)


def _sentence(words: str) -> str:
    """Words as a sentence; names of frames and files at the start stay as they are."""
    begin = words[:1].upper() if words.partition(' ')[0].isalpha() else words[:1]
    return begin + words[1:] + ('' if words.endswith(('.', '?', ')')) else '.')


def document(findings: Sequence[Finding], facts: Any, code: int) -> dict[str, Any]:
    """Findings and facts, to be written as JSON.

    Args:
        findings: of all groups.
        facts: dataclasses; keys below `facts` may change between versions.
        code: the exit code.
    """
    counts = Counter(finding.severity.value for finding in findings)
    return {
        'schema': SCHEMA,
        'version': __version__,
        'exit_code': code,
        'counts': {severity.value: counts[severity.value] for severity in Severity},
        'first': [finding.key for finding in first_steps(findings)],
        'findings': [
            {
                'key': finding.key,
                'group': finding.group,
                'severity': finding.severity.value,
                'seen': finding.seen,
                'why': finding.why,
                'remedy': finding.remedy,
                'command': finding.command,
            }
            for finding in findings
        ],
        'facts': facts,
    }
