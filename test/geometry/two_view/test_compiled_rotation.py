"""The compiled fit of a pure rotation, compared with NumPy's over many problems."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.geometry.points import PINHOLE, SIZE, two_views
from helpers.processes.compiled_code import computed

from fol_vpr.geometry.rigid import rotation_from_vector
from fol_vpr.geometry.two_view import models
from fol_vpr.geometry.viewing_rays import Rays, pixels_to_rays

LIMIT = 2.0


def scene(seed: int) -> tuple[Rays, Rays]:
    """Rays of a camera that turned, and sometimes moved, with few or many wrong matches."""
    rng = np.random.default_rng(seed)
    views = two_views(
        rng,
        [(1e-3, 0.0, 0.0), (0.3, 0.1, 0.5)][seed % 2],
        rng.normal(0, 0.1, 3),
        noise=[0.01, 1.0, 5.0][seed % 3],
        wrong=[0.0, 0.3, 0.9][seed // 3 % 3],
        count=[8, 30, 400][seed % 3],
    )
    return tuple(pixels_to_rays(PINHOLE, xy, SIZE) for xy in (views.query, views.reference))


@pytest.mark.parametrize('seed', range(36))
def test_the_rotation_is_that_of_numpy(seed):
    query, reference = scene(seed)
    found = []
    for way in ('numpy', 'compiled'):
        with computed(way):
            found.append(models.fit_rotation(query, reference, LIMIT))
    np.testing.assert_allclose(found[1], found[0], atol=1e-9)


def test_rays_beside_and_behind_the_camera_are_as_with_numpy():
    """Their distances are large, and the same for both."""
    query, reference = scene(2)
    half_turn = rotation_from_vector(np.array([0.0, 1.5, 0.0]))
    expected = models.squared_rotation_distances(half_turn, query, reference)
    with computed('compiled'):
        module = models.compiled.ready('fol_vpr.geometry.two_view.compiled_rotation')
        found = module.squared_distances(query.xy, query.to_pixels, reference.xy, half_turn)
    assert (expected > 1e6).any()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize('seed', range(6))
def test_distances_from_a_rotation_and_a_homography_are_those_of_numpy(seed):
    query, reference = scene(seed)
    matrix = np.array([[1.1, 0.02, 0.1], [-0.03, 0.9, 0.05], [0.25, 0.5, 1.0]])
    # At the horizon of the homography.
    far = np.array([[-4.0, 0.0], [-2.0, -1.0]])
    found = []
    for way in ('numpy', 'compiled'):
        with computed(way):
            here, there = np.concatenate([query.xy, far]), np.concatenate([reference.xy, far])
            found.append(
                (
                    models.squared_rotation_distances(np.eye(3), query, reference),
                    models.squared_transfer_distances(matrix, here, there),
                )
            )
    for expected, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, expected, rtol=1e-9, atol=1e-18)
