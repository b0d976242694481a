"""`python -m training.town`: the town's commands without the rest of the training."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fol_vpr.errors import FolVprError
from training.town import commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 where it went well, 2 where what was given cannot be used."""
    parser = argparse.ArgumentParser(prog='python -m training.town', description=commands.__doc__)
    commands.add_arguments(parser)
    options = parser.parse_args(argv)
    try:
        return commands.run(options)
    except FolVprError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    raise SystemExit(main())
