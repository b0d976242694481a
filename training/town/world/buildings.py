"""Buildings along a street: walls with real openings, doors, shop fronts, signs, roofs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.town.noise import Colour, Rng, hsv, hue
from training.town.world.mesh import WHITE, Builder, Face, Kind
from training.town.world.textures.palette import Palette

_TEXTURE_METRES = 2.6


@dataclass(frozen=True)
class Facade:
    """How a front looks; neighbours with the same one cannot be told apart.

    Attributes:
        windows: textures to choose from.
        bay: metres from window to window.
        opening: width and height of a window.
        sill: its height above the floor.
        recess: how deep it lies in the wall.
        base, base_height: another masonry at the foot.
        ground: what is on the ground floor: 'windows', 'shops', 'blank'.
        top: 'flat', 'gable' or 'eaves'.
    """

    wall: int
    base: int
    windows: tuple[int, ...]
    floors: int
    floor_height: float
    bay: float
    opening: tuple[float, float]
    sill: float
    recess: float
    ground: str
    top: str
    roof: int
    trim: Colour
    tint: Colour
    glass: bool = False
    balconies: float = 0.0
    bands: bool = False
    base_height: float = 0.0


def random_facade(palette: Palette, rng: Rng, ground: str = 'windows') -> Facade:
    """A new design."""
    width = rng.uniform(0.8, 1.7)
    shade = rng.uniform(0.75, 1.0)
    return Facade(
        wall=palette.pick('wall', rng),
        base=palette.pick('wall', rng),
        windows=tuple(palette.some('window', int(rng.integers(1, 5)), rng)),
        floors=int(rng.integers(1, 5)),
        floor_height=rng.uniform(2.8, 3.7),
        bay=width + rng.uniform(0.5, 2.2),
        opening=(width, rng.uniform(1.0, 1.9)),
        sill=rng.uniform(0.6, 1.0),
        recess=rng.choice([0.06, 0.15, 0.3]),
        ground=ground,
        top=str(rng.choice(['flat', 'flat', 'eaves', 'gable'])),
        roof=palette.pick('roof', rng),
        trim=hsv(hue(rng), rng.choice([0.03, 0.3]), rng.uniform(0.3, 1.0)),
        tint=(shade, shade * rng.uniform(0.94, 1.0), shade * rng.uniform(0.88, 1.0)),
        glass=bool(rng.random() < 0.12),
        balconies=float(rng.choice([0.0, 0.0, 0.5])),
        bands=bool(rng.random() < 0.4),
        base_height=float(rng.choice([0.0, 0.6, 1.1])),
    )


def varied(facade: Facade, palette: Palette, rng: Rng) -> Facade:
    """A neighbour's version of a design: other paint, other curtains."""
    shade = rng.uniform(0.7, 1.0)
    return replace(
        facade,
        windows=tuple(palette.some('window', 3, rng)),
        floors=max(1, facade.floors + int(rng.integers(-1, 2))),
        tint=(shade, shade * rng.uniform(0.92, 1.0), shade * rng.uniform(0.85, 1.0)),
        wall=facade.wall if rng.random() < 0.5 else palette.pick('wall', rng),
    )


def _wall(
    builder: Builder, face: Face, rectangle: tuple[float, float, float, float], facade: Facade
) -> None:
    s0, t0, s1, t1 = rectangle
    if s1 - s0 < 0.01 or t1 - t0 < 0.01:
        return
    plinth = facade.base_height
    if t0 < plinth - 0.01:
        high = min(plinth, t1)
        builder.quad(
            face.rectangle(s0, t0, s1, high), facade.base, Kind.WALL, _uv(s0, t0, s1, high)
        )
        _wall(builder, face, (s0, high, s1, t1), facade)
        return
    uv = _uv(s0, t0, s1, t1)
    builder.quad(face.rectangle(s0, t0, s1, t1), facade.wall, Kind.WALL, uv, facade.tint)


def _uv(s0: float, t0: float, s1: float, t1: float) -> tuple[float, float, float, float]:
    metres = _TEXTURE_METRES
    return s0 / metres, t0 / metres, s1 / metres, t1 / metres


