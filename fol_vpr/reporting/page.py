"""A page: a title, what produced it, and sections of blocks; written as one HTML file.

The file asks for nothing over the network: style, scripts, Plotly and pictures are inside, and a
Content-Security-Policy forbids the browser to load anything else. Plotly (4.8 MB) is packed to
2.0 MB once per page, and only into pages with charts; the browser unpacks it.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import fol_vpr
from fol_vpr.errors import escape_controls
from fol_vpr.files import atomic_text

if TYPE_CHECKING:
    from jinja2 import Environment
    from plotly.graph_objects import Figure

Facts = Sequence[tuple[str, str]]
"""Names and values, for people."""
TONES = ('', 'right', 'wrong', 'undecided')
"""What a colour means: nothing, green, orange, grey."""


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes:
        jpeg: the file.
        caption: in a few words.
        wide: whether it holds two images side by side, and gets twice the width of others.
    """

    jpeg: bytes
    caption: str = ''
    wide: bool = False


@dataclass(frozen=True)
class Block:
    """What a section is made of; `kind` names its macro in the template."""

    kind: ClassVar[str] = ''


@dataclass(frozen=True)
class Text(Block):
    """A paragraph."""

    kind: ClassVar[str] = 'text'
    text: str


@dataclass(frozen=True)
class Note(Block):
    """A paragraph that stands out: a warning, or what a reader must know."""

    kind: ClassVar[str] = 'note'
    text: str


@dataclass(frozen=True)
class Card:
    """One number, large.

    Attributes:
        value: with its unit.
        name: what it is.
        detail: its interval, or of what it is a share.
        tone: one of `TONES`.
    """

    value: str
    name: str
    detail: str = ''
    tone: str = ''


@dataclass(frozen=True)
class Cards(Block):
    """A row of numbers."""

    kind: ClassVar[str] = 'cards'
    cards: Sequence[Card]


@dataclass(frozen=True)
class Table(Block):
    """A table; a click on a column's name sorts by it where it is sortable.

    Attributes:
        header: names of the columns.
        rows: cells, as text or numbers.
        caption: what the table shows.
        left: columns that are aligned to the left; the others are numbers.
        sortable: whether the reader may sort.
        half: whether it takes half of the width, beside a chart.
    """

    kind: ClassVar[str] = 'table'
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ''
    left: Collection[int] = (0,)
    sortable: bool = False
    half: bool = False


@dataclass(frozen=True)
class Details:
    """What a click on a mark of a chart shows.

    Attributes:
        title: of the mark.
        pictures: side by side.
        facts: names and values.
    """

    title: str
    pictures: Sequence[Picture] = ()
    facts: Facts = ()


@dataclass(frozen=True, eq=False)
class Chart(Block):
    """A figure with its caption.

    Attributes:
        figure: without colours of fonts, grids and backgrounds, which the page sets.
        caption: what the figure shows and how to read it.
        height: pixels.
        details: for the values of `customdata` in the marks of the figure.
        wide: whether it takes the whole width; others stand two in a row where there is room.
    """

    kind: ClassVar[str] = 'chart'
    figure: Figure
    caption: str
    height: int = 380
    details: Mapping[str, Details] = field(default_factory=dict)
    wide: bool = False


@dataclass(frozen=True)
class GalleryItem:
    """Pictures that belong together, with what there is to say about them."""

    title: str
    pictures: Sequence[Picture]
    facts: Facts = ()
    tone: str = ''


@dataclass(frozen=True)
class Gallery(Block):
    """Items with pictures, each of which the reader can enlarge.

    Attributes:
        title: of the gallery.
        explanation: how the items were chosen, and what was left out.
        items: best first.
    """

    kind: ClassVar[str] = 'gallery'
    title: str
    explanation: str
    items: Sequence[GalleryItem]


@dataclass(eq=False)
class Section:
    """A part of a page with its heading, by which the navigation finds it."""

    title: str
    intro: str = ''
    blocks: list[Block] = field(default_factory=list)

    def add(self, *blocks: Block) -> None:
        """Add blocks at the end."""
        self.blocks += blocks

    @property
    def anchor(self) -> str:
        """The name of the section in links."""
        return re.sub(r'[^a-z0-9]+', '-', self.title.lower()).strip('-')


class Page:
    """A page that is written as one file.

    Args:
        title: the heading.
        subtitle: what was evaluated, in one line.
        facts: the most important conditions, below the heading.
    """

    def __init__(self, title: str, subtitle: str = '', facts: Facts = ()) -> None:
        self.title = title
        self.subtitle = subtitle
        self.facts = facts
        self.sections: list[Section] = []

    def section(self, title: str, intro: str = '') -> Section:
        """Add a section at the end; sections without blocks are not shown."""
        section = Section(title, intro)
        self.sections.append(section)
        return section

    def html(self) -> str:
        """The page as a text."""
        sections = [section for section in self.sections if section.blocks]
        charts = [b for section in sections for b in section.blocks if isinstance(b, Chart)]
        return (
            _environment()
            .get_template('page.html')
            .render(
                page=self,
                sections=sections,
                version=fol_vpr.__version__,
                style=_asset('page.css'),
                script=_asset('page.js'),
                plotly=_packed_plotly() if charts else '',
                figures=_safe_json([_figure(chart) for chart in charts]),
                numbers={id(chart): number for number, chart in enumerate(charts)},
            )
            .lstrip()
        )

    def write(self, path: str | Path) -> None:
        """Write the page: as a whole, or not at all.

        Raises:
            StorageError: no such folder, no permission, or no space; an existing file stays.
        """
        html = self.html()
        with atomic_text(path) as file:
            file.write(html)


@cache
def _environment() -> Environment:
    from jinja2 import DictLoader, Environment, StrictUndefined

    environment = Environment(
        loader=DictLoader({'page.html': _asset('page.html.j2')}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters['data_uri'] = _data_uri
    environment.filters['objectid'] = id
    return environment


def _printable(value: Any) -> Any:
    """Texts without control characters and directional marks; HTML that is ready stays."""
    return escape_controls(value) if type(value) is str else value


def _asset(name: str) -> str:
    return (files('fol_vpr.reporting') / 'assets' / name).read_text(encoding='utf-8')


@cache
def _packed_plotly() -> str:
    from plotly.offline import get_plotlyjs

    # Without a time in its header, the same page is the same file.
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


def _figure(chart: Chart) -> dict[str, Any]:
    # A reference may stand behind many marks: each picture is there once, and named by its number.
    numbers: dict[bytes, int] = {}
    details = {
        key: {
            'title': escape_controls(each.title),
            'pictures': [
                {
                    'src': numbers.setdefault(p.jpeg, len(numbers)),
                    'caption': escape_controls(p.caption),
                }
                for p in each.pictures
            ],
            'facts': [[escape_controls(text) for text in fact] for fact in each.facts],
        }
        for key, each in chart.details.items()
    }
    figure = json.loads(chart.figure.to_json())
    return {
        'data': figure['data'],
        'layout': figure['layout'],
        'details': details,
        'pictures': [_data_uri(jpeg) for jpeg in numbers],
    }


def _data_uri(jpeg: bytes) -> str:
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'


def _safe_json(value: Any) -> str:
    """JSON that can stand inside a script element: no `<` is left that could end it."""
    text = json.dumps(value, separators=(',', ':'), allow_nan=False)
    return text.replace('<', '\\u003c').replace('>', '\\u003e').replace('&', '\\u0026')
