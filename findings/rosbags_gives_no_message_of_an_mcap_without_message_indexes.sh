#!/usr/bin/env bash
# rosbags 0.11.9 (PyPI): an MCAP file with an index of its chunks, but without message indexes, has
# the right number of messages and gives none.
#
# Expected by most: the messages, or an error. Both indexes are optional in MCAP, each by itself.
# Seen: `message_count` is 20, from the statistics, and `messages()` ends at once. The reader takes
# from the message indexes which channels a chunk holds, and skips chunks that have none. rosbag2
# writes such files with `noMessageIndex: true` in the storage configuration, to record faster. The
# reader of the mcap package gives all 20.
# Where it matters: a map or a training set of such a recording is empty without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check rosbags==0.11.9 mcap==1.6.0
"$folder/venv/bin/python" - "$folder/drive.mcap" <<'PY'
import sys
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import IndexType, Writer
from rosbags.rosbag2 import Reader

path = Path(sys.argv[1])


def write(indexes):
    with path.open('wb') as file:
        writer = Writer(file, index_types=indexes)
        writer.start('ros2', 'finding')
        schema = writer.register_schema('std_msgs/msg/String', 'ros2msg', b'string data')
        channel = writer.register_channel('/chatter', 'cdr', schema)
        for number in range(20):
            cdr = b'\0\1\0\0' + b'\2\0\0\0' + b'x\0'
            writer.add_message(channel, number, cdr, number)
        writer.finish()


def counts():
    with Reader(path) as reader:
        promised, given = reader.message_count, len(list(reader.messages()))
    with path.open('rb') as file:
        return promised, given, len(list(make_reader(file).iter_messages()))


for name, indexes in (('both indexes', IndexType.ALL), ('no message index', IndexType.CHUNK)):
    write(indexes)
    print(f'{name}: rosbags counts %d and gives %d, mcap gives %d' % counts())
assert counts() == (20, 0, 20)
PY
