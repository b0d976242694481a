"""A hook of MkDocs: the pages of the repository as a site, in the order of docs/README.md.

Pages link to each other as GitHub resolves links, from the folder of their file; many of them lie
outside docs/. So that one way of writing a link serves both, the site has the folders of the
repository: docs/how-to/tune.md becomes docs/how-to/tune.html, README.md the home page.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

# Beside docs/: what its pages link to. A file that is no page is offered as it is.
OUTSIDE = (
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'benchmarks/results/*.md',
    'examples/**/README.md',
    'fol_vpr/network/shipped/*.md',
    'training/*.md',
    'training/configs/*.yaml',
)
INDEX = 'docs/README.md'
# Sections of the index that repeat what other sections list.
SHORT_WAYS = {'What do you want to do?'}
HEADING = re.compile(r'^(##|###) +(.+?) *$')
LINK = re.compile(r'\]\(([^)\s#]+\.md)(?:#[^)]*)?\)')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Give every file the path that it has in the repository, and the site its navigation."""
    docs = Path(config.docs_dir)
    root = docs.parent
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    paths = {docs / file.src_uri for file in files if file not in of_theme}
    paths |= {path for pattern in OUTSIDE for path in root.glob(pattern)}
    pages = [
        File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path))
        for path in sorted(paths)
    ]
    config.nav = navigation((root / INDEX).read_text(encoding='utf-8'), docs)
    return Files([*of_theme, *pages])


def navigation(index: str, folder: Path) -> list[dict[str, object] | str]:
    """What the site lists, as MkDocs takes it: the sections of the index with the pages they link.

    Args:
        index: Text of docs/README.md; its headings of two levels become sections.
        folder: The folder that links are relative to, docs/ in the root of the repository.

    Raises:
        PluginError: The index links to a page that is not there.
    """
    root = folder.parent
    nav: list[dict[str, object] | str] = [{'Home': 'README.md'}, {'Find a page': INDEX}]
    seen = {'README.md', INDEX}
    section: list[object] = []
    part: list[object] = []
    for line in index.splitlines():
        if heading := HEADING.match(line):
            part = []
            if heading[1] == '##':
                section = part
                if heading[2] not in SHORT_WAYS:
                    nav.append({heading[2]: section})
            else:
                section.append({heading[2]: part})
        for target in LINK.findall(line):
            path = (folder / target).resolve()
            if not path.is_file():
                raise PluginError(f'{INDEX} links to {target}, which is not there')
            name = path.relative_to(root.resolve()).as_posix()
            if name not in seen and any(section is entry for entry in sections(nav)):
                seen.add(name)
                part.append(name)
    return [entry for entry in nav if isinstance(entry, str) or all(entry.values())]


def sections(nav: list[dict[str, object] | str]) -> list[object]:
    """The lists of pages of the sections in `nav`."""
    return [pages for entry in nav if isinstance(entry, dict) for pages in entry.values()]
