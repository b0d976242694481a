"""A town grown from a seed: a net of streets, blocks with buildings, greens, and corridors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.town.buildings import Facade, building, random_facade, varied
from training.town.indoor import corridor, random_interior
from training.town.mesh import Builder, Face, Kind, Mesh, joined
from training.town.noise import Colour, Rng, stream
from training.town.palette import Palette, paint_town
from training.town.street import (
    bush,
    clutter,
    hedge,
    lamp_post,
    person,
    sign_post,
    tree,
    vehicle,
)

ROAD_DEPTH = 0.12
_STYLES = ('terrace', 'shops', 'offices', 'houses', 'campus', 'park', 'yard')
_STYLE_WEIGHTS = (0.2, 0.2, 0.1, 0.14, 0.2, 0.1, 0.06)
_DEPTH = 10.0


@dataclass(frozen=True, eq=False)
class Walk:
    """A straight way that a camera can go, in both directions.

    Attributes:
        start, end: [3], metres, on the ground.
        half_width: how far to either side there is room.
        kind: 'pavement', 'road', 'path' or 'corridor'.
    """

    start: np.ndarray
    end: np.ndarray
    half_width: float
    kind: str

    @property
    def length(self) -> float:
        """Metres."""
        return float(np.linalg.norm(self.end - self.start))

    @property
    def yaw(self) -> float:
        """Heading from start to end."""
        direction = self.end - self.start
        return float(np.arctan2(direction[1], direction[0]))


@dataclass(frozen=True, eq=False)
class Town:
    """What was grown.

    Attributes:
        walks: ways for cameras.
        lamps: [L, 3] positions, metres.
        lamp_colours: [L, 3].
        indoor_lamps: [L] bool.
        parking: [P, 3] x, y, yaw of places where vehicles may stand.
        vehicles, people: what may stand there.
        loop: [N, 2] corners of a closed way over pavements and through a corridor.
    """

    seed: int
    mesh: Mesh
    palette: Palette
    walks: tuple[Walk, ...]
    lamps: np.ndarray
    lamp_colours: np.ndarray
    indoor_lamps: np.ndarray
    parking: np.ndarray
    vehicles: tuple[Mesh, ...]
    people: tuple[Mesh, ...]
    loop: np.ndarray


@dataclass
class _Growth:
    """A town while it grows."""

    seed: int
    palette: Palette
    builder: Builder = field(default_factory=Builder)
    walks: list[Walk] = field(default_factory=list)
    lamps: list[tuple[np.ndarray, Colour, bool]] = field(default_factory=list)
    parking: list[tuple[float, float, float]] = field(default_factory=list)
    trees: list[Mesh] = field(default_factory=list)
    bushes: list[Mesh] = field(default_factory=list)

    def tree(self, at: np.ndarray, rng: Rng) -> None:
        mesh = self.trees[int(rng.integers(0, len(self.trees)))]
        yaw, scale = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.75, 1.25))
        self.builder.add(mesh.placed(_ground(at), yaw, scale))

    def bush(self, at: np.ndarray, rng: Rng) -> None:
        mesh = self.bushes[int(rng.integers(0, len(self.bushes)))]
        yaw, scale = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.6, 1.4))
        self.builder.add(mesh.placed(_ground(at), yaw, scale))


def _ground(at: np.ndarray) -> np.ndarray:
    return np.array([at[0], at[1], 0.0])


def grow(seed: int, columns: int = 4, rows: int = 3, storeys: int = 6) -> Town:
    """Make a town of columns x rows blocks and `storeys` more floors of corridors.

    The same seed gives the same town.
    """
    growth = _Growth(seed, paint_town(seed))
    rng = stream(seed, 1)
    growth.trees = [tree(growth.palette, rng) for _ in range(14)]
    growth.bushes = [bush(growth.palette, rng) for _ in range(8)]
    nodes = _nodes(columns, rows, rng)
    road = rng.uniform(2.8, 4.2, columns + rows + 2)
    _base(growth, nodes, rng)
    loop = np.zeros((0, 2))
    designs = [random_facade(growth.palette, rng) for _ in range(8)]
    crossing = (columns // 2, rows // 2)
    for i in range(columns):
        for j in range(rows):
            corners = np.stack(
                [nodes[i, j], nodes[i + 1, j], nodes[i + 1, j + 1], nodes[i, j + 1]]
            )
            widths = np.array([road[columns + 1 + j], road[i + 1], road[columns + 2 + j], road[i]])
            passage = (i, j) == crossing
            ways = _block(growth, corners, widths, designs, passage, stream(seed, 2, i, j))
            if passage:
                loop = ways
    _roads(growth, nodes, road, columns, rows, stream(seed, 3))
    for k in range(storeys):
        _storey(growth, k, stream(seed, 4, k))
    rng = stream(seed, 5)
    return Town(
        seed=seed,
        mesh=growth.builder.mesh(),
        palette=growth.palette,
        walks=tuple(growth.walks),
        lamps=np.array([lamp[0] for lamp in growth.lamps], np.float32),
        lamp_colours=np.array([lamp[1] for lamp in growth.lamps], np.float32),
        indoor_lamps=np.array([lamp[2] for lamp in growth.lamps]),
        parking=np.array(growth.parking),
        vehicles=tuple(vehicle(growth.palette, rng) for _ in range(16)),
        people=tuple(person(growth.palette, rng) for _ in range(10)),
        loop=loop,
    )


def _nodes(columns: int, rows: int, rng: Rng) -> np.ndarray:
    """[columns + 1, rows + 1, 2] crossings of the streets."""
    x = np.cumsum(np.r_[0, rng.uniform(52, 78, columns)])
    y = np.cumsum(np.r_[0, rng.uniform(52, 78, rows)])
    grid = np.stack(np.meshgrid(x, y, indexing='ij'), -1)
    return np.asarray(grid + rng.uniform(-6, 6, grid.shape))


def _base(growth: _Growth, nodes: np.ndarray, rng: Rng) -> None:
    """Ground below everything, and a rim of trees against the horizon."""
    palette, builder = growth.palette, growth.builder
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
    centre, size = (low + high) / 2, (high - low) / 2
    for angle in np.arange(0, 2 * np.pi, 0.013):
        at = centre + size * np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.93, 1.08)
        growth.tree(at, rng)


def _inset(corners: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """A convex polygon with each edge moved inwards."""
    along = np.roll(corners, -1, 0) - corners
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    inwards = np.stack([-along[:, 1], along[:, 0]], 1)
    start = corners + inwards * distance[:, None]
    moved = []
    for k in range(len(corners)):
        before = k - 1
        system = np.stack([along[before], -along[k]], 1)
        t = np.linalg.solve(system, start[k] - start[before])[0]
        moved.append(start[before] + along[before] * t)
    return np.array(moved)


def _strip(
    growth: _Growth,
    outer: tuple[np.ndarray, np.ndarray],
    inner: tuple[np.ndarray, np.ndarray],
    z: float,
    texture: int,
    metres: float,
) -> None:
    """Ground between two lines, of which the outer one lies to the right."""
    length = float(np.linalg.norm(outer[1] - outer[0]))
    wide = float(np.linalg.norm(inner[0] - outer[0]))
    count = max(1, int(length / 5))
    for k in range(count):
        a, b = k / count, (k + 1) / count
        points = [
            outer[0] + (outer[1] - outer[0]) * a,
            outer[0] + (outer[1] - outer[0]) * b,
            inner[0] + (inner[1] - inner[0]) * b,
            inner[0] + (inner[1] - inner[0]) * a,
        ]
        corners = np.array([[*point, z] for point in points])
        uv = (
            a * length / metres % 1,
            0,
            a * length / metres % 1 + length / count / metres,
            wide / metres,
        )
        growth.builder.quad(corners, texture, Kind.GROUND, uv)


def _block(
    growth: _Growth,
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
    palette, builder = growth.palette, growth.builder
    pavement = rng.uniform(2.4, 4.0, 4)
    kerb, line = _inset(corners, road), _inset(corners, road + pavement)
    middle = _inset(corners, road + pavement / 2)
    stone, paving = palette.pick('wall', rng), palette.pick('paving', rng)
    ground = palette.pick(str(rng.choice(['grass', 'grass', 'gravel', 'paving'])), rng)
    _fill(growth, line, ground)
    for k in range(4):
        n = (k + 1) % 4
        _strip(growth, (kerb[k], kerb[n]), (line[k], line[n]), 0.0, paving, 2.0)
        low = np.array([[*kerb[k], -ROAD_DEPTH], [*kerb[n], -ROAD_DEPTH]])
        face = np.stack([low[0], low[1], low[1] + [0, 0, ROAD_DEPTH], low[0] + [0, 0, ROAD_DEPTH]])
        builder.quad(face, stone, Kind.WALL, (0, 0, 20, 0.1))
        growth.walks.append(Walk(_ground(middle[k]), _ground(middle[n]), 0.75, 'pavement'))
        style = str(rng.choice(_STYLES, p=_STYLE_WEIGHTS))
        if passage and k in (0, 2):
            style = 'shops' if k == 0 else 'terrace'
        edge = _Edge(growth, line[k], line[n], designs, passage and k in (0, 2), rng)
        edge.build(style)
        _furnish(growth, (kerb[k], kerb[n]), (line[k], line[n]), rng)
    if not passage:
        return np.zeros((0, 2))
    ends = (line[0] + line[1]) / 2, (line[3] + line[2]) / 2
    return _passage(growth, ends, middle, rng)


def _passage(
    growth: _Growth, ends: tuple[np.ndarray, np.ndarray], middle: np.ndarray, rng: Rng
) -> np.ndarray:
    """A corridor from one street to the other; returns the way through it and around."""
    path = np.stack(ends)
    style = random_interior(growth.palette, rng)
    lamps = corridor(
        growth.builder, path, 3.0, 0.02, style, growth.palette, rng, closed_ends=False
    )
    growth.lamps += [(at, colour, True) for at, colour in lamps]
    growth.walks.append(Walk(_ground(path[0]), _ground(path[1]), 0.8, 'corridor'))
    before, after = (middle[0] + middle[1]) / 2, (middle[3] + middle[2]) / 2
    return np.stack([before, path[0], path[1], after, middle[3], middle[0]])


def _fill(growth: _Growth, polygon: np.ndarray, texture: int) -> None:
    count = 8
    a, b, c, d = polygon
    for i in range(count):
        for j in range(count):
            corners = []
            for u, v in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)):
                u, v = u / count, v / count
                point = (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v
                corners.append([*point, -0.01])
            growth.builder.quad(np.array(corners), texture, Kind.GROUND, (0, 0, 2.5, 2.5))


class _Edge:
    """What stands along one edge of a block."""

    def __init__(
        self,
        growth: _Growth,
        start: np.ndarray,
        end: np.ndarray,
        designs: list[Facade],
        gate: bool,
        rng: Rng,
    ) -> None:
        self.growth, self.palette, self.builder = growth, growth.palette, growth.builder
        self.length = float(np.linalg.norm(end - start))
        self.face = Face(_ground(start), np.array([*((end - start) / self.length), 0.0]))
        self.designs, self.gate, self.rng = designs, gate, rng

    def build(self, style: str) -> None:
        getattr(self, f'_{style}')()

    def _lots(self, narrow: float, wide: float):
        """Start and width of each lot; the corridor's gate is left out."""
        reach = self.length - _DEPTH - 0.5
        holes = [(self.length / 2 - 5.0, self.length / 2 + 5.0)] if self.gate else []
        s = 0.0
        while s < reach - narrow:
            width = float(self.rng.uniform(narrow, wide))
            for low, high in holes:
                if s < high and s + width > low:
                    if low - s > 3:
                        yield s, low - s
                    self._gate(low, high)
                    s = high
                    break
            else:
                width = min(width, reach - s)
                yield s, width
                s += width

    def _design(self, ground: str) -> Facade:
        """A design of the whole town, repeated, or a new one."""
        if self.rng.random() < 0.35:
            return self.designs[int(self.rng.integers(0, len(self.designs)))]
        return random_facade(self.palette, self.rng, ground)

    def _at(self, s: float, out: float = 0.0) -> Face:
        return Face(self.face.point(s, 0, out), self.face.along)

    def _put(self, s: float, width: float, back: float, facade: Facade) -> None:
        args = (width, _DEPTH, facade, self.palette, self.rng)
        building(self.builder, self._at(s, -back), *args)

    def _terrace(self) -> None:
        """One design for the whole row: houses that look alike."""
        design = self._design('windows')
        for s, width in self._lots(6, 8):
            self._put(s, width, 0.0, design if self.rng.random() < 0.6 else self._own(design))

    def _own(self, design: Facade) -> Facade:
        return varied(design, self.palette, self.rng)

    def _shops(self) -> None:
        for s, width in self._lots(6, 14):
            self._put(s, width, 0.0, random_facade(self.palette, self.rng, 'shops'))

    def _offices(self) -> None:
        for s, width in self._lots(16, 28):
            self._put(s, width, float(self.rng.choice([0.0, 2.0])), self._design('windows'))

    def _houses(self) -> None:
        """Set back, with gardens, hedges and gaps between them."""
        design = self._design('windows')
        back = float(self.rng.uniform(3, 6))
        for s, width in self._lots(10, 15):
            self._put(s + 1.5, width - 3.5, back, self._own(design))
            low, high = self.face.point(s, 0, -0.3), self.face.point(s + width - 1.4, 0, -0.3)
            hedge(self.builder, low, high, self.palette, self.rng)
            for _ in range(int(self.rng.integers(1, 6))):
                at = self.face.point(s + self.rng.uniform(0, width), 0, -self.rng.uniform(1, back))
                self.growth.bush(at, self.rng)
            if self.rng.random() < 0.5:
                self.growth.tree(self.face.point(s, 0, -back / 2), self.rng)

    def _campus(self) -> None:
        """Set far back, behind lawn and trees, with a footpath of its own."""
        back = float(self.rng.uniform(8, 13))
        design = self._design(str(self.rng.choice(['windows', 'blank'])))
        for s, width in self._lots(14, 26):
            self._put(s, width, back, self._own(design))
        self._footpath(back * self.rng.uniform(0.35, 0.6), back - 1.0)

    def _footpath(self, middle: float, depth: float) -> None:
        rng, face = self.rng, self.face
        half = float(rng.uniform(1.2, 2.2))
        texture = self.palette.pick(str(rng.choice(['paving', 'gravel', 'asphalt'])), rng)
        outer = face.point(0, 0, half - middle)[:2], face.point(self.length, 0, half - middle)[:2]
        inner = (
            face.point(0, 0, -half - middle)[:2],
            face.point(self.length, 0, -half - middle)[:2],
        )
        _strip(self.growth, outer, inner, 0.01, texture, 2.5)
        lawn = self.palette.pick('grass', rng)
        edge = face.point(0, 0)[:2], face.point(self.length, 0)[:2]
        far = face.point(0, 0, -depth)[:2], face.point(self.length, 0, -depth)[:2]
        _strip(self.growth, edge, outer, 0.0, lawn, 4.0)
        _strip(self.growth, inner, far, 0.0, lawn, 4.0)
        start, end = face.point(3, 0, -middle), face.point(self.length - 3, 0, -middle)
        self.growth.walks.append(Walk(start, end, min(half + 0.3, 1.9), 'path'))
        spacing = float(rng.uniform(3.5, 9))
        for s in np.arange(rng.uniform(1, 5), self.length - 2, spacing):
            for out in (half + 1.0 - middle, -half - 1.0 - middle):
                chance = rng.random()
                at = face.point(s + rng.uniform(-1, 1), 0, out + rng.uniform(-0.3, 0.3))
                if chance < 0.45:
                    self.growth.tree(at, rng)
                elif chance < 0.7:
                    self.growth.bush(at, rng)
                elif chance < 0.8:
                    clutter(
                        self.builder, at, face.yaw + np.pi * (out > -middle), self.palette, rng
                    )
                elif chance < 0.86:
                    sign_post(self.builder, at, face.yaw + np.pi, self.palette, rng)
        if rng.random() < 0.4:
            hedge(self.builder, face.point(1, 0, -0.6), face.point(self.length * 0.6, 0, -0.6),
                  self.palette, rng)  # fmt: skip
        elif rng.random() < 0.3:
            self._colonnade(middle, half)

    def _colonnade(self, middle: float, half: float) -> None:
        """A roof on posts over a footpath."""
        plain, rng = self.palette.pick('wall', self.rng), self.rng
        frame = {'origin': self.face.origin, 'axes': self.face.axes}
        low, high = self.length * 0.15, self.length * 0.75
        roof = ((low, middle - half, 2.7), (high, middle + half, 2.9))
        self.builder.box(*roof, plain, metres=2.6, **frame)
        under = [
            self.face.point(low, 2.7, half - middle),
            self.face.point(low, 2.7, -half - middle),
        ]
        under += [self.face.point(high, 2.7, -half - middle)]
        under += [self.face.point(high, 2.7, half - middle)]
        self.builder.quad(np.stack(under), plain, Kind.WALL, (0, 0, 1.5, 12))
        for s in np.arange(low, high, rng.uniform(3, 5)):
            for y in (middle - half, middle + half - 0.3):
                self.builder.box((s, y, 0), (s + 0.3, y + 0.3, 2.7), plain, metres=2.6, **frame)

    def _park(self) -> None:
        """A green with trees, and a path along it."""
        rng = self.rng
        self._footpath(float(rng.uniform(3, 8)), 14.0)
        for _ in range(int(rng.integers(4, 14))):
            at = self.face.point(rng.uniform(4, self.length - 4), 0, -rng.uniform(11, 18))
            self.growth.tree(at, rng)

    def _yard(self) -> None:
        """A car park behind a fence or hedge, or a blank shed."""
        rng = self.rng
        if rng.random() < 0.5:
            for s, width in self._lots(18, 30):
                self._put(s, width, 1.0, random_facade(self.palette, rng, 'blank'))
            return
        end = self.face.point(self.length * 0.7, 0, -0.3)
        hedge(self.builder, self.face.point(2, 0, -0.3), end, self.palette, rng)
        asphalt = self.palette.pick('asphalt', rng)
        near = self.face.point(2, 0, -1)[:2], self.face.point(self.length - 12, 0, -1)[:2]
        far = self.face.point(2, 0, -13)[:2], self.face.point(self.length - 12, 0, -13)[:2]
        _strip(self.growth, near, far, 0.005, asphalt, 4.0)
        for s in np.arange(4, self.length - 14, 2.7):
            x, y, _ = self.face.point(s, 0, -4.0)
            self.growth.parking.append((x, y, self.face.yaw + np.pi / 2))

    def _gate(self, low: float, high: float) -> None:
        """The building over the mouth of a corridor."""
        facade = random_facade(self.palette, self.rng, 'windows')
        middle, half, top = (low + high) / 2, 1.5, 2.7
        walls = ((low, 0, middle - half, 9), (middle - half, top, middle + half, 9),
                 (middle + half, 0, high, 9))  # fmt: skip
        for s0, t0, s1, t1 in walls:
            uv = (s0 / 2.6, t0 / 2.6, s1 / 2.6, t1 / 2.6)
            self.builder.quad(self.face.rectangle(s0, t0, s1, t1), facade.wall, Kind.WALL, uv)
        sign = self.palette.pick('sign', self.rng)
        corners = self.face.rectangle(middle - 1.8, 2.8, middle + 1.8, 3.7, 0.08)
        self.builder.quad(corners, sign, Kind.SIGN)
        for s in (low + 0.6, middle + half + 0.6):
            window = facade.windows[0]
            corners = self.face.rectangle(s, 0.9, s + 2.2, 2.4, 0.02)
            self.builder.quad(corners, window, Kind.GLASS)
        for s in np.arange(low + 0.6, high - 1.5, 2.2):
            for t in (4.0, 6.6):
                corners = self.face.rectangle(s, t, s + 1.2, t + 1.5, 0.02)
                self.builder.quad(corners, facade.windows[-1], Kind.GLASS)


