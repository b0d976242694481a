"""What stands on streets and lawns: trees, hedges, lamps, signs, clutter, vehicles, people."""

from __future__ import annotations

import numpy as np

from training.town.noise import Colour, Rng, hsv, hue
from training.town.world.mesh import Builder, Face, Kind, Mesh, upwards
from training.town.world.textures.palette import Palette


def _rod(builder: Builder, foot: np.ndarray, height: float, radius: float, texture: int,
         tint: Colour = (1, 1, 1), kind: Kind = Kind.WALL, top: float = 1.0, sides: int = 6,
         lean: np.ndarray | None = None) -> None:  # fmt: skip
    """A post that may get thinner."""
    angle = np.arange(sides + 1) * 2 * np.pi / sides
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    low = foot + ring * radius
    high = foot + ring * radius * top + upwards(height)
    if lean is not None:
        high = high + lean
    for k in range(sides):
        uv = (k / sides, 0.0, (k + 1) / sides, max(height, 1.0))
        corners = np.stack([low[k], low[k + 1], high[k + 1], high[k]])
        builder.quad(corners, texture, kind, uv, tint)


def tree(palette: Palette, rng: Rng) -> Mesh:
    """A tree at the origin: trunk, bare branches, and clusters of leaves."""
    builder = Builder()
    height = float(rng.choice([rng.uniform(4, 8), rng.uniform(7, 14)]))
    trunk = height * rng.uniform(0.25, 0.45)
    bark = palette.pick('bark', rng)
    lean = np.array([*rng.normal(0, 0.15, 2), 0.0])
    radius = 0.03 * height * rng.uniform(0.6, 1.2)
    _rod(builder, np.zeros(3), trunk * 1.4, radius, bark, kind=Kind.TWIG, top=0.6, lean=lean)
    twigs = palette.pick('branches', rng)
    spread = height * rng.uniform(0.22, 0.45)
    for turn in np.arange(4) * np.pi / 4 + rng.uniform(0, 1):
        side = np.array([np.cos(turn), np.sin(turn), 0]) * spread
        base = lean + upwards(trunk)
        up = upwards(height - trunk)
        corners = np.stack([base - side, base + side, base + side + up, base - side + up])
        builder.quad(corners, twigs, Kind.TWIG)
    leaf = palette.pick('leaves', rng)
    shade = rng.uniform(0.7, 1.1)
    centre = lean + upwards(trunk + (height - trunk) * 0.52)
    stretch = np.array([spread, spread, (height - trunk) * 0.5])
    for _ in range(int(rng.integers(20, 44))):
        direction = rng.normal(0, 1, 3)
        direction /= np.linalg.norm(direction)
        at = centre + direction * stretch * rng.uniform(0.35, 0.95)
        size = spread * rng.uniform(0.3, 0.55)
        turn, tilt = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5)
        side = np.array([np.cos(turn), np.sin(turn), 0]) * size
        up = np.array([-np.sin(turn) * np.sin(tilt), np.cos(turn) * np.sin(tilt), np.cos(tilt)])
        up = up * size
        corners = np.stack([at - side - up, at + side - up, at + side + up, at - side + up])
        tone = shade * rng.uniform(0.7, 1.15)
        builder.quad(corners, leaf, Kind.FOLIAGE, tint=(min(tone, 1), min(tone, 1), min(tone, 1)))
    return builder.mesh()


def bush(palette: Palette, rng: Rng) -> Mesh:
    """A low shrub or a tuft of flowers."""
    builder = Builder()
    leaf, size = palette.pick('leaves', rng), rng.uniform(0.25, 0.9)
    tint = (1.0, 1.0, 1.0) if rng.random() < 0.7 else hsv(rng.uniform(0, 1), 0.5, 1.0)
    for turn in np.arange(4) * np.pi / 4 + rng.uniform(0, 1):
        side = np.array([np.cos(turn), np.sin(turn), 0]) * size
        up = upwards(size * rng.uniform(1.0, 1.7))
        low = upwards(-0.1)
        corners = np.stack([low - side, low + side, low + side + up, low - side + up])
        builder.quad(corners, leaf, Kind.FOLIAGE, tint=tint)
    return builder.mesh()


