"""`fol_vpr compare`: results of the same queries side by side."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.console import check_writable
from fol_vpr.cli.common.output import STDOUT, add_json, remark, show_results
from fol_vpr.config import ComparisonConfig
from fol_vpr.errors import InputError

CHANGED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Compare results of the same queries with the first of them: recalls, decisions, '
        'latencies and calibration errors, each with the interval of its difference, tests '
        'corrected for their number, and the queries of which only one has the first hypothesis '
        'right. Results of other queries, other references or another ground truth are refused.'
    )
    parser.add_argument(
        'results',
        metavar='RESULT.json',
        nargs='+',
        help='what `fol_vpr evaluate --json` wrote; the others are compared with the first',
    )
    parser.add_argument(
        '--names',
        metavar='A,B,...',
        help='names of the results in tables, in their order; without it, the names of the files',
    )
    add_json(parser, 'the comparison')
    parser.add_argument(
        '--output', metavar='OUT.html', help='write the comparison as a page for a browser'
    )
    parser.add_argument(
        '--changed',
        metavar='N',
        type=int,
        default=CHANGED,
        help='most of the queries to list of which only one result has the first hypothesis '
        f'right; --json holds all. Default: {CHANGED}',
    )
    add_settings(parser, ComparisonConfig)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    if args.changed < 0:
        raise InputError(f'--changed is {args.changed}, expected at least 0')
    if len(args.results) < 2:
        raise InputError('one result is given, expected at least two to compare')
    names = _names(args)
    for output in (args.output, args.json if args.json != STDOUT else None):
        if output is not None:
            check_writable(output)
    # Here, so that --help does not load NumPy.
    from fol_vpr.evaluation.comparison.compare import compare
    from fol_vpr.evaluation.comparison.text import as_text, as_values
    from fol_vpr.evaluation.results import Provenance, read_result

    config = settings(args, ComparisonConfig())
    results = [read_result(path) for path in args.results]
    comparison = compare(list(zip(names, results, strict=True)), config)
    made = Provenance.of_this(args.command_line)
    show_results(
        args,
        lambda: as_values(comparison, made.command, made.date),
        lambda: as_text(comparison, args.changed),
    )
    if args.output is not None:
        from fol_vpr.reporting.comparison import comparison_page

        comparison_page(comparison, made).write(args.output)
        remark(f'page: {args.output}')
    return 0


def _names(args: argparse.Namespace) -> list[str]:
    """Names of the results: those given, or those of their files, with folders where needed."""
    if args.names is not None:
        names = [name.strip() for name in args.names.split(',')]
        if len(names) != len(args.results) or not all(names):
            raise InputError(
                f'--names has {len([n for n in names if n])} names, expected one for each of the '
                f'{len(args.results)} results, with commas between them'
            )
        return names
    paths = [Path(os.path.normpath(path)) for path in args.results]
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [str(path.with_suffix('')) for path in paths]