def _opening(
    builder: Builder,
    face: Face,
    rectangle: tuple[float, float, float, float],
    facade: Facade,
    texture: int,
    kind: Kind,
) -> None:
    """What fills a hole in the wall, and the hole's sides."""
    s0, t0, s1, t1 = rectangle
    depth = -facade.recess
    builder.quad(face.rectangle(s0, t0, s1, t1, depth), texture, kind)
    uv = (0.0, 0.0, facade.recess / _TEXTURE_METRES, (t1 - t0) / _TEXTURE_METRES)
    dark: Colour = (facade.tint[0] * 0.8, facade.tint[1] * 0.8, facade.tint[2] * 0.8)
    left = [face.point(s0, t0), face.point(s0, t0, depth)]
    left += [face.point(s0, t1, depth), face.point(s0, t1)]
    right = [face.point(s1, t0, depth), face.point(s1, t0)]
    right += [face.point(s1, t1), face.point(s1, t1, depth)]
    top = [face.point(s0, t1, depth), face.point(s1, t1, depth)]
    top += [face.point(s1, t1), face.point(s0, t1)]
    for corners in (left, right, top):
        builder.quad(np.stack(corners), facade.wall, Kind.WALL, uv, dark)


def _storey(
    builder: Builder,
    face: Face,
    span: tuple[float, float, float, float],
    facade: Facade,
    palette: Palette,
    rng: Rng,
) -> None:
    """One row of windows in the wall rectangle s0, t0, s1, t1."""
    s0, t0, s1, t1 = span
    width, height = facade.opening
    count = int((s1 - s0 - 0.4) // facade.bay)
    sill, head = t0 + facade.sill, min(t0 + facade.sill + height, t1 - 0.2)
    if count < 1 or head - sill < 0.4:
        _wall(builder, face, span, facade)
        return
    margin = (s1 - s0 - count * facade.bay) / 2
    _wall(builder, face, (s0, t0, s1, sill), facade)
    _wall(builder, face, (s0, head, s1, t1), facade)
    edge = s0
    plain = palette.groups['plain'][0]
    for index in range(count):
        left = s0 + margin + index * facade.bay + (facade.bay - width) / 2
        _wall(builder, face, (edge, sill, left, head), facade)
        texture = facade.windows[int(rng.integers(0, len(facade.windows)))]
        _opening(builder, face, (left, sill, left + width, head), facade, texture, Kind.GLASS)
        edge = left + width
        sill_box = ((left - 0.08, -0.09, sill - 0.08), (left + width + 0.08, 0.02, sill))
        builder.box(*sill_box, plain, tint=facade.trim, face=face)
        if facade.balconies and t0 > 2.5 and rng.random() < facade.balconies:
            low, high = (left - 0.4, -1.0, t0 - 0.1), (left + width + 0.4, 0.0, t0 + 0.05)
            builder.box(low, high, plain, tint=facade.trim, face=face)
            low, high = (left - 0.4, -1.0, t0 + 0.05), (left + width + 0.4, -0.94, t0 + 0.95)
            builder.box(low, high, plain, tint=facade.trim, face=face)
    _wall(builder, face, (edge, sill, s1, head), facade)


def _ground_floor(
    builder: Builder, face: Face, width: float, facade: Facade, palette: Palette, rng: Rng
) -> None:
    height = facade.floor_height
    shops = facade.ground == 'shops' and width > 5
    door = float(rng.uniform(0.4, width - 1.6)) if width > 2.4 else 0.0
    if shops:
        door = float(rng.choice([0.3, width - 1.5]))
    door_box = (door, 0.05, door + 1.05, 2.25)
    texture = palette.pick('door', rng)
    _opening(builder, face, door_box, facade, texture, Kind.WALL)
    _wall(builder, face, (door, 2.25, door + 1.05, height), facade)
    _wall(builder, face, (door, 0, door + 1.05, 0.05), facade)
    if rng.random() < 0.5:
        low, high = (door - 0.3, -0.9, 2.4), (door + 1.35, 0.0, 2.5)
        plain = palette.pick('plain', rng)
        builder.box(low, high, plain, tint=facade.trim, face=face)
    for s0, s1 in ((0.0, door), (door + 1.05, width)):
        if shops and s1 - s0 > 3:
            _shop(builder, face, (s0, s1), height, facade, palette, rng)
        elif facade.ground == 'blank':
            _wall(builder, face, (s0, 0, s1, height), facade)
        else:
            _storey(builder, face, (s0, 0, s1, height), facade, palette, rng)
    if facade.ground == 'blank' or rng.random() < 0.25:
        s = float(rng.uniform(0.3, max(width - 3, 0.4)))
        if rng.random() < 0.5:
            builder.quad(face.rectangle(s, 0.4, s + 2.6, 1.7, 0.03), palette.pick('graffiti', rng))
        else:
            for k in range(int(rng.integers(1, 4))):
                corners = face.rectangle(s + 0.85 * k, 0.9, s + 0.85 * k + 0.8, 2.1, 0.03)
                builder.quad(corners, palette.pick('poster', rng))


def _shop(
    builder: Builder,
    face: Face,
    span: tuple[float, float],
    height: float,
    facade: Facade,
    palette: Palette,
    rng: Rng,
) -> None:
    """Display windows with a sign over them, maybe an awning and a hanging sign."""
    s0, s1 = span
    count = max(1, int((s1 - s0) / rng.uniform(2.6, 4.2)))
    pane = (s1 - s0) / count
    for k in range(count):
        left = s0 + k * pane
        box = (left + 0.15, 0.45, left + pane - 0.15, 2.4)
        _opening(builder, face, box, facade, palette.pick('shop', rng), Kind.GLASS)
        _wall(builder, face, (left, 0.45, left + 0.15, 2.4), facade)
        _wall(builder, face, (left + pane - 0.15, 0.45, left + pane, 2.4), facade)
    _wall(builder, face, (s0, 0, s1, 0.45), facade)
    _wall(builder, face, (s0, 2.4, s1, height), facade)
    length = min(s1 - s0 - 0.2, rng.uniform(2.5, 5))
    start = s0 + (s1 - s0 - length) * rng.random()
    builder.quad(
        face.rectangle(start, 2.45, start + length, 2.45 + min(length / 4, height - 2.5), 0.08),
        palette.pick('sign', rng),
        Kind.SIGN,
    )
    plain = palette.pick('plain', rng)
    if rng.random() < 0.4:
        tint = hsv(hue(rng), rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.9))
        corners = [face.point(s0, 2.05, 1.3), face.point(s1, 2.05, 1.3)]
        corners += [face.point(s1, 2.75, 0.05), face.point(s0, 2.75, 0.05)]
        builder.quad(np.stack(corners), palette.pick('plain', rng), Kind.GROUND, tint=tint)
        builder.quad(face.rectangle(s0, 1.85, s1, 2.05, 1.3), plain, tint=tint)
    if rng.random() < 0.4:
        at = float(rng.uniform(s0, s1))
        texture = palette.pick('sign', rng)
        low, high = (at, -0.95, 2.7), (at + 0.08, -0.05, 3.3)
        builder.box(low, high, texture, Kind.SIGN, face=face)


