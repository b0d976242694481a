"""Text in pictures: wrapped to a width, in a font that every installation has."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fol_vpr.errors import escape_controls

RGB = tuple[int, int, int]
INK: RGB = (28, 30, 34)
FAINT_INK: RGB = (95, 100, 108)
PAPER: RGB = (255, 255, 255)
ELLIPSIS = '…'


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        words: of the paragraph; control characters are escaped.
        size: height of the letters in pixels.
        bold: whether the letters are bold.
        colour: of the letters.
        rows: most rows; what does not fit ends in an ellipsis.
        badge: background of the words, such as the colour of a state; None has none.
    """

    words: str
    size: int = 20
    bold: bool = False
    colour: RGB = INK
    rows: int = 4
    badge: RGB | None = None


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has Greek and Cyrillic letters too."""
    # The import takes a quarter of a second, which programs that draw nothing need not wait for.
    from matplotlib.font_manager import FontProperties, findfont

    path = findfont(FontProperties(family='DejaVu Sans', weight='bold' if bold else 'normal'))
    return ImageFont.truetype(path, size)


def text_block(
    width: int,
    texts: Sequence[Text],
    *,
    margin: int = 0,
    gap: int = 4,
    paper: RGB = PAPER,
) -> np.ndarray:
    """Paragraphs below each other.

    Args:
        width: of the picture in pixels.
        texts: from top to bottom.
        margin: pixels on all sides.
        gap: pixels between paragraphs.
        paper: colour of the background.

    Returns:
        [H, width, 3] uint8, RGB, as high as the text.
    """
    room = max(width - 2 * margin, 1)
    wrapped = [(text, wrapped_rows(text, room - _inset(text))) for text in texts]
    heights = [len(rows) * _row_height(text.size) for text, rows in wrapped]
    height = 2 * margin + sum(heights) + gap * max(len(texts) - 1, 0)
    canvas = Image.new('RGB', (max(width, 1), max(height, 1)), paper)
    draw = ImageDraw.Draw(canvas)
    top = margin
    for (text, rows), block in zip(wrapped, heights, strict=True):
        face = font(text.size, text.bold)
        left = margin
        if text.badge is not None:
            inset = _inset(text) // 2
            longest = max((face.getlength(row) for row in rows), default=0)
            box = (margin, top, margin + longest + 2 * inset, top + block)
            draw.rounded_rectangle(box, radius=text.size // 4, fill=text.badge)
            left += inset
        for number, row in enumerate(rows):
            y = top + number * _row_height(text.size) + text.size // 8
            draw.text((left, y), row, font=face, fill=text.colour)
        top += block + gap
    return np.asarray(canvas)


def wrapped_rows(text: Text, width: int) -> list[str]:
    """The rows of a paragraph at a width in pixels; words that are wider are cut anywhere."""
    face = font(text.size, text.bold)
    rows: list[str] = []
    row = ''
    for word in escape_controls(text.words, keep='').split():
        joined = f'{row} {word}' if row else word
        if face.getlength(joined) <= width:
            row = joined
            continue
        if row:
            rows.append(row)
        while face.getlength(word) > width and len(word) > 1:
            cut = _fitting(word, face, width)
            rows.append(word[:cut])
            word = word[cut:]
        row = word
    if row:
        rows.append(row)
    if len(rows) > text.rows:
        rows = rows[: text.rows]
        rows[-1] = shortened(f'{rows[-1]}{ELLIPSIS}', face, width)
    return rows or ['']


def shortened(words: str, face: ImageFont.FreeTypeFont, width: int) -> str:
    """Words that fit into `width` pixels, without those at the end that do not."""
    if face.getlength(words) <= width:
        return words
    while words and face.getlength(words + ELLIPSIS) > width:
        words = words[:-1]
    return words + ELLIPSIS


def name_within(name: str, size: int, width: int, *, bold: bool = False) -> str:
    """A name, such as a path, without its middle where it is wider than `width` pixels.

    The ends of names tell images apart, and beginnings tell folders.
    """
    face = font(size, bold)
    name = escape_controls(name, keep='')
    kept = len(name)
    shown = name
    while face.getlength(shown) > width and kept > 2:
        kept -= 1
        head = kept // 3
        shown = name[:head] + ELLIPSIS + name[len(name) - (kept - head) :]
    return shown


def _fitting(word: str, face: ImageFont.FreeTypeFont, width: int) -> int:
    """How many leading letters of a word fit, at least one."""
    cut = len(word)
    while cut > 1 and face.getlength(word[:cut]) > width:
        cut -= 1
    return cut


def _row_height(size: int) -> int:
    return round(size * 1.35)


def _inset(text: Text) -> int:
    """Pixels beside the words of a badge, on both sides together."""
    return 0 if text.badge is None else text.size
