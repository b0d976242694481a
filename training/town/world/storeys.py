"""Corridors and halls far away from the streets, as inside large buildings."""

from __future__ import annotations

import numpy as np

from training.town.noise import Rng
from training.town.world.draft import TownDraft, Walk, ground
from training.town.world.indoor import corridor, random_interior
from training.town.world.mesh import Face, Kind


def storey(draft: TownDraft, number: int, rng: Rng) -> None:
    """Corridors far away from the streets, as inside a large building."""
    origin = np.array([2000.0 + 400 * number, 0.0])
    palette = draft.palette
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
    lamps = corridor(draft.builder, path, width, 0.0, style, palette, rng)
    draft.lamps += [(at, colour, True) for at, colour in lamps]
    for k in range(len(path) - 1):
        half = max(0.25, width / 2 - 0.65)
        draft.walks.append(Walk(ground(path[k]), ground(path[k + 1]), half, 'corridor'))
    if width > 5:
        _furnish_hall(draft, path, rng)


def _furnish_hall(draft: TownDraft, path: np.ndarray, rng: Rng) -> None:
    """Pillars and tables along the middle of a wide corridor."""
    for k in range(len(path) - 1):
        direction = path[k + 1] - path[k]
        length = float(np.linalg.norm(direction))
        face = Face(ground(path[k]), np.array([*(direction / length), 0.0]))
        wall, plain = draft.palette.pick('masonry', rng), draft.palette.pick('plain', rng)
        for s in np.arange(3, length - 2, rng.uniform(3, 6)):
            if rng.random() < 0.5:
                for y in (-1.9, 1.6):
                    box = ((s, y, 0.0), (s + 0.35, y + 0.35, 3.6))
                    draft.builder.box(*box, wall, Kind.INSIDE, metres=2.4, face=face)
            else:
                y = float(rng.choice([-1.7, 1.7]))
                box = ((s, y - 0.4, 0.68), (s + 1.2, y + 0.4, 0.74))
                draft.builder.box(*box, plain, Kind.INSIDE, face=face)
                box = ((s + 0.5, y - 0.1, 0.0), (s + 0.7, y + 0.1, 0.7))
                draft.builder.box(*box, plain, Kind.INSIDE, tint=(0.3, 0.3, 0.3), face=face)