def front(
    builder: Builder, face: Face, width: float, facade: Facade, palette: Palette, rng: Rng
) -> float:
    """A whole front; returns its height."""
    height = facade.floor_height
    if facade.glass:
        texture = palette.pick('glass wall', rng)
        for floor in range(facade.floors):
            uv = (0.0, floor / 2, width / 6, (floor + 1) / 2)
            corners = face.rectangle(0, floor * height, width, (floor + 1) * height)
            builder.quad(corners, texture, Kind.GLASS, uv)
        door = float(rng.uniform(0.5, max(width - 2.5, 0.6)))
        builder.quad(face.rectangle(door, 0, door + 1.8, 2.4, 0.05), palette.pick('door', rng))
        name = face.rectangle(door - 0.2, 2.5, door + 2.4, 3.1, 0.12)
        builder.quad(name, palette.pick('sign', rng), Kind.SIGN)
        return facade.floors * height
    _ground_floor(builder, face, width, facade, palette, rng)
    plain = palette.groups['plain'][1]
    for floor in range(1, facade.floors):
        span = (0.0, floor * height, width, (floor + 1) * height)
        _storey(builder, face, span, facade, palette, rng)
        if facade.bands:
            low, high = (0.0, -0.07, floor * height - 0.12), (width, 0.0, floor * height)
            builder.box(low, high, plain, tint=facade.trim, face=face)
    top = facade.floors * height
    if rng.random() < 0.5:
        at = float(rng.choice([0.15, width - 0.25]))
        low, high = (at, -0.12, 0.0), (at + 0.1, -0.02, top)
        builder.box(low, high, plain, tint=(0.4, 0.4, 0.42), face=face)
    return top


