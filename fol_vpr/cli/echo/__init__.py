"""The verb `fol_vpr echo`: prints the messages of a topic."""

from fol_vpr.cli.echo.command import add_arguments, run

__all__ = ['add_arguments', 'run']