def _furnish(
    growth: _Growth,
    kerb: tuple[np.ndarray, np.ndarray],
    line: tuple[np.ndarray, np.ndarray],
    rng: Rng,
) -> None:
    """Lamps, trees, signs and clutter at the kerb, and parking beside it."""
    length = float(np.linalg.norm(kerb[1] - kerb[0]))
    face = Face(_ground(kerb[0]), np.array([*((kerb[1] - kerb[0]) / length), 0.0]))
    for s in np.arange(rng.uniform(4, 10), length - 3, rng.uniform(16, 26)):
        at = face.point(s, 0, -0.4)
        lamp = lamp_post(growth.builder, at, face.out, growth.palette, rng)
        growth.lamps.append((lamp, (1.0, 0.75, 0.45), False))
    avenue = rng.random() < 0.4
    if avenue:
        for s in np.arange(rng.uniform(3, 8), length - 3, rng.uniform(6, 12)):
            growth.tree(face.point(s, 0, -0.6), rng)
    for s in np.arange(rng.uniform(1, 4), length - 2, rng.uniform(3, 9)):
        chance = rng.random()
        at = face.point(s + rng.uniform(-1, 1), 0, -0.55)
        if chance < 0.55:
            clutter(growth.builder, at, face.yaw + np.pi, growth.palette, rng)
        elif chance < 0.85:
            yaw = face.yaw + float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2]))
            sign_post(growth.builder, at, yaw, growth.palette, rng)
    sign_post(growth.builder, face.point(1.0, 0, -0.5), face.yaw + np.pi, growth.palette, rng)
    for s in np.arange(9, length - 9, 6.2):
        x, y, _ = face.point(s, 0, 1.05)
        growth.parking.append((x, y, face.yaw))


