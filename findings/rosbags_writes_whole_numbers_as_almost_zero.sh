#!/usr/bin/env bash
# rosbags 0.11.9 (PyPI): an array of whole numbers in a field of doubles is written as numbers of
# about 1e-321.
#
# Expected by most: serialize_cdr turns whole numbers into doubles, as rclpy does with a list, or
# refuses them, as it refuses an array of float32 (ValueError) and a list.
# Seen: only the number of bytes has to fit. The bytes of an int64 array are written as they are,
# so that a focal length of 500 is read back as 2.5e-321, by every reader of the bag, and without a
# word. Doubles in the other byte order (numpy's >f8, as FITS and old Matlab files have them) are
# written unswapped as well.
# Matters for: bags that a program writes from numpy, where np.array([500, 0, 320, ...]),
# np.eye(6, dtype=int) and np.arange are whole numbers: cameras without a focal length, and poses
# with no uncertainty at all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check rosbags==0.11.9 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/bag" <<'PY'
import sys
from pathlib import Path

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
camera = store.types['sensor_msgs/msg/CameraInfo']
header = store.types['std_msgs/msg/Header']
time = store.types['builtin_interfaces/msg/Time']
region = store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
K = [500, 0, 320, 0, 500, 240, 0, 0, 1]


def message(k):
    return camera(
        header(time(1, 0), 'camera'), 480, 640, 'plumb_bob', np.zeros(5), k, np.eye(3).ravel(),
        np.zeros(12), 0, 0, region,
    )  # fmt: skip


given = {'doubles': np.array(K, float), 'whole numbers': np.array(K), '>f8': np.array(K, '>f8')}
with Writer(sys.argv[1], version=9) as bag:
    for name, k in given.items():
        topic = bag.add_connection('/' + name.replace(' ', '_'), camera.__msgtype__, typestore=store)
        bag.write(topic, 10**9, store.serialize_cdr(message(k), camera.__msgtype__))
try:
    store.serialize_cdr(message(np.array(K, np.float32)), camera.__msgtype__)
    raise AssertionError('float32 was taken')
except ValueError as error:
    print('float32: ValueError:', error)
with AnyReader([Path(sys.argv[1])]) as bag:
    read = [bag.deserialize(raw, where.msgtype).k for where, _, raw in bag.messages()]
for name, k in zip(given, read):
    print(f'{name}: fx = {k[0]}, cx = {k[2]}')
assert read[0][0] == 500 and 0 < read[1][0] < 1e-320 and 0 < read[2][0] < 1e-300
PY
