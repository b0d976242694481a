"""The verb `fol_vpr bag`: writes, plays, records and lists bags."""

from fol_vpr.cli.bag.command import add_arguments, run

__all__ = ['add_arguments', 'run']
