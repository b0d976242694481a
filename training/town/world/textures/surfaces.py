"""Surfaces of the town, painted anew for every seed: masonry, ground, plants, openings."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.town.noise import Colour, Rng, flat, fractal, hsv, hue, streaks, to_uint8, weather

SIZE = 256


def brick(rng: Rng) -> np.ndarray:
    """Courses of bricks, 2.56 m wide, 16 to 32 courses high."""
    courses = int(rng.choice([16, 24, 32]))
    across = int(rng.choice([8, 10, 12]))
    base = np.array(hsv(rng.uniform(0.01, 0.11), rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.75)))
    mortar = rng.uniform(0.4, 0.75) * np.array([1.0, 0.97, 0.92])
    return _blocks(rng, courses, across, base, mortar, rng.uniform(0.06, 0.2), stagger=True)


def stone(rng: Rng) -> np.ndarray:
    """Large dressed blocks."""
    base = np.array(hsv(rng.uniform(0.06, 0.14), rng.uniform(0.05, 0.3), rng.uniform(0.5, 0.85)))
    courses, across = int(rng.integers(4, 9)), int(rng.integers(2, 6))
    return _blocks(rng, courses, across, base, base * rng.uniform(0.5, 0.8), 0.07, stagger=True)


def tiles(rng: Rng) -> np.ndarray:
    """Square ceramic tiles or paving slabs."""
    value = rng.uniform(0.45, 0.9)
    base = np.array(hsv(hue(rng), rng.choice([0.04, 0.1, 0.4]), value))
    count = int(rng.choice([4, 6, 8, 12]))
    return _blocks(rng, count, count, base, base * rng.uniform(0.55, 1.15), 0.05, stagger=False)


def paving(rng: Rng) -> np.ndarray:
    """Slabs or setts of a pavement, greyish."""
    base = np.array(hsv(hue(rng), rng.choice([0.03, 0.08, 0.2]), rng.uniform(0.4, 0.75)))
    rows, columns = int(rng.choice([4, 6, 8, 12])), int(rng.choice([4, 6, 12]))
    joint = base * rng.uniform(0.5, 0.85)
    return _blocks(rng, rows, columns, base, joint, 0.06, stagger=bool(rng.random() < 0.5))


def _blocks(
    rng: Rng,
    courses: int,
    across: int,
    base: np.ndarray,
    joint: np.ndarray,
    variation: float,
    *,
    stagger: bool,
) -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    row = np.floor(y * courses).astype(int)
    shift = 0.5 * (row % 2) if stagger else 0.0
    column = np.floor(x * across + shift).astype(int) % across
    each = rng.normal(1, variation, (courses, across, 1)) * rng.normal(
        1, variation / 4, (courses, across, 3)
    )
    picture = base * each[row, column]
    fy, fx = (y * courses) % 1, (x * across + shift) % 1
    width = rng.uniform(0.7, 1.6)
    edge = np.minimum(
        np.minimum(fy, 1 - fy) * SIZE / courses, np.minimum(fx, 1 - fx) * SIZE / across
    )
    gap = np.clip(1.2 - edge / width, 0, 1)[..., None]
    picture = picture * (1 - gap) + joint * gap
    # The upper edge of a block catches light.
    picture *= 1 + 0.12 * np.clip(1 - fy * SIZE / courses / 2.5, 0, 1)[..., None]
    picture = weather(picture.astype(np.float32), rng, 0.09)
    return to_uint8(picture * (1 + 0.06 * fractal((SIZE, SIZE), rng, 0.3)[..., None]))


def plaster(rng: Rng) -> np.ndarray:
    """Painted render with stains."""
    colour = hsv(hue(rng), rng.choice([0.05, 0.15, 0.35]), rng.uniform(0.5, 0.95))
    picture = weather(flat((SIZE, SIZE), colour), rng, 0.07, 1.3)
    picture *= 1 - 0.25 * streaks((SIZE, SIZE), rng, 61)[..., None]
    return to_uint8(picture * (1 + 0.05 * fractal((SIZE, SIZE), rng, 0.2)[..., None]))


def concrete(rng: Rng) -> np.ndarray:
    """Cast panels with joints and formwork holes."""
    picture = weather(flat((SIZE, SIZE), hsv(0.1, 0.06, rng.uniform(0.4, 0.75))), rng, 0.1)
    picture *= 1 - 0.5 * streaks((SIZE, SIZE), rng, 91)[..., None]
    picture *= 1 + 0.08 * fractal((SIZE, SIZE), rng, 0.4)[..., None]
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    for k in range(rows):
        picture[k * SIZE // rows : k * SIZE // rows + 2] *= 0.5
    for k in range(columns):
        picture[:, k * SIZE // columns : k * SIZE // columns + 2] *= 0.5
    for k in range(rows * columns * 2):
        x = int((k % (2 * columns) + 0.5) * SIZE / (2 * columns))
        y = int((k // (2 * columns) + 0.5) * SIZE / rows)
        cv2.circle(picture, (x, y), 3, (0.18, 0.18, 0.17), -1)
    return to_uint8(picture)


def boards(rng: Rng) -> np.ndarray:
    """Planks, weatherboard or corrugated sheet, upright or lying."""
    count = int(rng.choice([8, 12, 16, 24]))
    saturation = rng.choice([0.05, 0.3, 0.5])
    colour = np.array(hsv(hue(rng), saturation, rng.uniform(0.35, 0.85)))
    across = np.arange(SIZE) * count / SIZE
    profile = 1 - 0.45 * np.exp(-((across % 1) * 7)) + 0.1 * np.sin(across * 2 * np.pi)
    each = profile * rng.normal(1, 0.06, count)[across.astype(int)]
    grain = cv2.blur(fractal((SIZE, SIZE), rng, 0.2), (1, 41), borderType=cv2.BORDER_REFLECT)
    picture = (colour * each[None, :, None] * (1 + 0.3 * grain[..., None])).astype(np.float32)
    picture = weather(picture, rng, 0.08)
    return to_uint8(picture if rng.random() < 0.5 else picture.transpose(1, 0, 2))


def asphalt(rng: Rng) -> np.ndarray:
    """Worn tarmac with cracks and patches."""
    picture = weather(flat((SIZE, SIZE), hsv(0.6, 0.04, rng.uniform(0.24, 0.45))), rng, 0.12)
    picture *= 1 + 0.16 * fractal((SIZE, SIZE), rng, 0.1)[..., None]
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.integers(0, SIZE, 2)
        w, h = rng.integers(20, 110, 2)
        picture[y : y + h, x : x + w] *= rng.uniform(0.75, 1.2)
    for _ in range(int(rng.integers(2, 8))):
        _crack(picture, rng)
    return to_uint8(picture)


def _crack(picture: np.ndarray, rng: Rng) -> None:
    steps = rng.normal(0, 4, (60, 2)) + rng.normal(0, 3, 2)
    points = (rng.integers(0, SIZE, 2) + np.cumsum(steps, 0)).astype(np.int32)
    cv2.polylines(picture, [points], False, (0.12, 0.12, 0.12), 1, cv2.LINE_AA)


def grass(rng: Rng) -> np.ndarray:
    """Mown lawn with bare and dry spots."""
    colour = hsv(rng.uniform(0.2, 0.3), rng.uniform(0.4, 0.65), rng.uniform(0.35, 0.55))
    picture = weather(flat((SIZE, SIZE), colour), rng, 0.18, 1.0)
    dry = np.clip(fractal((SIZE, SIZE), rng, 1.4) - 0.8, 0, 1)[..., None]
    picture = picture * (1 - dry * 0.6) + np.array([0.45, 0.4, 0.25]) * dry * 0.6
    blades = cv2.blur(fractal((SIZE, SIZE), rng, 0.0), (1, 5), borderType=cv2.BORDER_REFLECT)
    return to_uint8(picture * (1 + 0.5 * blades[..., None]))


def gravel(rng: Rng) -> np.ndarray:
    """Pebbles or bare earth."""
    colour = hsv(rng.uniform(0.05, 0.12), rng.uniform(0.1, 0.4), rng.uniform(0.4, 0.65))
    picture = weather(flat((SIZE, SIZE), colour), rng, 0.12)
    return to_uint8(picture * (1 + 0.3 * fractal((SIZE, SIZE), rng, 0.4, 40)[..., None]))


def hedge(rng: Rng) -> np.ndarray:
    """Clipped leaves: the same everywhere, as hedges are."""
    colour = np.array(hsv(rng.uniform(0.22, 0.36), rng.uniform(0.4, 0.7), rng.uniform(0.2, 0.4)))
    picture = flat((SIZE, SIZE), (0.05, 0.07, 0.03))
    centres = rng.integers(0, SIZE, (2600, 2))
    angles = rng.integers(0, 180, 2600)
    shades = rng.uniform(0.4, 1.7, 2600)
    for centre, angle, shade in zip(centres, angles, shades, strict=True):
        leaf = colour * shade
        cv2.ellipse(picture, centre.tolist(), (6, 3), int(angle), 0, 360, leaf.tolist(), -1)
    return to_uint8(weather(picture, rng, 0.15))


def roof(rng: Rng) -> np.ndarray:
    """Rows of roof tiles."""
    base = np.array(hsv(rng.uniform(0.0, 0.08), rng.choice([0.1, 0.55]), rng.uniform(0.3, 0.6)))
    return _blocks(rng, 16, 12, base, base * 0.45, 0.15, stagger=True)


def leaves(rng: Rng) -> np.ndarray:
    """A cluster of leaves with holes between: RGBA."""
    picture = np.zeros((128, 128, 4), np.float32)
    colour = np.array(hsv(rng.uniform(0.2, 0.33), rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.5)))
    count = int(rng.integers(130, 300))
    length = int(rng.integers(4, 9))
    radius = 58 * np.sqrt(rng.random(count))
    angle = rng.uniform(0, 2 * np.pi, count)
    for k in np.argsort(rng.random(count)):
        x, y = 64 + radius[k] * np.cos(angle[k]), 64 + radius[k] * np.sin(angle[k])
        shade = rng.uniform(0.45, 1.1) * (1.25 - 0.5 * y / 128)
        leaf = (*(colour * shade).tolist(), 1.0)
        axes = (length, max(length // 2, 2))
        cv2.ellipse(picture, (int(x), int(y)), axes, int(rng.integers(0, 180)), 0, 360, leaf, -1)
    return _filled(to_uint8(picture))


def branches(rng: Rng) -> np.ndarray:
    """A bare fan of twigs: RGBA, growing upwards from the middle of the lower edge."""
    picture = np.zeros((256, 256, 4), np.float32)

    def grow(x: float, y: float, angle: float, length: float, width: float) -> None:
        end_x, end_y = x + length * np.cos(angle), y - length * np.sin(angle)
        shade = rng.uniform(0.16, 0.34)
        colour = (shade * 1.1, shade, shade * 0.85, 1.0)
        start, end = (int(x), int(y)), (int(end_x), int(end_y))
        cv2.line(picture, start, end, colour, max(int(width), 1))
        if length > 9:
            for _ in range(int(rng.integers(2, 4))):
                bend = angle + rng.normal(0, 0.5)
                grow(end_x, end_y, bend, length * rng.uniform(0.6, 0.85), width * 0.65)

    for _ in range(2):
        grow(128, 255, np.pi / 2 + rng.normal(0, 0.25), rng.uniform(55, 75), 7)
    return _filled(to_uint8(picture))


def wood(rng: Rng) -> np.ndarray:
    """The edge of a wood from afar: RGBA, repeats sideways."""
    picture = np.zeros((128, 256, 4), np.float32)
    colour = np.array(hsv(rng.uniform(0.2, 0.33), rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.4)))
    for _ in range(420):
        x, y = int(rng.integers(0, 256)), int(128 - 100 * rng.random() ** 0.7)
        shade = rng.uniform(0.5, 1.2) * (1.3 - 0.6 * y / 128)
        leaf = (*(colour * shade).tolist(), 1.0)
        size = int(rng.integers(4, 16))
        for shift in (-256, 0, 256):
            cv2.circle(picture, (x + shift, y), size, leaf, -1)
    picture[60:, :, 3] = np.where(picture[60:, :, 3] > 0, 1, picture[60:, :, 3])
    return _filled(to_uint8(picture))


def _filled(picture: np.ndarray) -> np.ndarray:
    """Give the transparent pixels the mean colour, so that filtering makes no dark rims."""
    solid = picture[..., 3] > 127
    mean = picture[solid][:, :3].mean(0) if solid.any() else 128
    picture[~solid, :3] = mean
    return picture


def window(rng: Rng) -> np.ndarray:
    """A framed window with what is behind it: curtain, blind, plants, or darkness."""
    height, width = 160, 128
    glass = flat((height, width), hsv(rng.uniform(0.5, 0.65), 0.25, rng.uniform(0.12, 0.4)))
    glass = weather(glass, rng, 0.25, 1.2)
    glass *= np.linspace(rng.uniform(0.9, 1.6), rng.uniform(0.6, 1), height)[:, None, None]
    kind = rng.integers(0, 5)
    cloth = np.array(hsv(hue(rng), rng.uniform(0, 0.4), rng.uniform(0.4, 0.8)))
    if kind == 0:
        reach = int(rng.integers(12, 50))
        folds = 0.8 + 0.2 * np.sin(np.arange(reach) * rng.uniform(0.4, 1.2))
        glass[:, :reach] = cloth * folds[None, :, None]
        glass[:, -reach:] = cloth * folds[None, ::-1, None]
    elif kind == 1:
        drop = int(rng.integers(30, height))
        slats = 0.8 + 0.2 * np.sin(np.arange(drop) * rng.uniform(0.5, 1.3))
        glass[:drop] = cloth * slats[:, None, None]
    elif kind == 2:
        for _ in range(int(rng.integers(2, 7))):
            x, y = int(rng.integers(10, width - 10)), int(rng.integers(70, height))
            colour = hsv(hue(rng), 0.5, rng.uniform(0.1, 0.6))
            cv2.rectangle(glass, (x, y), (x + int(rng.integers(8, 40)), height), colour, -1)
    frame = np.array(hsv(hue(rng), rng.choice([0.0, 0.1, 0.5]), rng.uniform(0.15, 0.95)))
    thick = int(rng.integers(5, 11))
    cv2.rectangle(glass, (0, 0), (width - 1, height - 1), frame.tolist(), thick * 2)
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    for k in range(1, columns):
        x = k * width // columns
        cv2.line(glass, (x, 0), (x, height), frame.tolist(), thick)
        cv2.line(glass, (x + thick // 2 + 1, 0), (x + thick // 2 + 1, height), (0.1, 0.1, 0.1), 1)
    for k in range(1, rows):
        y = k * height // rows
        cv2.line(glass, (0, y), (width, y), frame.tolist(), thick)
    return to_uint8(weather(glass, rng, 0.04))


def curtain_wall(rng: Rng) -> np.ndarray:
    """Glass front of an office block: panes in a grid of mullions."""
    columns, rows = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    glass = flat((SIZE, SIZE), hsv(rng.uniform(0.45, 0.65), 0.3, rng.uniform(0.2, 0.5)))
    panes = rng.normal(1, 0.18, (rows, columns))
    glass *= cv2.resize(panes, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)[..., None]
    glass = weather(glass.astype(np.float32), rng, 0.18, 1.3)
    bar = hsv(0.6, 0.05, rng.uniform(0.1, 0.8))
    for k in range(columns):
        cv2.line(glass, (k * SIZE // columns, 0), (k * SIZE // columns, SIZE), bar, 5)
    for k in range(rows):
        cv2.line(glass, (0, k * SIZE // rows), (SIZE, k * SIZE // rows), bar, 5)
        band = int(SIZE / rows * rng.uniform(0.1, 0.35))
        glass[k * SIZE // rows : k * SIZE // rows + band] *= 0.6
    return to_uint8(glass)


WALLS: tuple[Callable[[Rng], np.ndarray], ...] = (brick, stone, plaster, concrete, boards, tiles)


def mean_colour(picture: np.ndarray) -> Colour:
    """Average colour of a texture, in 0 .. 1."""
    red, green, blue = picture[..., :3].reshape(-1, 3).mean(0) / 255
    return float(red), float(green), float(blue)
