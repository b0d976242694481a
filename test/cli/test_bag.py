"""`fol_vpr bag info`, and verbs that take bags of ROS 1."""

from __future__ import annotations

import json

from helpers.bags import ros1_bags
from helpers.bags.mcap_files import mcap_file
from helpers.source_files import SECOND, Sent, compressed, encode, picture

from fol_vpr.cli.main import main


def test_info_lists_what_cannot_be_read_too(tmp_path, capsys):
    note = Sent('/note\x1b', 'Note', SECOND, b'{}')
    path = mcap_file(
        tmp_path / 'a.mcap', [note, compressed(SECOND, encode(picture()))],
        schema_encodings={'Note': 'jsonschema'}, encodings={'/note\x1b': 'json'},
    )  # fmt: skip
    assert main(['bag', 'info', str(path)]) == 0
    out = capsys.readouterr().out
    assert '/camera/compressed  sensor_msgs/msg/CompressedImage  1 messages' in out
    assert '/note\\x1b (Note, encoded as json, cannot be read, 1) messages' in out
    assert main(['bag', 'info', str(path), '--json']) == 0
    topics = json.loads(capsys.readouterr().out)['topics']
    assert [each['encoding'] for each in topics] == ['cdr', 'json']


def test_map_of_a_bag_of_ros_1(tmp_path, capsys):
    messages = []
    for place in range(3):
        stamp, content = (place + 1) * SECOND, encode(picture(place, 196, 196))
        messages += [
            ros1_bags.pose_stamped(stamp, 10 * place),
            ros1_bags.compressed(stamp, content),
        ]
    bag = ros1_bags.ros1_bag(tmp_path / 'a.bag', messages, 'BZ2')
    output, poses = tmp_path / 'a.folmap', ['--pose-topic', '/pose']
    assert main(['map', 'build', '--bag', str(bag), *poses, '--output', str(output)]) == 0
    assert 'references     3' in capsys.readouterr().out
    assert main(['evaluate', '--map', str(output), '--queries', str(bag), *poses]) == 0
    capsys.readouterr()
