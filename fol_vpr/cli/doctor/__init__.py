"""The verb `fol_vpr doctor`: finds what keeps a robot from recognising places."""

from __future__ import annotations

import argparse

from fol_vpr.cli.doctor.options import add_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    # Not for --help, which should take no time.
    from fol_vpr.cli.doctor.command import run_doctor

    return run_doctor(args)
