"""Quadrilaterals with a texture, a tint and a kind of surface: all that the town is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from training.town.noise import Colour

WHITE: Colour = (1.0, 1.0, 1.0)


class Kind(IntEnum):
    """What light and weather do to a surface."""

    SKY = 0
    WALL = 1
    GROUND = 2  # collects snow and puddles
    FOLIAGE = 3  # seen from both sides, lets light through, changes with the season
    GLASS = 4  # mirrors the sky; may be lit from inside at night
    LAMP = 5  # shines at night
    SIGN = 6  # shines a little at night
    TWIG = 7  # seen from both sides
    PANEL = 8  # a lamp indoors, always on
    VEHICLE = 9
    INSIDE = 10  # no sun, no weather
    INSIDE_GLASS = 11
    HEADLAMP = 12


def upwards(metres: float) -> np.ndarray:
    """[3] straight up."""
    return np.array([0.0, 0.0, metres])


@dataclass(frozen=True, eq=False)
class Mesh:
    """Quadrilaterals, counter-clockwise seen from the front.

    Attributes:
        corners: [Q, 4, 3] float32, metres: lower left, lower right, upper right, upper left.
        uv: [Q, 4, 2] float32.
        texture: [Q] int32, row of the list of textures.
        tint: [Q, 3] float32, multiplies the texture.
        kind: [Q] uint8.
    """

    corners: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    tint: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.corners)

    def planes(self) -> np.ndarray:
        """[Q, 4] float32: unit normal n and n·x of the points x on each quadrilateral."""
        p = self.corners
        normal = np.cross(p[:, 2] - p[:, 0], p[:, 3] - p[:, 1])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        offset = np.einsum('qc,qc->q', normal, p.mean(1))
        return np.concatenate([normal, offset[:, None]], 1).astype(np.float32)

    def placed(self, position: np.ndarray, yaw: float, scale: float = 1.0) -> Mesh:
        """The same, turned about the vertical and moved."""
        c, s = np.cos(yaw) * scale, np.sin(yaw) * scale
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, scale]], np.float32)
        corners = self.corners @ turn + np.asarray(position, np.float32)
        return Mesh(corners, self.uv, self.texture, self.tint, self.kind)


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """All in one."""
    names = ('corners', 'uv', 'texture', 'tint', 'kind')
    return Mesh(*(np.concatenate([getattr(mesh, name) for mesh in meshes]) for name in names))


@dataclass
class Builder:
    """Collects quadrilaterals."""

    corners: list[np.ndarray] = field(default_factory=list)
    uv: list[tuple[float, float, float, float]] = field(default_factory=list)
    texture: list[int] = field(default_factory=list)
    tint: list[Colour] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)

    def quad(
        self,
        corners: Sequence[Sequence[float]] | np.ndarray,
        texture: int,
        kind: Kind = Kind.WALL,
        uv: tuple[float, float, float, float] = (0, 0, 1, 1),
        tint: Colour = WHITE,
    ) -> None:
        """Add one; `uv` is left, bottom, right, top of the texture."""
        self.corners.append(np.asarray(corners, np.float32))
        self.uv.append(uv)
        self.texture.append(texture)
        self.tint.append(tint)
        self.kind.append(int(kind))

    def add(self, mesh: Mesh) -> None:
        """Add what was built elsewhere."""
        self.meshes.append(mesh)

    def box(
        self,
        low: Sequence[float],
        high: Sequence[float],
        texture: int,
        kind: Kind = Kind.WALL,
        *,
        tint: Colour = WHITE,
        metres: float = 0.0,
        face: Face | None = None,
    ) -> None:
        """Five sides of a box (no bottom).

        Args:
            metres: width of one repetition of the texture; 0 puts it whole on each side.
            face: low and high are metres along it, inwards, and up; otherwise of the world.
        """
        (x0, y0, z0), (x1, y1, z1) = low, high
        sides = (
            ((x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)),
            ((x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)),
            ((x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1)),
            ((x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1)),
            ((x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)),
        )
        for side in sides:
            points = np.asarray(side, np.float32)
            if face is not None:
                points = points @ face.axes + face.origin
            uv = (0.0, 0.0, 1.0, 1.0)
            if metres:
                width = float(np.linalg.norm(points[1] - points[0]))
                height = float(np.linalg.norm(points[3] - points[0]))
                uv = (0.0, 0.0, width / metres, height / metres)
            self.quad(points, texture, kind, uv, tint)

    def mesh(self) -> Mesh:
        """What was collected."""
        u0, v0, u1, v1 = np.asarray(self.uv, np.float32).reshape(-1, 4).T
        uv = np.stack([u0, v0, u1, v0, u1, v1, u0, v1], 1).reshape(-1, 4, 2)
        own = Mesh(
            np.asarray(self.corners, np.float32).reshape(-1, 4, 3),
            uv,
            np.asarray(self.texture, np.int32),
            np.asarray(self.tint, np.float32).reshape(-1, 3),
            np.asarray(self.kind, np.uint8),
        )
        return joined([own, *self.meshes])


@dataclass(frozen=True)
class Face:
    """A vertical plane to build on: seen from outside, `along` points to the right.

    Attributes:
        origin: [3], lower left corner.
        along: [3], unit, horizontal.
    """

    origin: np.ndarray
    along: np.ndarray

    @property
    def out(self) -> np.ndarray:
        """[3], unit: towards the viewer."""
        return np.array([self.along[1], -self.along[0], 0.0])

    @property
    def yaw(self) -> float:
        """Heading of `along`."""
        return float(np.arctan2(self.along[1], self.along[0]))

    @property
    def axes(self) -> np.ndarray:
        """[3, 3]: rows along, inwards, up."""
        return np.stack([self.along, -self.out, upwards(1.0)])

    def point(self, s: float, t: float, out: float = 0.0) -> np.ndarray:
        """The point s metres to the right, t up, and `out` towards the viewer."""
        return self.origin + self.along * s + self.out * out + upwards(t)

    def rectangle(
        self, s0: float, t0: float, s1: float, t1: float, out: float = 0.0
    ) -> np.ndarray:
        """[4, 3] corners of an upright rectangle."""
        return np.stack(
            [
                self.point(s0, t0, out),
                self.point(s1, t0, out),
                self.point(s1, t1, out),
                self.point(s0, t1, out),
            ]
        )
