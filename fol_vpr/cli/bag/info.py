"""`fol_vpr bag info`: duration, topics, types, rates and compression of a bag."""

from __future__ import annotations

import argparse
import dataclasses
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from fol_vpr.cli.common.console import table, working
from fol_vpr.cli.common.output import add_json, show_results, warn
from fol_vpr.files import printable

BAG_HELP = 'folder with metadata.yaml, or a .db3, .mcap or ROS 1 .bag file, packed as .zstd or not'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('bag', metavar='BAG', help=BAG_HELP)
    add_json(
        parser,
        'times of reception in seconds, rates in Hz, and null where there are too few messages,',
    )


def run(args: argparse.Namespace) -> int:
    """Print what is in a bag."""
    from fol_vpr.sources import Bag

    with working('reading the bag'):
        bag = Bag(args.bag)
    for warning in bag.warnings:
        warn(warning)
    size = sum(path.stat().st_size for path in bag.files())
    topics = (*bag.topics.values(), *bag.foreign.values())
    span, storage, compression = bag.span_ns(), bag.storage(), bag.compression()
    seconds = (span[1] - span[0]) / 1e9 if span else 0.0
    rates = [_rate(topic.count, seconds) for topic in topics]
    messages = sum(topic.count for topic in topics)

    def value() -> dict[str, Any]:
        return {
            'path': str(Path(args.bag)),
            'bytes': size,
            'storage': storage,
            'compression': compression,
            'start': span[0] / 1e9 if span else None,
            'end': span[1] / 1e9 if span else None,
            'duration': seconds,
            'messages': messages,
            'topics': [
                {**dataclasses.asdict(topic), 'rate': rate}
                for topic, rate in zip(topics, rates, strict=True)
            ],
        }

    def text() -> str:
        how = f'compressed with {compression}' if compression else 'not compressed'
        lines = [f'{args.bag}: {size / 1e6:.1f} MB, {storage}, {how}']
        if span is None:
            lines.append('no messages')
        else:
            lines.append(f'{messages} messages in {seconds:.3f} s')
            lines.append(f'from {_moment(span[0])}\n  to {_moment(span[1])}')
        cells = [
            (
                f'  {printable(topic.name)}',
                topic.kind,
                str(topic.count),
                f'{rate:.2f}' if rate else '-',
            )
            for topic, rate in zip(topics, rates, strict=True)
        ]
        if cells:
            lines.append(table([('topic', 'type', 'messages', 'Hz'), *cells]))
        return '\n'.join(lines)

    show_results(args, value, text)
    return 0


def _rate(count: int, seconds: float) -> float | None:
    """Messages per second over the duration of the bag."""
    return (count - 1) / seconds if count > 1 and seconds > 0 else None


def _moment(ns: int) -> str:
    # Beyond the year 9999 a datetime ends; the clocks of some recorders hold such times.
    seconds = f'{ns // 10**9}.{ns % 10**9:09d} s'
    try:
        moment = datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=ns // 1000)
    except OverflowError:
        return seconds
    return f'{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC ({seconds})'
