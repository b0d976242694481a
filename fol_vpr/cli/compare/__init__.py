"""The verb `fol_vpr compare`: results of the same queries side by side."""

from fol_vpr.cli.compare.command import add_arguments, run

__all__ = ['add_arguments', 'run']
