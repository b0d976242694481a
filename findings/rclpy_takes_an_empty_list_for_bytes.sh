#!/usr/bin/env bash
# rclpy 7.1.6 (ROS 2 Jazzy; PyPI): a parameter that is declared with the default [] is an array of
# bytes, which refuses the numbers that it is meant for; and a parameter without a value empties the
# answer to every request for several parameters, such as that of `ros2 param dump`.
#
# Expected by most: declare_parameter('mount', []) declares an array that may be given as
# [0.0, 1.5]. Or else declare_parameter('mount', Parameter.Type.DOUBLE_ARRAY), which has no value
# until it is given, and is left out of an answer.
# Seen: the first takes its type from the empty list, BYTE_ARRAY, so that `-p mount:=[0.0, 1.5]`
# ends the node with InvalidParameterTypeException. With the second, get_parameters returns no
# value at all, of the others neither, and `ros2 param dump` prints an empty set (ros2cli#936).
# Setting Parameter('mount', Parameter.Type.DOUBLE_ARRAY, []) after the declaration helps.
# Where it matters: parameters that are empty by default, such as poses, ranges, lists of topics.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'ros-jazzy-rclpy[fastrtps]==7.1.6'
export ROS_LOG_DIR=$folder ROS_AUTOMATIC_DISCOVERY_RANGE=OFF
cd "$folder" && "$folder/venv/bin/python" -W ignore - <<'PY'
import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.parameter import Parameter

KIND = Parameter.Type.DOUBLE_ARRAY
rclpy.init(args=['x', '--ros-args', '-p', 'mount:=[0.0, 1.5]'])
node = Node('drive')
try:
    node.declare_parameter('mount', [])
    raise SystemExit('[] now takes an array of numbers')
except InvalidParameterTypeException as error:
    print('declared with []:', error)
node.declare_parameter('empty', KIND)
node.declare_parameter('speed', 1.0)


def values(*names):
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(node)
    client = node.create_client(GetParameters, 'drive/get_parameters')
    assert client.wait_for_service(timeout_sec=30)
    future = client.call_async(GetParameters.Request(names=names))
    executor.spin_until_future_complete(future, timeout_sec=30)
    print(f'asked for {names}: {len(future.result().values)} values')
    return len(future.result().values)


assert values('speed') == 1
assert values('speed', 'empty') == 0
node.set_parameters([Parameter('empty', KIND, [])])
assert values('speed', 'empty') == 2
rclpy.shutdown()
PY
