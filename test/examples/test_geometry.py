"""Covariances between conventions, and along odometry, against noise that was drawn."""

from __future__ import annotations

import gtsam
import numpy as np
import pytest
from helpers.back_ends.drives import NS, START

from examples.pose_graph_backend import geometry
from examples.pose_graph_backend.agreement import Spread, compared
from examples.pose_graph_backend.closures import Closure, Measurement
from examples.pose_graph_backend.settings import GraphSettings
from examples.pose_graph_backend.track import Motion, OdometryPath

DRAWN = 4000
TILTED = gtsam.Pose3(gtsam.Rot3.Ypr(0.7, -0.4, 1.1), np.array([1.0, -2.0, 0.5]))
# x right, y down, z forward, half a metre ahead and looking a little down.
OPTICAL = gtsam.Pose3(gtsam.Rot3.Ypr(-np.pi / 2, 0.0, -np.pi / 2 - 0.3), np.array([0.5, 0.1, 1.2]))


def some_covariance(rng: np.random.Generator, size: int = 6) -> np.ndarray:
    root = rng.normal(size=(size, size)) * 0.004
    return root @ root.T + 1e-6 * np.eye(size)


def errors(drawn: list[gtsam.Pose3], right: gtsam.Pose3) -> np.ndarray:
    """[N, 6], as GTSAM counts them."""
    return np.array([gtsam.Pose3.Logmap(right.between(pose)) for pose in drawn])


def assert_fits(found: np.ndarray, stated: np.ndarray):
    """The mean squared Mahalanobis distance is the number of dimensions, and on every axis 1."""
    whitened = np.linalg.solve(np.linalg.cholesky(stated), found.T)
    assert np.mean(whitened**2, axis=1) == pytest.approx(np.ones(len(stated)), abs=0.12)


def test_a_ros_covariance_is_of_noise_about_the_axes_of_the_parent():
    rng = np.random.default_rng(1)
    ros = some_covariance(rng)
    drawn = []
    for noise in rng.multivariate_normal(np.zeros(6), ros, DRAWN):
        rotation = gtsam.Rot3.Expmap(noise[3:]) * TILTED.rotation()
        drawn.append(gtsam.Pose3(rotation, TILTED.translation() + noise[:3]))
    assert_fits(errors(drawn, TILTED), geometry.covariance_from_ros(ros, TILTED))


def test_a_direction_is_off_in_two_ways_only():
    rng = np.random.default_rng(2)
    towards = np.array([0.6, 0.0, 0.8])
    across = np.eye(3) - np.outer(towards, towards)
    ros = some_covariance(rng)
    project = np.block([[across, np.zeros((3, 3))], [np.zeros((3, 3)), np.eye(3)]])
    ros = project @ ros @ project.T
    pose = gtsam.Pose3(TILTED.rotation(), towards)
    stated = Measurement.from_ros(pose, ros, metric=False).covariance
    found = []
    for noise in rng.multivariate_normal(np.zeros(6), ros, DRAWN):
        turned = gtsam.Rot3.Expmap(noise[3:]) * pose.rotation()
        found.append(
            np.concatenate([
                gtsam.Rot3.Logmap(pose.rotation().between(turned)),
                gtsam.Unit3(towards).localCoordinates(gtsam.Unit3(towards + noise[:3])),
            ])
        )  # fmt: skip
    assert_fits(np.array(found), stated)


def test_a_closure_of_two_cameras_is_one_of_the_bases():
    rng = np.random.default_rng(3)
    backwards = gtsam.Pose3(gtsam.Rot3.Yaw(np.pi), np.zeros(3)).compose(OPTICAL)
    bases = gtsam.Pose3(gtsam.Rot3.Ypr(0.4, 0.0, 0.0), np.array([2.0, 1.0, 0.0]))
    cameras = OPTICAL.inverse().compose(bases).compose(backwards)
    covariance = some_covariance(rng)

    def closure(pose: gtsam.Pose3) -> Closure:
        return Closure(1, 2, 1, Measurement(pose, covariance, True), OPTICAL, backwards)

    found, stated = closure(cameras).of_bases()
    assert found.equals(bases, 1e-9)
    drawn = [
        closure(cameras.compose(gtsam.Pose3.Expmap(noise))).of_bases()[0]
        for noise in rng.multivariate_normal(np.zeros(6), covariance, DRAWN)
    ]
    assert_fits(errors(drawn, bases), stated)
    rotation, noise = closure(cameras).rotation_of_bases()
    assert rotation.equals(bases.rotation(), 1e-9)
    assert noise == pytest.approx(stated[:3, :3])


