"""What a process of `python -m` ends with."""

from __future__ import annotations

import signal

# Both are 130 in a shell. With `-m`, CPython 3.11 ends a process by SIGINT itself, even where the
# exception was caught and another code asked for, if Ctrl-C met code that `exec` was running: the
# dataclasses of rosbags while they are imported.
AFTER_SIGINT = {130, -signal.SIGINT}
