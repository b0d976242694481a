"""Corridors and halls: a strip along a path, with walls, doors, notices, lights and furniture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.town.noise import Colour, Rng, hsv, hue
from training.town.world.mesh import Builder, Face, Kind, upwards
from training.town.world.textures.palette import Palette


@dataclass(frozen=True)
class Interior:
    """How a storey looks.

    Attributes:
        wainscot: height of the lower part of the walls, 0 for none.
        bay: metres from one thing on a wall to the next.
        doors: share of the bays with doors.
        full: share of the others that are not bare.
        lights: metres from lamp to lamp.
    """

    wall: int
    lower: int
    floor: int
    ceiling: int
    doors_of: tuple[int, ...]
    height: float
    wainscot: float
    bay: float
    doors: float
    full: float
    lights: float
    light_size: tuple[float, float]
    tint: Colour
    trim: Colour
    floor_metres: float
    glazing: float
    beams: float
    pipes: bool


def random_interior(palette: Palette, rng: Rng) -> Interior:
    """A new design."""
    shade = rng.uniform(0.75, 1.0)
    masonry = rng.random() < 0.25
    return Interior(
        wall=palette.pick('masonry' if masonry else 'paint', rng),
        lower=palette.pick(str(rng.choice(['paint', 'masonry', 'wall'])), rng),
        floor=palette.pick(str(rng.choice(['carpet', 'terrazzo', 'terrazzo', 'paving'])), rng),
        ceiling=palette.pick('ceiling', rng),
        doors_of=tuple(palette.some('room door', int(rng.integers(1, 4)), rng)),
        height=rng.uniform(2.35, 3.6),
        wainscot=float(rng.choice([0.0, 0.0, 0.9, 1.2])),
        bay=rng.uniform(1.6, 3.4),
        doors=rng.uniform(0.15, 0.55),
        full=rng.uniform(0.3, 0.9),
        lights=rng.uniform(2.0, 5.0),
        light_size=(rng.uniform(0.2, 1.3), rng.uniform(0.2, 1.3)),
        tint=(shade, shade * rng.uniform(0.95, 1), shade * rng.uniform(0.88, 1)),
        trim=hsv(hue(rng), rng.uniform(0, 0.6), rng.uniform(0.2, 0.8)),
        floor_metres=rng.uniform(1.2, 3.0),
        glazing=float(rng.choice([0.0, 0.15, 0.4, 0.9])),
        beams=float(rng.choice([0.0, 0.0, 2.5, 4.0])),
        pipes=bool(rng.random() < 0.3),
    )


def _tile(
    builder: Builder,
    face: Face,
    span: tuple[float, float, float, float],
    texture: int,
    tint: Colour,
    out: float = 0.0,
) -> None:
    s0, t0, s1, t1 = span
    if s1 - s0 < 0.01 or t1 - t0 < 0.01:
        return
    uv = (s0 / 2.4, t0 / 2.4, s1 / 2.4, t1 / 2.4)
    builder.quad(face.rectangle(s0, t0, s1, t1, out), texture, Kind.INSIDE, uv, tint)


def _wall(
    builder: Builder, face: Face, length: float, style: Interior, palette: Palette, rng: Rng
) -> None:
    """One side of a stretch of corridor."""
    count = max(1, round(length / style.bay))
    bay = length / count
    for k in range(count):
        s = k * bay
        _tile(builder, face, (s, style.wainscot, s + bay, style.height), style.wall, style.tint)
        if style.wainscot:
            _tile(builder, face, (s, 0, s + bay, style.wainscot), style.lower, style.tint)
        middle = s + bay / 2 + rng.uniform(-0.25, 0.25)
        chance = rng.random()
        if chance < style.doors and bay > 1.3:
            _door(builder, face, middle, style, palette, rng)
        elif chance < style.doors + (1 - style.doors) * style.full:
            _thing(builder, face, middle, bay, style, palette, rng)
    plain = palette.groups['plain'][0]
    skirting = ((0.0, -0.03, 0.0), (length, 0.0, rng.choice([0.08, 0.14])))
    builder.box(*skirting, plain, Kind.INSIDE, tint=style.trim, face=face)
    if style.wainscot:
        rail = ((0.0, -0.05, style.wainscot - 0.05), (length, 0.0, style.wainscot + 0.05))
        builder.box(*rail, plain, Kind.INSIDE, tint=style.trim, face=face)


def _door(
    builder: Builder, face: Face, at: float, style: Interior, palette: Palette, rng: Rng
) -> None:
    width = 0.95 if rng.random() < 0.8 else 1.7
    texture = style.doors_of[int(rng.integers(0, len(style.doors_of)))]
    tint: Colour = (1.0, 1.0, 1.0)
    if width > 1.5:
        for half in (0, 1):
            s = at - width / 2 + half * width / 2
            corners = face.rectangle(s, 0, s + width / 2, 2.1, 0.015)
            builder.quad(corners, texture, Kind.INSIDE, (half, 0, 1 - half, 1), tint)
    else:
        corners = face.rectangle(at - width / 2, 0, at + width / 2, 2.1, 0.015)
        builder.quad(corners, texture, Kind.INSIDE, (0, 0, 1, 1), tint)
    plain = palette.groups['plain'][1]
    jambs = ((-0.08, 0.0, 2.1), (width, width + 0.08, 2.1))
    for s0, s1, top in jambs:
        low, high = (at - width / 2 + s0, -0.06, 0.0), (at - width / 2 + s1, 0.0, top)
        builder.box(low, high, plain, Kind.INSIDE, tint=style.trim, face=face)
    low, high = (at - width / 2 - 0.08, -0.06, 2.1), (at + width / 2 + 0.08, 0.0, 2.2)
    builder.box(low, high, plain, Kind.INSIDE, tint=style.trim, face=face)
    if rng.random() < 0.6:
        s = at + width / 2 + 0.15
        builder.quad(
            face.rectangle(s, 1.45, s + 0.42, 1.58, 0.02), palette.pick('name', rng), Kind.INSIDE
        )


def _thing(
    builder: Builder,
    face: Face,
    at: float,
    bay: float,
    style: Interior,
    palette: Palette,
    rng: Rng,
) -> None:
    """What hangs on a wall or stands at it."""
    plain = palette.pick('plain', rng)
    tint = hsv(hue(rng), rng.uniform(0, 0.8), rng.uniform(0.15, 0.9))

    def block(s0: float, depth: float, t0: float, s1: float, t1: float, skin: int) -> None:
        low, high = (at + s0, -depth, t0), (at + s1, 0.0, t1)
        builder.box(low, high, skin, Kind.INSIDE, tint=tint, face=face)

    if rng.random() < style.glazing:
        width = min(bay - 0.3, rng.uniform(0.9, 2.4))
        corners = face.rectangle(at - width / 2, 0.9, at + width / 2, 2.1, 0.02)
        builder.quad(corners, palette.pick('window', rng), Kind.INSIDE_GLASS)
        return
    kind = int(rng.integers(0, 12))
    if kind in (0, 1, 2):
        for k in range(int(rng.integers(1, 4))):
            s, t = at - 0.8 + 0.62 * k, rng.uniform(1.0, 1.3)
            corners = face.rectangle(s, t, s + 0.55, t + 0.8, 0.015)
            builder.quad(corners, palette.pick('poster', rng), Kind.INSIDE)
    elif kind in (3, 4):
        corners = face.rectangle(at - 0.75, 1.0, at + 0.75, 2.0, 0.025)
        builder.quad(corners, palette.pick('board', rng), Kind.INSIDE)
    elif kind == 5:
        block(-0.5, 0.12, 0.15, 0.5, 0.75, plain)
    elif kind == 6:
        tint = (0.75, 0.08, 0.07)
        block(-0.08, 0.16, 0.6, 0.08, 1.15, plain)
        corners = face.rectangle(at - 0.12, 1.35, at + 0.12, 1.6, 0.02)
        builder.quad(corners, palette.pick('name', rng), Kind.INSIDE, tint=(1.0, 0.4, 0.4))
    elif kind == 7:
        block(-0.6, 0.45, 0.0, 0.6, rng.uniform(0.8, 1.9), palette.pick('room door', rng))
    elif kind == 8:
        block(-0.7, 0.42, 0.4, 0.7, 0.46, plain)
        block(-0.65, 0.38, 0.0, -0.58, 0.4, plain)
        block(0.58, 0.38, 0.0, 0.65, 0.4, plain)
    elif kind == 9:
        leaf = palette.pick('leaves', rng)
        block(-0.2, 0.4, 0.0, 0.2, 0.4, plain)
        for turn in np.linspace(0, np.pi, 4)[:3]:
            c, s = 0.45 * np.cos(turn), 0.45 * np.sin(turn)
            base = face.point(at, 0.35, 0.42)
            side = face.along * c + face.out * s
            up = upwards(rng.uniform(0.7, 1.2))
            corners = np.stack([base - side, base + side, base + side + up, base - side + up])
            builder.quad(corners, leaf, Kind.INSIDE)
    elif kind == 10:
        depth = rng.uniform(0.12, 0.35)
        block(-0.25, depth, 0.0, 0.25, style.height, style.wall)
    else:
        tint = (1.0, 1.0, 1.0)
        block(-0.45, 0.7, 0.0, 0.45, 1.85, palette.pick('shop', rng))


def corridor(
    builder: Builder,
    path: np.ndarray,
    width: float,
    level: float,
    style: Interior,
    palette: Palette,
    rng: Rng,
    *,
    closed_ends: bool = True,
) -> list[tuple[np.ndarray, Colour]]:
    """A passage along a path.

    Args:
        path: [N, 2] its middle, metres.
        level: height of the floor.
        closed_ends: with a wall at either end; otherwise open.

    Returns:
        Position and colour of each lamp.
    """
    lamps: list[tuple[np.ndarray, Colour]] = []
    left, right = _offset(path, width / 2), _offset(path, -width / 2)
    warm = rng.uniform(0.75, 1.0)
    colour: Colour = (1.0, 0.5 + 0.5 * warm, warm)
    for k in range(len(path) - 1):
        direction = path[k + 1] - path[k]
        length = float(np.linalg.norm(direction))
        along = np.array([*(direction / length), 0.0])
        for start, end, sign in ((right[k + 1], right[k], -1), (left[k], left[k + 1], 1)):
            span = float(np.linalg.norm(end - start))
            face = Face(np.array([*start, level]), along * sign)
            _wall(builder, face, span, style, palette, rng)
        _floor_and_ceiling(builder, (left, right), k, level, style)
        count = max(1, int(length / style.lights))
        for n in range(count):
            at = path[k] + along[:2] * length * (n + 0.5) / count
            lamps.append((np.array([*at, level + style.height - 0.15]), colour))
            _lamp(builder, at, along, level + style.height, style, palette)
        _overhead(builder, path[k], along, length, width, level, style, palette, rng)
    if closed_ends:
        for at, behind in ((0, 1), (-1, -2)):
            out = path[behind] - path[at]
            out = out / np.linalg.norm(out)
            along = np.array([-out[1], out[0], 0.0])
            face = Face(np.array([*(path[at] - along[:2] * width / 2), level]), along)
            _wall(builder, face, width, style, palette, rng)
    return lamps


def _offset(path: np.ndarray, distance: float) -> np.ndarray:
    """The path moved to the left, with mitred corners."""
    direction = np.diff(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    normal = np.stack([-direction[:, 1], direction[:, 0]], 1)
    before, after = normal[np.r_[0, 0 : len(normal)]], normal[np.r_[0 : len(normal), -1]]
    mitre = before + after
    mitre /= (mitre * before).sum(1, keepdims=True)
    return np.asarray(path + mitre * distance)


def _floor_and_ceiling(
    builder: Builder, sides: tuple[np.ndarray, np.ndarray], k: int, level: float, style: Interior
) -> None:
    left, right = sides
    length = float(np.linalg.norm(left[k + 1] - left[k]))
    count = max(1, int(length / 3))
    for n in range(count):
        a, b = n / count, (n + 1) / count
        l0, l1 = left[k] + (left[k + 1] - left[k]) * a, left[k] + (left[k + 1] - left[k]) * b
        r0, r1 = right[k] + (right[k + 1] - right[k]) * a, right[k] + (right[k + 1] - right[k]) * b
        wide = float(np.linalg.norm(l0 - r0))
        uv = (0.0, n * 3 / style.floor_metres, wide / style.floor_metres, 0.0)
        uv = (0.0, uv[1], uv[2], (n + 1) * 3 / style.floor_metres)
        floor = np.array([[*r0, level], [*r1, level], [*l1, level], [*l0, level]])
        builder.quad(floor[[3, 0, 1, 2]], style.floor, Kind.INSIDE, uv)
        top = floor[[0, 3, 2, 1]] + upwards(style.height)
        builder.quad(top, style.ceiling, Kind.INSIDE, (0, n * 2.5, wide / 1.2, n * 2.5 + 2.5))


def _lamp(
    builder: Builder,
    at: np.ndarray,
    along: np.ndarray,
    height: float,
    style: Interior,
    palette: Palette,
) -> None:
    x, y = along * style.light_size[0] / 2, np.array([-along[1], along[0], 0])
    y = y * style.light_size[1] / 2
    middle = np.array([*at, height - 0.03])
    corners = [middle - x + y, middle + x + y, middle + x - y, middle - x - y]
    builder.quad(np.stack(corners), palette.groups['panel'][0], Kind.PANEL)


def _overhead(
    builder: Builder,
    start: np.ndarray,
    along: np.ndarray,
    length: float,
    width: float,
    level: float,
    style: Interior,
    palette: Palette,
    rng: Rng,
) -> None:
    """Beams, pipes, hanging signs."""
    face = Face(np.array([*start, level]), along)
    plain = palette.groups['plain'][2]
    top, half = style.height, width / 2
    if style.beams:
        for s in np.arange(style.beams / 2, length, style.beams):
            corners = [face.point(s, top - 0.3, half), face.point(s, top - 0.3, -half)]
            corners += [face.point(s, top, -half), face.point(s, top, half)]
            builder.quad(np.stack(corners), style.wall, Kind.INSIDE, (0, 0, 1.2, 0.12), style.tint)
            builder.quad(
                np.stack(corners)[[1, 0, 3, 2]],
                style.wall,
                Kind.INSIDE,
                (0, 0, 1.2, 0.12),
                style.tint,
            )
    if style.pipes:
        side = float(rng.choice([-1, 1])) * (half - 0.25)
        low, high = (0.0, side - 0.07, top - 0.35), (length, side + 0.07, top - 0.2)
        builder.box(low, high, plain, Kind.INSIDE, tint=(0.6, 0.6, 0.62), face=face)
    for s in np.arange(rng.uniform(2, 6), length - 1, rng.uniform(6, 14)):
        if rng.random() < 0.6:
            texture = palette.pick('name', rng)
            middle = face.point(s, top - 0.5)
            across = face.out * 0.45
            up = upwards(0.25)
            edges = middle + across, middle - across
            board = np.stack([*edges, edges[1] + up, edges[0] + up])
            builder.quad(board, texture, Kind.INSIDE)
            builder.quad(board[[1, 0, 3, 2]], texture, Kind.INSIDE)
