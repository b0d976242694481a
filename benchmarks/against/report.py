"""The figures of a comparison as text, Markdown and JSON, with the machine they are from."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.against.turns import Comparison, quartiles
from fol_vpr.evaluation.report import align_columns

# What decides how fast a product of matrices is, as /proc/cpuinfo names it.
FLAGS = ('amx_int8', 'amx_bf16', 'amx_tile', 'avx512_bf16', 'avx512_vnni', 'avx512f',
         'avx_vnni', 'avx2')  # fmt: skip


@dataclass
class Section:
    """Figures of one row group.

    Attributes:
        title: what was measured.
        comparisons: quantities of both builds.
        table: other figures; the first line is the header.
        notes: conditions, a sentence each.
    """

    title: str
    comparisons: list[Comparison] = field(default_factory=list)
    table: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def tables(self, before: str, after: str) -> list[list[list[str]]]:
        """Tables as rows of cells, each with its header.

        Args:
            before, after: what the builds are called.
        """
        found = []
        if self.comparisons:
            goals = any(each.goal for each in self.comparisons)
            head = ['', before, after, 'times better', *(['goal'] if goals else [])]
            found.append([head, *(_row(each, goals) for each in self.comparisons)])
        if self.table:
            found.append(self.table)
        return found

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {
            'title': self.title,
            'comparisons': [each.as_json() for each in self.comparisons],
            'table': self.table,
            'notes': self.notes,
        }


def _row(each: Comparison, goals: bool) -> list[str]:
    name = f'{each.row}, {each.unit}' + (f' ({each.remark})' if each.remark else '')
    low, high = each.spread
    ratio = f'{_number(each.times)} ({_number(low)}–{_number(high)})'
    goal = f'{each.goal:.3g}: {each.verdict}' if each.goal else ''
    return [name, _values(each.before), _values(each.after), ratio, *([goal] if goals else [])]


def _values(values: Sequence[float]) -> str:
    low, median, high = quartiles(values)
    if len(values) == 1:
        return _number(median)
    return f'{_number(median)} ({_number(low)}–{_number(high)})'


def _number(value: float) -> str:
    """Three digits, without an exponent."""
    if abs(value) >= 100:
        return f'{value:.0f}'
    return f'{value:.1f}' if abs(value) >= 10 else f'{value:.2f}'


def as_text(section: Section, before: str, after: str) -> str:
    """A section for the terminal."""
    lines = [f'== {section.title}']
    for table in section.tables(before, after):
        lines += [*align_columns(table, left=(0,)), '']
    return '\n'.join([*lines, *section.notes])


def as_markdown(section: Section, before: str, after: str) -> str:
    """A section for a page of benchmarks/results."""
    lines = [f'## {section.title}', '']
    for table in section.tables(before, after):
        head, *rows = table
        lines += [_cells(head), '|' + ' --- |' * len(head), *map(_cells, rows), '']
    return '\n'.join([*lines, *(f'{note}\n' for note in section.notes)])


def _cells(row: Sequence[str]) -> str:
    return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in row) + ' |'


def machine() -> dict[str, Any]:
    """Processor, instruction sets, cores, memory and load of this machine, and the date."""
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    values = {key.strip(): value.strip() for key, _, value in (x.partition(':') for x in lines)}
    flags = values.get('flags', '').split()
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return {
        'date': dt.datetime.now(dt.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'processor': values.get('model name', platform.processor() or platform.machine()),
        'instructions': [flag for flag in FLAGS if flag in flags],
        'cores': len(os.sched_getaffinity(0)),
        'memory_gb': memory / 1e9,
        'load': os.getloadavg()[0],
        'python': platform.python_version(),
    }


def machine_in_words(found: dict[str, Any]) -> str:
    """The machine as a sentence."""
    return (
        f'{found["date"]}: {found["processor"]}, {found["cores"]} cores, '
        f'{", ".join(found["instructions"]) or "no AVX2"}; {found["memory_gb"]:.0f} GB; '
        f'load {found["load"]:.1f} at the start (should be near 0); Python {found["python"]}.'
    )
