"""Vehicles and people: what is not always there."""

from __future__ import annotations

import numpy as np

from training.town.noise import Rng
from training.town.world.draft import ROAD_DEPTH
from training.town.world.mesh import Builder, Mesh, joined
from training.town.world.town import Town

_CROWD_RANGE = 60.0


def moving_objects(
    town: Town,
    rng: Rng,
    busy: float = 0.5,
    around: np.ndarray | None = None,
    time: float = 0.0,
    clear: float = 0.0,
) -> Mesh:
    """What stands and goes about at one time.

    Args:
        busy: share of the parking places that are taken.
        around: [2 or 3], leave out what is further than 60 m from here; None keeps all.
        time: seconds that it has gone on for; the same random stream gives the same vehicles and
            people, elsewhere.
        clear: nobody comes closer to `around` than this, metres.
    """
    walks = town.walks
    parked = np.flatnonzero(rng.random(len(town.parking)) < busy)
    lengths = np.array([walk.length for walk in walks])
    walk_of = np.repeat(np.arange(len(walks)), rng.poisson(lengths / 25 * busy))
    t, side = rng.random(len(walk_of)), rng.uniform(-1, 1, len(walk_of))
    seeds = rng.integers(0, 2**31, (len(parked) + len(walk_of), 2))

    def near(at: np.ndarray) -> bool:
        if around is None:
            return True
        return clear <= float(np.hypot(*(at[:2] - around[:2]))) < _CROWD_RANGE

    meshes = []
    for row, (chosen, turn) in zip(parked, seeds[: len(parked)].tolist(), strict=True):
        x, y, yaw = town.parking[row]
        at = np.array([x, y, -ROAD_DEPTH])
        if near(at):
            mesh = town.vehicles[chosen % len(town.vehicles)]
            at += [turn % 7 / 20 - 0.15, turn % 11 / 30 - 0.15, 0]
            meshes.append(mesh.placed(at, yaw + np.pi * (turn % 2)))
    rows = zip(walk_of, t.tolist(), side.tolist(), seeds[len(parked) :].tolist(), strict=True)
    for number, share, aside, (chosen, turn) in rows:
        walk = walks[number]
        along = (walk.end - walk.start) / walk.length
        speed = 8.0 if walk.kind == 'road' else 1.2
        share = (share - np.sign(aside) * speed * time / walk.length) % 1
        at = walk.start + (walk.end - walk.start) * share
        at = at + np.array([-along[1], along[0], 0]) * aside * (walk.half_width + 0.3)
        if not near(at):
            continue
        if walk.kind == 'road':
            mesh = town.vehicles[chosen % len(town.vehicles)]
            meshes.append(mesh.placed(at, walk.yaw + np.pi * (aside > 0)))
        else:
            mesh = town.people[chosen % len(town.people)]
            meshes.append(mesh.placed(at, turn % 628 / 100))
    return joined(meshes) if meshes else Builder().mesh()
