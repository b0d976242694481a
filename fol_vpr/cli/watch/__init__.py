"""The verb `fol_vpr watch`: shows what running nodes do."""

from fol_vpr.cli.watch.command import add_arguments, run

__all__ = ['add_arguments', 'run']
