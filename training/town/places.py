"""Many views of one place under many conditions, as folders of images with exact poses."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fol_vpr.errors import StorageError
from training.town.camera.conditions import Condition, named, random_condition
from training.town.camera.effects import develop, encode
from training.town.camera.renderer import PinholeCamera, Renderer
from training.town.camera.shading import Shader
from training.town.camera.visibility import View, overlap
from training.town.depth import DepthView, depth_view, write_depth
from training.town.noise import Rng, random_stream
from training.town.world.draft import Walk
from training.town.world.town import Town, generate_town
from training.town.world.traffic import moving_objects

VERSION = 1
# Of a metre of a walk, beside a metre of corridor.
_SHARES = {'path': 1.0, 'pavement': 0.3, 'road': 0.25}
_ATTEMPTS = 12


@dataclass(frozen=True)
class PlacesConfig:
    """What is made.

    Attributes:
        seed: of the first town; the others follow.
        towns: how many.
        places: in each town.
        views: of each place.
        width, height: of the pictures in pixels.
        indoor: share of places in corridors.
        overlap: least share of the surface that each view has in common with the place's first.
        turn: greatest difference in heading, degrees.
        aside: greatest distance to either side where there is room, metres.
        ahead: greatest distance forwards or backwards, metres (half of it indoors).
        conditions: names of conditions to choose from; any where empty.
        in_turn: whether the views of each place have those conditions one after the other.
        vary: whether sun, weather, traffic and camera of these conditions vary.
        strength: 0 .. 1, how bad the camera may be, where conditions vary or none is named.
        blocks: of a town, in either direction.
        storeys: of corridors, beside those between streets.
        depth: whether the depth of each view is written, and its camera.
    """

    seed: int = 1
    towns: int = 1
    places: int = 150
    views: int = 6
    width: int = 256
    height: int = 192
    indoor: float = 0.4
    overlap: float = 0.3
    turn: float = 18.0
    aside: float = 3.0
    ahead: float = 2.0
    conditions: tuple[str, ...] = ()
    in_turn: bool = False
    vary: bool = False
    strength: float = 1.0
    blocks: tuple[int, int] = (4, 3)
    storeys: int = 6
    depth: bool = False


class PlaceSite(NamedTuple):
    """A place: a point of a walk, and the way that one looks there."""

    walk: Walk
    distance: float
    backwards: bool

    @property
    def position(self) -> np.ndarray:
        """[3], on the ground."""
        way = self.walk.end - self.walk.start
        return np.asarray(self.walk.start + way * (self.distance / self.walk.length))

    @property
    def yaw(self) -> float:
        """Heading, radians."""
        return self.walk.yaw + math.pi * self.backwards


class Picture(NamedTuple):
    """One view of a place; its depth where it is asked for."""

    jpeg: bytes
    camera: PinholeCamera
    condition: Condition
    overlap: float
    depth: DepthView | None


def choose_sites(town: Town, count: int, indoor: float, rng: Rng) -> list[PlaceSite]:
    """Places that are 8 m (indoors 4 m) from each other unless they look opposite ways."""
    sites: list[PlaceSite] = []
    inside = round(count * indoor)
    for wanted, corridor in ((count - inside, False), (inside, True)):
        walks = [walk for walk in town.walks if (walk.kind == 'corridor') == corridor]
        weight = np.array([walk.length * _SHARES.get(walk.kind, 1.0) for walk in walks])
        apart = 4.0 if corridor else 8.0
        found: list[PlaceSite] = []
        for _ in range(wanted * 40):
            if len(found) == wanted:
                break
            walk = walks[int(rng.choice(len(walks), p=weight / weight.sum()))]
            site = PlaceSite(
                walk, float(rng.uniform(0.05, 0.8) * walk.length), bool(rng.random() < 0.5)
            )
            if site.backwards:
                site = site._replace(distance=walk.length - site.distance)
            if all(_different(site, other, apart) for other in found):
                found.append(site)
        sites += found
    return sites


def _different(site: PlaceSite, other: PlaceSite, apart: float) -> bool:
    if math.cos(site.yaw - other.yaw) < 0.3:
        return True
    return float(np.linalg.norm(site.position - other.position)) > apart


class Photographer:
    """Takes pictures of places in one town."""

    def __init__(self, town: Town, renderer: Renderer, config: PlacesConfig) -> None:
        self._town, self._renderer, self._config = town, renderer, config

    def visit(self, site: PlaceSite, rng: Rng) -> list[Picture] | None:
        """All views of a place, the first along the walk; None where there is nothing to see."""
        config = self._config
        pictures: list[Picture] = []
        first: View | None = None
        for attempt in range(config.views + _ATTEMPTS):
            if len(pictures) == config.views:
                return pictures
            # Where views hardly overlap, they move closer to the first one.
            reach = 1.0 if attempt < config.views + 4 else 0.5
            condition = self._condition(rng, len(pictures))
            camera = self._camera(site, rng, reach if first else 0.3, condition.distortion > 0.15)
            crowd = None
            if site.walk.kind != 'corridor' or rng.random() < 0.3:
                crowd = moving_objects(self._town, rng, condition.busy, site.position)
            self._renderer.set_moving(crowd)
            shader = Shader(self._town, self._renderer, condition)
            seen = self._renderer.render(camera)
            depth = shader.depth(seen)
            view = View(camera, depth)
            if not _clear(depth, 1.8 if site.walk.kind == 'corridor' else 4.0):
                if first is None and attempt >= 3:
                    return None
                continue
            common = overlap(first, view) if first else 1.0
            if common < config.overlap:
                continue
            first = first or view
            if site.walk.kind != 'corridor':
                shader.aim(site.position)
            image = develop(shader.shade(seen), condition, rng)
            metres = depth_view(seen, shader, condition.distortion) if config.depth else None
            jpeg = encode(image, condition.jpeg)
            pictures.append(Picture(jpeg, camera, condition, common, metres))
        return pictures if len(pictures) >= min(config.views, 3) else None

    def _camera(self, site: PlaceSite, rng: Rng, reach: float, wide: bool) -> PinholeCamera:
        config, walk = self._config, site.walk
        indoor = walk.kind == 'corridor'
        ahead = rng.uniform(-1, 1) * config.ahead * (0.5 if indoor else 1.0) * reach
        room = min(walk.half_width, config.aside)
        aside = rng.uniform(-1, 1) * room * reach
        forward = np.array([math.cos(site.yaw), math.sin(site.yaw), 0.0])
        left = np.array([-forward[1], forward[0], 0.0])
        height = np.clip(rng.normal(1.4, 0.25), 0.5, 1.9)
        return PinholeCamera(
            site.position + forward * ahead + left * aside + [0, 0, height],
            site.yaw + math.radians(rng.uniform(-1, 1) * config.turn * reach),
            math.radians(rng.normal(0, 3)),
            math.radians(rng.uniform(85, 115) if wide else rng.uniform(58, 92)),
            math.radians(rng.normal(0, 1.5)),
        )

    def _condition(self, rng: Rng, view: int) -> Condition:
        config = self._config
        if not config.conditions:
            return random_condition(rng, config.strength)
        if config.in_turn:
            name = config.conditions[view % len(config.conditions)]
        else:
            name = str(rng.choice(config.conditions))
        if config.vary:
            return random_condition(rng, config.strength, name)
        return named(name, int(rng.integers(0, 2**31)))


def _clear(depth: np.ndarray, least: float) -> bool:
    """Whether there is something to see further away than `least`, and nothing before the lens."""
    return bool(
        (depth < 0.5).mean() < 0.01 and (depth < 1.5).mean() < 0.45 and np.median(depth) > least
    )


COLUMNS = (
    *['file', 'town', 'place', 'x', 'y', 'z', 'yaw', 'pitch', 'roll', 'fov', 'walk', 'overlap'],
    *(f'condition_{each.name}' for each in fields(Condition)),
)  # fmt: skip


def write_town(config: PlacesConfig, seed: int, output: Path) -> list[list[object]]:
    """Write the places of one town; returns the rows of the manifest."""
    town = generate_town(seed, *config.blocks, config.storeys)
    rng = random_stream(seed, 101)
    sites = choose_sites(town, round(config.places * 1.15) + 2, config.indoor, rng)
    order = rng.permutation(len(sites))
    rows: list[list[object]] = []
    with Renderer(town.mesh, town.palette.pictures, (config.width, config.height)) as renderer:
        photographer = Photographer(town, renderer, config)
        made = 0
        for number in order:
            if made == config.places:
                break
            pictures = photographer.visit(sites[number], random_stream(seed, 102, int(number)))
            if pictures is None:
                continue
            name = f'{seed:05d}_{made:05d}'
            made += 1
            folder = output / 'places' / name
            folder.mkdir(parents=True, exist_ok=True)
            depths = {}
            for index, picture in enumerate(pictures):
                light = 'dark' if picture.condition.night else 'light'
                file = f'places/{name}/{index:02d}_{light}.jpg'
                (output / file).write_bytes(picture.jpeg)
                rows.append([file, seed, name, *_row(picture, sites[number])])
                if picture.depth is not None:
                    depths[Path(file).name] = picture.depth
            write_depth(folder, depths)
    return rows


def _row(picture: Picture, site: PlaceSite) -> Iterator[object]:
    camera = picture.camera
    yield from (f'{value:.4f}' for value in camera.position)
    yield from (f'{v:.5f}' for v in (camera.yaw, camera.pitch, camera.roll, camera.fov))
    yield site.walk.kind
    yield f'{picture.overlap:.3f}'
    for value in asdict(picture.condition).values():
        yield f'{value:.4g}' if isinstance(value, float) else value


def write_places(
    config: PlacesConfig,
    output: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the places of all towns, a manifest of all pictures, and what they were made with.

    Args:
        workers: processes, each with a town of its own at a time.
        progress: told how many pictures and towns there are.

    Returns:
        The number of pictures.

    Raises:
        StorageError: no space, or no permission.
    """
    count = 0
    try:
        output.mkdir(parents=True, exist_ok=True)
        with (output / 'manifest.csv').open('w', newline='') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(COLUMNS)
            for done, rows in enumerate(_towns(config, output, workers), 1):
                writer.writerows(rows)
                file.flush()  # what was made so far has its rows, whatever happens next
                count += len(rows)
                if progress:
                    progress(count, done)
        description = {'version': VERSION, **asdict(config), 'pictures': count}
        (output / 'town.json').write_text(json.dumps(description, indent=1) + '\n')
    except OSError as error:
        raise StorageError(
            f'{output} cannot be written: {error}; make space or choose another folder'
        ) from error
    return count


def _towns(config: PlacesConfig, output: Path, workers: int) -> Iterator[list[list[object]]]:
    """The manifest's rows of each town, as soon as it and those before it are written."""
    seeds = range(config.seed, config.seed + config.towns)
    if workers <= 1:
        yield from (write_town(config, seed, output) for seed in seeds)
        return
    with ProcessPoolExecutor(workers, get_context('spawn')) as pool:
        tasks = [pool.submit(write_town, config, seed, output) for seed in seeds]
        for task in tasks:
            yield task.result()
