"""Runs a command and prints its wall time, processor time and peak memory as a line of JSON.

Run as a file, by an interpreter that has imported nothing else: see `builds.measured`.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run `sys.argv[1:]`; its exit code."""
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        # What the command prints must not get between the figures.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 our own command
    _, status, used = os.wait4(pid, 0)
    figures = {
        'wall_s': time.perf_counter() - started,
        'cpu_s': used.ru_utime + used.ru_stime,
        'peak_mb': used.ru_maxrss / 1024,
    }
    print(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == '__main__':
    raise SystemExit(main())
