"""A town grown from a seed: a net of streets, blocks with buildings, greens, and corridors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.town.noise import random_stream
from training.town.world.buildings import random_facade
from training.town.world.draft import TownDraft, Walk
from training.town.world.layout import base, block, crossings, outskirts, roads
from training.town.world.mesh import Mesh
from training.town.world.storeys import storey
from training.town.world.street import bush, person, tree, vehicle
from training.town.world.textures.palette import Palette, paint_town


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

    def indoors(self, position: np.ndarray) -> bool:
        """Whether a position lies in a corridor."""
        for walk in self.walks:
            if walk.kind != 'corridor':
                continue
            along = (walk.end - walk.start)[:2] / walk.length
            offset = position[:2] - walk.start[:2]
            ahead, aside = offset @ along, offset @ [-along[1], along[0]]
            if 0 <= ahead <= walk.length and abs(aside) < walk.half_width + 0.7:
                return True
        return False


def generate_town(seed: int, columns: int = 4, rows: int = 3, storeys: int = 6) -> Town:
    """Make a town of columns x rows blocks and `storeys` more floors of corridors.

    The same seed gives the same town.
    """
    draft = TownDraft(seed, paint_town(seed))
    rng = random_stream(seed, 1)
    draft.trees = [tree(draft.palette, rng) for _ in range(14)]
    draft.bushes = [bush(draft.palette, rng) for _ in range(8)]
    nodes = crossings(columns, rows, rng)
    road = rng.uniform(2.8, 4.2, columns + rows + 2)
    base(draft, nodes, rng)
    loop = np.zeros((0, 2))
    designs = [random_facade(draft.palette, rng) for _ in range(8)]
    crossing = (columns // 2, rows // 2)
    for i in range(columns):
        for j in range(rows):
            corners = np.stack(
                [nodes[i, j], nodes[i + 1, j], nodes[i + 1, j + 1], nodes[i, j + 1]]
            )
            widths = np.array([road[columns + 1 + j], road[i + 1], road[columns + 2 + j], road[i]])
            passage = (i, j) == crossing
            ways = block(draft, corners, widths, designs, passage, random_stream(seed, 2, i, j))
            if passage:
                loop = ways
    outskirts(draft, nodes, road, designs, random_stream(seed, 6))
    roads(draft, nodes, road, columns, rows, random_stream(seed, 3))
    for k in range(storeys):
        storey(draft, k, random_stream(seed, 4, k))
    rng = random_stream(seed, 5)
    return Town(
        seed=seed,
        mesh=draft.builder.mesh(),
        palette=draft.palette,
        walks=tuple(draft.walks),
        lamps=np.array([lamp[0] for lamp in draft.lamps], np.float32),
        lamp_colours=np.array([lamp[1] for lamp in draft.lamps], np.float32),
        indoor_lamps=np.array([lamp[2] for lamp in draft.lamps]),
        parking=np.array(draft.parking),
        vehicles=tuple(vehicle(draft.palette, rng) for _ in range(16)),
        people=tuple(person(draft.palette, rng) for _ in range(10)),
        loop=loop,
    )
