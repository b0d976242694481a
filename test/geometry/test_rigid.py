"""Composition and inversion of poses, compared with 4x4 matrices and with samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fol_vpr.datatypes import Pose
from fol_vpr.geometry.rigid import (
    compose,
    inverse,
    quaternion,
    rotation_from_vector,
    rotation_matrix,
    rotation_vector,
)


def random_pose(rng: np.random.Generator, covariance: np.ndarray | None = None) -> Pose:
    turned = rotation_from_vector(rng.normal(0, 1, 3))
    return Pose(rng.normal(0, 5, 3), quaternion(turned), covariance)


def small_covariance(rng: np.random.Generator) -> np.ndarray:
    root = rng.normal(0, 0.004, (6, 6))
    return root @ root.T


def homogeneous(pose: Pose) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation_matrix(pose.orientation), pose.position
    return matrix


def disturbed(pose: Pose, offset: np.ndarray) -> Pose:
    turned = rotation_from_vector(offset[3:]) @ rotation_matrix(pose.orientation)
    return Pose(pose.position + offset[:3], quaternion(turned))


def difference(pose: Pose, other: Pose) -> np.ndarray:
    turn = rotation_matrix(pose.orientation) @ rotation_matrix(other.orientation).T
    return np.concatenate([pose.position - other.position, rotation_vector(turn)])


@pytest.mark.parametrize('seed', range(10))
def test_composition_and_inverse_equal_those_of_matrices(seed):
    rng = np.random.default_rng(seed)
    first, second = random_pose(rng), random_pose(rng)
    product = homogeneous(first) @ homogeneous(second)
    np.testing.assert_allclose(homogeneous(compose(first, second)), product, atol=1e-12)
    there_and_back = homogeneous(compose(inverse(first), first))
    np.testing.assert_allclose(there_and_back, np.eye(4), atol=1e-12)
    assert compose(first, second).covariance is None
    assert inverse(first).covariance is None


@pytest.mark.parametrize('angle', [0.0, 1e-9, 1e-4, 1.0, 3.0, np.pi])
def test_a_rotation_vector_comes_back(angle):
    axis = np.array([2.0, -1, 2]) / 3
    back = rotation_vector(rotation_from_vector(angle * axis))
    np.testing.assert_allclose(back, angle * axis, rtol=1e-6, atol=1e-14)


def assert_covariance(samples: np.ndarray, stated: np.ndarray) -> None:
    scale = np.sqrt(np.outer(np.diag(stated), np.diag(stated)))
    np.testing.assert_allclose(np.cov(samples.T) / scale, stated / scale, atol=0.06)


@pytest.mark.parametrize('uncertain', ['first', 'second', 'both'])
def test_the_covariance_of_a_composition_is_that_of_samples(uncertain):
    """Also each alone: with a long lever the first covariance dominates."""
    rng = np.random.default_rng(3)
    first = random_pose(rng, small_covariance(rng) if uncertain != 'second' else None)
    second = random_pose(rng, small_covariance(rng) if uncertain != 'first' else None)
    mean = compose(first, second)
    draws = [
        rng.multivariate_normal(
            np.zeros(6), np.zeros((6, 6)) if pose.covariance is None else pose.covariance, 8000
        )
        for pose in (first, second)
    ]
    composed = np.array(
        [
            difference(compose(disturbed(first, a), disturbed(second, b)), mean)
            for a, b in zip(*draws, strict=True)
        ]
    )
    assert_covariance(composed, mean.covariance)


def test_the_covariance_of_an_inverse_is_that_of_samples():
    rng = np.random.default_rng(4)
    pose = random_pose(rng, small_covariance(rng))
    turned = inverse(pose)
    draws = rng.multivariate_normal(np.zeros(6), pose.covariance, 8000)
    samples = [difference(inverse(disturbed(pose, each)), turned) for each in draws]
    assert_covariance(np.array(samples), turned.covariance)


def test_the_rotation_matrix_is_that_of_the_quaternion():
    for seed in range(20):
        turned = Rotation.random(random_state=seed)
        np.testing.assert_allclose(
            rotation_matrix(turned.as_quat()), turned.as_matrix(), atol=1e-12
        )
