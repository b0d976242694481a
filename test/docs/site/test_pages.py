"""The documentation as a site: built by MkDocs itself, warnings as errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCS = sorted((ROOT / 'docs').rglob('*.md'))
PAGES = [
    *DOCS,
    *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'training/README.md')),
    *sorted((ROOT / 'benchmarks' / 'results').glob('*.md')),
    *sorted((ROOT / 'examples').rglob('README.md')),
]
# What makes a browser ask for a file while it opens a page.
LOADS = {'src', 'srcset', 'poster', 'data'}
RELATIONS = {'canonical', 'next', 'prev'}
BLOCKS = ('ul', 'ol', 'li', 'table', 'tr', 'pre', 'h1', 'h2', 'h3', 'h4', 'img')


class Elements(HTMLParser):
    """Elements of the article of a page by name, and what the whole page loads."""

    def __init__(self, text: str):
        super().__init__()
        self.names: list[str] = []
        self.loads: list[str] = []
        self._depth = 0 if '<article' in text else 1
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = {name: value or '' for name, value in attrs}
        self._depth += tag == 'article'
        if self._depth:
            self.names.append(tag)
        self.loads += [values[name] for name in LOADS & set(values)]
        if tag == 'link' and values.get('rel') not in RELATIONS:
            self.loads.append(values['href'])

    def handle_endtag(self, tag):
        self._depth -= tag == 'article'


@pytest.fixture(scope='module')
def site(tmp_path_factory) -> Path:
    for name in ('mkdocs', 'material', 'mkdocstrings'):
        pytest.importorskip(name, reason=f'{name} of "The site" in requirements.txt is missing')
    folder = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(folder)],
        cwd=ROOT,
        env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_index_lists_every_page():
    """docs/README.md is the navigation of the site: add the page to one of its sections."""
    index = (ROOT / 'docs' / 'README.md').read_text(encoding='utf-8')
    listed = {(ROOT / 'docs' / name).resolve() for name in re.findall(r'\]\(([^)#]+\.md)', index)}
    missing = [str(page.relative_to(ROOT)) for page in PAGES if page not in listed]
    # The start, which has a link of another kind, and the index itself.
    assert set(missing) <= {'README.md', 'docs/README.md'}


def test_no_page_is_unfinished():
    assert len(PAGES) > 50
    left = [str(page.relative_to(ROOT)) for page in PAGES if 'TODO' in page.read_text('utf-8')]
    assert left == []


def test_the_first_page_is_the_readme(site):
    text = (site / 'index.html').read_text(encoding='utf-8')
    assert 'make demo' in text and 'docs/pictures/demo.png' in text
    assert (site / 'docs' / 'pictures' / 'demo.png').is_file()


@pytest.mark.parametrize('page', PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_a_page_has_the_same_parts_as_on_github(site, page):
    """Python-Markdown wants four spaces where CommonMark takes two, and blank lines."""
    commonmark = pytest.importorskip('markdown_it')
    text = page.read_text(encoding='utf-8')
    if re.search(r'^::: ', text, re.MULTILINE):
        pytest.skip('filled from docstrings')
    expected = Elements(commonmark.MarkdownIt().enable('table').render(text)).names
    name = page.relative_to(ROOT).with_suffix('.html')
    html = site / (name.with_name('index.html') if page.stem == 'README' else name)
    found = Elements(html.read_text(encoding='utf-8')).names
    assert {tag: found.count(tag) for tag in BLOCKS} == {
        tag: expected.count(tag) for tag in BLOCKS
    }


def test_nothing_is_loaded_from_elsewhere(site):
    foreign = re.compile(r'^(\w+:)?//')
    loaded = {
        f'{page.relative_to(site)}: {address}'
        for page in site.rglob('*.html')
        for address in Elements(page.read_text(encoding='utf-8')).loads
        if foreign.match(address)
    }
    loaded |= {
        f'{style.relative_to(site)}: {address}'
        for style in site.rglob('*.css')
        for address in re.findall(r'url\(["\']?([^)"\']+)', style.read_text(encoding='utf-8'))
        if foreign.match(address)
    }
    assert loaded == set()


def test_the_search_works_without_a_server(site):
    """Browsers let no page that lies in a folder read JSON: the index is a script as well."""
    script = (site / 'search' / 'search_index.js').read_text(encoding='utf-8')
    assert script.startswith('var __index = ') and 'Recall@1' in script
    page = (site / 'docs' / 'how-to' / 'tune.html').read_text(encoding='utf-8')
    assert 'iframe-worker.js' in page


@pytest.mark.parametrize(
    ('page', 'name'),
    [
        ('recognizer', 'fol_vpr.recognizer.PlaceRecognizer.recognize'),
        ('datatypes', 'fol_vpr.datatypes.Frame'),
        ('errors', 'fol_vpr.errors.FolVprError'),
        ('config', 'fol_vpr.config.NetworkConfig'),
        ('sources', 'fol_vpr.sources.open_source'),
        ('maps', 'fol_vpr.database.MapReader'),
        ('evaluation', 'fol_vpr.evaluation.metrics.recall_at'),
        ('geometry', 'fol_vpr.geometry.verify_pair'),
    ],
)
def test_the_public_names_have_their_docstrings(site, page, name):
    """Griffe shows names of `__all__`; those in capitals are left out (docs/site/constants.py)."""
    text = (site / 'docs' / 'api' / f'{page}.html').read_text(encoding='utf-8')
    identifiers = set(re.findall(r'id="(fol_vpr\.[\w.]+)"', text))
    assert name in identifiers
    assert not [each for each in identifiers if each.rpartition('.')[2].isupper()]