def _roads(
    growth: _Growth, nodes: np.ndarray, road: np.ndarray, columns: int, rows: int, rng: Rng
) -> None:
    """Carriageways with markings between neighbouring crossings."""
    plain = growth.palette.groups['plain'][0]
    for i in range(columns + 1):
        for j in range(rows + 1):
            for di, dj, half in ((1, 0, road[columns + 1 + j]), (0, 1, road[i])):
                if i + di > columns or j + dj > rows:
                    continue
                start, end = nodes[i, j], nodes[i + di, j + dj]
                along = (end - start) / np.linalg.norm(end - start)
                side = np.array([-along[1], along[0]]) * half
                asphalt = growth.palette.pick('asphalt', rng)
                z = -ROAD_DEPTH
                _strip(
                    growth, (start - side, end - side), (start + side, end + side), z, asphalt, 4.0
                )
                _markings(growth, start, end, float(half), plain, rng)
                low, high = start + along * 8, end - along * 8
                ends = np.array([*low, z]), np.array([*high, z])
                growth.walks.append(Walk(*ends, half_width=float(half - 1.0), kind='road'))


def _markings(
    growth: _Growth, start: np.ndarray, end: np.ndarray, half: float, texture: int, rng: Rng
) -> None:
    length = float(np.linalg.norm(end - start))
    face = Face(np.array([*start, 0.03 - ROAD_DEPTH]), np.array([*((end - start) / length), 0.0]))

    def paint(s0: float, s1: float, y0: float, y1: float) -> None:
        corners = [face.point(s0, 0, -y0), face.point(s1, 0, -y0)]
        corners += [face.point(s1, 0, -y1), face.point(s0, 0, -y1)]
        growth.builder.quad(np.stack(corners), texture, Kind.GROUND, tint=(0.8, 0.8, 0.78))

    dash, gap = rng.uniform(1, 3), rng.uniform(2, 5)
    if rng.random() < 0.7:
        for s in np.arange(8, length - 8, dash + gap):
            paint(s, s + dash, -0.06, 0.06)
    for s in (7.0, length - 10.0):
        if rng.random() < 0.5:
            for y in np.arange(-half + 0.3, half - 0.3, 1.0):
                paint(s, s + 3, y, y + 0.5)


