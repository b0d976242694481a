"""What the documentation tells people to type, parsed by the program itself, and its links."""

from __future__ import annotations

import ast
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fol_vpr.cli import main
from fol_vpr.cli.main import _parse
from fol_vpr.reporting.loops import COLUMNS
from fol_vpr.ros.node.parameters.settings import Settings, parameters
from fol_vpr.sources.tables import ALIASES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ('docs', 'examples', 'benchmarks', 'training', 'fol_vpr')
PAGES = [
    *sorted(ROOT.glob('*.md')),
    *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob('*.md'))),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PARAMETERS = {name for name, _, _ in parameters(Settings())}
BLOCK = re.compile(r'^ *```\w*\n(.*?)^ *```', re.DOTALL | re.MULTILINE)
LINK = re.compile(r'\]\(([^)\s]+)\)')


def lines_of_blocks(page: str) -> Iterator[str]:
    """Lines of fenced blocks, continued lines joined."""
    for block in BLOCK.findall(page):
        for line in block.replace('\\\n', ' ').splitlines():
            yield line.strip().removesuffix('&')


def commands(page: str) -> Iterator[str]:
    """Commands of `fol_vpr` in blocks and in the running text; verbs alone with --help."""
    for line in lines_of_blocks(page):
        if line.startswith('fol_vpr '):
            yield line
    for span in re.findall(r'`(fol_vpr [^`]+)`', BLOCK.sub('', page)):
        yield ' '.join(span.split()) + ('' if ' --' in span else ' --help')


def modules(page: str) -> set[str]:
    """Modules of this repository that a page starts with `python -m`."""
    named = set(re.findall(r'python3? -m ([\w.]+)', page))
    return {name for name in named if (ROOT / name.split('.')[0]).is_dir()}


def anchors(page: str) -> set[str]:
    """Anchors of the headings of a page, made as GitHub makes them."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in re.findall(r'^#+ +(.+?) *$', BLOCK.sub('', page), re.MULTILINE):
        text = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).lower()
        slug = re.sub(r'[^\w\- ]', '', text).replace(' ', '-')
        found.add(f'{slug}-{seen[slug]}' if seen[slug] else slug)
        seen[slug] += 1
    return found


DOCUMENTED = [
    pytest.param(command, id=f'{name}: {command[:60]}')
    for name, page in zip(NAMES, PAGES, strict=True)
    for command in commands(page.read_text(encoding='utf-8'))
]


def test_there_are_commands():
    assert len(DOCUMENTED) >= 40


@pytest.mark.parametrize('command', DOCUMENTED)
def test_a_documented_command_is_understood(command):
    words = shlex.split(command, comments=True)[1:]
    code = 0
    try:
        _parse(words)
    except SystemExit as end:
        code = end.code
    assert code == 0, command


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    text = re.sub(r'`[^`\n]*`', '', BLOCK.sub('', page.read_text(encoding='utf-8')))
    broken = []
    for target in LINK.findall(text):
        if '://' in target or target.startswith('mailto:'):
            continue
        path, _, anchor = target.partition('#')
        other = (page.parent / path).resolve() if path else page
        if (
            not other.exists()
            or not other.is_relative_to(ROOT)
            or (anchor and anchor not in anchors(other.read_text(encoding='utf-8')))
        ):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_modules_that_are_started_exist(page):
    for name in modules(page.read_text(encoding='utf-8')):
        path = ROOT / name.replace('.', '/')
        assert path.with_suffix('.py').is_file() or (path / '__main__.py').is_file(), name


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_benchmarks_that_are_started_exist(page):
    tree = ast.parse((ROOT / 'benchmarks' / '__main__.py').read_text(encoding='utf-8'))
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'BENCHMARKS'
    )
    text = page.read_text(encoding='utf-8')
    assert set(re.findall(r'python -m benchmarks (\w+)', text)) <= set(names)


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_paths_in_the_text_exist(page):
    """Files of the repository that are named in backticks, such as `training/town`."""
    parts = '|'.join([*FOLDERS, 'test', 'config', 'launch', 'underlay', 'fol_vpr_msgs'])
    for name in re.findall(rf'`((?:{parts})/[\w./-]+)`', page.read_text(encoding='utf-8')):
        # Paths in a page of a folder may be relative to it.
        assert (ROOT / name).exists() or (page.parent / name).exists(), name


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_parameters_in_yaml_and_commands_exist(page):
    text = page.read_text(encoding='utf-8')
    groups = {name.partition('.')[0] for name in PARAMETERS if '.' in name}
    named = set(re.findall(rf'\b((?:{"|".join(groups)})\.[a-z][a-z_]*)(?= ?:|`)', text))
    assert {name for name in named if not name.endswith('.md')} <= PARAMETERS


def test_every_page_can_be_reached_from_the_readme():
    reached: set[Path] = set()
    waiting = [ROOT / 'README.md']
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in LINK.findall(page.read_text(encoding='utf-8')):
            path = (page.parent / target.partition('#')[0]).resolve()
            if path.suffix == '.md' and path.is_file():
                waiting.append(path)
    assert set(PAGES) <= reached


def test_every_verb_is_documented():
    page = (ROOT / 'docs' / 'reference' / 'command_line.md').read_text(encoding='utf-8')
    assert set(main.VERBS) == set(re.findall(r'^\| `fol_vpr (\w+)', page, re.MULTILINE))


def test_all_exit_codes_are_documented():
    page = (ROOT / 'docs' / 'reference' / 'exit_codes.md').read_text(encoding='utf-8')
    section = page.partition('## `fol_vpr`')[2].partition('\n## ')[0]
    codes = {int(code) for code in re.findall(r'^\| (\d+) \|', section, re.MULTILINE)}
    assert codes == {main.OK, 1, main.USER_ERROR, main.INTERRUPTED, main.TERMINATED}


def test_all_columns_of_loop_closures_are_documented():
    page = (ROOT / 'docs' / 'reference' / 'file_formats.md').read_text(encoding='utf-8')
    section = page.partition('## Loop closures')[2].partition('\n## ')[0]
    named = set(re.findall(r'`(\w+)`', section))
    # The transform is documented as `x` ... `qw`.
    assert set(COLUMNS) - {'y', 'z', 'qx', 'qy', 'qz'} <= named


def test_all_columns_of_positions_are_documented():
    page = (ROOT / 'docs' / 'reference' / 'file_formats.md').read_text(encoding='utf-8')
    rows = ' '.join(line for line in page.splitlines() if line.startswith('| `'))
    known = set(re.findall(r'\w+', rows))
    assert {alias for aliases in ALIASES.values() for alias in aliases} <= known
