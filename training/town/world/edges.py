"""What stands along one side of a street: buildings, gardens, lawns with footpaths, yards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.town.noise import Rng
from training.town.world.buildings import Facade, building, random_facade, varied
from training.town.world.draft import ROAD_DEPTH, TownDraft, Walk, ground, strip
from training.town.world.mesh import Face, Kind, upwards
from training.town.world.street import clutter, hedge, lamp_post, sign_post

STYLES = ('terrace', 'shops', 'offices', 'houses', 'campus', 'park', 'yard')
STYLE_WEIGHTS = (0.16, 0.18, 0.08, 0.12, 0.26, 0.14, 0.06)
DEPTH = 10.0
"""Of buildings, metres."""


def side_of_street(
    draft: TownDraft,
    kerb: np.ndarray,
    line: np.ndarray,
    textures: tuple[int, int],
    designs: list[Facade],
    style: str,
    gate: bool,
    rng: Rng,
) -> None:
    """One side of a street: kerb, pavement, and what stands along it.

    Args:
        kerb, line: [2, 2] edge of the carriageway and front of the buildings, the street to the
            right.
        textures: of the kerb and the pavement.
        gate: leave room for the mouth of a corridor.
    """
    strip(draft, (kerb[0], kerb[1]), (line[0], line[1]), 0.0, textures[1], 2.0)
    low = np.array([[*kerb[0], -ROAD_DEPTH], [*kerb[1], -ROAD_DEPTH]])
    high = low[::-1] + upwards(ROAD_DEPTH)
    draft.builder.quad(np.vstack([low, high]), textures[0], Kind.WALL, (0, 0, 20, 0.1))
    Edge(draft, line[0], line[1], designs, gate, rng).build(style)
    _furnish(draft, (kerb[0], kerb[1]), gate, rng)


class Edge:
    """What stands along one edge of a block."""

    def __init__(
        self,
        draft: TownDraft,
        start: np.ndarray,
        end: np.ndarray,
        designs: list[Facade],
        gate: bool,
        rng: Rng,
    ) -> None:
        self.draft, self.palette, self.builder = draft, draft.palette, draft.builder
        self.length = float(np.linalg.norm(end - start))
        self.face = Face(ground(start), np.array([*((end - start) / self.length), 0.0]))
        self.designs, self.gate, self.rng = designs, gate, rng

    def build(self, style: str) -> None:
        """Fill the edge in one of STYLES."""
        getattr(self, f'_{style}')()

    def _lots(self, narrow: float, wide: float) -> Iterator[tuple[float, float]]:
        """Start and width of each lot; the corridor's gate is left out."""
        reach = self.length - DEPTH - 0.5
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
        args = (width, DEPTH, facade, self.palette, self.rng)
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
                self.draft.bush(at, self.rng)
            if self.rng.random() < 0.5:
                self.draft.tree(self.face.point(s, 0, -back / 2), self.rng)

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
        strip(self.draft, outer, inner, 0.01, texture, 2.5)
        lawn = self.palette.pick('grass', rng)
        edge = face.point(0, 0)[:2], face.point(self.length, 0)[:2]
        far = face.point(0, 0, -depth)[:2], face.point(self.length, 0, -depth)[:2]
        strip(self.draft, edge, outer, 0.0, lawn, 4.0)
        strip(self.draft, inner, far, 0.0, lawn, 4.0)
        start, end = face.point(3, 0, -middle), face.point(self.length - 3, 0, -middle)
        self.draft.walks.append(Walk(start, end, min(half + 0.3, 1.9), 'path'))
        spacing = float(rng.uniform(3.5, 9))
        for s in np.arange(rng.uniform(1, 5), self.length - 2, spacing):
            for out in (half + 1.0 - middle, -half - 1.0 - middle):
                chance = rng.random()
                at = face.point(s + rng.uniform(-1, 1), 0, out + rng.uniform(-0.3, 0.3))
                if chance < 0.45:
                    self.draft.tree(at, rng)
                elif chance < 0.7:
                    self.draft.bush(at, rng)
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
        low, high = self.length * 0.15, self.length * 0.75
        roof = ((low, middle - half, 2.7), (high, middle + half, 2.9))
        self.builder.box(*roof, plain, metres=2.6, face=self.face)
        under = [
            self.face.point(low, 2.7, half - middle),
            self.face.point(low, 2.7, -half - middle),
        ]
        under += [self.face.point(high, 2.7, -half - middle)]
        under += [self.face.point(high, 2.7, half - middle)]
        self.builder.quad(np.stack(under), plain, Kind.WALL, (0, 0, 1.5, 12))
        for s in np.arange(low, high, rng.uniform(3, 5)):
            for y in (middle - half, middle + half - 0.3):
                self.builder.box(
                    (s, y, 0), (s + 0.3, y + 0.3, 2.7), plain, metres=2.6, face=self.face
                )

    def _park(self) -> None:
        """A green with trees, and a path along it."""
        rng = self.rng
        self._footpath(float(rng.uniform(3, 8)), 14.0)
        for _ in range(int(rng.integers(4, 14))):
            at = self.face.point(rng.uniform(4, self.length - 4), 0, -rng.uniform(11, 18))
            self.draft.tree(at, rng)

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
        strip(self.draft, near, far, 0.005, asphalt, 4.0)
        for s in np.arange(4, self.length - 14, 2.7):
            x, y, _ = self.face.point(s, 0, -4.0)
            self.draft.parking.append((x, y, self.face.yaw + np.pi / 2))

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


def _furnish(draft: TownDraft, kerb: tuple[np.ndarray, np.ndarray], gate: bool, rng: Rng) -> None:
    """Lamps, trees, signs and clutter at the kerb, and parking beside it."""
    length = float(np.linalg.norm(kerb[1] - kerb[0]))
    face = Face(ground(kerb[0]), np.array([*((kerb[1] - kerb[0]) / length), 0.0]))
    for s in np.arange(rng.uniform(4, 10), length - 3, rng.uniform(16, 26)):
        at = face.point(s, 0, -0.4)
        lamp = lamp_post(draft.builder, at, face.out, draft.palette, rng)
        draft.lamps.append((lamp, (1.0, 0.75, 0.45), False))
    avenue = rng.random() < 0.4
    if avenue:
        for s in np.arange(rng.uniform(3, 8), length - 3, rng.uniform(6, 12)):
            draft.tree(face.point(s, 0, -0.6), rng)
    for s in np.arange(rng.uniform(1, 4), length - 2, rng.uniform(3, 9)):
        chance = rng.random()
        if gate and abs(s - length / 2) < 5:
            continue
        at = face.point(s + rng.uniform(-1, 1), 0, -0.55)
        if chance < 0.55:
            clutter(draft.builder, at, face.yaw + np.pi, draft.palette, rng)
        elif chance < 0.85:
            yaw = face.yaw + float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2]))
            sign_post(draft.builder, at, yaw, draft.palette, rng)
    sign_post(draft.builder, face.point(1.0, 0, -0.5), face.yaw + np.pi, draft.palette, rng)
    for s in np.arange(9, length - 9, 6.2):
        x, y, _ = face.point(s, 0, 1.05)
        draft.parking.append((x, y, face.yaw))
