"""Conversions between messages and the package's types."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from geographic_msgs.msg import GeoPoint
from helpers import scenes
from sensor_msgs.msg import CompressedImage, Image

from fol_vpr.datatypes import (
    Cause,
    Explanation,
    GeoPosition,
    LocalizationState,
    LoopClosure,
    MapInfo,
    Place,
    PlaceHypothesis,
    Pose,
    PoseSource,
    Recognition,
    RelativePose,
    Verification,
)
from fol_vpr.errors import InputError
from fol_vpr.ros.messages import conversions
from fol_vpr.ros.messages.debug_image import render_match
from fol_vpr.sources import decode_bytes
from fol_vpr_msgs.msg import LoopClosureCandidate, PlaceHypothesisArray

COVARIANCE = np.ones((6, 6)) + np.diag(np.arange(1.0, 7.0))
POSE = Pose(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 0.6, 0.8]), COVARIANCE)
GEO = GeoPosition(-27.5, 153.0)
STAMP = 1_234_567_890_123_456_789


def hypothesis(**changes) -> PlaceHypothesis:
    place = Place(7, 'drive/000007', 'drive', 5_000_000_001, 'a.jpg', (320, 240), POSE, GEO)
    values = {
        'place': place,
        'rank': 0,
        'similarity': 0.9,
        'pose_source': PoseSource.OF_MAP_IMAGE,
        'pose': POSE,
    }
    return PlaceHypothesis(**{**values, **changes})


def recognition(*hypotheses: PlaceHypothesis, **changes) -> Recognition:
    return Recognition(STAMP, 'camera', LocalizationState.LOCALIZED, hypotheses, **changes)


def test_stamps_keep_every_nanosecond():
    message = conversions.time_from_ns(STAMP)
    assert (message.sec, message.nanosec) == (1_234_567_890, 123_456_789)
    assert conversions.stamp_to_ns(message) == STAMP
    assert conversions.stamp_to_ns(conversions.time_from_ns(-1)) == -1


@pytest.mark.parametrize('stamp', [2**62, -(2**62)])
def test_a_stamp_beyond_the_message_does_not_raise(stamp):
    message = conversions.time_from_ns(stamp)
    assert message.sec == math.copysign(2**31 - 1, stamp)


def test_durations_are_not_negative():
    message = conversions.duration_from_seconds(1.25)
    assert (message.sec, message.nanosec) == (1, 250_000_000)
    assert conversions.duration_from_seconds(-1.0).sec == 0


def test_a_pose_comes_back_from_its_message():
    pose = Pose(POSE.position, np.array([0.1, 0.5, 0.5, 0.7]), COVARIANCE)
    back = conversions.pose_from_message(conversions.pose_with_covariance(pose))
    np.testing.assert_array_equal(back.position, pose.position)
    np.testing.assert_array_equal(back.orientation, pose.orientation)
    np.testing.assert_array_equal(back.covariance, pose.covariance)


@pytest.mark.parametrize('front', [np.zeros(6), [-1.0, 0, 0, 0, 0, 0], [1.0, 1, 1, 1, 1, -1]])
def test_a_message_may_leave_the_covariance_unknown(front):
    message = conversions.pose_with_covariance(POSE)
    message.covariance = np.diag(front).reshape(36)
    assert conversions.pose_from_message(message).covariance is None


@pytest.mark.parametrize(
    'numbers',
    [
        np.triu(np.ones((6, 6))),
        5 * np.ones((6, 6)) - 4 * np.eye(6),
        np.diag([-0.5, 1, 1, 1, 1, 1]),
    ],
)
def test_a_message_with_a_covariance_that_is_none_is_refused(numbers):
    message = conversions.pose_with_covariance(POSE)
    message.covariance = numbers.reshape(36)
    with pytest.raises(InputError, match='given as covariance are none'):
        conversions.pose_from_message(message)


def test_a_message_with_a_position_or_altitude_beyond_the_earth_is_refused():
    message = conversions.pose_with_covariance(POSE)
    message.pose.position.x = 1e308
    with pytest.raises(InputError, match='within ±1e'):
        conversions.pose_from_message(message)
    for altitude in (math.inf, 1e308):
        with pytest.raises(InputError, match='altitude'):
            conversions.geo_from_point(GeoPoint(latitude=48.0, longitude=11.0, altitude=altitude))


@pytest.mark.parametrize('where', ['position.x', 'orientation.w', 'covariance'])
def test_a_message_with_nan_is_no_pose(where):
    message = conversions.pose_with_covariance(POSE)
    if where == 'covariance':
        message.covariance = np.full(36, np.nan)
    else:
        part, axis = where.split('.')
        setattr(getattr(message.pose, part), axis, math.nan)
    with pytest.raises(InputError, match=r'three numbers|unit quaternion|NaN'):
        conversions.pose_from_message(message)


def test_a_frame_of_an_image():
    message = Image(height=2, width=2, encoding='bgr8', step=8)
    message.data = bytes([1, 2, 3, 4, 5, 6, 99, 99] * 2)
    message.header.stamp = conversions.time_from_ns(STAMP)
    message.header.frame_id = 'left'
    frame = conversions.frame_from_image(message, '/image')
    assert frame.image[0].tolist() == [[3, 2, 1], [6, 5, 4]]
    assert (frame.stamp_ns, frame.frame_id, frame.uri) == (STAMP, 'left', '/image')


def test_a_frame_of_a_compressed_image():
    jpeg = render_match(scenes.frames(1)[0], recognition(), None, scenes.HEIGHT)
    frame = conversions.frame_from_image(CompressedImage(format='jpeg', data=jpeg), '')
    assert frame.image.shape[1] > 2 * scenes.WIDTH
    with pytest.raises(InputError):
        conversions.frame_from_image(CompressedImage(format='jpeg', data=jpeg[:200]), '')


def test_the_message_of_an_answer():
    message = conversions.places_message(
        recognition(
            hypothesis(match_score=12, inliers=9), hypothesis(rank=1, pose=None), map_id='m'
        ),
        map_frame='map',
        model_id='w',
        processing_time=0.5,
    )
    assert conversions.stamp_to_ns(message.header.stamp) == STAMP
    assert message.state == PlaceHypothesisArray.LOCALIZED
    assert (message.map_id, message.model_id) == ('m', 'w')
    assert (message.header.frame_id, message.sensor_frame) == ('map', 'camera')
    assert math.isnan(message.p_not_in_map)
    first, second = message.hypotheses
    assert (first.place_id, first.rank, first.inliers) == ('drive/000007', 0, 9)
    assert conversions.stamp_to_ns(first.map_stamp) == 5_000_000_001
    assert first.match_score == 12 and math.isnan(first.probability)
    assert first.pose_source == first.POSE_OF_MAP_IMAGE
    assert first.pose.pose.position.z == 3.0 and first.pose.pose.orientation.w == 0.8
    assert first.pose.covariance.tolist() == COVARIANCE.reshape(36).tolist()
    assert (first.position.latitude, first.position.longitude) == (-27.5, 153.0)
    assert second.pose.covariance.tolist() == [0.0] * 36 and math.isnan(second.match_score)


def test_the_message_says_why_the_state_is_what_it_is():
    explanation = Explanation(Cause.FEW_IMAGES, '1 of 3 images', 'drive on')
    message = conversions.places_message(
        replace(recognition(), explanation=explanation),
        map_frame='map',
        model_id='w',
        processing_time=0.25,
        waiting_time=1.5,
    )
    assert message.cause == PlaceHypothesisArray.CAUSE_FEW_IMAGES
    assert (message.reason, message.remedy) == ('1 of 3 images', 'drive on')
    assert message.processing_time.nanosec == 250_000_000
    assert (message.waiting_time.sec, message.waiting_time.nanosec) == (1, 500_000_000)


def test_a_place_without_a_position_has_nan():
    place = Place(0, 'p', 's', 0, '', (1, 1))
    message = conversions.hypothesis_message(hypothesis(place=place, pose=None))
    assert math.isnan(message.position.latitude)


def test_a_geodetic_pose_has_the_orientation_of_the_map():
    message = conversions.geo_pose(GEO, POSE)
    assert (message.position.latitude, message.position.longitude) == (-27.5, 153.0)
    assert (message.orientation.z, message.orientation.w) == (0.6, 0.8)
    assert conversions.geo_pose(GEO, None).orientation.w == 1.0


def test_the_message_of_a_map():
    info = MapInfo(
        path='m.folmap', map_id='id', name='campus', schema_version=2, model_id='w',
        preprocessing_id='p', codec='fine', places=7, sessions=2, descriptor_dim=8448,
        local_dim=128, bytes=4096, frame_id='site', georeferenced=True,
        datum=GeoPosition(48.5, 9.25, 400.0), calibrated=True,
    )  # fmt: skip
    message = conversions.map_info_message(info)
    for name in message.get_fields_and_field_types():
        if name != 'datum':
            assert getattr(message, name) == getattr(info, name)
    datum = message.datum
    assert (datum.latitude, datum.longitude, datum.altitude) == (48.5, 9.25, 400.0)
    assert math.isnan(conversions.map_info_message(None).datum.latitude)


def test_the_robots_pose_is_less_certain_than_the_map_images():
    spread = conversions.robot_pose(POSE, 2.0, 90.0).covariance.reshape(6, 6) - COVARIANCE
    variance = [4.0] * 3 + [(math.pi / 2) ** 2] * 3
    np.testing.assert_allclose(spread, np.diag(variance))


def test_a_loop_closure_without_a_measurement_has_no_transform():
    closure = LoopClosure(
        3, 'live', 'drive', STAMP, 5, 'camera', '', 0.9, math.nan, Verification.GEOMETRY, 80, 60
    )
    (message,) = conversions.closures_messages(recognition(loop_closures=(closure,), map_id='m'))
    assert message.map_id == 'm'
    assert message.header.frame_id == 'camera'
    (candidate,) = message.candidates
    assert conversions.stamp_to_ns(candidate.stamp_from) == STAMP
    assert conversions.stamp_to_ns(candidate.stamp_to) == 5
    assert candidate.verification == LoopClosureCandidate.VERIFIED_GEOMETRY
    assert not candidate.has_transform and not candidate.metric_scale
    assert (candidate.matches, candidate.inliers, candidate.candidate_id) == (80, 60, 3)


def test_from_is_the_query_and_to_the_reference():
    closure = LoopClosure(
        3, 'live', 'drive', STAMP, 5, 'camera', 'old_camera', 0.9, 0.7, Verification.LOCAL, 8, 6
    )
    (message,) = conversions.closures_messages(recognition(loop_closures=(closure,)))
    (candidate,) = message.candidates
    assert (candidate.session_from, candidate.session_to) == ('live', 'drive')
    assert (candidate.frame_from, candidate.frame_to) == ('camera', 'old_camera')
    assert conversions.stamp_to_ns(candidate.stamp_from) == STAMP
    assert conversions.stamp_to_ns(candidate.stamp_to) == 5
    assert (candidate.similarity, candidate.probability) == pytest.approx((0.9, 0.7))
    assert candidate.verification == LoopClosureCandidate.VERIFIED_LOCAL


def test_a_measured_transform_is_passed_on():
    turned = np.array([0.0, 0.6, 0.0, 0.8])
    spread = np.arange(36.0).reshape(6, 6)
    closure = LoopClosure(
        3, 'live', 'drive', STAMP, 5, 'camera', '', 0.9, 0.97, Verification.GEOMETRY, 80, 60,
        RelativePose(np.array([0.0, 0.6, 0.8]), turned, spread, metric=False),
    )  # fmt: skip
    metric = replace(closure, relative=replace(closure.relative, metric=True))
    (message,) = conversions.closures_messages(recognition(loop_closures=(closure, metric)))
    first, second = message.candidates
    assert first.has_transform and not first.metric_scale and second.metric_scale
    assert first.probability == pytest.approx(0.97)
    at, by = first.from_t_to.pose.position, first.from_t_to.pose.orientation
    assert (at.x, at.y, at.z, by.y, by.w) == (0.0, 0.6, 0.8, 0.6, 0.8)
    assert first.from_t_to.covariance.tolist() == list(range(36))


def test_closures_within_the_session_name_no_map():
    geometry = Verification.GEOMETRY
    within, beyond = (
        LoopClosure(i, 'live', to, STAMP, 5, 'camera', '', 0.9, math.nan, geometry, 80, 60)
        for i, to in ((1, 'live'), (2, 'drive'))
    )
    answer = recognition(loop_closures=(beyond, within), map_id='m')
    messages = conversions.closures_messages(answer)
    assert [(m.map_id, m.candidates[0].candidate_id) for m in messages] == [('', 1), ('m', 2)]
    assert conversions.closures_messages(recognition()) == []


def test_the_debug_image_draws_matches_between_both_images():
    query = scenes.frames(1)[0]
    black = np.zeros((scenes.HEIGHT, scenes.WIDTH, 3), np.uint8)
    reference = render_match(query, recognition(), None, scenes.HEIGHT)
    points = np.array([[10.0, 10.0], [300.0, 200.0]], np.float32)
    matched = hypothesis(query_xy=points, reference_xy=points, inlier=np.array([True, False]))
    dark = type(query)(black)
    plain = decode_bytes(
        render_match(dark, recognition(hypothesis()), reference, scenes.HEIGHT), ''
    )
    lines = decode_bytes(render_match(dark, recognition(matched), reference, scenes.HEIGHT), '')
    assert plain.shape == lines.shape
    left = np.s_[: scenes.HEIGHT, : scenes.WIDTH - 8]
    assert plain[left].max() < 60 < lines[left].max()