def hedge(
    builder: Builder, start: np.ndarray, end: np.ndarray, palette: Palette, rng: Rng
) -> None:
    """A clipped hedge, or a garden wall, or a fence."""
    direction = end - start
    length = float(np.linalg.norm(direction))
    if length < 0.8:
        return
    face = Face(np.array([*start[:2], 0.0]), np.array([*(direction[:2] / length), 0.0]))
    kind = rng.random()
    if kind < 0.5:
        low, high = (0.0, 0.0, 0.0), (length, rng.uniform(0.5, 0.9), rng.uniform(0.8, 2.0))
        builder.box(low, high, palette.pick('hedge', rng), Kind.FOLIAGE, metres=1.5, face=face)
    elif kind < 0.75:
        low, high = (0.0, 0.0, 0.0), (length, 0.25, rng.uniform(0.5, 2.0))
        builder.box(low, high, palette.pick('wall', rng), Kind.WALL, metres=2.6, face=face)
    else:
        tint = hsv(hue(rng), rng.uniform(0, 0.6), rng.uniform(0.15, 0.9))
        plain, top = palette.pick('plain', rng), rng.uniform(0.9, 1.3)
        for s in np.arange(0, length, 0.45):
            low, high = (s, 0.0, 0.0), (s + 0.06, 0.05, top)
            builder.box(low, high, plain, tint=tint, face=face)
        for t in (0.25, top - 0.15):
            builder.box((0, 0.05, t), (length, 0.08, t + 0.08), plain, tint=tint, face=face)


def lamp_post(builder: Builder, at: np.ndarray, towards: np.ndarray, palette: Palette,
              rng: Rng) -> np.ndarray:  # fmt: skip
    """A street lamp; returns the position of its light."""
    plain, height = palette.pick('plain', rng), rng.uniform(4.5, 6.5)
    tint = hsv(0.3, rng.choice([0.0, 0.4]), rng.uniform(0.15, 0.5))
    _rod(builder, at, height, 0.08, plain, tint, top=0.6)
    end = at + towards * 1.2 + upwards(height)
    side = np.array([-towards[1], towards[0], 0.0]) * 0.14
    down = np.stack(
        [end - side, end - side - towards * 0.7, end + side - towards * 0.7, end + side]
    )
    builder.quad(down, palette.groups['panel'][0], Kind.LAMP)
    builder.quad(down[::-1] + upwards(0.08), plain, tint=tint)
    arm = [at + upwards(height - 0.08), end - upwards(0.02)]
    arm += [end + upwards(0.07), at + upwards(height + 0.02)]
    builder.quad(np.stack(arm), plain, tint=tint)
    builder.quad(np.stack(arm)[[1, 0, 3, 2]], plain, tint=tint)
    if rng.random() < 0.3:
        side_on = np.array([side[0], side[1], 0]) / 0.14
        low = at + towards * 0.1 + upwards(2.4)
        corners = np.stack([low, low + towards * 0.55, low + towards * 0.55, low])
        corners[2:, 2] += 1.0
        texture = palette.pick('poster', rng)
        builder.quad(corners, texture)
        builder.quad(corners[[1, 0, 3, 2]] + side_on * 0.02, texture)
    return np.asarray(end - upwards(0.15))


def sign_post(builder: Builder, at: np.ndarray, yaw: float, palette: Palette, rng: Rng) -> None:
    """A traffic sign or a street's name on a post, facing `yaw`."""
    plain = palette.pick('plain', rng)
    _rod(builder, at, 2.6, 0.035, plain, (0.55, 0.55, 0.57), sides=4)
    along = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    face = Face(at, along)
    if rng.random() < 0.6:
        texture = palette.pick('traffic', rng)
        builder.quad(face.rectangle(-0.32, 1.95, 0.32, 2.6, 0.05), texture, Kind.SIGN)
        if rng.random() < 0.4:
            builder.quad(
                face.rectangle(-0.3, 1.7, 0.3, 1.9, 0.05), palette.pick('name', rng), Kind.SIGN
            )
    else:
        texture = palette.pick('name', rng)
        builder.quad(face.rectangle(-0.05, 2.25, 0.95, 2.5, 0.05), texture, Kind.SIGN)
        back = Face(at, -along)
        builder.quad(back.rectangle(-0.95, 2.25, 0.05, 2.5, 0.05), texture, Kind.SIGN)


