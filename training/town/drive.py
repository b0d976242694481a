"""A drive through the town as a ROS 2 bag; the same seeds give the same bytes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fol_vpr.sources import TimedMessage, write_bag
from training.town import messages
from training.town.camera.conditions import Condition
from training.town.camera.effects import develop, encode
from training.town.camera.renderer import PinholeCamera, Renderer
from training.town.camera.shading import Shader
from training.town.noise import random_stream
from training.town.trajectory import Trajectory, route
from training.town.world.town import Town, generate_town
from training.town.world.traffic import moving_objects

_SHADOWS_EVERY = 8.0
_POSE_EVERY = 2
"""Of the 50 poses a second that a track has."""


@dataclass(frozen=True)
class DriveConfig:
    """What is driven.

    Attributes:
        seed: of the town.
        drive: number of the drive; each wanders, drifts and meets others of its own.
        duration: seconds.
        rate: images per second.
        speed: m/s.
        start: metres along the loop at which it starts.
        lateral: metres to the left of the middle of the way.
        sway: standard deviation of slow wandering to either side, metres.
        heading: degrees that the camera looks to the left of where the robot goes.
        pitch: degrees, up is positive.
        height: of the camera above the ground, metres.
        fov: horizontal field of view, degrees.
        width, height_px: of the pictures.
        first_stamp: seconds since 1970; drives are a day apart.
        datum: latitude and longitude of the map's origin, degrees.
        gnss: standard deviation of the GNSS receiver, metres.
        drift: standard deviation of the odometry's scale error, and of its heading in rad/√m.
    """

    seed: int = 1
    drive: int = 1
    duration: float = 60.0
    rate: float = 3.0
    speed: float = 3.0
    start: float = 0.0
    lateral: float = 0.0
    sway: float = 0.15
    heading: float = 0.0
    pitch: float = 0.0
    height: float = 1.3
    fov: float = 75.0
    width: int = 320
    height_px: int = 240
    first_stamp: float = 1_700_000_000.0
    datum: tuple[float, float] = (48.0, 11.0)
    gnss: float = 1.5
    drift: tuple[float, float] = (0.015, 0.006)


def write_drive(
    config: DriveConfig,
    condition: Condition,
    output: Path,
    *,
    town: Town | None = None,
    storage: str = 'sqlite3',
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Drive, and write the bag.

    Args:
        town: of the config's seed where it has been grown already.
        progress: told the number of images written, and of all.

    Returns:
        The number of images.

    Raises:
        InputError: a bag of that name is there.
        StorageError: no space, or no permission.
    """
    town = town or generate_town(config.seed)
    track = route(
        town,
        speed=config.speed,
        duration=config.duration,
        lateral=config.lateral,
        sway=config.sway,
        heading=math.radians(config.heading),
        start=config.start,
        rng=random_stream(config.seed, 201, config.drive),
    )
    count = math.floor(config.duration * config.rate) + 1
    done = itertools.count(1)

    def tell(record: TimedMessage) -> None:
        if progress and record.topic == '/camera/image/compressed':
            progress(next(done), count)

    size = config.width, config.height_px
    with Renderer(town.mesh, town.palette.pictures, size) as renderer:
        pictures = _pictures(town, renderer, track, config, condition, count)
        records = sorted(
            itertools.chain(_state_records(town, track, config), pictures),
            key=lambda record: record.stamp_ns,
        )
        write_bag(
            output,
            messages.TYPES,
            records,
            storage=storage,
            latched=('/tf_static',),
            overwrite=overwrite,
            progress=tell,
        )
    return count


def _stamp(config: DriveConfig, seconds: float) -> int:
    first = round((config.first_stamp + 86_400 * config.drive) * 1e9)
    return first + round(seconds * 1e9)


def _pictures(
    town: Town,
    renderer: Renderer,
    track: Trajectory,
    config: DriveConfig,
    condition: Condition,
    count: int,
) -> Iterator[TimedMessage]:
    """Records that render when they are written; they have to be written in their order."""
    film = _Film(town, renderer, track, config, condition)
    for index in range(count):
        seconds = index / config.rate
        stamp = _stamp(config, seconds)
        info = partial(
            messages.camera_info,
            stamp,
            config.width,
            config.height_px,
            math.radians(config.fov),
            condition.distortion,
        )
        yield TimedMessage(stamp, '/camera/camera_info', info)
        yield TimedMessage(stamp, '/camera/image/compressed', partial(film.message, stamp, index))


