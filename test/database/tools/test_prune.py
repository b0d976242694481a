"""Pruned maps: without places that were never hit, or that others represent."""

import numpy as np
import pytest
from helpers.small_maps import build

from fol_vpr.config import PruningConfig
from fol_vpr.database import prune_map
from fol_vpr.database.tools.prune import cover
from fol_vpr.datatypes import Place, Pose
from fol_vpr.errors import InputError


def test_without_counts_nothing_is_pruned(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 3)
    with pytest.raises(InputError, match='record_hits'):
        prune_map(path, tmp_path / 'p.folmap', PruningConfig(never_hit=True))
    with pytest.raises(InputError, match='nothing to prune by'):
        prune_map(path, tmp_path / 'p.folmap', PruningConfig())


def place_at(index: int, x: float, degrees: float = 0.0) -> Place:
    half = np.radians(degrees) / 2
    pose = Pose(np.array([x, 0, 0]), np.array([0, 0, np.sin(half), np.cos(half)]))
    return Place(index, f'p{index}', 's', index, 'u', (9, 9), pose)


def drive(count: int) -> np.ndarray:
    """Descriptors that turn by 10 degrees from one place to the next."""
    angles = np.radians(10.0) * np.arange(count)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float16)


def test_each_dropped_place_has_a_like_one_left_nearby():
    rng = np.random.default_rng(3)
    count, similarity, radius, angle = 300, 0.9, 2.0, np.pi
    places = [place_at(i, rng.uniform(0, 40), rng.uniform(0, 360)) for i in range(count)]
    descriptors = rng.standard_normal((count, 3))
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    kept = cover(descriptors, places, similarity, radius, angle, [0] * count)
    assert len(kept) < 0.9 * count
    for place in places:
        assert any(
            descriptors[place.index] @ descriptors[k] >= similarity - 1e-6
            and np.linalg.norm(place.pose.position - places[k].pose.position) <= radius
            for k in kept
        )


def test_every_third_place_is_enough_where_each_is_like_its_neighbours():
    places = [place_at(i, 1.0 * i) for i in range(30)]
    cosine = float(np.cos(np.radians(10.5)))
    assert cover(drive(30), places, cosine, 5.0, 1.0, [0] * 30) == list(range(1, 30, 3))
    # A place counts as near only within the radius, and with a like direction of view.
    assert len(cover(drive(30), places, cosine, 0.5, 1.0, [0] * 30)) == 30
    turned = [place_at(i, 1.0 * i, 90.0 * (i % 2)) for i in range(30)]
    assert len(cover(drive(30), turned, cosine, 5.0, 1.0, [0] * 30)) == 30
    unposed = [Place(i, f'p{i}', 's', i, 'u', (9, 9)) for i in range(30)]
    assert len(cover(drive(30), unposed, cosine, 0.0, 0.0, [0] * 30)) == 10


def test_of_two_that_are_alike_the_one_that_was_hit_stays():
    same = np.tile(np.array([[1.0, 0.0]]), (3, 1))
    places = [place_at(i, 0.0) for i in range(3)]
    assert cover(same, places, 0.9, 1.0, 1.0, [0, 5, 1]) == [1]