def _storey(growth: _Growth, number: int, rng: Rng) -> None:
    """Corridors far away from the streets, as inside a large building."""
    origin = np.array([2000.0 + 400 * number, 0.0])
    palette = growth.palette
    style = random_interior(palette, rng)
    heading = float(rng.uniform(0, 2 * np.pi))
    points = [origin]
    turn = 1
    for _ in range(int(rng.integers(4, 6))):
        length = rng.uniform(12, 26)
        points.append(points[-1] + length * np.array([np.cos(heading), np.sin(heading)]))
        heading += turn * np.pi / 2
        turn = -turn if rng.random() < 0.8 else turn
    path = np.array(points)
    width = float(rng.choice([1.8, 2.4, 3.0, 5.5]))
    lamps = corridor(growth.builder, path, width, 0.0, style, palette, rng)
    growth.lamps += [(at, colour, True) for at, colour in lamps]
    for k in range(len(path) - 1):
        half = max(0.25, width / 2 - 0.65)
        growth.walks.append(Walk(_ground(path[k]), _ground(path[k + 1]), half, 'corridor'))
    if width > 5:
        _furnish_hall(growth, path, rng)


def _furnish_hall(growth: _Growth, path: np.ndarray, rng: Rng) -> None:
    for k in range(len(path) - 1):
        direction = path[k + 1] - path[k]
        length = float(np.linalg.norm(direction))
        face = Face(_ground(path[k]), np.array([*(direction / length), 0.0]))
        frame = {'origin': face.origin, 'axes': face.axes}
        wall, plain = growth.palette.pick('masonry', rng), growth.palette.pick('plain', rng)
        for s in np.arange(3, length - 2, rng.uniform(3, 6)):
            if rng.random() < 0.5:
                for y in (-1.9, 1.6):
                    box = ((s, y, 0), (s + 0.35, y + 0.35, 3.6))
                    growth.builder.box(*box, wall, Kind.INSIDE, metres=2.4, **frame)
            else:
                y = float(rng.choice([-1.7, 1.7]))
                box = ((s, y - 0.4, 0.68), (s + 1.2, y + 0.4, 0.74))
                growth.builder.box(*box, plain, Kind.INSIDE, **frame)
                box = ((s + 0.5, y - 0.1, 0), (s + 0.7, y + 0.1, 0.7))
                growth.builder.box(*box, plain, Kind.INSIDE, tint=(0.3, 0.3, 0.3), **frame)