def building(
    builder: Builder,
    face: Face,
    width: float,
    depth: float,
    facade: Facade,
    palette: Palette,
    rng: Rng,
) -> None:
    """A house with its front on `face`."""
    top = front(builder, face, width, facade, palette, rng)
    back = Face(face.point(width, 0, -depth), -face.along)
    sides = (
        (Face(face.point(width, 0), -face.out), depth),
        (Face(face.point(0, 0, -depth), face.out), depth),
        (back, width),
    )
    plain_side = replace(facade, opening=(facade.opening[0] * 0.8, facade.opening[1] * 0.8))
    for side, length in sides:
        for floor in range(facade.floors):
            t = floor * facade.floor_height
            span = (0.0, t, length, t + facade.floor_height)
            if rng.random() < 0.5:
                _storey(builder, side, span, plain_side, palette, rng)
            else:
                _wall(builder, side, span, facade)
    _roof(builder, face, width, depth, top, facade, rng)


def _roof(
    builder: Builder,
    face: Face,
    width: float,
    depth: float,
    top: float,
    facade: Facade,
    rng: Rng,
) -> None:
    rise = rng.uniform(1.6, 3.4)
    uv = (0.0, 0.0, width / 3, depth / 6)

    def slope(*points: np.ndarray) -> None:
        builder.quad(np.stack(points), facade.roof, Kind.GROUND, uv)

    if facade.top == 'flat':
        slope(
            face.point(0, top),
            face.point(width, top),
            face.point(width, top, -depth),
            face.point(0, top, -depth),
        )
        low, high = (0.0, -0.1, top), (width, 0.15, top + rng.uniform(0.3, 0.9))
        builder.box(low, high, facade.wall, face=face, metres=2.6)
    elif facade.top == 'eaves':
        ridge = top + rise
        slope(
            face.point(-0.2, top - 0.15, 0.45),
            face.point(width + 0.2, top - 0.15, 0.45),
            face.point(width + 0.2, ridge, -depth / 2),
            face.point(-0.2, ridge, -depth / 2),
        )
        slope(
            face.point(width, top, -depth),
            face.point(0, top, -depth),
            face.point(0, ridge, -depth / 2),
            face.point(width, ridge, -depth / 2),
        )
        _chimney(builder, face, width, depth, ridge, facade, rng)
    else:
        middle, ridge = width / 2, top + rise
        slope(
            face.point(-0.2, top - 0.1, 0.2),
            face.point(middle, ridge, 0.2),
            face.point(middle, ridge, -depth),
            face.point(-0.2, top - 0.1, -depth),
        )
        slope(
            face.point(middle, ridge, 0.2),
            face.point(width + 0.2, top - 0.1, 0.2),
            face.point(width + 0.2, top - 0.1, -depth),
            face.point(middle, ridge, -depth),
        )
        gable = [face.point(0, top), face.point(width, top)]
        gable += [face.point(middle + 0.01, ridge), face.point(middle - 0.01, ridge)]
        builder.quad(np.stack(gable), facade.wall, Kind.WALL, (0, 0, width / 2.6, rise / 2.6))


def _chimney(
    builder: Builder,
    face: Face,
    width: float,
    depth: float,
    ridge: float,
    facade: Facade,
    rng: Rng,
) -> None:
    at = float(rng.uniform(0.5, max(width - 1.5, 0.6)))
    low, high = (at, depth / 2 - 0.4, ridge - 1.2), (at + 0.8, depth / 2 + 0.4, ridge + 0.9)
    builder.box(low, high, facade.wall, face=face, metres=2.6, tint=WHITE)
