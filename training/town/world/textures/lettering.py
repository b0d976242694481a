"""What can be read in the town: words, signs, posters, number plates, graffiti, traffic signs."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.town.noise import Colour, Rng, flat, hsv, hue, to_uint8, weather

# They come with matplotlib, so that every machine writes with the same.
_FONTS = (
    'DejaVuSans.ttf',
    'DejaVuSans-Bold.ttf',
    'DejaVuSans-BoldOblique.ttf',
    'DejaVuSerif.ttf',
    'DejaVuSerif-Bold.ttf',
    'DejaVuSerif-Italic.ttf',
    'DejaVuSansMono-Bold.ttf',
    'STIXGeneralBol.ttf',
    'STIXGeneralItalic.ttf',
    'cmss10.ttf',
    'cmtt10.ttf',
)
_ONSETS = 'b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sch st t tr v w z'
_VOWELS = ('a', 'e', 'i', 'o', 'u', 'ai', 'ea', 'ei', 'ou', 'oo')
_CODAS = ('', 'n', 'r', 's', 't', 'l', 'm', 'nd', 'rt', 'ck', 'ng', 'st', 'x')
_TRADES = """
    CAFE BAR HOTEL BAKERY BOOKS SHOES BANK PHARMACY MARKET OPTIK FLOWERS PIZZA KEBAB DENTIST
    TAILOR BIKES MUSIC WINE LAUNDRY TOYS SALON TRAVEL POST SUSHI GALLERY LIBRARY SCHOOL
