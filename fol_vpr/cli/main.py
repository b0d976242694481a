"""Entry point of `fol_vpr`: finds the verb, runs it, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fol_vpr import __version__
from fol_vpr.errors import FolVprError

VERBS = {
    'map': 'build a map from images or a bag, look into one, check, merge, split, prune one',
    'query': 'ask a map where one image was taken',
    'evaluate': 'compare answers with ground truth: recall, latency, drops',
    'calibrate': 'learn from drives through a map how probable its answers are',
    'loops': 'the loop closures of a recorded drive, and how many of them are right',
    'weights': 'list, fetch and inspect network weights',
    'export': 'write the network as a file for other runtimes',
    'bag': 'write a bag from images, play one, record one, look into one',
    'demo': 'the whole path on your machine: map, bag, node, answers, picture',
}

OK, USER_ERROR, INTERRUPTED, TERMINATED = 0, 2, 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, so that it unwinds the way Ctrl-C does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process where None.

    Returns:
        The exit code: 0 fine, 1 where a check found problems, 2 for what the user can mend,
        130 after Ctrl-C, 143 after SIGTERM.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args, module = _parse(argv)
        with _sigterm_unwinds():
            code = int(module.run(args))
        # What is still buffered belongs to the verb: at exit nobody could catch its errors.
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
        # The reader of our output has gone (`fol_vpr map info M | head`): no error of anyone's.
        # Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        # A file that nobody asked about beforehand; without its name it is a defect of ours.
        if '--debug' in argv or not error.filename:
            raise
        print(
            f'fol_vpr: error: {error.filename}: {error.strerror}; check that it is there, and its '
            'permissions and those of the folders above it',
            file=sys.stderr,
        )
        return USER_ERROR


def _parse(argv: list[str]) -> tuple[argparse.Namespace, Any]:
    """Parse `argv`, importing the module of the one verb that is called and no other."""
    parser = argparse.ArgumentParser(
        prog='fol_vpr',
        description='Visual place recognition: builds maps of places and finds images in them.',
        epilog='`fol_vpr VERB --help` tells more about a verb.',
        allow_abbrev=False,
    )
    parser.add_argument('--version', action='version', version=f'fol_vpr {__version__}')
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    called = next((word for word in argv if not word.startswith('-')), None)
    module = None
    for verb, help_text in VERBS.items():
        subparser = verbs.add_parser(
            verb, help=help_text, description=help_text, allow_abbrev=False
        )
        if verb == called:
            module = importlib.import_module(f'fol_vpr.cli.{verb}')
            module.add_arguments(subparser)
    return parser.parse_args(argv), module


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Within it SIGTERM raises, so that a half-done build says what it leaves behind."""

    def raise_terminated(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


if __name__ == '__main__':
    sys.exit(main())
