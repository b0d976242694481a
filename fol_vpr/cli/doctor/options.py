"""The options of `fol_vpr doctor`, and the parameters of the node that follow from them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import Any

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.output import add_json
from fol_vpr.config import NetworkConfig
from fol_vpr.errors import InputError

FAIL_ON = ('error', 'warning', 'never')
_MOST_SECONDS = 600.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Examine the machine, ROS and its transport, weights, map, topics, stamps and frames, and '
        'time the recognition. Changes nothing: no file is written, no parameter set, and topics '
        'are listened to with best effort. Where a localizer runs, what it is set to is examined; '
        'else what the options, a parameter file, or the defaults say.'
    )
    parser.add_argument('--map', metavar='M.folmap', help='the map')
    parser.add_argument(
        '--params-file', metavar='FILE', help='parameter file of the node, to examine what would '
        'run with it; options replace single values',
    )  # fmt: skip
    parser.add_argument(
        '--image', metavar='FILE', help='image for the timed trial. Default: the last image of '
        'the camera, else one of the map, else a drawn one',
    )  # fmt: skip
    ros = parser.add_argument_group('topics and nodes')
    ros.add_argument(
        '--offline', action='store_true', help='look at the machine, weights and map only, and '
        'not at topics, frames and nodes',
    )  # fmt: skip
    ros.add_argument(
        '--seconds', type=float, metavar='X', default=5.0,
        help='time in seconds for which topics are listened to. Default: 5.0.',
    )  # fmt: skip
    ros.add_argument(
        '--node', metavar='NAME', default='',
        help='the running localizer to examine, such as /robot1/localizer. Default: the first one',
    )  # fmt: skip
    ros.add_argument(
        '--namespace', metavar='NAME', default='', help='namespace of names without a slash'
    )
    for option, what in (
        ('--image-topic', 'the camera images; compressed images and video are expected below it'),
        ('--camera-info-topic', 'the camera calibration (CameraInfo)'),
        ('--odom-topic', 'the odometry'),
    ):
        ros.add_argument(option, metavar='TOPIC', help=f'topic of {what}')
    ros.add_argument('--base-frame', metavar='NAME', help='frame of the robot base')
    ros.add_argument(
        '--use-sim-time', action=argparse.BooleanOptionalAction, default=None,
        help='whether the node takes the time from /clock',
    )  # fmt: skip
    ros.add_argument(
        '--replay', action=argparse.BooleanOptionalAction, default=None,
        help='whether the node answers every image of a bag in order',
    )  # fmt: skip
    parser.add_argument(
        '--trial', action=argparse.BooleanOptionalAction, default=None,
        help='whether images are answered to measure the time that takes, for about 5 s with low '
        'priority. Default: unless a localizer is active',
    )  # fmt: skip
    add_json(parser, 'the findings and facts')
    parser.add_argument(
        '--fail-on', choices=FAIL_ON, default='error',
        help='which findings make the exit code 1. Default: error.',
    )  # fmt: skip
    add_settings(parser, NetworkConfig)


@dataclass(frozen=True)
class Given:
    """What the command line and the parameter file say of the node.

    Attributes:
        values: parameters by name.
        from_file: whether a parameter file is among them.
    """

    values: dict[str, Any] = field(default_factory=dict)
    from_file: bool = False


def given_parameters(args: argparse.Namespace) -> Given:
    """The parameters that options and parameter file give.

    Raises:
        InputError: the file cannot be read, or a value is not allowed.
    """
    if not 0 < args.seconds <= _MOST_SECONDS:
        raise InputError(f'--seconds is {args.seconds}, expected more than 0 to {_MOST_SECONDS:g}')
    values: dict[str, Any] = {}
    if args.params_file is not None:
        from fol_vpr.ros.doctor.values import settings_of
        from fol_vpr.sources.node_parameters import read_node_parameters

        name = args.node or f'{args.namespace.strip("/")}/localizer'
        values.update(read_node_parameters(args.params_file, name))
        settings_of(values)
    settings(args, NetworkConfig())  # checks the ranges
    for spec in fields(NetworkConfig):
        if (value := getattr(args, spec.name)) is not None:
            values[f'network.{spec.name}'] = value
    for name in ('map', 'base_frame', 'use_sim_time', 'replay'):
        if (value := getattr(args, name)) is not None:
            values[name] = value
    return Given(values, args.params_file is not None)
