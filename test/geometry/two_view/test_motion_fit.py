"""Refinement of many motions at once, compared with straightforward code for each step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from helpers.geometry.points import PINHOLE, SIZE, two_views
from helpers.processes.compiled_code import WAYS, computed

from fol_vpr.geometry.rigid import cross_matrix, rotation_from_vector
from fol_vpr.geometry.two_view.epipolar import (
    CameraMotion,
    RayPairs,
    decompose_essential,
    stack_motions,
)
from fol_vpr.geometry.two_view.motion_fit import medians, refine_motions
from fol_vpr.geometry.viewing_rays import Rays, pixels_to_rays

LIMIT = 4.0


@pytest.fixture(scope='module', params=WAYS, autouse=True)
def way(request) -> Iterator[str]:
    with computed(request.param):
        yield request.param


def both_rays(seed: int = 0, **scene) -> tuple[Rays, Rays]:
    views = two_views(np.random.default_rng(seed), noise=0.5, **scene)
    return pixels_to_rays(PINHOLE, views.query, SIZE), pixels_to_rays(
        PINHOLE, views.reference, SIZE
    )


def some_motions(count: int, seed: int = 1) -> CameraMotion:
    rng = np.random.default_rng(seed)
    direction = rng.normal(0, 1, (count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return CameraMotion(rotation_from_vector(rng.normal(0, 0.2, (count, 3))), direction)


def plain_residuals(query: Rays, reference: Rays, motion: CameraMotion) -> np.ndarray:
    """Sampson distances, match by match, with errors converted by the inverse derivative."""
    essential = cross_matrix(motion.direction) @ motion.rotation
    found = []
    for k in range(len(query)):
        q, r = np.append(query.xy[k], 1), np.append(reference.xy[k], 1)
        by_q = np.linalg.solve(query.to_pixels[k].T, (essential @ r)[:2])
        by_r = np.linalg.solve(reference.to_pixels[k].T, (essential.T @ q)[:2])
        found.append(q @ essential @ r / np.sqrt(by_q @ by_q + by_r @ by_r))
    return np.array(found)


def plain_depths(query: Rays, reference: Rays, motion: CameraMotion) -> np.ndarray:
    """[K, 2] depths of where both rays come closest, by least squares."""
    found = []
    for q, r in zip(query.directions, reference.directions, strict=True):
        rays_apart = np.stack([q, -motion.rotation @ r], axis=1)
        found.append(np.linalg.lstsq(rays_apart, motion.direction, rcond=None)[0])
    return np.array(found)


def test_residuals_are_sampson_distances():
    query, reference = both_rays(count=60, wrong=0.3)
    motions = some_motions(4)
    found = RayPairs(query, reference).residuals(motions.essential)
    for row in range(4):
        np.testing.assert_allclose(
            found[row], plain_residuals(query, reference, motions[row]), rtol=1e-9
        )


def test_the_jacobian_is_that_of_the_residuals():
    pairs = RayPairs(*both_rays(count=60, wrong=0.3))
    motions = some_motions(5)
    residuals, jacobian = pairs.linearised(motions)
    np.testing.assert_allclose(residuals, pairs.residuals(motions.essential), rtol=1e-12)
    for axis in range(5):
        step = np.tile(1e-6 * np.eye(5)[axis], (5, 1))
        ahead, back = (pairs.residuals(motions.perturbed(s).essential) for s in (step, -step))
        scale = np.abs(jacobian[:, axis]).max()
        np.testing.assert_allclose(jacobian[:, axis], (ahead - back) / 2e-6, atol=1e-6 * scale)


def test_depths_are_where_the_rays_come_closest():
    query, reference = both_rays(count=60)
    pairs = RayPairs(query, reference)
    for motion in some_motions(3):
        of_q, of_r = pairs.depths(motion)
        expected = plain_depths(query, reference, motion)
        np.testing.assert_allclose(np.stack([of_q, of_r], axis=1), expected, rtol=1e-6, atol=1e-8)


def test_motions_are_refined_independently():
    pairs = RayPairs(*both_rays(wrong=0.3))
    motions = some_motions(6)
    together_fit = refine_motions(pairs, motions, LIMIT)
    for row in range(6):
        alone = refine_motions(pairs, motions[row : row + 1], LIMIT)[0]
        fit = together_fit[row]
        np.testing.assert_allclose(fit.motion.rotation, alone.motion.rotation, atol=1e-9)
        np.testing.assert_allclose(fit.motion.direction, alone.motion.direction, atol=1e-9)
        np.testing.assert_allclose(fit.weights, alone.weights, atol=1e-6)
        assert fit.cost(LIMIT) == pytest.approx(alone.cost(LIMIT))


def test_excluded_matches_have_no_influence():
    query, reference = both_rays(wrong=0.2)
    start = some_motions(1)
    counted = np.random.default_rng(2).random((3, len(query))) < 0.7
    left_out = refine_motions(
        RayPairs(query, reference), stack_motions([start[0]] * 3), LIMIT, counted=counted
    )
    for row, kept in enumerate(counted):
        alone = refine_motions(RayPairs(query[kept], reference[kept]), start, LIMIT)[0]
        fit = left_out[row]
        np.testing.assert_allclose(fit.motion.direction, alone.motion.direction, atol=1e-9)
        np.testing.assert_allclose(fit.weights[kept], alone.weights, atol=1e-6)
        assert fit.sigma == pytest.approx(float(alone.sigma))
        assert not fit.weights[~kept].any()


def test_the_right_motion_is_found_from_a_start_near_it():
    translation = np.array([1.0, 0, 0.2])
    query, reference = both_rays(translation=translation, turn=(0, 0.05, 0), wrong=0.2)
    truth = CameraMotion(
        rotation_from_vector(np.array([0, 0.05, 0])), translation / np.linalg.norm(translation)
    )
    beside = stack_motions([truth, truth.perturbed(np.array([0.2, -0.1, 0.02, 0.01, -0.02]))])
    fit = refine_motions(RayPairs(query, reference), beside, LIMIT)
    np.testing.assert_allclose(fit.motion.direction[0], fit.motion.direction[1], atol=1e-5)
    assert np.degrees(np.arccos(fit.motion.direction @ truth.direction)).max() < 1.0


def test_tangents_and_the_direction_are_perpendicular_unit_vectors():
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    directions = np.concatenate([axes, some_motions(20).direction])
    tangents = CameraMotion(np.tile(np.eye(3), (26, 1, 1)), directions).tangents
    basis = np.concatenate([tangents, directions[..., None]], axis=2)
    np.testing.assert_allclose(
        np.swapaxes(basis, 1, 2) @ basis, np.tile(np.eye(3), (26, 1, 1)), atol=1e-12
    )


def test_an_essential_matrix_decomposes_into_four_motions():
    motion = some_motions(1)[0]
    found = decompose_essential(motion.essential)
    apart = np.abs(found.rotation - motion.rotation).max(axis=(1, 2)) + np.abs(
        found.direction - motion.direction
    ).max(axis=1)
    assert sorted(apart < 1e-9) == [False, False, False, True]
    for each in found.essential:
        assert abs(abs(np.sum(each * motion.essential)) - 2) < 1e-9


def test_medians_are_those_of_each_row():
    rng = np.random.default_rng(3)
    values, of = rng.normal(0, 1, (40, 21)), rng.random((40, 21)) < 0.4
    of[0] = False
    expected = [
        float(np.median(v[m])) if m.any() else 0.0 for v, m in zip(values, of, strict=True)
    ]
    np.testing.assert_allclose(medians(values, of), expected)


@pytest.mark.filterwarnings('error')
def test_identical_matches_give_finite_numbers():
    same = pixels_to_rays(PINHOLE, np.full((20, 2), 100.0), SIZE)
    fit = refine_motions(RayPairs(same, same), some_motions(4), LIMIT)
    for numbers in (fit.motion.direction, fit.residuals, fit.weights):
        assert np.isfinite(numbers).all()
