"""The verb `fol_vpr completion`: prints what lets a shell complete verbs, options and values."""

from fol_vpr.cli.completion.command import add_arguments, run

__all__ = ['add_arguments', 'run']
