"""The net of streets, the blocks between them, and what lies around."""

from __future__ import annotations

import numpy as np

from training.town.noise import Rng
from training.town.world.buildings import Facade
from training.town.world.draft import ROAD_DEPTH, TownDraft, Walk, ground, inset, strip
from training.town.world.edges import STYLE_WEIGHTS, STYLES, side_of_street
from training.town.world.indoor import corridor, random_interior
from training.town.world.mesh import Face, Kind


def crossings(columns: int, rows: int, rng: Rng) -> np.ndarray:
    """[columns + 1, rows + 1, 2] crossings of the streets."""
    x = np.cumsum(np.r_[0, rng.uniform(52, 78, columns)])
    y = np.cumsum(np.r_[0, rng.uniform(52, 78, rows)])
    grid = np.stack(np.meshgrid(x, y, indexing='ij'), -1)
    return np.asarray(grid + rng.uniform(-6, 6, grid.shape))


def base(draft: TownDraft, nodes: np.ndarray, rng: Rng) -> None:
    """Ground below everything, and a rim of trees against the horizon."""
    palette, builder = draft.palette, draft.builder
    grass, asphalt = palette.pick('grass', rng), palette.groups['asphalt'][0]
    low, high = nodes.reshape(-1, 2).min(0) - 60, nodes.reshape(-1, 2).max(0) + 60
    step = 12.0
    for x in np.arange(low[0], high[0], step):
        for y in np.arange(low[1], high[1], step):
            inside = (low + 52 < [x, y]).all() and ([x, y] < high - 52).all()
            texture = asphalt if inside else grass
            z = -ROAD_DEPTH - 0.03
            corners = [[x, y, z], [x + step, y, z], [x + step, y + step, z], [x, y + step, z]]
            builder.quad(np.array(corners), texture, Kind.GROUND, (0, 0, 3, 3))
    _rim(draft, (low + high) / 2, (high - low) / 2, rng)


def _rim(draft: TownDraft, centre: np.ndarray, size: np.ndarray, rng: Rng) -> None:
    """Woods all round, some of them near, and hills behind."""
    for distance, count, height in ((0.9, 90, 9.0), (1.04, 70, 14.0), (1.25, 40, 30.0)):
        angle = np.arange(count + 1) * 2 * np.pi / count
        radius = distance * rng.uniform(0.97, 1.03, count + 1)
        radius[-1] = radius[0]
        ring = centre + size * np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] * 1.1
        for k in range(count):
            top = height * rng.uniform(0.6, 1.2)
            a, b = [*ring[k + 1], -1.0], [*ring[k], -1.0]
            corners = np.array([a, b, [*b[:2], top], [*a[:2], top]])
            texture = draft.palette.pick('wood', rng)
            draft.builder.quad(corners, texture, Kind.TWIG, (rng.random(), 0, rng.random(), 1))


def block(
    draft: TownDraft,
    corners: np.ndarray,
    road: np.ndarray,
    designs: list[Facade],
    passage: bool,
    rng: Rng,
) -> np.ndarray:
    """One block: kerbs, pavements, ground, and what stands along its four edges.

    Returns:
        [N, 2] way through the block and back along the pavement, where it has a passage.
    """
    palette = draft.palette
    pavement = rng.uniform(2.4, 4.0, 4)
    kerb, line = inset(corners, road), inset(corners, road + pavement)
    middle = inset(corners, road + pavement / 2)
    stone, paving = palette.pick('wall', rng), palette.pick('paving', rng)
    _fill(draft, line, palette.pick(str(rng.choice(['grass', 'grass', 'gravel', 'paving'])), rng))
    for k in range(4):
        n = (k + 1) % 4
        draft.walks.append(Walk(ground(middle[k]), ground(middle[n]), 0.75, 'pavement'))
        gate = passage and k in (0, 2)
        style = 'shops' if gate else str(rng.choice(STYLES, p=STYLE_WEIGHTS))
        textures = stone, paving
        side_of_street(draft, kerb[[k, n]], line[[k, n]], textures, designs, style, gate, rng)
    if not passage:
        return np.zeros((0, 2))
    ends = (line[0] + line[1]) / 2, (line[3] + line[2]) / 2
    return _passage(draft, ends, middle, rng)


