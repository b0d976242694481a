#!/usr/bin/env bash
# pyyaml 6.0.3 and rclpy 7.1.6 with rcl 9.2.8 (ROS 2 Jazzy; PyPI): a text that PyYAML writes into a
# parameter file can come out of it as a number or a truth value.
#
# Expected by most: yaml.safe_dump quotes every text that looks like something else (it does so with
# '5' and 'no'), so that texts stay texts.
# Seen: PyYAML leaves out the quotes where it would itself read a text again, and rcl reads by rules
# of its own, strtol and strtod of C: 0829 is 829.0, 1e5 is 100000.0, infinity and nan are doubles,
# n and y are false and true. 0725, without an 8 or a 9, is quoted, since PyYAML knows it as octal.
# A node that declares a text ends with InvalidParameterTypeException.
# Matters for: launch files. launch_ros writes parameters with yaml.dump, after all conversions, so
# that ParameterValue(session, value_type=str) does not help either. A drive that is named by its
# day, or a serial number with a zero in front, works until it has an 8 or a 9 in it. The remedy is
# a representer that quotes every text, or a text that no strtod takes (drive_0829).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    'ros-jazzy-rclpy[fastrtps]==7.1.6' pyyaml==6.0.3
export ROS_LOG_DIR=$folder ROS_AUTOMATIC_DISCOVERY_RANGE=OFF
cd "$folder" && "$folder/venv/bin/python" -W ignore - <<'PY'
import rclpy
import yaml
from rclpy.node import Node

given = {
    'august': '0829', 'july': '0725', 'run': '1e5', 'place': 'infinity', 'name': 'n',
    'digit': '5', 'word': 'no', 'prefix': 'drive_0829',
}  # fmt: skip
with open('drive.yaml', 'w') as file:
    yaml.safe_dump({'/**': {'ros__parameters': given}}, file)
with open('drive.yaml') as file:
    assert yaml.safe_load(file)['/**']['ros__parameters'] == given
rclpy.init(args=['drive', '--ros-args', '--params-file', 'drive.yaml'])
node = Node('drive', automatically_declare_parameters_from_overrides=True)
read = {name: node.get_parameter(name).value for name in given}
node.destroy_node()
rclpy.shutdown()
for name, text in given.items():
    print(f'{text!r} is read as {read[name]!r}')
changed = {'august': 829.0, 'run': 100000.0, 'place': float('inf'), 'name': False}
assert read == given | changed
assert isinstance(read['august'], float) and read['name'] is False
PY
