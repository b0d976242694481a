"""Numbers in parameter files, as rcl reads them."""

from __future__ import annotations

import math

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node

from fol_vpr.sources.node_parameters import load_parameters

TEXTS = [
    '4e-4', '1e3', '4E+2', '.5', '1.', '1.0e+3', '08', '010', '0x10', '-3', '+2', '0',
    '1_000', '1:30', '1e', 'abc', 'true', '.inf', '-.inf', '.nan', '1e-3x',
]  # fmt: skip


@pytest.mark.parametrize('text', TEXTS)
def test_what_a_parameter_is_in_ros(text):
    context = Context()
    rclpy.init(args=['x', '--ros-args', '-p', f'given:={text}'], context=context)
    node = Node('numbers', context=context, automatically_declare_parameters_from_overrides=True)
    try:
        in_ros = node.get_parameter('given').value
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    here = load_parameters(text)
    assert type(here) is type(in_ros)
    assert here == in_ros or (math.isnan(here) and math.isnan(in_ros))
