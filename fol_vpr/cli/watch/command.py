"""Options of `fol_vpr watch`, and its run in a terminal, in a pipe and for scripts."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.console import check_writable
from fol_vpr.cli.common.output import STDOUT, add_json, json_lines, remark, show_results
from fol_vpr.cli.common.processes import stop_signals
from fol_vpr.cli.common.ros import needs_ros
from fol_vpr.cli.watch.lines import happening_line, report_line
from fol_vpr.config import WatchConfig
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.files import atomic_text
from fol_vpr.monitoring import Level, NodeReport

if TYPE_CHECKING:
    from fol_vpr.ros.watching.watcher import Watcher

FINE, TROUBLE = 0, 1
ONCE_SECONDS = 3.0
"""Seconds that --once watches: three of the messages that the node publishes every second."""
LINE_INTERVAL = 1.0
PICTURE_WIDTH = 100
Show = Callable[[], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        'Show what running localizers do: state, probability and reason, place, rates, drops, '
        'latency, diagnostics and loop closures. In a terminal a view that is updated, else a '
        'line per node and second. Ends with Ctrl-C. Exit code 1 where a node has stopped, is '
        'silent, or reports an ERROR at the end.'
    )
    parser.add_argument(
        'nodes',
        nargs='*',
        metavar='NODE',
        help='full name of a node, such as /robot1/localizer, or a namespace; all by default',
    )
    parser.add_argument(
        '--once', action='store_true', help='watch for some seconds, print once, and end'
    )
    add_json(parser, 'one document with --once, else one line for each update,')
    parser.add_argument(
        '--picture', metavar='FILE.svg', help='write the view at the end as a picture (SVG)'
    )
    add_settings(parser, WatchConfig)


def run(args: argparse.Namespace) -> int:
    """Watch, and return whether all nodes are well."""
    config = settings(args, WatchConfig())
    if args.picture is not None:
        if not args.picture.endswith('.svg'):
            raise InputError(f'--picture is {args.picture}, expected a name that ends in .svg')
        check_writable(args.picture)
    client = needs_ros('fol_vpr.ros.bags.client')
    watching = needs_ros('fol_vpr.ros.watching.watcher')
    # A name that begins with an underscore is left out of the lists that people read.
    with client.client_node(f'_fol_vpr_watch_{os.getpid()}') as (node, executor):
        watcher = watching.Watcher(node, executor, args.nodes)
        hint = _hint(args.nodes, watching.domain())
        with stop_signals() as is_stopped:
            if args.once:
                _gather(watcher, config, is_stopped)
                _print_once(watcher, args, hint)
            else:
                _watch(watcher, config, args, is_stopped, hint)
        reports = watcher.reports()
        if args.picture is not None:
            _write_picture(args.picture, watcher, hint)
        # Reported within the block, as client_node asks for.
        code = TROUBLE if any(report.level >= Level.ERROR for report in reports) else FINE
        sys.stdout.flush()
    return code


def _hint(nodes: Sequence[str], domain: str) -> str:
    wanted = f'no {" and no ".join(nodes)}' if nodes else 'no localizer'
    return (
        f'{wanted} found yet ({domain}): start the node, and compare these variables with those '
        'of its shell; `ros2 daemon` plays no part'
    )


def _gather(watcher: Watcher, config: WatchConfig, is_stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + config.wait_for
    while not watcher.reports() and time.monotonic() < deadline and not is_stopped():
        watcher.spin(0.1)
    if watcher.reports():
        _spin(watcher, config.duration or ONCE_SECONDS, is_stopped)


def _spin(watcher: Watcher, seconds: float, is_stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not is_stopped():
        watcher.spin(min(left, 0.1))


def _print_once(watcher: Watcher, args: argparse.Namespace, hint: str) -> None:
    reports = watcher.reports()
    if not reports:
        others = watcher.others if args.nodes else []
        there = f'; there are {", ".join(others)}' if others else ''
        raise FolVprError(f'{hint}{there}; {watcher.other_nodes} other nodes are visible')
    show_results(
        args,
        lambda: _document(watcher, reports),
        lambda: '\n'.join(report_line(report, time.monotonic()) for report in reports),
    )


def _document(watcher: Watcher, reports: Sequence[NodeReport]) -> dict[str, Any]:
    offset = time.time() - time.monotonic()
    return {
        'time': round(time.time(), 3),
        'nodes': [report.as_json() for report in reports],
        'events': [
            {'time': round(each.moment + offset, 3), 'node': each.node, 'text': each.text}
            for each in watcher.happenings()
        ],
    }


def _watch(
    watcher: Watcher,
    config: WatchConfig,
    args: argparse.Namespace,
    is_stopped: Callable[[], bool],
    hint: str,
) -> None:
    """Show the nodes until the end."""
    with (
        json_lines(args) as write,
        _output(watcher, hint, shown=args.json != STDOUT) as (show, least),
    ):
        interval = max(config.interval, least)
        started: float | None = None
        while not is_stopped():
            _spin(watcher, interval, is_stopped)
            if started is None and watcher.reports():
                started = time.monotonic()
            show()
            write(_document(watcher, watcher.reports()))
            over = started is not None and time.monotonic() - started > config.duration
            if config.duration and over:
                break


@contextmanager
def _output(watcher: Watcher, hint: str, *, shown: bool) -> Iterator[tuple[Show, float]]:
    """What shows the nodes, and how many seconds have to lie between two calls of it."""
    if not shown:
        yield lambda: None, 0.0
    elif _is_terminal():
        with _live_view(watcher, hint) as show:
            yield show, 0.0
        for report in watcher.reports():
            print(report_line(report, time.monotonic()))
    else:
        yield _plain_lines(watcher, hint), LINE_INTERVAL


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get('TERM', 'dumb') not in ('', 'dumb')


def _plain_lines(watcher: Watcher, hint: str) -> Show:
    told: set[tuple[float, str]] = set()
    hinted = False

    def show() -> None:
        nonlocal hinted
        for each in watcher.happenings():
            if (each.moment, each.text) not in told:
                told.add((each.moment, each.text))
                print(happening_line(each), flush=True)
        reports = watcher.reports()
        for report in reports:
            print(report_line(report, time.monotonic()), flush=True)
        if not reports and not hinted:
            hinted = True
            remark(hint)

    return show


@contextmanager
def _live_view(watcher: Watcher, hint: str) -> Iterator[Show]:
    from rich.console import Console, Group
    from rich.live import Live

    from fol_vpr.cli.watch.view import ASCII, UNICODE, screen

    # Texts of other nodes were made printable by the watcher; sys.stdout would print the colours
    # of the view as text.
    console = Console(file=sys.__stdout__, highlight=False)
    glyphs = UNICODE if console.encoding.lower().startswith('utf') else ASCII
    with Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live:

        def show() -> None:
            lines = screen(
                watcher.reports(),
                watcher.happenings(),
                now=time.monotonic(),
                width=console.width,
                height=console.height,
                hint=hint,
                glyphs=glyphs,
            )
            live.update(Group(*lines), refresh=True)

        show()
        yield show


def _write_picture(path: str, watcher: Watcher, hint: str) -> None:
    import io

    from rich.console import Console

    from fol_vpr.cli.watch.view import screen

    lines = screen(
        watcher.reports(),
        watcher.happenings(),
        now=time.monotonic(),
        width=PICTURE_WIDTH,
        height=1000,
        hint=hint,
    )
    console = Console(
        record=True, width=PICTURE_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False
    )
    for line in lines:
        console.print(line, soft_wrap=True)
    with atomic_text(path) as file:
        file.write(console.export_svg(title='fol_vpr watch'))
