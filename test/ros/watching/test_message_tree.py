"""Messages of real types as JSON and as YAML."""

from __future__ import annotations

import json
import math

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseWithCovariance
from sensor_msgs.msg import CameraInfo, CompressedImage, JointState
from std_msgs.msg import ByteMultiArray, Char, Empty, String

from fol_vpr.errors import InputError
from fol_vpr.ros.watching.message_tree import as_json, as_yaml, field_of, message_tree
from fol_vpr_msgs.msg import PlaceHypothesis, PlaceHypothesisArray


def answer() -> PlaceHypothesisArray:
    first = PlaceHypothesis(place_id='day/1', probability=0.5, match_score=math.nan)
    return PlaceHypothesisArray(map_id='no', reason='a: b', hypotheses=[first, PlaceHypothesis()])


MESSAGES = {
    'answer': answer(),
    'empty': Empty(),
    'texts': DiagnosticArray(
        status=[
            DiagnosticStatus(
                level=b'\x02',
                name='a: b',
                message='#no\nyes "quoted" \'too\' \x1b',
                values=[KeyValue(key='true', value='1e3'), KeyValue(key='', value='- x')],
            ),
            DiagnosticStatus(),
        ]
    ),
    'numbers': JointState(name=['x', 'null'], position=[math.inf, -math.inf, math.nan, 1e-9]),
    'matrix': CameraInfo(k=[float(n) for n in range(9)], d=[]),
    'bytes': ByteMultiArray(data=[b'\x00', b'\xff']),
    'image': CompressedImage(data=bytes(range(256))),
    'character': Char(data=65),
    'plain words': String(data='a b:c/d e'),
    'no words': String(data='a b: c'),
    'ends in a colon': String(data='a:'),
    'ends in a space': String(data='a '),
    'no': String(data='No'),
    'comment': String(data='a #b'),
    'lines': String(data='a\nb'),
    'covariance': PoseWithCovariance(),
}


@pytest.mark.parametrize('name', MESSAGES)
def test_yaml_is_read_back_as_what_was_sent(name):
    tree = message_tree(MESSAGES[name])
    assert as_json(yaml.safe_load(as_yaml(tree))) == as_json(tree)


@pytest.mark.parametrize('name', MESSAGES)
def test_json_is_one_line_of_what_was_sent(name):
    text = as_json(message_tree(MESSAGES[name]))
    assert '\n' not in text and text.isascii()


def test_numbers_that_json_does_not_have_are_null():
    assert json.loads(as_json(message_tree(MESSAGES['numbers'])))['position'] == [
        None, None, None, 1e-9
    ]  # fmt: skip


def test_long_arrays_say_how_much_is_left_out():
    tree = message_tree(MESSAGES['image'], 3)
    assert "data: [0, 1, 2, '... 253 more']" in as_yaml(tree)
    assert json.loads(as_json(tree))['data'] == [0, 1, 2, '... 253 more']
    shortened = yaml.safe_load(as_yaml(message_tree(answer(), 1)))
    assert shortened['hypotheses'][0]['place_id'] == 'day/1'
    assert shortened['hypotheses'][1] == '... 1 more'
    assert message_tree(CompressedImage(data=b'abc'), 3)['data'] == [97, 98, 99]


def test_the_text_cannot_drive_a_terminal():
    text = as_yaml(message_tree(String(data='\x1b[2J\u202e\x9b\u2028')))
    assert text.isprintable()
    assert yaml.safe_load(text)['data'] == '\x1b[2J\u202e\x9b\u2028'


def test_a_field_by_its_path():
    assert field_of(answer(), 'hypotheses.0.place_id') == 'day/1'
    assert message_tree(field_of(answer(), 'header.stamp')) == {'sec': 0, 'nanosec': 0}
    assert field_of(MESSAGES['matrix'], 'k.8') == 8.0
    with pytest.raises(IndexError):
        field_of(answer(), 'hypotheses.2.place_id')
    with pytest.raises(InputError, match=r'hypotheses\.0 has no field place; it has place_id, '):
        field_of(answer(), 'hypotheses.0.place')
    with pytest.raises(InputError, match='map_id has no field x; it has no fields'):
        field_of(answer(), 'map_id.x')
    with pytest.raises(InputError, match='map_id has no field 0'):
        field_of(answer(), 'map_id.0')
