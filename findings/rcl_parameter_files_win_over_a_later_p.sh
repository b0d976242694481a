#!/usr/bin/env bash
# rclpy 7.1.6 with rcl 9.2.8 (ROS 2 Jazzy; PyPI): the last -p on the command line does not win
# against a parameter file that was given before it, if `/**` was mentioned earlier than the file's
# own name of the node: by another -p, or in the file itself.
#
# Expected by most, and what the documentation of ROS 2 shows: later arguments override earlier
# ones, so that `--params-file robot.yaml -p speed:=2.0` sets speed to 2.0.
# Seen: all files and all -p are merged into one list of node names, each at the place where it was
# first mentioned, and the last one that matches decides. A -p is for `/**`. With a file that names
# `/**` (for use_sim_time, say) and then the node, or after any earlier -p, the file wins over the
# trailing -p, without a message. `-p NODE:speed:=2.0` wins again.
# Where it matters: launch files, which put `-p use_sim_time:=true` (SetParameter) before all files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'ros-jazzy-rclpy[fastrtps]==7.1.6'
export ROS_LOG_DIR=$folder ROS_AUTOMATIC_DISCOVERY_RANGE=OFF
cat > "$folder/named.yaml" <<'YAML'
drive:
  ros__parameters: {speed: 1.0}
YAML
cat > "$folder/both.yaml" <<'YAML'
/**:
  ros__parameters: {use_sim_time: false}
drive:
  ros__parameters: {speed: 1.0}
YAML
cd "$folder" && "$folder/venv/bin/python" -W ignore - <<'PY'
import rclpy
from rclpy.node import Node


def speed(*arguments):
    rclpy.init(args=['drive', '--ros-args', *arguments])
    node = Node('drive')
    value = node.declare_parameter('speed', 0.0).value
    node.destroy_node()
    rclpy.shutdown()
    print(f'{value}: {" ".join(arguments)}')
    return value


last = ('-p', 'speed:=2.0')
assert speed('--params-file', 'named.yaml', *last) == 2.0
assert speed('-p', 'use_sim_time:=false', '--params-file', 'named.yaml', *last) == 1.0
assert speed('--params-file', 'both.yaml', *last) == 1.0
assert speed('--params-file', 'both.yaml', '-p', 'drive:speed:=2.0') == 2.0
PY