@pytest.mark.parametrize('backwards', [False, True])
def test_odometry_is_as_uncertain_as_the_noise_of_its_steps(backwards):
    settings = GraphSettings()
    step = gtsam.Pose3(gtsam.Rot3.Yaw(0.05), np.array([0.4, 0.0, 0.0]))
    stamps = [START + number * NS // 10 for number in range(41)]
    first, last = (30, 5) if backwards else (5, 30)
    track = OdometryPath(settings)
    poses = [TILTED]
    for stamp in stamps:
        assert track.add(stamp, poses[-1])
        poses.append(poses[-1].compose(step))
    stated = track.motion(stamps[first], stamps[last])
    assert stated.pose.equals(poses[first].between(poses[last]), 1e-9)

    rng = np.random.default_rng(4)
    rotation = settings.rotation_noise**2 * 0.4 + settings.turning_noise**2 * 0.05
    sigmas = np.sqrt(np.repeat([rotation, settings.position_noise**2 * 0.4], 3))
    drawn = []
    for _ in range(1500):
        end = gtsam.Pose3()
        for noise in sigmas * rng.normal(size=(25, 6)):
            end = end.compose(step).compose(gtsam.Pose3.Expmap(noise))
        drawn.append(end.inverse() if backwards else end)
    assert_fits(errors(drawn, stated.pose), stated.covariance)


def test_odometry_between_its_messages_and_where_it_has_a_gap():
    track = OdometryPath(GraphSettings(odometry_gap=1.0))
    ahead = gtsam.Pose3(gtsam.Rot3(), np.array([1.0, 0.0, 0.0]))
    for stamp, pose in ((0, gtsam.Pose3()), (NS, ahead), (3 * NS, ahead.compose(ahead))):
        assert track.add(START + stamp, pose)
    assert not track.add(START + NS, ahead)
    assert track.pose(START + NS // 4).translation() == pytest.approx([0.25, 0, 0])
    covered = [track.covers(START + stamp) for stamp in (-1, 0, NS // 2, NS, 2 * NS, 3 * NS)]
    assert covered == [False, True, True, True, False, True]
    assert not track.covers(START + 3 * NS + 1)


def test_samples_do_not_grow_with_the_rate_of_the_odometry():
    track = OdometryPath(GraphSettings())
    for number in range(2001):
        way = gtsam.Pose3(gtsam.Rot3(), np.array([number / 1000, 0.0, 0.0]))
        track.add(START + number * NS // 1000, way)
    assert len(track) <= 42
    end = track.motion(START, START + 2 * NS)
    assert end.pose.translation() == pytest.approx([2, 0, 0])
    assert end.covariance[3, 3] == pytest.approx(2 * 0.1**2, rel=1e-4)


@pytest.mark.parametrize(
    ('probability', 'dimensions', 'tabled'),
    [(0.95, 2, 5.991), (0.99, 3, 11.345), (0.999, 5, 20.515), (0.999, 6, 22.458)],
)
def test_chi_square_as_tabled(probability, dimensions, tabled):
    assert geometry.chi_square(probability, dimensions) == pytest.approx(tabled, rel=0.03)


@pytest.mark.parametrize(
    ('covariance', 'told'),
    [(np.zeros((6, 6)), 'least eigenvalue'), (-np.eye(6), 'least eigenvalue'),
     (np.full((6, 6), np.nan), 'NaN')],
)  # fmt: skip
def test_a_transform_of_unknown_error_is_refused(covariance, told):
    with pytest.raises(ValueError, match=told):
        Measurement.from_ros(TILTED, covariance, metric=True)


@pytest.mark.parametrize('metric', [True, False], ids=['metres', 'direction'])
def test_what_a_prediction_is_off_by_is_told_by_both_covariances(metric):
    """Of cameras that look backwards and ahead, on a base whose error is all in one direction."""
    rng = np.random.default_rng(5)
    backwards = gtsam.Pose3(gtsam.Rot3.Yaw(np.pi), np.zeros(3)).compose(OPTICAL)
    bases = gtsam.Pose3(gtsam.Rot3.Ypr(0.9, 0.1, -0.2), np.array([2.0, 1.0, 0.3]))
    cameras = OPTICAL.inverse().compose(bases).compose(backwards)
    noise = np.diag([0.001, 0.004, 0.002, 0.02, 0.003, 0.001]) ** 2
    odometry = np.diag([0.001, 0.002, 0.006, 0.03, 0.001, 0.001]) ** 2
    found = []
    for _ in range(1500):
        measured = cameras.compose(
            gtsam.Pose3.Expmap(np.sqrt(np.diag(noise)) * rng.normal(size=6))
        )
        stated = noise
        if not metric:
            towards = cameras.translation() / np.linalg.norm(cameras.translation())
            off = gtsam.Unit3(towards).retract(0.004 * rng.normal(size=2)).point3()
            measured = gtsam.Pose3(measured.rotation(), off)
            stated = np.diag([*np.diag(noise)[:3], 0.004**2, 0.004**2])
        closure = Closure(1, 2, 1, Measurement(measured, stated, metric), OPTICAL, backwards)
        drift = np.sqrt(np.diag(odometry)) * rng.normal(size=6)
        predicted = Motion(bases.compose(gtsam.Pose3.Expmap(drift)), odometry)
        agreement = compared(closure, predicted, Spread(100.0), 0.999)
        assert agreement.direction is not metric
        found.append(agreement.distance)
    # A mean of 1500 chi-square numbers lies within 4 % in more than 99 of 100 cases.
    assert np.mean(found) == pytest.approx(6 if metric else 5, rel=0.05)
