"""Towns: the same from the same seed, others from others, and fit to drive through."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from training.town.noise import fractal, random_stream
from training.town.world.mesh import Builder, Kind
from training.town.world.town import Town, generate_town
from training.town.world.traffic import moving_objects

ROOT = Path(__file__).parents[3]


def test_the_same_seed_gives_the_same_town(town: Town):
    again = generate_town(7, columns=2, rows=1, storeys=1)
    for name in ('corners', 'uv', 'texture', 'tint', 'kind'):
        assert np.array_equal(getattr(town.mesh, name), getattr(again.mesh, name)), name
    pictures = zip(town.palette.pictures, again.palette.pictures, strict=True)
    assert all(np.array_equal(one, other) for one, other in pictures)


def test_another_seed_gives_other_textures_and_another_layout(town: Town):
    other = generate_town(8, columns=2, rows=1, storeys=1)
    assert not np.allclose(town.loop, other.loop, atol=1.0)
    wall = town.palette.groups['wall'][0]
    assert not np.array_equal(town.palette.pictures[wall], other.palette.pictures[wall])


def test_every_quadrilateral_is_finite_and_can_be_numbered(town: Town):
    assert np.isfinite(town.mesh.corners).all()
    assert town.mesh.texture.min() >= 0
    assert town.mesh.texture.max() < len(town.palette.pictures)
    assert len(town.mesh) < 2**18 - 20_000  # leaves numbers for traffic


def test_there_are_ways_of_every_kind_and_the_loop_leads_through_a_corridor(town: Town):
    assert {walk.kind for walk in town.walks} >= {'pavement', 'road', 'corridor'}
    corners = np.vstack([town.loop, town.loop[:1]])
    inside = [town.indoors(np.array([*(a + b) / 2, 0])) for a, b in pairwise(corners)]
    assert 0 < sum(inside) < len(inside)


def test_a_quadrilateral_faces_the_way_its_corners_turn():
    builder = Builder()
    builder.quad([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]], 0, Kind.WALL)
    assert np.allclose(builder.mesh().planes()[0], [0, -1, 0, 0])
    turned = builder.mesh().placed(np.array([0, 0, 0]), np.pi / 2)
    assert np.allclose(turned.planes()[0, :3], [1, 0, 0], atol=1e-6)


def test_traffic_moves_and_keeps_its_distance(town: Town):
    at = np.array([*town.loop[0], 0.0])
    now = moving_objects(town, random_stream(1), 0.8, at, clear=5.0)
    again = moving_objects(town, random_stream(1), 0.8, at, clear=5.0)
    later = moving_objects(town, random_stream(1), 0.8, at, time=2.0, clear=5.0)
    assert np.array_equal(now.corners, again.corners)
    assert len(now) and not np.array_equal(now.corners, later.corners)
    nearest = np.linalg.norm(now.corners[..., :2] - at[:2], axis=-1).min()
    assert nearest > 5.0 - 4.5  # a lorry reaches further than its middle


@pytest.mark.parametrize('slope', [0.5, 1.0, 1.5])
def test_noise_falls_with_frequency_as_told(slope: float):
    field = fractal((256, 256), random_stream(3), slope)
    power = np.abs(np.fft.rfft2(field)) ** 2
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None]) * 256
    bands = [power[(frequency >= f) & (frequency < 2 * f)].mean() for f in (4, 8, 16, 32)]
    measured = -np.polyfit(np.log([4, 8, 16, 32]), np.log(bands), 1)[0] / 2
    assert measured == pytest.approx(slope, abs=0.15)


def test_every_sign_says_something_else(town: Town):
    pictures = town.palette
    signs = [pictures.pictures[k] for k in pictures.groups['sign']]
    assert len({sign.tobytes() for sign in signs}) == len(signs)
    assert np.mean([sign.astype(float).std() for sign in signs]) > 20


def test_the_town_needs_no_torch():
    script = (
        'import sys, training.town.commands\n'
        "bad = {'torch', 'lightning', 'pytorch_lightning', 'rclpy'} & set(sys.modules)\n"
        'sys.exit(str(bad) if bad else 0)'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
