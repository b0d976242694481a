#!/usr/bin/env bash
# mcap-ros2-support 0.6.0 with mcap 1.6.0 (PyPI): a message whose fields have wrong names is
# written with zeros, and a fixed array of the wrong length is cut or filled up with zeros.
#
# Expected by most: an error for a field that the definition lacks, as dataclasses, rclpy and rosbags
# raise it, and one for eight values in a field float64[9].
# Seen: the writer asks the dictionary for each field of the definition, takes a default where it is
# missing, and looks at nothing else. A stamp with "nsec", as Foxglove's schemas and ROS 1's nsecs
# suggest it, instead of "nanosec" is cut to whole seconds; a pose with "quaternion" instead of
# "orientation" looks straight ahead (w = 1). A K of eight numbers gets a ninth, 0, where 1 belongs.
# Matters for: converters of data sets that write MCAP without ROS. At 10 Hz ten images in a row have
# one stamp, and bag players and readers show no error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    mcap-ros2-support==0.6.0 mcap==1.6.0
"$folder/venv/bin/python" - "$folder/drive.mcap" <<'PY'
import sys

from mcap_ros2.reader import read_ros2_messages
from mcap_ros2.writer import Writer

rule = '=' * 80
definition = f'''builtin_interfaces/Time stamp
float64[9] k
geometry_msgs/Pose pose
{rule}
MSG: geometry_msgs/Pose
geometry_msgs/Quaternion orientation
{rule}
MSG: geometry_msgs/Quaternion
float64 x 0
float64 y 0
float64 z 0
float64 w 1
'''
turned = {'x': 0.0, 'y': 0.0, 'z': 1.0, 'w': 0.0}
k = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
right = {'stamp': {'sec': 7, 'nanosec': 900_000_000}, 'pose': {'orientation': turned}, 'k': k}
wrong = {'stamp': {'sec': 7, 'nsec': 900_000_000}, 'pose': {'quaternion': turned}, 'k': k[:8]}
longer = right | {'k': [*k, 0.0, 0.0, 0.0]}
with open(sys.argv[1], 'wb') as file:
    writer = Writer(file)
    schema = writer.register_msgdef('recorder_msgs/msg/View', definition)
    for number, message in enumerate((right, wrong, longer)):
        writer.write_message('/view', schema, message, number, number)
    writer.finish()
first, second, third = (each.ros_msg for each in read_ros2_messages(sys.argv[1]))
for view in (first, second, third):
    print(view.stamp, view.pose.orientation, view.k)
assert (first.stamp.nanosec, first.pose.orientation.z, first.k) == (900_000_000, 1.0, k)
assert (second.stamp.sec, second.stamp.nanosec) == (7, 0)
assert (second.pose.orientation.z, second.pose.orientation.w) == (0.0, 1.0)
assert second.k == [*k[:8], 0.0] and third.k == k
PY
