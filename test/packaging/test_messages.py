"""The wire: other people's programs are compiled against these names, types and numbers."""

from __future__ import annotations

import importlib

import pytest

from fol_vpr import datatypes

pytestmark = pytest.mark.ros

TIME, DURATION = 'builtin_interfaces/Time', 'builtin_interfaces/Duration'
POSE, POINT = 'geometry_msgs/PoseWithCovariance', 'geographic_msgs/GeoPoint'

MESSAGES = {
    'PlaceHypothesis': {
        'place_id': 'string', 'session_id': 'string', 'rank': 'uint32', 'similarity': 'float',
        'match_score': 'float', 'probability': 'float', 'inliers': 'uint32', 'map_stamp': TIME,
        'pose_source': 'uint8', 'pose': POSE, 'position': POINT, 'image_uri': 'string',
    },
    'PlaceHypothesisArray': {
        'header': 'std_msgs/Header', 'map_id': 'string', 'model_id': 'string',
        'sensor_frame': 'string', 'state': 'uint8', 'cause': 'uint8', 'reason': 'string',
        'remedy': 'string', 'p_not_in_map': 'float', 'image_quality': 'float',
        'processing_time': DURATION, 'waiting_time': DURATION,
        'hypotheses': 'sequence<fol_vpr_msgs/PlaceHypothesis>',
    },
    'LoopClosureCandidate': {
        'candidate_id': 'uint64', 'session_from': 'string', 'session_to': 'string',
        'stamp_from': TIME, 'stamp_to': TIME, 'frame_from': 'string', 'frame_to': 'string',
        'similarity': 'float', 'probability': 'float', 'verification': 'uint8',
        'matches': 'uint32', 'inliers': 'uint32', 'has_transform': 'boolean',
        'metric_scale': 'boolean', 'from_t_to': POSE,
    },
    'LoopClosureCandidateArray': {
        'header': 'std_msgs/Header', 'map_id': 'string',
        'candidates': 'sequence<fol_vpr_msgs/LoopClosureCandidate>',
    },
    'LoopClosureFeedback': {
        'header': 'std_msgs/Header', 'candidate_id': 'uint64', 'status': 'uint8',
        'reason': 'string',
    },
    'MapInfo': {
        'map_id': 'string', 'name': 'string', 'schema_version': 'uint32', 'model_id': 'string',
        'preprocessing_id': 'string', 'places': 'uint32', 'sessions': 'uint32',
        'descriptor_dim': 'uint32', 'bytes': 'uint64', 'frame_id': 'string',
        'georeferenced': 'boolean', 'datum': POINT, 'calibrated': 'boolean',
    },
}  # fmt: skip
COMMON_RESULTS = {
    'OK': 0, 'NOT_FOUND': 1, 'CORRUPT': 2, 'MODEL_MISMATCH': 3, 'OUT_OF_MEMORY': 4,
    'BAD_REQUEST': 5, 'NOT_READY': 6, 'FAILED': 7,
}  # fmt: skip


@pytest.mark.parametrize('name', MESSAGES)
def test_fields(name):
    message = getattr(importlib.import_module('fol_vpr_msgs.msg'), name)
    assert dict(message.get_fields_and_field_types()) == MESSAGES[name]


@pytest.mark.parametrize(
    'name', ['LoadMap', 'SaveMap', 'AddPlace', 'RemovePlaces', 'QueryPlace', 'Relocalize']
)
def test_services_answer_with_a_result_and_a_message(name):
    answer = getattr(importlib.import_module('fol_vpr_msgs.srv'), name).Response
    assert {'result': 'uint8', 'message': 'string'}.items() <= dict(
        answer.get_fields_and_field_types()
    ).items()
    assert {key: getattr(answer, key) for key in COMMON_RESULTS} == COMMON_RESULTS


@pytest.mark.parametrize(
    ('enum', 'message', 'prefix'),
    [
        (datatypes.PoseSource, 'PlaceHypothesis', 'POSE_'),
        (datatypes.LocalizationState, 'PlaceHypothesisArray', ''),
        (datatypes.Cause, 'PlaceHypothesisArray', 'CAUSE_'),
        (datatypes.Verification, 'LoopClosureCandidate', 'VERIFIED_'),
    ],
)
def test_numbers_inside_and_on_the_wire_are_the_same(enum, message, prefix):
    constants = getattr(importlib.import_module('fol_vpr_msgs.msg'), message)
    assert {v.name: getattr(constants, prefix + v.name) for v in enum} == {
        v.name: v.value for v in enum
    }
