#!/usr/bin/env bash
# rosbags 0.11.9 (PyPI): a selection of connections that is empty is read as "all of them".
#
# Expected by most: messages(connections=[...]) with the connections of one topic gives nothing
# where the bag lacks the topic, as iter_messages(topics=[]) of the library mcap does.
# Seen: it gives every message of the bag, as its docstring says in passing. The loop that the
# documentation of rosbags shows, [each for each in bag.connections if each.topic == '/odometry'],
# is empty for a topic with a typing error or one that was not recorded, and the loop then takes
# messages of all topics for it.
# Matters for: loops that keep the stamps or count the messages (a duration, a rate, "the topic is
# there"), and for topics of one type: poses of another estimator are taken for the missing one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    rosbags==0.11.9 mcap==1.6.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
point = store.types['geometry_msgs/msg/Point']
path = Path(sys.argv[1]) / 'drive'
with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
    for topic, x in (('/wheels', 1.0), ('/gnss', 100.0)):
        connection = bag.add_connection(topic, point.__msgtype__, typestore=store)
        for number in range(5):
            raw = store.serialize_cdr(point(x, 0.0, 0.0), point.__msgtype__)
            bag.write(connection, 10**9 * number, raw)


def taken(topic):
    with AnyReader([path]) as bag:
        connections = [each for each in bag.connections if each.topic == topic]
        messages = bag.messages(connections=connections)
        return [bag.deserialize(raw, where.msgtype).x for where, _, raw in messages]


print('/wheels:', taken('/wheels'))
print('/odometry, which is not there:', taken('/odometry'))
assert taken('/wheels') == [1.0] * 5
assert sorted(taken('/odometry')) == [1.0] * 5 + [100.0] * 5
with next(path.glob('*.mcap')).open('rb') as file:
    assert list(make_reader(file).iter_messages(topics=[])) == []
PY
