"""A town while it grows, and the ground that it grows on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.town.noise import Colour, Rng
from training.town.world.mesh import Builder, Kind, Mesh
from training.town.world.textures.palette import Palette

ROAD_DEPTH = 0.12
"""Metres that carriageways lie below pavements."""


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


@dataclass
class TownDraft:
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
        """Plant one."""
        mesh = self.trees[int(rng.integers(0, len(self.trees)))]
        yaw, scale = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.75, 1.25))
        self.builder.add(mesh.placed(ground(at), yaw, scale))

    def bush(self, at: np.ndarray, rng: Rng) -> None:
        """Plant one."""
        mesh = self.bushes[int(rng.integers(0, len(self.bushes)))]
        yaw, scale = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.6, 1.4))
        self.builder.add(mesh.placed(ground(at), yaw, scale))


def ground(at: np.ndarray) -> np.ndarray:
    """[3] the point on the ground at [2 or 3]."""
    return np.array([at[0], at[1], 0.0])


def inset(corners: np.ndarray, distance: np.ndarray) -> np.ndarray:
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


def strip(
    draft: TownDraft,
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
        draft.builder.quad(corners, texture, Kind.GROUND, uv)
