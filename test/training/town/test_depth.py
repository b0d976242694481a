"""Depth and cameras that the town writes beside its pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.__main__ import main
from training.data.views import View, read_view
from training.town.camera.conditions import named
from training.town.camera.effects import _bend
from training.town.camera.renderer import PinholeCamera, Renderer
from training.town.camera.shading import Shader
from training.town.depth import depth_view, write_depth
from training.town.places import PlacesConfig, write_places
from training.town.world.town import Town


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


SMALL = PlacesConfig(seed=21, places=2, views=2, width=128, height=96, blocks=(2, 1), storeys=1)


def test_depth_changes_no_picture_and_is_the_same_again(tmp_path: Path):
    config = replace(SMALL, towns=2)
    write_places(config, tmp_path / 'plain')
    write_places(replace(config, depth=True), tmp_path / 'depth')
    write_places(replace(config, depth=True), tmp_path / 'again', workers=2)
    without, deep = contents(tmp_path / 'plain'), contents(tmp_path / 'depth')
    assert deep == contents(tmp_path / 'again')
    added = {name for name in deep if '/.depth/' in name}
    assert len(added) == 2 * 2 * (2 + 1)
    assert json.loads(deep.pop('town.json')) == {
        **json.loads(without.pop('town.json')), 'depth': True
    }  # fmt: skip
    assert {name: data for name, data in deep.items() if name not in added} == without


def test_drawn_again_without_depth_no_old_one_is_left(tmp_path: Path):
    output = ['--output', str(tmp_path), '--seed', '21', '--size', '64x48', '--indoor', '0']
    assert main(['town', 'places', *output, '--places', '1', '--views', '3', '--depth']) == 0
    known = json.loads(next(tmp_path.rglob('.depth/cameras.json')).read_text())
    assert len(known['views']) == 3
    write_places(replace(SMALL, places=1), tmp_path)
    assert not list(tmp_path.rglob('.depth'))


@pytest.fixture(scope='module', params=[0.0, 0.3])
def drawn(request, tmp_path_factory, town: Town, renderer: Renderer):
    """A view as it is read back, and a picture [H, W, 3] of the position of each pixel."""
    walk = next(walk for walk in town.walks if walk.kind == 'path')
    camera = PinholeCamera(
        walk.start + np.array([0.3, 0.2, 1.4]), walk.yaw + 0.2, -0.05, 1.4, 0.03
    )
    renderer.set_moving(None)
    seen = renderer.render(camera)
    shader = Shader(town, renderer, named('day'))
    depth = shader.depth(seen)
    positions = (camera.position + seen.rays * depth[..., None]).astype(np.float32)
    place = tmp_path_factory.mktemp('place')
    write_depth(place, {'00_light.jpg': depth_view(seen, shader, request.param)})
    bent = _bend(positions, request.param) if request.param else positions
    return read_view(place / '00_light.jpg'), bent, camera


def test_what_is_read_back_is_where_the_renderer_saw_it(drawn: tuple[View, np.ndarray, object]):
    view, positions, camera = drawn
    height, width = positions.shape[:2]
    assert view.depth.shape == (height // 2, width // 2)
    rows, columns = np.mgrid[0:height, 0:width].reshape(2, -1)
    points = np.stack([(columns + 0.5) / width, (rows + 0.5) / height], axis=1)
    found, known = view.in_world(points)
    away = np.linalg.norm(found - positions.reshape(-1, 3), axis=1)
    metres = np.linalg.norm(positions.reshape(-1, 3) - camera.position, axis=1)
    assert 0.3 < known.mean() < 0.95
    # Exact on planes; between two of them, less than a quarter apart, it is in between.
    assert np.median((away / metres)[known]) < 5e-4
    assert np.quantile((away / metres)[known], 0.9) < 0.02
    sky = metres > 200
    assert sky.any() and not known[cv2.erode(sky.reshape(height, width).astype(np.uint8), None,
                                             iterations=3).ravel() > 0].any()  # fmt: skip


def test_a_position_is_found_where_it_is_seen(drawn: tuple[View, np.ndarray, object]):
    view, positions, _ = drawn
    height, width = positions.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].reshape(2, -1)
    points = np.stack([(columns + 0.5) / width, (rows + 0.5) / height], axis=1)
    found, known = view.in_world(points)
    again, metres = view.in_photograph(found[known])
    assert np.abs(again - points[known]).max() < 1e-6
    assert view.sees(again, metres).all()
    behind = view.position - 5 * view.rotation[:, 2:].T
    point, metres = view.in_photograph(behind)
    assert metres[0] == pytest.approx(-5, abs=1e-3) and not view.sees(point, metres).any()


def test_the_pose_is_that_of_the_camera_and_the_files_say_their_unit(drawn):
    view, _, camera = drawn
    right, forward, up = camera.axes()
    assert view.position == pytest.approx(camera.position, abs=1e-4)
    assert np.abs(view.rotation.T - [right, -up, forward]).max() < 1e-6
    assert np.linalg.det(view.rotation) == pytest.approx(1, abs=1e-5)
    assert view.depth.max() < 256 and (view.depth == 0).any()
    assert view.intrinsics[0] == pytest.approx(40 / np.tan(0.7), rel=1e-5)
