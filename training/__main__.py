"""Entry point of `python -m training`: finds the verb, runs it, turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from fol_vpr.errors import FolVprError

VERBS = {
    'fit': 'learn from places, as a configuration says',
    'validate': 'measure the recall of weights',
    'export': 'turn a checkpoint of a run into weights that fol_vpr loads',
    'town': 'render images and drives of a synthetic town',
}

OK, USER_ERROR, INTERRUPTED = 0, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process where None.

    Returns:
        The exit code: 0 fine, 2 for what the user can mend, 130 after Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv[:1] == ['town']:
            return int(importlib.import_module('training.town.__main__').main(argv[1:]))
        args, module = _parse(argv)
        return int(module.run(args))
    except FolVprError as error:
        if '--debug' in argv:
            raise
        print(f'training: error: {error}', file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _parse(argv: list[str]) -> tuple[argparse.Namespace, ModuleType]:
    """Parse `argv`, importing the module of the one verb that is called and no other."""
    parser = argparse.ArgumentParser(
        prog='python -m training',
        description='Learns FoL networks for visual place recognition.',
        allow_abbrev=False,
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    called = next((word for word in argv if not word.startswith('-')), None)
    module = sys.modules[__name__]
    for verb, help_text in VERBS.items():
        subparser = verbs.add_parser(verb, help=help_text, allow_abbrev=False)
        if verb == called:
            module = importlib.import_module(f'training.commands.{verb}')
            module.add_arguments(subparser)
    return parser.parse_args(argv), module


if __name__ == '__main__':
    sys.exit(main())
