"""The verb `fol_vpr demo`: runs all steps from images to an evaluation."""

from fol_vpr.cli.demo.command import add_arguments, run

__all__ = ['add_arguments', 'run']
