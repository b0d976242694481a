"""From geometry to pictures: depth by ray and plane, shadows where the sun says, weather, lens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fol_vpr.errors import InputError
from training.town import messages
from training.town.camera import panda
from training.town.camera.conditions import PRESETS, Condition, named, random_condition
from training.town.camera.effects import _bend, develop, encode
from training.town.camera.renderer import PinholeCamera, Renderer
from training.town.camera.shading import FAR, Shaded, Shader
from training.town.camera.visibility import View, overlap, seen_share
from training.town.noise import random_stream
from training.town.world.mesh import Builder, Kind, Mesh
from training.town.world.textures.palette import Palette
from training.town.world.town import Town

EYE = np.array([0.0, 0.0, 1.5])
PLAIN = Condition(cloud=0.0, fog=0.0, noise=0.0, vignette=0.0, sun_elevation=45, sun_azimuth=0)


def stage(mesh: Mesh, size: tuple[int, int] = (160, 120)) -> tuple[Town, Renderer]:
    """A town of nothing but a mesh, and its renderer."""
    nothing = np.zeros((0, 3), np.float32)
    town = Town(1, mesh, Palette(), (), nothing, nothing, np.zeros(0, bool), nothing, (), (),
                np.zeros((0, 2)))  # fmt: skip
    grey = np.full((8, 8, 3), 180, np.uint8)
    grey[:4] = 120
    return town, Renderer(mesh, [grey], size)


def ground(reach: float = 60.0) -> Builder:
    builder = Builder()
    corners = [[-reach, -reach, 0], [reach, -reach, 0], [reach, reach, 0], [-reach, reach, 0]]
    builder.quad(corners, 0, Kind.GROUND)
    return builder


def wall_at(builder: Builder, x: float, half: float = 30.0) -> Builder:
    """A wall across the X axis that faces the origin."""
    builder.quad([[x, half, 0], [x, -half, 0], [x, -half, 20], [x, half, 20]], 0)
    return builder


@given(st.integers(0, 2**18 - 1), st.integers(-1, 1))
def test_numbers_survive_as_colours(number: int, error: int):
    colour = panda.encode(np.array([number]))[0].astype(int) + error
    picture = np.array([[[colour[2], colour[1], colour[0], 255]]], np.uint8)
    assert panda.decode(picture)[0, 0] == number


def test_depth_is_exact():
    town, renderer = stage(wall_at(ground(), 7.0).mesh())
    with renderer:
        seen = renderer.render(PinholeCamera(EYE, 0.0, fov=1.2))
        depth = Shader(town, renderer, PLAIN).depth(seen)
    height = depth.shape[0]
    assert depth[: height // 2] == pytest.approx(7.0, abs=1e-3)
    # The ground: the ray of row r falls by one part in `drop`.
    focal = 80 / np.tan(0.6)
    row = height - 1
    drop = (row + 0.5 - height / 2) / focal
    assert depth[row, 80] == pytest.approx(1.5 / drop, rel=1e-4)


def test_the_sky_is_far_and_behind_everything():
    town, renderer = stage(ground().mesh())
    with renderer:
        seen = renderer.render(PinholeCamera(EYE, 0.0))
        depth = Shader(town, renderer, PLAIN).depth(seen)
    assert (depth[:55] == FAR).all()
    assert (depth[70:] < 60).all()


@pytest.mark.parametrize('yaw', [-0.4, 0.0, 0.3])
def test_a_turn_moves_the_picture_the_right_way(yaw: float):
    """Turning to the left moves what is ahead to the right."""
    builder = ground()
    builder.quad([[10, 0.5, 0], [10, -0.5, 0], [10, -0.5, 3], [10, 0.5, 3]], 0)
    _, renderer = stage(builder.mesh())
    with renderer:
        seen = renderer.render(PinholeCamera(EYE, yaw, fov=1.4))
    column = np.argwhere(seen.surface[50] == 2).mean()
    assert column == pytest.approx(79.5 + 80 / np.tan(0.7) * np.tan(yaw), abs=1.5)


def test_what_moves_is_drawn_and_taken_away_again():
    _, renderer = stage(ground().mesh())
    box = Builder()
    box.box((5, -1, 0), (6, 1, 2), 0, Kind.VEHICLE)
    camera = PinholeCamera(EYE, 0.0)
    with renderer:
        before = renderer.render(camera)
        renderer.set_moving(box.mesh())
        with_box = renderer.render(camera)
        renderer.set_moving(None)
        after = renderer.render(camera)
    assert (with_box.surface >= 2).sum() > 200
    assert not np.array_equal(before.albedo, with_box.albedo)
    assert np.array_equal(before.albedo, after.albedo)
    assert np.array_equal(before.surface, after.surface)


@pytest.mark.parametrize('azimuth', [0.0, 90.0, 200.0])
def test_a_shadow_lies_opposite_to_the_sun_and_as_long_as_the_sun_is_low(azimuth: float):
    builder = ground()
    builder.box((-0.5, -0.5, 0), (0.5, 0.5, 4), 0)
    town, renderer = stage(builder.mesh(), (240, 240))
    condition = replace(PLAIN, sun_azimuth=azimuth)
    above = PinholeCamera(np.array([0, 0, 25.0]), 0.0, pitch=-np.pi / 2, fov=1.0)
    with renderer:
        shader = Shader(town, renderer, condition)
        shader.aim(np.zeros(3))
        seen = renderer.render(above)
        light = shader.shade(seen).radiance.mean(-1)
    away = np.radians(azimuth) + np.pi

    def brightness(distance: float) -> float:
        x, y = distance * np.cos(away), distance * np.sin(away)
        focal = 120 / np.tan(0.5)
        row, column = 120 - x / 25 * focal, 120 - y / 25 * focal  # up is X, left is Y
        return float(light[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2].mean())

    assert brightness(2.5) < 0.6 * brightness(6.5)
    assert brightness(-2.5) > 1.5 * brightness(2.5)


def test_night_is_dark_and_lamps_light_what_is_near():
    town, renderer = stage(wall_at(ground(), 12.0).mesh())
    lamp = np.array([[10.0, 0.0, 4.0]], np.float32)
    lit = replace(
        town, lamps=lamp, lamp_colours=np.ones((1, 3), np.float32), indoor_lamps=np.zeros(1, bool)
    )
    night = named('night')
    with renderer:
        seen = renderer.render(PinholeCamera(EYE, 0.0))
        day = Shader(town, renderer, PLAIN).shade(seen).radiance
        dark = Shader(town, renderer, night).shade(seen).radiance
        lamped = Shader(lit, renderer, night).shade(seen).radiance
    assert dark.mean() < 0.1 * day.mean()
    assert lamped[60, 80].mean() > 3 * dark[60, 80].mean()


def test_headlights_light_what_is_ahead_at_night_and_nothing_by_day():
    town, renderer = stage(wall_at(ground(), 12.0).mesh())

    def light(name: str, headlights: float) -> np.ndarray:
        condition = named(f'{name},fog=0,headlights={headlights}')
        return Shader(town, renderer, condition).shade(seen).radiance.mean(axis=2)

    with renderer:
        seen = renderer.render(PinholeCamera(EYE, 0.0))
        ratio = light('night', 1) / light('night', 0)
        assert np.array_equal(light('day', 1), light('day', 0))
    # The road in the middle; the wall well above the beam; to the side.
    assert ratio[90, 80] > 5
    assert ratio[20, 80] < ratio[90, 80] / 3
    assert ratio[90, 2] < ratio[90, 80] / 2


def test_lamps_have_a_colour_and_shine_on_wet_ground():
    town, renderer = stage(ground().mesh())
    town = replace(
        town,
        lamps=np.array([[20.0, 0.0, 6.0]], np.float32),
        lamp_colours=np.ones((1, 3), np.float32),
        indoor_lamps=np.zeros(1, bool),
    )

    def light(text: str) -> np.ndarray:
        return Shader(town, renderer, named(f'night,fog=0,{text}')).shade(seen).radiance

    with renderer:
        seen = renderer.render(PinholeCamera(EYE, 0.0))
        sodium, led = light('lamp_warmth=1'), light('lamp_warmth=-1')
        dry, wet = light('rain=0'), light('rain=1')
    ground_pixel = (70, 80)
    assert sodium[ground_pixel][0] > 2 * sodium[ground_pixel][2]
    assert led[ground_pixel][2] > led[ground_pixel][0]
    # Rain darkens the ground, but for the streak towards the lamp.
    ratio = wet.mean(axis=2)[70:] / dry.mean(axis=2)[70:]
    assert ratio[:, 75:86].max() > 1.3 * np.median(ratio[:, :20])


def test_snow_whitens_the_ground_and_rain_darkens_it():
    town, renderer = stage(ground().mesh())
    with renderer:
        seen = renderer.render(PinholeCamera(EYE, 0.0, pitch=-0.5))
        images = {
            name: Shader(town, renderer, replace(PLAIN, cloud=1.0, **change)).shade(seen).radiance
            for name, change in (('dry', {}), ('snow', {'snow': 1.0}), ('wet', {'rain': 1.0}))
        }
    near = {name: image[100:].mean() for name, image in images.items()}
    assert near['snow'] > 1.4 * near['dry']
    assert near['wet'] < near['dry']


def test_fog_hides_what_is_far():
    town, renderer = stage(wall_at(ground(), 40.0).mesh())
    with renderer:
        seen = renderer.render(PinholeCamera(EYE, 0.0))
        thin = Shader(town, renderer, replace(PLAIN, fog=0.0)).shade(seen).radiance[:50]
        thick = Shader(town, renderer, replace(PLAIN, fog=0.1)).shade(seen).radiance[:50]
    assert thick.mean(-1).std() < 0.2 * thin.mean(-1).std()


def test_the_same_view_overlaps_wholly_an_opposite_one_not_at_all():
    town, renderer = stage(wall_at(wall_at(ground(), 9.0), -9.0).mesh())
    with renderer:
        views = []
        for yaw in (0.0, 0.3, 0.8, np.pi):
            camera = PinholeCamera(EYE, yaw)
            depth = Shader(town, renderer, PLAIN).depth(renderer.render(camera))
            views.append(View(camera, depth))
    shares = [overlap(views[0], view) for view in views]
    assert shares[0] > 0.98
    assert shares[0] > shares[1] > shares[2] > shares[3]
    assert shares[3] < 0.02


def test_what_stands_behind_something_is_not_seen_by_both():
    bare, hidden = wall_at(ground(), 9.0), wall_at(ground(), 9.0)
    hidden.box((2, -8, 0), (2.2, 8, 10), 0)
    camera = PinholeCamera(EYE, 0.0)
    depths = []
    for builder in (bare, hidden):
        town, renderer = stage(builder.mesh())
        with renderer:
            depths.append(Shader(town, renderer, PLAIN).depth(renderer.render(camera)))
    assert seen_share(View(camera, depths[0]), View(camera, depths[1])) < 0.1


@pytest.fixture
def shaded() -> Shaded:
    rng = np.random.default_rng(0)
    radiance = np.kron(rng.uniform(0.1, 0.6, (12, 16, 3)), np.ones((10, 10, 1)))
    return Shaded(radiance.astype(np.float32), np.full((120, 160), 20, np.float32))


@pytest.mark.parametrize(
    'change',
    [
        {'rain': 0.8},
        {'snowfall': 0.8},
        {'exposure': 1.0},
        {'warmth': 0.8},
        {'contrast': 1.4},
        {'noise': 8.0},
        {'motion': 12.0},
        {'defocus': 1.5},
        {'dirt': 1.0},
        {'vignette': 0.6},
        {'distortion': 0.3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_fault_of_the_camera_shows(shaded: Shaded, change: dict):
    plain = develop(shaded, PLAIN, random_stream(1)).astype(float)
    faulty = develop(shaded, replace(PLAIN, **change), random_stream(1)).astype(float)
    again = develop(shaded, replace(PLAIN, **change), random_stream(1)).astype(float)
    assert np.abs(plain - faulty).mean() > 0.3
    assert np.array_equal(faulty, again)


def test_exposure_and_warmth_go_the_right_way(shaded: Shaded):
    plain = develop(shaded, PLAIN, random_stream(1)).astype(float)
    assert develop(shaded, replace(PLAIN, exposure=-1.0), random_stream(1)).mean() < plain.mean()
    warm = develop(shaded, replace(PLAIN, warmth=1.0), random_stream(1)).astype(float)
    assert warm[..., 0].mean() > plain[..., 0].mean()
    assert warm[..., 2].mean() < plain[..., 2].mean()


def test_quality_decides_the_size_of_the_file(shaded: Shaded):
    picture = develop(shaded, replace(PLAIN, noise=4), random_stream(1))
    assert len(encode(picture, 30)) < len(encode(picture, 95)) / 2


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 0.35), st.floats(1.0, 1.8))
def test_camera_info_describes_the_distortion(amount: float, fov: float):
    """What the bent picture shows lies where ROS says (plumb_bob), within 1.5 pixels."""
    width, height = 320, 240
    column = np.tile(np.arange(width, dtype=np.float32), (height, 1))
    row = np.tile(np.arange(height, dtype=np.float32)[:, None], (1, width))
    straight = _bend(np.stack([column, row, 0 * row], -1), amount)[20:-20:20, 20:-20:20]
    info = messages.camera_info(0, width, height, fov, amount)
    k1, k2, _, _, k3 = info.d
    focal = width / 2 / np.tan(fov / 2)
    x = (straight[..., 0] + 0.5 - width / 2) / focal
    y = (straight[..., 1] + 0.5 - height / 2) / focal
    square = x**2 + y**2
    factor = 1 + k1 * square + k2 * square**2 + k3 * square**3
    u, v = info.k[0] * x * factor + info.k[2], info.k[4] * y * factor + info.k[5]
    expected_u, expected_v = column[20:-20:20, 20:-20:20], row[20:-20:20, 20:-20:20]
    assert np.abs(u - expected_u).max() < 1.5
    assert np.abs(v - expected_v).max() < 1.5


def test_conditions_by_name():
    changed = named('rain,motion=6,leaves=False,jpeg=50', seed=3)
    assert (changed.rain, changed.motion, changed.leaves) == (0.8, 6.0, False)
    assert (changed.jpeg, changed.seed) == (50, 3)


@pytest.mark.parametrize('text', ['sunny', 'day,colour=3', 'day,motion=fast', 'day,leaves=maybe'])
def test_an_unknown_condition_is_refused_with_what_there_is(text: str):
    with pytest.raises(InputError):
        named(text)


def test_random_conditions_are_deterministic_and_varied():
    several = [random_condition(random_stream(k)) for k in range(60)]
    assert several[0] == random_condition(random_stream(0))
    assert len({each.name for each in several}) > 6
    assert any(each.night for each in several)
    assert all(each.name in PRESETS for each in several)