def clutter(builder: Builder, at: np.ndarray, yaw: float, palette: Palette, rng: Rng) -> None:
    """A bin, bench, bollard, box, board or planter on the pavement."""
    along = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    face = Face(at, along)
    plain = palette.pick('plain', rng)
    tint = hsv(hue(rng), rng.uniform(0, 0.8), rng.uniform(0.12, 0.8))
    kind = int(rng.integers(0, 9))
    if kind == 0:
        _rod(builder, at, 0.95, 0.25, plain, tint, sides=8)
    elif kind == 1:
        builder.box((-0.8, -0.2, 0.4), (0.8, 0.2, 0.46), plain, tint=tint, face=face)
        builder.box((-0.8, 0.18, 0.55), (0.8, 0.22, 0.9), plain, tint=tint, face=face)
        for s in (-0.7, 0.62):
            builder.box(
                (s, -0.18, 0.0), (s + 0.08, 0.2, 0.4), plain, tint=(0.2, 0.2, 0.2), face=face
            )
    elif kind == 2:
        for k in range(int(rng.integers(2, 6))):
            _rod(builder, at + along * 1.3 * k, 0.9, 0.07, plain, tint, top=0.8)
    elif kind == 3:
        builder.box(
            (-0.5, -0.2, 0), (0.5, 0.2, rng.uniform(0.9, 1.5)), plain, tint=tint, face=face
        )
        if rng.random() < 0.6:
            builder.quad(face.rectangle(-0.4, 0.3, 0.4, 0.8, 0.22), palette.pick('graffiti', rng))
    elif kind == 4:
        texture = palette.pick('poster', rng)
        builder.box((-0.3, -0.1, 0), (0.3, 0.1, 0.95), texture, face=face)
    elif kind == 5:
        builder.box(
            (-0.7, -0.3, 0), (0.7, 0.3, 0.5), palette.pick('wall', rng), metres=1, face=face
        )
        for s in (-0.4, 0.0, 0.4):
            builder.add(bush(palette, rng).placed(face.point(s, 0.45), 0.0, 0.7))
    elif kind == 6:
        for s in (0.0, 0.45, 0.9):
            tint = hsv(hue(rng), rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.5))
            builder.box((s, -0.25, 0), (s + 0.4, 0.25, 1.05), plain, tint=tint, face=face)
    elif kind == 7:
        _rod(builder, at, 1.1, 0.22, plain, (0.7, 0.1, 0.1), sides=8)
        builder.quad(face.rectangle(-0.15, 0.7, 0.15, 0.95, 0.23), palette.pick('name', rng))
    else:
        _shelter(builder, face, palette, rng)


def _shelter(builder: Builder, face: Face, palette: Palette, rng: Rng) -> None:
    plain = palette.pick('plain', rng)
    tint = hsv(hue(rng), 0.3, rng.uniform(0.15, 0.5))
    for s in (-1.6, 1.6):
        builder.box((s, 0.5, 0), (s + 0.08, 0.58, 2.4), plain, tint=tint, face=face)
    builder.box((-1.8, -0.6, 2.35), (1.8, 0.7, 2.5), plain, tint=tint, face=face)
    texture = palette.pick('poster', rng)
    builder.box((1.2, -0.5, 0.3), (1.3, 0.4, 2.1), texture, Kind.SIGN, face=face)
    builder.box((-1.2, 0.2, 0.42), (0.9, 0.5, 0.48), plain, tint=tint, face=face)