def _fill(draft: TownDraft, polygon: np.ndarray, texture: int) -> None:
    count = 8
    a, b, c, d = polygon
    for i in range(count):
        for j in range(count):
            corners = []
            for column, row in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)):
                u, v = column / count, row / count
                point = (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v
                corners.append([*point, -0.01])
            draft.builder.quad(np.array(corners), texture, Kind.GROUND, (0, 0, 2.5, 2.5))


def outskirts(
    draft: TownDraft, nodes: np.ndarray, road: np.ndarray, designs: list[Facade], rng: Rng
) -> None:
    """The far side of the outermost streets."""
    columns, rows = nodes.shape[0] - 1, nodes.shape[1] - 1
    around = [(nodes[i, 0], nodes[i + 1, 0], road[columns + 1]) for i in range(columns)]
    around += [(nodes[-1, j], nodes[-1, j + 1], road[columns]) for j in range(rows)]
    around += [(nodes[i + 1, -1], nodes[i, -1], road[columns + 1 + rows]) for i in range(columns)]
    around += [(nodes[0, j + 1], nodes[0, j], road[0]) for j in range(rows)]
    for begin, end, half in around:
        along = (end - begin) / np.linalg.norm(end - begin)
        out = np.array([along[1], -along[0]])
        wide = float(rng.uniform(2.4, 4.0))
        ends = np.stack([end, begin])
        kerb, line, middle = (ends + out * far for far in (half, half + wide, half + wide / 2))
        draft.walks.append(Walk(ground(middle[0]), ground(middle[1]), 0.75, 'pavement'))
        textures = draft.palette.pick('wall', rng), draft.palette.pick('paving', rng)
        style = str(rng.choice(STYLES, p=STYLE_WEIGHTS))
        side_of_street(draft, kerb, line, textures, designs, style, False, rng)


def _passage(
    draft: TownDraft, ends: tuple[np.ndarray, np.ndarray], middle: np.ndarray, rng: Rng
) -> np.ndarray:
    """A corridor from one street to the other; returns the way through it and around."""
    path = np.stack(ends)
    style = random_interior(draft.palette, rng)
    lamps = corridor(draft.builder, path, 3.0, 0.02, style, draft.palette, rng, closed_ends=False)
    draft.lamps += [(at, colour, True) for at, colour in lamps]
    draft.walks.append(Walk(ground(path[0]), ground(path[1]), 0.8, 'corridor'))
    before, after = (middle[0] + middle[1]) / 2, (middle[3] + middle[2]) / 2
    return np.stack([before, path[0], path[1], after, middle[3], middle[0]])


def roads(
    draft: TownDraft, nodes: np.ndarray, road: np.ndarray, columns: int, rows: int, rng: Rng
) -> None:
    """Carriageways with markings between neighbouring crossings."""
    plain = draft.palette.groups['plain'][0]
    for i in range(columns + 1):
        for j in range(rows + 1):
            for di, dj, half in ((1, 0, road[columns + 1 + j]), (0, 1, road[i])):
                if i + di > columns or j + dj > rows:
                    continue
                start, end = nodes[i, j], nodes[i + di, j + dj]
                along = (end - start) / np.linalg.norm(end - start)
                side = np.array([-along[1], along[0]]) * half
                asphalt = draft.palette.pick('asphalt', rng)
                z = -ROAD_DEPTH
                strip(
                    draft, (start - side, end - side), (start + side, end + side), z, asphalt, 4.0
                )
                _markings(draft, start, end, float(half), plain, rng)
                low, high = start + along * 8, end - along * 8
                ends = np.array([*low, z]), np.array([*high, z])
                draft.walks.append(Walk(*ends, half_width=float(half - 1.0), kind='road'))


def _markings(
    draft: TownDraft, start: np.ndarray, end: np.ndarray, half: float, texture: int, rng: Rng
) -> None:
    length = float(np.linalg.norm(end - start))
    face = Face(np.array([*start, 0.03 - ROAD_DEPTH]), np.array([*((end - start) / length), 0.0]))

    def paint(s0: float, s1: float, y0: float, y1: float) -> None:
        corners = [face.point(s0, 0, -y0), face.point(s1, 0, -y0)]
        corners += [face.point(s1, 0, -y1), face.point(s0, 0, -y1)]
        draft.builder.quad(np.stack(corners), texture, Kind.GROUND, tint=(0.8, 0.8, 0.78))

    dash, gap = rng.uniform(1, 3), rng.uniform(2, 5)
    if rng.random() < 0.7:
        for s in np.arange(8, length - 8, dash + gap):
            paint(s, s + dash, -0.06, 0.06)
    for s in (7.0, length - 10.0):
        if rng.random() < 0.5:
            for y in np.arange(-half + 0.3, half - 0.3, 1.0):
                paint(s, s + 3, y, y + 0.5)
