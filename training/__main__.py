"""Entry point of `python -m training`: finds the verb, runs it, turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from fol_vpr.cli.common.console import check_writable
from fol_vpr.cli.common.output import STDOUT, Parser
from fol_vpr.cli.common.terminal import printable_output, quietly
from fol_vpr.errors import FolVprError
from fol_vpr.openmp import wait_briefly

VERBS = {
    'fit': 'learn from places, as a configuration says',
    'validate': 'measure the recall of weights',
    'export': 'turn a checkpoint of a run into weights that fol_vpr loads',
    'enlarge': 'write what fol_small begins to learn with',
    'photographs': 'make places of photographs in public repositories',
    'town': 'render images and drives of a synthetic town',
}

# The town needs none of what training is installed with.
MODULES = {'town': 'training.town.commands'}

OK, USER_ERROR, INTERRUPTED = 0, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process where None.

    Returns:
        The exit code: 0 fine, 2 for what the user can mend, 130 after Ctrl-C.
    """
    wait_briefly()
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args, module = _parse(argv)
        with printable_output(), quietly(args.quiet):
            if getattr(args, 'json', None) not in (None, STDOUT):
                check_writable(args.json)
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
    parser = Parser(
        prog='python -m training',
        description='Learns FoL networks for visual place recognition.',
    )
    parser.set_defaults(quiet=False)
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
    called = next((word for word in argv if not word.startswith('-')), None)
    module = sys.modules[__name__]
    for verb, help_text in VERBS.items():
        subparser = verbs.add_parser(verb, help=help_text)
        if verb == called:
            module = importlib.import_module(MODULES.get(verb, f'training.commands.{verb}'))
            module.add_arguments(subparser)
    return parser.parse_args(argv), module


if __name__ == '__main__':
    sys.exit(main())
