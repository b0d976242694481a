"""What the running nodes say of themselves."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok, skipped
from fol_vpr.checks.topics.facts import GraphFacts, LocalizerFacts

_LEVELS = {'error': Severity.ERROR, 'warning': Severity.WARNING}


def examine_localizers(facts: GraphFacts) -> Iterator[Finding]:
    """Findings on nodes `localizer`: their state, and their diagnostics."""
    if not facts.localizers:
        yield skipped('node.none', 'no localizer runs; the settings that it would have are taken')
    names = [each.name for each in facts.localizers]
    others = sorted(set(names) - {facts.examined})
    if facts.examined and others:
        yield skipped(
            'node.several',
            f'{facts.examined} is examined, and not {", ".join(others)}',
            'name another one',
            f'fol_vpr doctor --node {others[0]}',
        )
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield Finding(
                'node.twice', Severity.ERROR, f'{names.count(name)} nodes are called {name}',
                'services answer for one or the other, and both publish on the same topics',
                'end one, or give it another name or namespace', 'ros2 node list',
            )  # fmt: skip
    for node in {each.name: each for each in facts.localizers}.values():
        yield _state(node)
        for level, part, message in node.statuses:
            if level in _LEVELS:
                yield Finding(
                    'node.diagnostics', _LEVELS[level], f'{node.name}: {part}: {message}',
                    'the node reports it on /diagnostics',
                )  # fmt: skip


def _state(node: LocalizerFacts) -> Finding:
    if not node.state:
        return Finding(
            'node.unanswered', Severity.WARNING, f'{node.name} does not answer: {node.problem}',
            'its state and its settings are not known here',
            'it may be loading a map; ask again, and look at its log',
            f'ros2 lifecycle get {node.name}',
        )  # fmt: skip
    if node.state in ('unconfigured', 'inactive'):
        step = 'configure' if node.state == 'unconfigured' else 'activate'
        return Finding(
            'node.state', Severity.WARNING, f'{node.name} is {node.state}',
            'it answers no image before it is active',
            f'{step} it, or start it with autostart:=true; if it should be active, its log says '
            'why it is not',
            f'ros2 lifecycle set {node.name} {step}',
        )  # fmt: skip
    if node.state != 'active':
        return Finding(
            'node.state', Severity.WARNING, f'{node.name} is {node.state}',
            'it answers no image before it is active', 'wait, and ask again',
        )  # fmt: skip
    return ok('node.state', f'{node.name} is active')