class _Film:
    """Renders a drive's pictures."""

    def __init__(
        self,
        town: Town,
        renderer: Renderer,
        track: Trajectory,
        config: DriveConfig,
        condition: Condition,
    ) -> None:
        self._town, self._renderer, self._track = town, renderer, track
        self._config, self._condition = config, condition
        self._shader = Shader(town, renderer, condition)
        self._aimed: np.ndarray | None = None

    def message(self, stamp_ns: int, index: int) -> object:
        """CompressedImage number `index`."""
        config, condition = self._config, self._condition
        seconds = index / config.rate
        position, yaw = self._track.at(seconds)
        camera = PinholeCamera(
            position + np.array([0.2 * math.cos(yaw), 0.2 * math.sin(yaw), config.height]),
            yaw,
            math.radians(config.pitch),
            math.radians(config.fov),
        )
        crowd = random_stream(condition.seed, 202, config.drive)
        self._renderer.set_moving(
            moving_objects(self._town, crowd, condition.busy, position, seconds, clear=1.6)
        )
        ahead = position + 15 * np.array([math.cos(yaw), math.sin(yaw), 0])
        if self._aimed is None or np.linalg.norm(ahead - self._aimed) > _SHADOWS_EVERY:
            self._shader.aim(ahead)
            self._aimed = ahead
        shaded = self._shader.shade(self._renderer.render(camera))
        picture = develop(shaded, condition, random_stream(config.seed, 203, config.drive, index))
        return messages.image(stamp_ns, encode(picture, condition.jpeg))


def _state_records(town: Town, track: Trajectory, config: DriveConfig) -> Iterator[TimedMessage]:
    """Everything but the camera."""
    yield TimedMessage(
        _stamp(config, 0.0),
        '/tf_static',
        partial(
            messages.mounting,
            _stamp(config, 0.0),
            0.2,
            config.height,
            math.radians(config.pitch),
        ),
    )
    drifted = _drift(track, config)
    for index in range(0, len(track.time), _POSE_EVERY):
        stamp = _stamp(config, float(track.time[index]))
        motion = float(track.speed[index]), float(track.turn[index])
        way = config.speed * float(track.time[index])
        place, yaw, spread = drifted[0][index], float(drifted[1][index]), 1e-4 + (0.03 * way) ** 2
        truth = (stamp, 'map', track.position[index], float(track.yaw[index]), motion)
        yield TimedMessage(
            stamp, '/ground_truth', partial(messages.odometry, *truth, (1e-6, 1e-6))
        )
        turned = 1e-5 + config.drift[1] ** 2 * way
        yield TimedMessage(
            stamp,
            '/odom',
            partial(messages.odometry, stamp, 'odom', place, yaw, motion, (spread, turned)),
        )
    yield from _fixes(town, track, config)


def _drift(track: Trajectory, config: DriveConfig) -> tuple[np.ndarray, np.ndarray]:
    """Position [N, 3] and heading [N] as wheels measure them, from 0 at the start."""
    rng = random_stream(config.seed, 204, config.drive)
    step = np.diff(track.position[:, :2], axis=0)
    length = np.linalg.norm(step, axis=1)
    scale = 1 + rng.normal(0, config.drift[0])
    bend = np.cumsum(rng.normal(0, 1, len(step)) * np.sqrt(length)) * config.drift[1]
    turn = bend - track.yaw[0]
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    moved = np.stack([c * step[:, 0] - s * step[:, 1], s * step[:, 0] + c * step[:, 1]], 1)
    place = np.zeros((len(track.time), 3))
    place[1:, :2] = np.cumsum(moved, axis=0)
    yaw = track.yaw - track.yaw[0]
    yaw[1:] += bend
    return place, yaw


def _fixes(town: Town, track: Trajectory, config: DriveConfig) -> Iterator[TimedMessage]:
    """One a second; none in corridors. The error wanders, as multipath does."""
    rng = random_stream(config.seed, 205, config.drive)
    error = rng.normal(0, config.gnss, 2)
    for index in range(0, len(track.time), 50):
        error = 0.9 * error + math.sqrt(1 - 0.81) * rng.normal(0, config.gnss, 2)
        position = track.position[index]
        stamp = _stamp(config, float(track.time[index]))
        measured = position + np.array([*error, 0.0])
        outside = not town.indoors(position)
        yield TimedMessage(
            stamp,
            '/gnss/fix',
            partial(messages.fix, stamp, measured, config.datum, config.gnss, outside),
        )
