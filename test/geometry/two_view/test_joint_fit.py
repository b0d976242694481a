"""Refinement of one motion for each pair, compared with the refinement of one pair alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from helpers.geometry.points import PINHOLE, SIZE, two_views
from helpers.processes.compiled_code import WAYS, computed

from fol_vpr.geometry.two_view import joint_fit, motion_fit
from fol_vpr.geometry.two_view.epipolar import (
    CameraMotion,
    RayPairs,
    decompose_essential,
    stack_motions,
)
from fol_vpr.geometry.two_view.joint_fit import joint_rays
from fol_vpr.geometry.two_view.motion_fit import refine_motions
from fol_vpr.geometry.viewing_rays import Rays, pixels_to_rays

LIMIT = 4.0
COUNTS = (400, 90, 217)


@pytest.fixture(scope='module', params=WAYS, autouse=True)
def way(request) -> Iterator[str]:
    with computed(request.param):
        yield request.param


def some_pairs() -> tuple[list[tuple[Rays, Rays]], list[CameraMotion]]:
    """Rays of three scenes with different numbers of matches, and motions near the right ones."""
    rays, starts = [], []
    for seed, count in enumerate(COUNTS):
        views = two_views(
            np.random.default_rng(seed),
            (1.0, 0.1 * seed, 0.3 * seed),
            (0.02, 0.05 * seed, 0.0),
            noise=0.7,
            wrong=0.3,
            count=count,
        )
        rays.append(
            (
                pixels_to_rays(PINHOLE, views.query, SIZE),
                pixels_to_rays(PINHOLE, views.reference, SIZE),
            )
        )
        direction = views.translation / np.linalg.norm(views.translation)
        beside = np.array([0.1, -0.1, 0.01, 0.02, -0.01])
        starts.append(CameraMotion(views.rotation, direction).perturbed(beside))
    return rays, starts


def test_each_pair_is_refined_as_by_itself(monkeypatch):
    for module in (joint_fit, motion_fit):
        monkeypatch.setattr(module, 'CONVERGED', 0.0)
    rays, starts = some_pairs()
    together = joint_rays(rays).refined(stack_motions(starts), LIMIT)
    for row, (pair, start) in enumerate(zip(rays, starts, strict=True)):
        alone = refine_motions(
            RayPairs(*pair), stack_motions([start]), LIMIT, max_steps=joint_fit.MAX_STEPS
        ).motion
        np.testing.assert_allclose(together.rotation[row], alone.rotation[0], atol=1e-9)
        np.testing.assert_allclose(together.direction[row], alone.direction[0], atol=1e-9)


def test_fewer_steps_hardly_change_the_inliers():
    rays, starts = some_pairs()
    joint = joint_rays(rays)
    found = joint.inliers(joint.refined(stack_motions(starts), LIMIT), LIMIT)
    for pair, start, inlier in zip(rays, starts, found, strict=True):
        fit = refine_motions(RayPairs(*pair), stack_motions([start]), LIMIT)
        assert inlier.shape == (len(pair[0]),)
        assert (inlier != (np.abs(fit.residuals[0]) <= LIMIT)).sum() <= 1


def test_of_four_motions_the_one_with_most_in_front_is_taken():
    rays, starts = some_pairs()
    # Every one of the four may be the right one.
    for signs in ((1, 1, 1), (-1, 1, -1)):
        essentials = np.stack([s * m.essential for s, m in zip(signs, starts, strict=True)])
        found = joint_rays(rays).motions(essentials, LIMIT)
        for row, pair in enumerate(rays):
            motions, pairs = decompose_essential(essentials[row]), RayPairs(*pair)
            best = motions[int(np.argmax(pairs.fraction_in_front(motions, LIMIT)))]
            np.testing.assert_allclose(found.rotation[row], best.rotation, atol=1e-9)
            np.testing.assert_allclose(found.direction[row], best.direction, atol=1e-9)
            np.testing.assert_allclose(found.rotation[row], starts[row].rotation, atol=1e-6)


@pytest.mark.filterwarnings('error')
def test_identical_matches_give_finite_numbers():
    same = pixels_to_rays(PINHOLE, np.full((20, 2), 100.0), SIZE)
    rays, starts = some_pairs()
    joint = joint_rays([(same, same), rays[0]])
    start = stack_motions([starts[1], starts[0]])
    refined = joint.refined(start, LIMIT)
    assert np.isfinite(refined.direction).all() and np.isfinite(refined.rotation).all()
    alone = joint_rays(rays[:1]).refined(start[1:], LIMIT)
    np.testing.assert_allclose(refined.direction[1], alone.direction[0], atol=1e-9)
