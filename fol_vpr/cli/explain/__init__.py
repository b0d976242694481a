"""The verb `fol_vpr explain`: shows what the network looks at in an image."""

from fol_vpr.cli.explain.command import add_arguments, run

__all__ = ['add_arguments', 'run']
