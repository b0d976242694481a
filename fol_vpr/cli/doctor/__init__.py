"""The verb `fol_vpr doctor`: finds what keeps a robot from recognising places."""

from fol_vpr.cli.doctor.command import add_arguments, run

__all__ = ['add_arguments', 'run']