"""


def word(rng: Rng) -> str:
    """A name that nobody has heard before."""
    syllables = [
        rng.choice(_ONSETS.split()) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(int(rng.integers(1, 4)))
    ]
    return ''.join(syllables).capitalize()


@functools.lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    path = Path(mpl.get_data_path()) / 'fonts' / 'ttf' / name
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def write(
    picture: np.ndarray, text: str, box: tuple[int, int, int, int], rng: Rng, ink: Colour
) -> None:
    """Write text as large as it fits into box (x0, y0, x1, y1) of a float picture, in place."""
    x0, y0, x1, y1 = box
    name = str(rng.choice(_FONTS))
    left, top, right, bottom = _font(name, 40).getbbox(text)
    scale = min((x1 - x0) / max(right - left, 1), (y1 - y0) / max(bottom - top, 1))
    font = _font(name, max(int(40 * scale), 4))
    left, top, right, bottom = font.getbbox(text)
    mask = Image.new('L', (picture.shape[1], picture.shape[0]))
    x = (x0 + x1 - right + left) / 2 - left
    y = (y0 + y1 - bottom + top) / 2 - top
    ImageDraw.Draw(mask).text((x, y), text, fill=255, font=font)
    alpha = np.asarray(mask, np.float32)[..., None] / 255
    picture[...] = picture * (1 - alpha) + np.asarray(ink, np.float32) * alpha


def _pair(rng: Rng) -> tuple[Colour, Colour]:
    """Ground and ink that can be told apart."""
    ground = hsv(
        hue(rng) if rng.random() < 0.5 else rng.random(),
        rng.uniform(0, 0.9),
        rng.uniform(0.1, 0.95),
    )
    bright = sum(ground) / 3 > 0.5
    ink = hsv(hue(rng), rng.uniform(0, 0.6), 0.1 if bright else 0.95)
    return ground, ink


def sign(rng: Rng) -> np.ndarray:
    """A shop sign four times as wide as high."""
    ground, ink = _pair(rng)
    picture = flat((64, 256), ground)
    text = word(rng) if rng.random() < 0.5 else f'{word(rng)} {rng.choice(_TRADES.split())}'
    if rng.random() < 0.4:
        text = text.upper()
    margin = int(rng.integers(6, 40))
    write(picture, text, (margin, 8, 256 - margin // 2, 56), rng, ink)
    if rng.random() < 0.5:
        cv2.circle(picture, (margin // 2 + 4, 32), margin // 3 + 2, ink, -1)
    if rng.random() < 0.5:
        cv2.rectangle(picture, (1, 1), (254, 62), ink, 2)
    return to_uint8(weather(picture, rng, 0.06))


def poster(rng: Rng) -> np.ndarray:
    """A sheet with headline, picture and small print."""
    ground, ink = _pair(rng)
    picture = flat((192, 128), ground)
    for _ in range(int(rng.integers(3, 12))):
        x, y = (int(v) for v in rng.integers(0, [128, 192]))
        colour = hsv(rng.random(), rng.uniform(0.1, 0.9), rng.uniform(0.1, 1))
        size = int(rng.integers(5, 45))
        if rng.random() < 0.5:
            cv2.circle(picture, (x, y), size, colour, -1)
        else:
            corners = rng.integers(-size, size, (int(rng.integers(3, 7)), 2)) + np.array([x, y])
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour)
    picture = weather(picture, rng, 0.12)
    write(picture, word(rng).upper(), (8, 8, 120, 46), rng, ink)
    if rng.random() < 0.6:
        write(
            picture, f'{rng.integers(1, 31)}.{rng.integers(1, 13)}.', (20, 130, 108, 160), rng, ink
        )
    for y in range(165, 186, 5):
        reach = int(rng.integers(60, 118))
        cv2.line(picture, (10, y), (reach, y), ink, 1)
    return to_uint8(picture)


def notice_board(rng: Rng) -> np.ndarray:
    """Cork or felt with sheets pinned to it."""
    picture = weather(flat((128, 192), hsv(hue(rng), 0.45, 0.5)), rng, 0.12, 0.5)
    for _ in range(int(rng.integers(4, 14))):
        x, y = (int(v) for v in rng.integers([4, 4], [160, 90]))
        w, h = (int(v) for v in rng.integers(18, 46, 2))
        paper = hsv(hue(rng), rng.choice([0.02, 0.3]), rng.uniform(0.7, 1))
        cv2.rectangle(picture, (x, y), (x + w, y + h), paper, -1)
        for line in range(y + 5, y + h - 2, 4):
            cv2.line(
                picture, (x + 3, line), (x + int(rng.integers(6, w)), line), (0.2, 0.2, 0.25), 1
            )
    cv2.rectangle(picture, (0, 0), (191, 127), (0.4, 0.3, 0.2), 6)
    return to_uint8(picture)


def graffiti(rng: Rng) -> np.ndarray:
    """Letters and scrawl in the air: RGBA."""
    picture = np.zeros((128, 256, 4), np.float32)
    colour = hsv(hue(rng), rng.uniform(0.3, 1), rng.uniform(0.2, 1))
    mask = flat((128, 256), (0, 0, 0))
    write(mask, word(rng)[:6], (8, 10, 248, 118), rng, (1, 1, 1))
    body = cv2.dilate(mask[..., 0], np.ones((9, 9)))
    picture[body > 0.5] = (0.05, 0.05, 0.08, 1)
    picture[cv2.dilate(mask[..., 0], np.ones((3, 3))) > 0.5] = (*colour, 1)
    for _ in range(int(rng.integers(1, 5))):
        points = np.cumsum(rng.normal(0, 14, (12, 2)), 0) + rng.integers([20, 20], [236, 108])
        thickness = int(rng.integers(2, 5))
        cv2.polylines(picture, [points.astype(np.int32)], False, (*colour, 1), thickness)
    picture[picture[..., 3] == 0, :3] = colour
    return to_uint8(picture)


def plate(rng: Rng) -> np.ndarray:
    """Number plate of a vehicle."""
    picture = flat((32, 128), (0.92, 0.92, 0.9) if rng.random() < 0.7 else (0.9, 0.8, 0.2))
    letters = ''.join(rng.choice(list('ABCDEFGHJKLMNPRSTUVWXYZ'), 3))
    write(picture, f'{letters} {rng.integers(10, 9999)}', (6, 4, 122, 28), rng, (0.05, 0.05, 0.05))
    cv2.rectangle(picture, (0, 0), (127, 31), (0.1, 0.1, 0.1), 2)
    return to_uint8(picture)


def traffic_sign(rng: Rng) -> np.ndarray:
    """Round, triangular or square, on nothing: RGBA."""
    picture = np.zeros((96, 96, 4), np.float32)
    red, blue, white = (0.75, 0.08, 0.1, 1), (0.1, 0.25, 0.65, 1), (0.92, 0.92, 0.92, 1)
    kind = rng.integers(0, 4)
    if kind == 0:
        cv2.circle(picture, (48, 48), 46, red, -1)
        cv2.circle(picture, (48, 48), 34, white, -1)
    elif kind == 1:
        cv2.fillPoly(picture, [np.array([[48, 3], [93, 88], [3, 88]], np.int32)], red)
        cv2.fillPoly(picture, [np.array([[48, 24], [76, 78], [20, 78]], np.int32)], white)
    elif kind == 2:
        cv2.circle(picture, (48, 48), 46, blue, -1)
    else:
        cv2.rectangle(picture, (4, 4), (91, 91), blue, -1)
    ink = (0.95, 0.95, 0.95) if kind >= 2 else (0.05, 0.05, 0.05)
    text = str(rng.choice(['30', '50', '20', 'P', '!', 'T', '7.5', 'H', '1', '&', '?']))
    layer = np.ascontiguousarray(picture[..., :3])
    write(layer, text, (28, 34, 68, 74), rng, ink)
    picture[..., :3] = layer
    picture[picture[..., 3] == 0, :3] = 0.5
    return to_uint8(picture)


def name_plate(rng: Rng) -> np.ndarray:
    """A street's name, or a room's."""
    ground, ink = _pair(rng)
    picture = flat((48, 192), ground)
    ending = str(rng.choice(['St', 'Road', 'Lane', 'Way', 'Ave', 'Hall', 'Room', 'Wing']))
    number = f' {rng.integers(1, 400)}' if rng.random() < 0.4 else ''
    write(picture, f'{word(rng)} {ending}{number}', (8, 8, 184, 40), rng, ink)
    cv2.rectangle(picture, (0, 0), (191, 47), ink, 2)
    return to_uint8(picture)


def door(rng: Rng, glazed: float = 0.5) -> np.ndarray:
    """A door with panels or glass, a handle, a number or a plate."""
    height, width = 224, 112
    colour = hsv(hue(rng), rng.choice([0.1, 0.35, 0.7]), rng.uniform(0.2, 0.9))
    picture = flat((height, width), colour)
    if rng.random() < glazed:
        x, top = int(rng.integers(12, 40)), int(rng.integers(14, 40))
        bottom = int(rng.integers(80, 200))
        shade = hsv(0.55, 0.2, rng.uniform(0.15, 0.6))
        cv2.rectangle(picture, (x, top), (width - x, bottom), shade, -1)
        cv2.line(picture, (x, bottom), (width - x, top), tuple(1.2 * v for v in shade), 8)
    else:
        rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        dark = tuple(0.7 * v for v in colour)
        for r in range(rows):
            for c in range(columns):
                x, y = 12 + c * 94 // columns, 14 + r * 200 // rows
                end = (x + 86 // columns - 6, y + 192 // rows - 8)
                cv2.rectangle(picture, (x, y), end, dark, 3)
    picture = weather(picture, rng, 0.05)
    side = 12 if rng.random() < 0.5 else width - 18
    cv2.rectangle(picture, (side, 112), (side + 5, 132), (0.75, 0.72, 0.6), -1)
    if rng.random() < 0.7:
        ground, ink = _pair(rng)
        cv2.rectangle(picture, (38, 46), (76, 66), ground, -1)
        write(picture, str(rng.integers(1, 500)), (41, 49, 73, 63), rng, ink)
    if rng.random() < 0.4:
        cv2.rectangle(picture, (8, 196), (width - 8, 216), (0.6, 0.6, 0.6), -1)
    cv2.rectangle(picture, (0, 0), (width - 1, height - 1), tuple(0.5 * v for v in colour), 6)
    return to_uint8(picture)


def shop_front(rng: Rng) -> np.ndarray:
    """A shop window with goods, words on the glass, and a frame."""
    height, width = 192, 320
    glass = weather(flat((height, width), hsv(0.55, 0.2, rng.uniform(0.1, 0.35))), rng, 0.3)
    shelves = int(rng.integers(1, 4))
    for shelf in range(shelves):
        floor = int((shelf + 1) * (height - 16) / shelves)
        for _ in range(int(rng.integers(4, 14))):
            x, w = int(rng.integers(0, width)), int(rng.integers(6, 44))
            h = int(rng.integers(8, height // shelves - 8))
            colour = hsv(hue(rng), rng.uniform(0.1, 0.9), rng.uniform(0.15, 0.9))
            cv2.rectangle(glass, (x, floor - h), (x + w, floor), colour, -1)
        cv2.line(glass, (0, floor), (width, floor), (0.3, 0.28, 0.25), 3)
    glass = weather(glass, rng, 0.12)
    if rng.random() < 0.7:
        _, ink = _pair(rng)
        text = str(rng.choice([*_TRADES.split(), 'SALE', 'OPEN', '-50%', word(rng)]))
        write(glass, text, (50, 40, width - 50, 90), rng, ink)
    frame = hsv(hue(rng), rng.uniform(0, 0.6), rng.uniform(0.1, 0.8))
    panes = int(rng.integers(1, 5))
    for k in range(panes + 1):
        cv2.line(glass, (k * width // panes, 0), (k * width // panes, height), frame, 9)
    cv2.rectangle(glass, (0, 0), (width - 1, height - 1), frame, 12)
    return to_uint8(glass)
