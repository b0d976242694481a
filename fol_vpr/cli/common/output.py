"""What all verbs print alike: results on stdout, all else on stderr; --json and --quiet."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from fol_vpr.cli.common.terminal import is_quiet
from fol_vpr.cli.examples import EXAMPLES
from fol_vpr.errors import StorageError
from fol_vpr.files import atomic_text

STDOUT = '-'
"""The value of --json where the JSON goes to stdout."""
MAX_USAGE = 6
"""Most lines of a usage that names every option."""


class Parser(argparse.ArgumentParser):
    """A parser with --quiet, also for the verbs below it, and with a --json that may name a file.

    A usage of more than `MAX_USAGE` lines names only what is required; the help of the verbs in
    `EXAMPLES` ends with commands.

    argparse would take the word after `--json` for the file, and so the image of
    `fol_vpr query --json IMAGE`. Here a parser with positional arguments takes it only where it
    ends in .json.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{'allow_abbrev': False, **settings})
        # Without a default of its own, so that a verb does not undo `fol_vpr --quiet VERB`.
        self.add_argument(
            '-q',
            '--quiet',
            action='store_true',
            default=argparse.SUPPRESS,
            help='print no progress and no remarks on stderr; warnings and errors are printed',
        )

    def parse_known_args(  # type: ignore[override]
        self, args: list[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """See argparse."""
        words = list(sys.argv[1:] if args is None else args)
        if '--json' in self._option_string_actions:
            words = self._with_file_of_json(words)
        return super().parse_known_args(words, namespace)

    def format_usage(self) -> str:
        """See argparse."""
        return self._with_short_usage(super().format_usage)

    def format_help(self) -> str:
        """See argparse."""
        text = self._with_short_usage(super().format_help)
        if commands := EXAMPLES.get(self.prog, ()):
            lines = [f'  {line}' for each in commands for line in each.splitlines()]
            text += '\n'.join(['', 'examples:', *lines, ''])
        return text

    def _with_short_usage(self, format_it: Callable[[], str]) -> str:
        if self.usage is not None or super().format_usage().count('\n') <= MAX_USAGE:
            return format_it()
        groups = [group for group in self._mutually_exclusive_groups if group.required]
        needed = [action for group in groups for action in group._group_actions]
        shown = [a for a in self._actions if a.required or a in needed]
        rest = argparse.Action([], 'options', metavar='[options]')
        formatter = self._get_formatter()
        formatter.add_usage(None, [*shown, rest], groups, prefix='usage: ')
        self.usage = formatter.format_help().strip().removeprefix('usage: ').replace('%', '%%')
        try:
            return format_it()
        finally:
            self.usage = None

    def _with_file_of_json(self, words: list[str]) -> list[str]:
        end = words.index('--') if '--' in words else len(words)
        joined: list[str] = []
        taken = False
        for position, word in enumerate(words):
            if taken:
                taken = False
            elif word != '--json' or position >= end:
                joined.append(word)
            else:
                following = words[position + 1] if position + 1 < end else ''
                taken = self._is_file_of_json(following)
                joined.append(f'--json={following if taken else STDOUT}')
        return joined

    def _is_file_of_json(self, word: str) -> bool:
        if not word or (word.startswith('-') and word != STDOUT):
            return False
        positionals = [action for action in self._actions if not action.option_strings]
        if any('.json' in str(action.metavar) for action in positionals):
            # The word may be an input, which must not be overwritten: --json=FILE names the file.
            return False
        return not positionals or word == STDOUT or word.endswith('.json')


def add_json(parser: argparse._ActionsContainer, what: str = 'the results') -> None:
    """Add `--json [FILE]`, to be used with `show_results`, `write_json`, `write_document` or
    `json_lines`.

    Args:
        parser: of the verb.
        what: what the JSON holds, in words.
    """
    parser.add_argument(
        '--json',
        nargs='?',
        const=STDOUT,
        metavar='FILE.json',
        help=f'print {what} as JSON in place of text; with a name that ends in .json, or as '
        '--json=FILE, write the JSON to a file, and the text to stdout as always',
    )


def show_results(
    args: argparse.Namespace, value: Callable[[], Any], text: Callable[[], str]
) -> None:
    """Print the results of a verb as text, as JSON, or as text with the JSON in a file.

    Args:
        args: of the command line; `json` is None, STDOUT or the name of a file.
        value: makes the results in the types of JSON, in dataclasses or arrays; NaN and
            infinities become null, and what else JSON does not have its text.
        text: makes the same as text, without the end of the last line; an empty one is not
            printed.

    Raises:
        StorageError: the file cannot be written.
    """
    if args.json != STDOUT and (lines := text()):
        print(lines, flush=True)
    write_json(args, value)


def write_json(args: argparse.Namespace, value: Callable[[], Any]) -> None:
    """Print or write the JSON of `show_results`, for a verb that prints its text itself.

    Raises:
        StorageError: the file cannot be written.
    """
    write_document(args, lambda file: file.write(as_json(value()) + '\n'))


def write_document(args: argparse.Namespace, write: Callable[[TextIO], object]) -> None:
    """Let `write` print or write the JSON, where it has a form of its own.

    Raises:
        StorageError: the file cannot be written.
    """
    if args.json == STDOUT:
        write(sys.stdout)
        sys.stdout.flush()
    elif args.json is not None:
        with atomic_text(args.json) as file:
            write(file)


@contextmanager
def json_lines(args: argparse.Namespace) -> Iterator[Callable[[Any], None]]:
    """Yields a function that adds a line of JSON: to stdout, to the file of --json, or nowhere.

    Raises:
        StorageError: the file cannot be written.
    """
    if args.json == STDOUT:
        yield lambda value: print(as_json(value, indent=None), flush=True)
    elif args.json is None:
        yield lambda value: None
    else:
        try:
            with open(args.json, 'w', encoding='utf-8', buffering=1) as file:
                yield lambda value: print(as_json(value, indent=None), file=file)
        except OSError as error:
            raise StorageError(
                f'{args.json} cannot be written: {error.strerror}; choose another folder or free '
                'space'
            ) from error


def show_produced(
    args: argparse.Namespace, value: Callable[[], Any], text: Callable[[], str]
) -> None:
    """`show_results`, with the version, the command and the date as `provenance` in the JSON.

    Args:
        args: of the command line.
        value: makes the results, a dataclass or a dict with names.
        text: as of `show_results`.
    """

    def with_provenance() -> dict[str, Any]:
        from fol_vpr.evaluation.results import Provenance

        return {'provenance': Provenance.of_this(args.command_line), **plain(value())}

    show_results(args, with_provenance, text)


def as_json(value: Any, indent: int | None = 2) -> str:
    """A value as JSON text; see `show_results`."""
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """A value in the types of JSON: null for NaN and infinities, the text of what it lacks."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {spec.name: plain(getattr(value, spec.name)) for spec in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str) else value.name
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if hasattr(value, 'tolist'):
        return plain(value.tolist())
    return str(value)


def say(args: argparse.Namespace, text: str) -> None:
    """Print a further line of the results; on stderr where stdout is for JSON alone."""
    if getattr(args, 'json', None) == STDOUT:
        remark(text)
    else:
        print(text, flush=True)


def remark(text: str) -> None:
    """Print on stderr what helps to follow what is done; not with --quiet."""
    if not is_quiet():
        print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print on stderr what makes results doubtful; also with --quiet."""
    print(f'WARNING: {text}', file=sys.stderr, flush=True)


def sentence(text: str) -> str:
    """A line of help as the sentence above the options of a verb."""
    return f'{text[0].upper()}{text[1:]}.'
