"""What the documentation tells people to type, parsed by the program itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from fol_vpr.cli.main import _parse
from fol_vpr.sources.positions import _ALIASES

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def commands(page: str) -> Iterator[str]:
    """Commands of `fol_vpr` in blocks and in the running text; verbs alone with --help."""
    blocks = re.findall(r'^```\w*\n(.*?)^```', page, re.DOTALL | re.MULTILINE)
    for block in blocks:
        for line in block.replace('\\\n', ' ').splitlines():
            if line.startswith('fol_vpr '):
                yield line
    text = re.sub(r'^```.*?^```', '', page, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r'`(fol_vpr [^`]+)`', text):
        yield ' '.join(span.split()) + ('' if ' --' in span else ' --help')


DOCUMENTED = [
    pytest.param(command, id=f'{page.name}: {command[:60]}')
    for page in PAGES
    for command in commands(page.read_text(encoding='utf-8'))
]


def test_there_are_commands():
    assert len(DOCUMENTED) >= 20


@pytest.mark.parametrize('command', DOCUMENTED)
def test_a_documented_command_is_understood(command):
    words = shlex.split(command, comments=True)[1:]
    code = 0
    try:
        _parse(words)
    except SystemExit as end:
        code = end.code
    assert code == 0, command


def test_all_columns_of_positions_are_documented():
    page = (ROOT / 'docs' / 'data.md').read_text(encoding='utf-8')
    rows = ' '.join(line for line in page.splitlines() if line.startswith('| `'))
    known = set(re.findall(r'\w+', rows))
    assert {alias for aliases in _ALIASES.values() for alias in aliases} <= known
