# PYTHON_ARGCOMPLETE_OK
"""Entry point of `fol_vpr`: runs the verb, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fol_vpr import __version__
from fol_vpr.cli.common.console import check_writable
from fol_vpr.cli.common.output import STDOUT, Parser, sentence
from fol_vpr.cli.common.terminal import index_builds_shown, printable_output, quietly
from fol_vpr.errors import FolVprError
from fol_vpr.openmp import wait_briefly

VERBS = {
    'map': 'build a map from images or a bag; show, check, merge, split, or prune maps',
    'query': 'find where one image was taken in a map',
    'explain': 'show what the network looks at in an image, and what it keeps',
    'evaluate': 'compare answers with ground truth: recall, latency, queries without an answer',
    'compare': 'compare results of the same queries: what differs, and what chance explains',
    'calibrate': 'fit, to drives through a map, how probable its answers are',
    'loops': 'find the loop closures of a recorded drive, and count the right ones',
    'weights': 'list, download and inspect weights of the network',
    'export': 'write the network as a file for other runtimes',
    'bag': 'write a bag from images; play, record, or list the topics of one',
    'watch': 'show what running nodes do: state, reason, rates, latency, diagnostics',
    'echo': 'print the messages of a topic of any type',
    'doctor': 'examine machine, transport, map, topics and frames, and say what to mend',
    'completion': 'print the script for completion by bash, zsh, fish or tcsh',
    'demo': 'run all steps on your machine: map, bag, node, answers, picture',
}

OK, USER_ERROR, INTERRUPTED, TERMINATED = 0, 2, 130, 143
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Terminated(KeyboardInterrupt):
    """Raised at SIGTERM, so that the process ends in order, as after Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; None takes those of the process.

    Returns:
        The exit code: 0 for success, 1 if a check found problems, 2 for an error that the user can
        correct, 130 after Ctrl-C, 143 after SIGTERM.
    """
    wait_briefly()
    argv = list(sys.argv[1:] if argv is None else argv)
    with printable_output():
        return _main(argv)


def _main(argv: list[str]) -> int:
    try:
        args, module = _parse(argv)
        with _sigterm_unwinds(), quietly(args.quiet), index_builds_shown():
            if getattr(args, 'json', None) not in (None, STDOUT):
                check_writable(args.json)
            code = int(module.run(args))
        # Output is flushed here, because errors of the flush at exit could not be caught.
        sys.stdout.flush()
        return code
    except FolVprError as error:
        if '--debug' in argv:
            raise
        print(f'fol_vpr: error: {error}', file=sys.stderr)
        return USER_ERROR
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has ended (`fol_vpr map info M | head`), which is no error.
        _discard_output()
        return OK
    except OSError as error:
        if error.errno in NO_SPACE and not error.filename and '--debug' not in argv:
            # stdout into a file, which names none.
            _discard_output()
            print(
                f'fol_vpr: error: the output cannot be written: {error.strerror}; free some '
                'space, or let it go elsewhere',
                file=sys.stderr,
            )
            return USER_ERROR
        # A file that no earlier check covered; an error without a file name is a defect.
        if '--debug' in argv or not error.filename:
            raise
        print(
            f'fol_vpr: error: {error.filename}: {error.strerror}; check that it exists, and its '
            'permissions and those of the folders above it',
            file=sys.stderr,
        )
        return USER_ERROR


def _discard_output() -> None:
    """Python would report the error again when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: list[str]) -> tuple[argparse.Namespace, Any]:
    """Parse `argv`. Only the module of the verb that is called is imported."""
    if is_asked := '_ARGCOMPLETE' in os.environ and 'COMP_LINE' in os.environ:
        from fol_vpr.cli.completion.completers import complete, words_before_cursor

        argv = words_before_cursor(os.environ['COMP_LINE'], int(os.environ['COMP_POINT']))
    parser = Parser(
        prog='fol_vpr',
        description='Visual place recognition: builds maps of places and finds where images were '
        'taken.',
        epilog='`fol_vpr VERB --help` shows the options of a verb.',
    )
    parser.set_defaults(quiet=False)
    parser.add_argument('--version', action='version', version=f'fol_vpr {__version__}')
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    called = next((word for word in argv if not word.startswith('-')), None)
    module = None
    for verb, help_text in VERBS.items():
        subparser = verbs.add_parser(verb, help=help_text, description=sentence(help_text))
        if verb == called:
            module = importlib.import_module(f'fol_vpr.cli.{verb}')
            module.add_arguments(subparser)
    if is_asked:
        complete(parser, argv)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        more = f' and {len(unknown) - 3} more' if len(unknown) > 3 else ''
        parser.error(
            f'unrecognized arguments: {" ".join(unknown[:3])}{more}; `fol_vpr {args.verb} --help` '
            'shows what it takes'
        )
    args.command_line = tuple(argv)
    return args, module


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Within the context SIGTERM raises `Terminated`, so that a verb can report what it left."""

    def raise_terminated(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


if __name__ == '__main__':
    sys.exit(main())
