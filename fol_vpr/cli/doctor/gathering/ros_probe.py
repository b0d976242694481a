"""Imports rclpy and starts a node, in a process of its own (`ros.py` starts it).

rcl ends the process that imports it where RMW_IMPLEMENTATION is another middleware than is
installed, and Fast DDS the process that starts a node in a domain over 232: both without an
exception.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys

from fol_vpr.ros.doctor.environment import ros_facts, start_error


def main() -> None:
    """Write the facts to stdout as lines of JSON, the last of them with why no node starts."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), 'w', encoding='utf-8')
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    facts = ros_facts()
    while True:
        out.write(json.dumps(dataclasses.asdict(facts)) + '\n')
        out.flush()
        if facts.error or facts.started:
            break
        facts = dataclasses.replace(facts, started=True, start_error=start_error())
    # What the middleware does at the end is of no interest here, and can hang.
    os._exit(0)


if __name__ == '__main__':
    main()
