"""Options of `fol_vpr completion`, and the script that it prints."""

from __future__ import annotations

import argparse

from fol_vpr.errors import InputError

SHELLS = ('bash', 'zsh', 'fish', 'tcsh')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Print the script that lets a shell complete verbs, options and values: maps, bags and '
        'folders, choices, names of weights, and the topics of the bag that is given. The shell '
        'asks fol_vpr itself at each TAB, so that the script stays right with later versions.'
    )
    parser.add_argument('shell', choices=SHELLS, help='the shell that reads the script')
    parser.epilog = (
        'In ~/.bashrc: eval "$(fol_vpr completion bash)"; in ~/.zshrc, after compinit: eval '
        '"$(fol_vpr completion zsh)"; in ~/.config/fish/config.fish: fol_vpr completion fish | '
        'source'
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        raise InputError(
            'completion needs the package argcomplete: python3-argcomplete of apt, or pip install '
            'argcomplete'
        ) from error
    print(shellcode(['fol_vpr'], shell=args.shell))
    return 0
