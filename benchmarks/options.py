"""Command line options that the benchmarks share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def benchmark_parser(
    module: str, description: str | None, *, threads: bool = True, figures: bool = True
) -> argparse.ArgumentParser:
    """A parser of command line options for one benchmark.

    Args:
        module: dotted name of the benchmark's module; its last part is the name to type.
        description: docstring of the module; its first line introduces the help text.
        threads: whether to add `--threads`.
        figures: whether to add `--json`, the file that `write_figures` writes.
    """
    parser = argparse.ArgumentParser(
        prog=f'python -m benchmarks {module.rpartition(".")[2]}',
        description=(description or '').splitlines()[0],
    )
    if threads:
        parser.add_argument('--threads', type=int, default=2, help='CPU threads of the network')
    if figures:
        parser.add_argument(
            '--json', type=Path, metavar='FILE', help='also write the figures to this file'
        )
    return parser


def write_figures(
    path: Path | None, figures: Any, default: Callable[[Any], Any] | None = None
) -> None:
    """Write figures as JSON to `path`, unless it is None.

    Args:
        path: value of the option `--json`.
        figures: anything that `json.dumps` takes.
        default: turns what JSON does not know into something that it knows.
    """
    if path is not None:
        path.write_text(json.dumps(figures, indent=1, default=default) + '\n')
