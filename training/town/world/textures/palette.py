"""All textures of one town."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from training.town.noise import Rng, flat, fractal, hsv, hue, random_stream, to_uint8, weather
from training.town.world.textures import lettering, surfaces

Painter = Callable[[Rng], np.ndarray]


@dataclass
class Palette:
    """Textures by what they are for.

    Attributes:
        pictures: RGB or RGBA uint8, by number.
        groups: numbers of the textures of a name.
    """

    pictures: list[np.ndarray] = field(default_factory=list)
    groups: dict[str, list[int]] = field(default_factory=dict)

    def paint(self, name: str, count: int, painter: Painter, seed: int) -> None:
        """Add `count` textures to a group; each has its own random stream."""
        group = self.groups.setdefault(name, [])
        for index in range(count):
            key = [seed, *name.encode(), index]
            group.append(len(self.pictures))
            self.pictures.append(painter(random_stream(*key)))

    def pick(self, name: str, rng: Rng) -> int:
        """Any one of a group."""
        return int(rng.choice(self.groups[name]))

    def some(self, name: str, count: int, rng: Rng) -> list[int]:
        """A few of a group."""
        return [int(v) for v in rng.choice(self.groups[name], count)]


def _plain(rng: Rng) -> np.ndarray:
    """Painted metal, wood or cloth: tinted where it is used."""
    picture = weather(flat((64, 64), hsv(hue(rng), 0.05, 0.85)), rng, 0.06)
    return to_uint8(picture)


def _bark(rng: Rng) -> np.ndarray:
    grain = fractal((128, 64), rng, 0.6)
    base = flat((128, 64), hsv(rng.uniform(0.05, 0.1), 0.35, rng.uniform(0.2, 0.4)))
    shade = 1 + 0.4 * np.repeat(grain[:, ::4], 4, axis=1)
    return to_uint8(base * shade[..., None])


def _carpet(rng: Rng) -> np.ndarray:
    size = 256
    base = hue(rng)
    picture = flat((size, size), hsv(base, rng.uniform(0.1, 0.5), rng.uniform(0.25, 0.6)))
    step = int(rng.choice([16, 32, 64]))
    other = np.array(hsv(base + rng.uniform(-0.2, 0.2), 0.4, rng.uniform(0.2, 0.6)))
    y, x = np.mgrid[0:size, 0:size] // step
    chosen = rng.integers(0, 2, (size // step, size // step)).astype(bool)[y, x]
    picture[chosen] = 0.5 * picture[chosen] + 0.5 * other
    picture = weather(picture, rng, 0.1)
    return to_uint8(picture * (1 + 0.15 * fractal((size, size), rng, 0.1)[..., None]))


def _terrazzo(rng: Rng) -> np.ndarray:
    size = 256
    picture = flat((size, size), hsv(hue(rng), 0.06, rng.uniform(0.45, 0.8)))
    speck = fractal((size, size), rng, 0.3, 30)
    picture[speck > 1.3] *= 0.7
    picture[speck < -1.5] *= 1.25
    return to_uint8(weather(picture, rng, 0.06))


def _ceiling(rng: Rng) -> np.ndarray:
    size, count = 256, int(rng.choice([2, 4]))
    picture = flat((size, size), hsv(0.12, 0.04, rng.uniform(0.65, 0.92)))
    picture *= 1 - 0.12 * (fractal((size, size), rng, 0.1, 20) > 1.2)[..., None]
    for k in range(count):
        at = k * size // count
        picture[at : at + 3] *= 0.75
        picture[:, at : at + 3] *= 0.75
    return to_uint8(weather(picture, rng, 0.04))


def _paint(rng: Rng) -> np.ndarray:
    """A painted indoor wall: almost nothing on it."""
    colour = hsv(hue(rng), rng.choice([0.03, 0.1, 0.3]), rng.uniform(0.55, 0.92))
    picture = weather(flat((256, 256), colour), rng, 0.025, 1.4)
    picture *= 1 + 0.02 * fractal((256, 256), rng, 0.2)[..., None]
    scuffs = np.clip(fractal((256, 256), rng, 0.8) - 2.2, 0, 1)[..., None]
    return to_uint8(picture * (1 - 0.4 * scuffs))


def _vehicle_side(rng: Rng) -> np.ndarray:
    """Doors, handles, wheels are geometry; this is the paint with its joints, tinted."""
    picture = flat((64, 128), (0.92, 0.92, 0.92))
    picture *= np.linspace(1.08, 0.7, 64)[:, None, None]
    for x in (40, 84):
        picture[:, x : x + 1] *= 0.45
        picture[18:21, x + 4 : x + 12] *= 0.5
    return to_uint8(weather(picture, rng, 0.03))


def _person(rng: Rng) -> np.ndarray:
    """Somebody standing: RGBA."""
    import cv2

    picture = np.zeros((256, 96, 4), np.float32)
    skin = (*hsv(rng.uniform(0.04, 0.08), 0.4, rng.uniform(0.3, 0.85)), 1)
    coat = (*hsv(hue(rng), rng.uniform(0, 0.7), rng.uniform(0.1, 0.8)), 1)
    legs = (*hsv(rng.uniform(0.5, 0.7), rng.uniform(0, 0.5), rng.uniform(0.1, 0.45)), 1)
    hair = (*hsv(0.08, 0.4, rng.uniform(0.05, 0.5)), 1)
    spread = int(rng.integers(4, 16))
    for side in (-1, 1):
        foot = (48 + side * spread, 250)
        cv2.line(picture, (48 + side * 8, 140), foot, legs, 17)
        hand = (48 + side * int(rng.integers(20, 32)), int(rng.integers(120, 150)))
        cv2.line(picture, (48 + side * 18, 62), hand, coat, 12)
        cv2.circle(picture, hand, 6, skin, -1)
    cv2.ellipse(picture, (48, 100), (23, 52), 0, 0, 360, coat, -1)
    cv2.circle(picture, (48, 28), 15, skin, -1)
    cv2.ellipse(picture, (48, 22), (16, 13), 0, 180, 360, hair, -1)
    if rng.random() < 0.4:
        bag = (*hsv(hue(rng), 0.5, rng.uniform(0.1, 0.7)), 1)
        cv2.rectangle(picture, (30, 70), (66, 125), bag, -1)
    solid = picture[..., 3] > 0
    picture[solid, :3] = weather(picture[..., :3], rng, 0.15)[solid]
    return surfaces._filled(to_uint8(picture))


def _panel(rng: Rng) -> np.ndarray:
    picture = flat((32, 64), (1.0, 1.0, 0.98))
    for k in range(int(rng.integers(0, 5))):
        picture[:, 10 + 12 * k] *= 0.7
    picture[:2], picture[-2:], picture[:, :2], picture[:, -2:] = 0.5, 0.5, 0.5, 0.5
    return to_uint8(picture)


def _masonry(rng: Rng) -> np.ndarray:
    return surfaces.WALLS[int(rng.integers(0, len(surfaces.WALLS)))](rng)


def _indoor_door(rng: Rng) -> np.ndarray:
    return lettering.door(rng, 0.35)


def paint_town(seed: int) -> Palette:
    """Everything that a town is covered with; about 1.5 s."""
    palette = Palette()
    for painter in surfaces.WALLS:
        palette.paint('wall', 3, painter, seed)
    palette.paint('glass wall', 4, surfaces.curtain_wall, seed)
    painters: dict[str, tuple[int, Painter]] = {
        'asphalt': (3, surfaces.asphalt),
        'paving': (5, surfaces.paving),
        'grass': (3, surfaces.grass),
        'gravel': (3, surfaces.gravel),
        'hedge': (3, surfaces.hedge),
        'roof': (3, surfaces.roof),
        'leaves': (12, surfaces.leaves),
        'branches': (4, surfaces.branches),
        'wood': (4, surfaces.wood),
        'bark': (3, _bark),
        'window': (28, surfaces.window),
        'door': (14, lettering.door),
        'shop': (22, lettering.shop_front),
        'sign': (40, lettering.sign),
        'poster': (30, lettering.poster),
        'board': (10, lettering.notice_board),
        'graffiti': (10, lettering.graffiti),
        'plate': (12, lettering.plate),
        'traffic': (10, lettering.traffic_sign),
        'name': (30, lettering.name_plate),
        'plain': (4, _plain),
        'carpet': (4, _carpet),
        'terrazzo': (4, _terrazzo),
        'ceiling': (4, _ceiling),
        'paint': (10, _paint),
        'masonry': (6, _masonry),
        'room door': (16, _indoor_door),
        'panel': (2, _panel),
        'car side': (3, _vehicle_side),
        'person': (10, _person),
    }
    for name, (count, painter) in painters.items():
        palette.paint(name, count, painter, seed)
    return palette
