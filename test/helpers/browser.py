"""Pages opened in Debian's Chromium, without a window and without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

_ADDRESSES = ('src', 'srcset', 'href', 'action', 'formaction', 'data', 'poster', 'xlink:href')


def opened(page: Path, folder: Path, *, milliseconds: int = 60_000) -> str:
    """The document that the scripts of a page have made of it.

    Skips the test where there is no Chromium. Fails where the page writes an error to the console,
    as it does when something is loaded that its policy forbids.

    Args:
        page: the file.
        folder: for the profile of the browser.
        milliseconds: of the page's own clock that its scripts get.
    """
    browser = shutil.which('chromium') or shutil.which('chromium-browser')
    if browser is None:
        pytest.skip('there is no chromium on the PATH: apt install chromium')
    done = subprocess.run(
        [browser, '--headless=new', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr',
         '--v=0', f'--user-data-dir={folder / "profile"}', '--host-resolver-rules=MAP * ~NOTFOUND',
         f'--virtual-time-budget={milliseconds}', '--dump-dom', page.as_uri()],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if ':CONSOLE' in line] == []
    return done.stdout


class _Loads(HTMLParser):
    """Collects the addresses in the attributes and the style sheets of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within = ''

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        self.found += [value or '' for name, value in attrs if name in _ADDRESSES]
        self.found += [v or '' for name, v in attrs if name == 'style' and 'url(' in (v or '')]

    def handle_data(self, data: str) -> None:
        if self._within == 'style':
            self.found += re.findall(r'@import[^;]*|url\([^)]*\)', data)


def loaded_by(html: str) -> list[str]:
    """Addresses that a page loads from outside itself: not those within it, nor data: URIs."""
    loads = _Loads()
    loads.feed(html)
    return [each for each in loads.found if not each.startswith(('#', 'data:'))]


class _Words(HTMLParser):
    """Collects the text that a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within = ''

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag

    def handle_data(self, data: str) -> None:
        if self._within not in ('style', 'script'):
            self.found.append(data)


def visible_text(html: str) -> str:
    """The text of a page, without its style sheets and scripts, with single spaces."""
    words = _Words()
    words.feed(html)
    return ' '.join(' '.join(words.found).split())


def figures_of(html: str) -> list[dict]:
    """The figures of Plotly in a page, in their order."""
    [text] = re.findall(r'<script type="application/json" id="figures">(.*?)</script>', html)
    return json.loads(text)
