"""What a shell is offered for the values of options, by the names that help shows for them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from argcomplete import autocomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter
from argcomplete.lexers import split_line

from fol_vpr.errors import FolVprError

Completer = Callable[..., Iterable[str]]

_IMAGES = ('jpg', 'jpeg', 'png', 'bmp', 'webp', 'tif', 'tiff', 'ppm', 'pgm')
_BAGS = ('mcap', 'db3', 'bag', 'zstd')
# Words of help that are no file: numbers, and names that only the user knows.
_NOTHING = ('N', 'X', 'HZ', 'ID', 'NAME', 'TEXT', 'TIME', 'T0', 'URL', 'FROM:=TO', 'TYPE')
_FILES: dict[str, Sequence[str]] = {
    'MAP': ('folmap',),
    'M.folmap': ('folmap',),
    'R.folmap': ('folmap',),
    'BAG': _BAGS,
    'CSV': ('csv', 'txt'),
    'IMAGE': _IMAGES,
    'DIR_OR_BAG': _BAGS,
    'OUT.csv': ('csv',),
    'OUT.png': _IMAGES,
    'FILE.svg': ('svg',),
    'F.onnx': ('onnx',),
    'FILE.json': ('json',),
    'A.json': ('json',),
    'FILE.yaml': ('yaml', 'yml'),
}
# Options that name the recording whose topics are asked for.
_RECORDINGS = ('bag', 'queries', 'recording', 'images')


def complete(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Answer the shell that asks by the variables of argcomplete, and end the process.

    Args:
        parser: of the whole command line.
        words: before the cursor.
    """
    for action in _actions(parser):
        if not action.choices and (completer := _completer(action)) is not None:
            action.completer = completer  # type: ignore[attr-defined]
    # Where a value is expected the options, sixty with some verbs, would hide the files.
    autocomplete(
        parser, always_complete_options='long' if not _has_values(parser, words) else False
    )


def words_before_cursor(line: str, point: int) -> list[str]:
    """The words of a command line up to the cursor, without the program's name."""
    _, _, _, words, _ = split_line(line, point)
    return list(words[1:])


def _has_values(parser: argparse.ArgumentParser, words: Sequence[str]) -> bool:
    """Whether the verb that is typed has arguments that are no options."""
    positionals = [action for action in parser._actions if not action.option_strings]
    for action in positionals:
        if isinstance(action, argparse._SubParsersAction):
            chosen = next((word for word in words if word in action.choices), None)
            return chosen is None or _has_values(action.choices[chosen], words)
    return bool(positionals)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)


def _completer(action: argparse.Action) -> Completer | None:
    if action.dest == 'weights':
        return _weights
    if action.help is not None and action.help.startswith('weights to download'):
        return _releases
    metavar = action.metavar if isinstance(action.metavar, str) else ''
    if metavar in ('T', 'TOPIC'):
        return _topics
    if metavar == 'DIR':
        return DirectoriesCompleter()
    if metavar in _FILES:
        return FilesCompleter(_FILES[metavar])
    if metavar in _NOTHING or isinstance(action.metavar, tuple):
        return _nothing
    return None


def _nothing(**_: Any) -> tuple[str, ...]:
    """For numbers; argcomplete's own completer for nothing hides the option too."""
    return ()


def _weights(prefix: str, **_: Any) -> list[str]:
    """Names of weights, and files. Hashes are not checked, which takes seconds."""
    from fol_vpr.network.weights.registry import RELEASES, SHIPPED

    names = [name for name in (*SHIPPED, *RELEASES) if name.startswith(prefix)]
    return [*names, *FilesCompleter(('safetensors', 'pth', 'onnx'))(prefix)]


def _releases(prefix: str, **_: Any) -> list[str]:
    from fol_vpr.network.weights.registry import RELEASES

    return [name for name in RELEASES if name.startswith(prefix)]


def _topics(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Topics of the bag that is given on the line, such as those of images."""
    from fol_vpr.sources import Bag

    given = [getattr(parsed_args, name, None) for name in _RECORDINGS]
    found: list[str] = []
    for path in (str(each) for value in given for each in _listed(value)):
        try:
            found += Bag(path).topics if Path(path).exists() else ()
        except FolVprError:
            # Half-typed, or no bag: the command itself says what is wrong.
            continue
    return [topic for topic in found if topic.startswith(prefix)]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else () if value is None else (value,)
