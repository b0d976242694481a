"""`python -m training.town`, which is `python -m training town` now."""

from __future__ import annotations

import shlex
import sys

USER_ERROR = 2

if __name__ == '__main__':
    command = shlex.join(['python', '-m', 'training', 'town', *sys.argv[1:]])
    print(f'training.town: error: this is a verb of training now: {command}', file=sys.stderr)
    sys.exit(USER_ERROR)
