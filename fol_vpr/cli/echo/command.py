"""Options of `fol_vpr echo`, and what it prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.output import STDOUT, add_json, json_lines, remark
from fol_vpr.cli.common.processes import stop_signals
from fol_vpr.cli.common.ros import needs_ros
from fol_vpr.config import EchoConfig
from fol_vpr.errors import InputError

ARRAY_LENGTH = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        'Print the messages of a topic of any type whose package is installed, as YAML. The QoS '
        'is that which the publishers offer; what a publisher keeps for late subscribers is '
        'printed too. Ends with Ctrl-C.'
    )
    parser.add_argument('topic', metavar='TOPIC', help='such as /localizer/places')
    parser.add_argument('-n', '--count', type=int, default=0, metavar='N',
                        help='end after N messages')  # fmt: skip
    add_json(parser, 'a line for each message, with null for NaN and infinities,')
    parser.add_argument(
        '--field',
        metavar='NAME',
        help='print only this field, such as header.stamp or hypotheses.0.probability; a message '
        'without that element of an array is left out',
    )
    parser.add_argument(
        '--array-length',
        type=int,
        metavar='N',
        help='most elements of an array that are printed, 0 for all; a text says how many more '
        f'there are. Default: {ARRAY_LENGTH}, with --json all.',
    )
    parser.add_argument(
        '--type',
        default='',
        metavar='TYPE',
        help='type of the messages, such as sensor_msgs/msg/Image, where several are published',
    )
    add_settings(parser, EchoConfig)


def run(args: argparse.Namespace) -> int:
    """Print messages until the end."""
    for name in ('count', 'array_length'):
        if (getattr(args, name) or 0) < 0:
            flag = f'--{name.replace("_", "-")}'
            raise InputError(f'{flag} is {getattr(args, name)}, expected 0 or more')
    config = settings(args, EchoConfig())
    echoing = needs_ros('fol_vpr.ros.watching.echo')
    with stop_signals() as is_stopped, json_lines(args) as write:
        echoing.echo(
            args.topic,
            config,
            show=lambda message: _print(message, args, write),
            count=args.count,
            type_name=args.type,
            report=remark,
            is_stopped=is_stopped,
        )
    return 0


def _print(message: Any, args: argparse.Namespace, write: Callable[[Any], None]) -> None:
    from fol_vpr.ros.watching.message_tree import as_yaml, field_of, message_tree

    if args.field:
        try:
            message = field_of(message, args.field)
        except IndexError:
            return
    if args.json is not None:
        write(message_tree(message, args.array_length or None))
    if args.json != STDOUT:
        length = ARRAY_LENGTH if args.array_length is None else args.array_length
        print(f'{as_yaml(message_tree(message, length or None))}\n---', flush=True)
