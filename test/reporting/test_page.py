"""Pages: escaped, of one file, and drawn by a real browser."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers.browser import loaded_by, opened

from fol_vpr.errors import StorageError
from fol_vpr.reporting import (
    Card,
    Cards,
    Chart,
    Details,
    Gallery,
    GalleryItem,
    Note,
    Page,
    Picture,
    Table,
    Text,
)
from fol_vpr.reporting.charts import new_figure

EVIL = '</script><script>alert(1)</script><img src=http://a.org/x onerror=alert(2)> "\'& \x1b'
JPEG = cv2.imencode('.jpg', np.zeros((60, 80, 3), np.uint8))[1].tobytes()


@pytest.fixture
def page() -> Page:
    """A page with a block of each kind, whose texts try to be HTML."""
    page = Page(EVIL, EVIL, [(EVIL, EVIL)])
    section = page.section(EVIL, EVIL)
    figure = new_figure('x', EVIL)
    figure.add_scatter(x=[1, 2], y=[2, 1], customdata=['a', 'b'], mode='markers', name=EVIL)
    section.add(
        Text(EVIL),
        Note(EVIL),
        Cards([Card(EVIL, EVIL, EVIL, 'right')]),
        Table([EVIL, 'n'], [[EVIL, 1], ['b', 2]], EVIL, sortable=True),
        Chart(figure, EVIL, details={'a': Details(EVIL, [Picture(JPEG, EVIL)], [(EVIL, EVIL)])}),
        Gallery(EVIL, EVIL, [GalleryItem(EVIL, [Picture(JPEG, EVIL)], [(EVIL, EVIL)], 'wrong')]),
    )
    page.section('empty')
    return page


def test_texts_are_never_html(page: Page):
    html = page.html()
    assert 'alert(1)</script>' not in html
    assert '<img src=http' not in html
    assert '\x1b' not in html
    assert html.count('</script>') == 3  # those of figures, Plotly and the page
    assert 'empty' not in html


def test_a_page_loads_nothing_from_outside(page: Page):
    html = page.html()
    assert loaded_by(html) == []
    assert "default-src 'none'" in html


def test_what_a_page_loads_is_found():
    html = '<link href="https://a/b.css"><style>@import "c.css"; a {b: url(d.png)}</style>'
    html += '<script src="e.js"></script><img src="data:,"><a href="#f">'
    assert loaded_by(html) == ['https://a/b.css', '@import "c.css"', 'url(d.png)', 'e.js']


def test_a_browser_draws_it_without_an_error(page: Page, tmp_path):
    path = tmp_path / 'page.html'
    page.write(path)
    document = opened(path, tmp_path)
    assert 'data-drawn="yes"' in document
    assert document.count('class="main-svg"') >= 1
    assert 'sendChartToCloud' not in document.partition('<body')[2]
    assert '<img src="http' not in document


def test_without_charts_plotly_stays_out():
    page = Page('title')
    page.section('one').add(Text('words'))
    assert len(page.html()) < 30_000


def test_the_same_page_is_the_same_file(page: Page):
    assert page.html() == page.html()


def test_a_page_that_cannot_be_written_says_so(page: Page, tmp_path):
    with pytest.raises(StorageError, match='missing'):
        page.write(tmp_path / 'missing' / 'page.html')


def test_a_page_that_is_interrupted_leaves_the_old_one(page: Page, tmp_path):
    path = tmp_path / 'page.html'
    path.write_text('old')
    # What no encoder takes: the write ends in its middle.
    page.html = lambda: 'x' * 100_000 + '\ud800'
    with pytest.raises(UnicodeEncodeError):
        page.write(path)
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]