def traffic(town: Town, rng: Rng, busy: float = 0.5, around: np.ndarray | None = None) -> Mesh:
    """What stands and goes about at one time.

    Args:
        busy: share of the parking places that are taken.
        around: [2 or 3], leave out what is further than 70 m from here; None keeps all.
    """
    meshes = []
    taken = rng.random(len(town.parking)) < busy
    for k in np.flatnonzero(taken):
        x, y, yaw = town.parking[k]
        chosen, flip = rng.integers(0, len(town.vehicles)), rng.integers(0, 2)
        at = np.array([x, y, -ROAD_DEPTH]) + [*rng.normal(0, 0.15, 2), 0]
        if around is None or np.linalg.norm(at[:2] - around[:2]) < 70:
            meshes.append(town.vehicles[chosen].placed(at, yaw + flip * np.pi))
    for walk in town.walks:
        for _ in range(rng.poisson(walk.length / 25 * busy)):
            t, side = rng.random(), rng.uniform(-1, 1)
            along = (walk.end - walk.start) / max(walk.length, 1e-6)
            at = walk.start + (walk.end - walk.start) * t
            at = at + np.array([-along[1], along[0], 0]) * side * (walk.half_width + 0.3)
            chosen = rng.integers(0, 10)
            if around is not None and np.linalg.norm(at[:2] - around[:2]) > 70:
                continue
            if walk.kind == 'road':
                mesh = town.vehicles[chosen].placed(at, walk.yaw + np.pi * (side > 0))
            else:
                mesh = town.people[chosen].placed(at, float(rng.uniform(0, np.pi)))
            meshes.append(mesh)
    return joined(meshes) if meshes else Builder().mesh()
