"""Compiled refinement of motions, compared with NumPy's over many problems."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.geometry.points import MATRIX, PINHOLE, SIZE, two_views
from helpers.processes.compiled_code import computed, in_both_ways
from hypothesis import given, settings
from hypothesis import strategies as st

from fol_vpr import compiled
from fol_vpr.datatypes import Camera
from fol_vpr.geometry.rigid import rotation_from_vector
from fol_vpr.geometry.two_view import joint_fit, motion_search
from fol_vpr.geometry.two_view.epipolar import CameraMotion, RayPairs
from fol_vpr.geometry.two_view.motion_fit import MotionFit, refine_motions, tukey_weights
from fol_vpr.geometry.viewing_rays import Rays, pixels_to_rays

FISHEYE = Camera(SIZE, MATRIX, 'equidistant', np.array([-0.02, 0.01, -0.003, 0.0005]))
SCENES = settings(max_examples=60, deadline=None)


@st.composite
def problem(draw: st.DrawFn) -> tuple[Rays, Rays, CameraMotion, float, np.ndarray | None]:
    """Rays of one scene, motions near and far from the right one, a limit, and what counts."""
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    camera = draw(st.sampled_from([PINHOLE, FISHEYE]))
    views = two_views(
        rng,
        draw(st.sampled_from([(1.0, 0.0, 0.2), (0.0, 0.1, -1.0), (1e-6, 0.0, 0.0)])),
        (0.02, draw(st.sampled_from([0.0, 0.1])), 0.0),
        noise=draw(st.sampled_from([0.1, 1.0, 30.0])),
        wrong=draw(st.sampled_from([0.0, 0.4, 1.0])),
        count=draw(st.sampled_from([60, 143, 400])),
    )
    rays = [pixels_to_rays(camera, xy, SIZE) for xy in (views.query, views.reference)]
    valid = rays[0].valid & rays[1].valid
    few = draw(st.sampled_from([5, 6, 8, 10, 400]))
    query, reference = rays[0][valid][:few], rays[1][valid][:few]
    count = draw(st.integers(1, 5))
    direction = rng.normal(0, 1, (count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    start = CameraMotion(rotation_from_vector(rng.normal(0, 0.2, (count, 3))), direction)
    start.rotation[0] = views.rotation
    # A small limit has no match within it.
    limit = draw(st.sampled_from([4.0, 1.0, 1e-7]))
    counted = rng.random((count, len(query))) < 0.7 if draw(st.booleans()) else None
    return query, reference, start, limit, counted


def parts(fit: MotionFit) -> dict[str, np.ndarray]:
    return {
        'rotation': fit.motion.rotation,
        'direction': fit.motion.direction,
        'residuals': fit.residuals,
        'jacobian': fit.jacobian,
        'sigma': fit.sigma,
        'weights': fit.weights,
        'behind': fit.behind.astype(float),
    }


def assert_equal_fits(
    one: MotionFit, other: MotionFit, tolerance: float, beside: tuple[MotionFit, ...] = ()
) -> None:
    """Equal but for `tolerance`, or 100 times what moves the fits `beside`, of other starts."""
    others, neighbours = parts(other), [parts(fit) for fit in beside]
    for name, expected in parts(one).items():
        scale = max(1.0, float(np.abs(expected).max()))
        apart = [np.abs(each[name] - expected).max() for each in neighbours if len(expected)]
        np.testing.assert_allclose(
            others[name],
            expected,
            rtol=tolerance,
            atol=tolerance * scale + 100 * max(apart, default=0.0),
            err_msg=name,
        )


def determined(fit: MotionFit, parameters: int, counted: np.ndarray | None) -> np.ndarray:
    """[B] bool: whether the matches with a weight determine the direction, of 2 parameters, or the
    motion, of 5. What is computed of the others is the quotient of two rounding errors.
    """
    weights = tukey_weights(np.abs(fit.residuals), fit.sigma[:, None])
    weights = weights if counted is None else weights * counted
    scaled = fit.jacobian[:, :parameters] * np.sqrt(weights)[:, None]
    return np.linalg.svd(scaled, compute_uv=False)[:, -1] > 1e-3 * np.abs(scaled).max(axis=(1, 2))


@given(problem())
@SCENES
def test_the_linearisation_and_the_weights_are_those_of_numpy(each):
    query, reference, start, limit, counted = each
    one, other = in_both_ways(
        lambda: refine_motions(
            RayPairs(query, reference), start, limit, max_steps=0, counted=counted
        )
    )
    rows = np.flatnonzero(determined(one, 2, counted))
    if len(rows):
        assert_equal_fits(one[rows], other[rows], 1e-9)
    np.testing.assert_allclose(other.residuals, one.residuals, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(other.sigma, one.sigma, rtol=1e-9)
    scale = np.abs(one.jacobian).max()
    np.testing.assert_allclose(other.jacobian, one.jacobian, rtol=1e-9, atol=1e-9 * scale)


@given(problem(), st.sampled_from([1, 15]))
@SCENES
def test_refined_motions_are_those_of_numpy(each, steps):
    """Where they converge; a chaotic path of steps makes anything of a rounding error."""
    query, reference, start, limit, counted = each
    one, other = in_both_ways(
        lambda: refine_motions(
            RayPairs(query, reference), start, limit, max_steps=steps, counted=counted
        )
    )
    with computed('numpy'):
        beside = [
            refine_motions(
                RayPairs(query, reference),
                start.perturbed(np.broadcast_to(1e-9 * step, (len(start), 5))),
                limit,
                max_steps=steps,
                counted=counted,
            )
            for step in np.vstack([np.ones(5), np.eye(5)])
        ]
    for row in np.flatnonzero(determined(one, 5, counted)):
        apart = [np.abs(fit.motion.direction[row] - one.motion.direction[row]) for fit in beside]
        if np.max(apart) < 1e-8:
            near = tuple(fit[[row]] for fit in beside)
            assert_equal_fits(one[[row]], other[[row]], 1e-7, near)


@given(problem())
@SCENES
def test_costs_and_fractions_in_front_are_those_of_numpy(each):
    query, reference, start, limit, _ = each
    pairs = RayPairs(query, reference)
    opposite = CameraMotion(start.rotation, -start.direction)
    for compute in (
        lambda: motion_search._costs(pairs, start.essential, limit),
        lambda: pairs.fraction_in_front(start, limit),
        lambda: pairs.fraction_in_front(opposite, limit),
    ):
        one, other = in_both_ways(compute)
        np.testing.assert_allclose(other, one, rtol=1e-7, atol=1e-9)


@given(problem())
@SCENES
def test_pairs_have_the_inliers_of_numpy(each):
    query, reference, start, limit, _ = each
    for row in range(len(start)):
        one, other = in_both_ways(
            lambda row=row: joint_fit.joint_rays([(query, reference)]).inliers(
                start[row : row + 1], limit
            )
        )
        np.testing.assert_array_equal(one, other)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5, 1e300, float('inf')]), max_size=12))
def test_medians_of_numbers_that_repeat(values):
    pytest.importorskip('numba', reason='numba is not installed')
    assert compiled.prepare() == ''
    module = compiled.ready('fol_vpr.geometry.two_view.compiled_motions')
    expected = float(np.median(values)) if values else 0.0
    assert module.median(np.array([*values, 0.5]), len(values)) == expected