def vehicle(palette: Palette, rng: Rng) -> Mesh:
    """A car, van or lorry at the origin, heading along X."""
    builder = Builder()
    kind = rng.random()
    length, width, body, roof = 4.2, 1.75, 0.85, 1.45
    if kind > 0.75:
        length, width, body, roof = 5.0, 1.95, 1.2, 2.1
    if kind > 0.92:
        length, width, body, roof = 7.5, 2.3, 1.3, 3.1
    length *= rng.uniform(0.92, 1.1)
    side, plain = palette.pick('car side', rng), palette.groups['plain'][0]
    grey = rng.random() < 0.6
    tint = hsv(rng.uniform(0, 1), 0.03 if grey else rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.95))
    x, y = length / 2, width / 2
    vehicle_kind = Kind.VEHICLE
    builder.box((-x, -y, 0.28), (x, y, body), side, vehicle_kind, tint=tint)
    front, back = (0.25, 0.42) if kind <= 0.75 else (0.34, 0.49)
    _cabin(builder, (-x + (0.5 - back) * length, x - front * length), y, body, roof,
           tint, palette, solid=kind > 0.75)  # fmt: skip
    for wheel_x in (-x + 0.8, x - 0.8):
        for wheel_y in (-y - 0.01, y + 0.01):
            angle = np.arange(9) * np.pi / 4
            ring = np.stack([wheel_x + 0.33 * np.cos(angle), 0 * angle + wheel_y], 1)
            height = 0.33 + 0.33 * np.sin(angle)
            for k in range(0, 8, 2):
                centre = (wheel_x, wheel_y, 0.33)
                points = [centre] + [(*ring[n % 8], height[n % 8]) for n in (k, k + 1, k + 2)]
                corners = np.array(points)[:: 1 if wheel_y < 0 else -1]
                builder.quad(corners, plain, vehicle_kind, tint=(0.07, 0.07, 0.08))
    plate = palette.pick('plate', rng)
    for direction, colour in ((1, (0.95, 0.95, 0.85)), (-1, (0.7, 0.05, 0.05))):
        face = Face(np.array([direction * (x + 0.01), 0, 0]), np.array([0, direction * 1.0, 0]))
        builder.quad(face.rectangle(-0.26, 0.42, 0.26, 0.54, 0.01), plate, vehicle_kind)
        for s in (-y + 0.1, y - 0.45):
            lamp = face.rectangle(s, 0.55, s + 0.35, 0.75, 0.01)
            builder.quad(lamp, plain, Kind.HEADLAMP, tint=colour)
    if kind > 0.75:
        for sign in (-1, 1):
            face = Face(np.array([0, sign * (y + 0.02), 0.0]), np.array([-sign * 1.0, 0, 0]))
            texture = palette.pick('sign', rng)
            builder.quad(face.rectangle(-1.3, 0.95, 0.9, 1.5), texture, vehicle_kind)
    return builder.mesh()


def _cabin(
    builder: Builder,
    span: tuple[float, float],
    half_width: float,
    low: float,
    high: float,
    tint: Colour,
    palette: Palette,
    *,
    solid: bool,
) -> None:
    """The upper part: slanted glass all round, or a box with glass in front."""
    x0, x1 = span
    slope = 0.1 if solid else 0.45
    inset = 0.03 if solid else 0.14
    y, top_y = half_width - 0.02, half_width - inset
    a = np.array([[x0, -y, low], [x1, -y, low], [x1, y, low], [x0, y, low]])
    b = np.array(
        [
            [x0 + slope, -top_y, high],
            [x1 - slope * 1.3, -top_y, high],
            [x1 - slope * 1.3, top_y, high],
            [x0 + slope, top_y, high],
        ]
    )
    glass, plain = palette.groups['plain'][1], palette.groups['plain'][0]
    dark: Colour = (0.13, 0.15, 0.17)
    for k in range(4):
        n = (k + 1) % 4
        corners = np.stack([a[k], a[n], b[n], b[k]])
        clear = k == 1 or not solid
        kind = Kind.GLASS if clear else Kind.VEHICLE
        builder.quad(corners, glass, kind, tint=dark if clear else tint)
    builder.quad(b, plain, Kind.VEHICLE, tint=tint)


def person(palette: Palette, rng: Rng) -> Mesh:
    """Somebody at the origin: two crossed pictures."""
    builder = Builder()
    texture, height = palette.pick('person', rng), rng.uniform(1.5, 1.9)
    for turn in (0.0, np.pi / 2):
        side = np.array([np.cos(turn), np.sin(turn), 0]) * height * 0.19
        up = upwards(height)
        corners = np.stack([-side, side, side + up, up - side])
        builder.quad(corners, texture, Kind.TWIG)
    return builder.mesh()
