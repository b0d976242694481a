"""What the values of launch arguments mean, and which names nobody has; needs no `launch`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.files import check_regular_file
from fol_vpr.ros.launching.arguments import LEFT, NONE

TRANSPORTS = {'/compressed': 'compressed', '/ffmpeg': 'ffmpeg', '/video': 'video'}
# Of other packages, which name an argument `map` too: nav2, slam_toolbox, RTAB-Map.
FOREIGN_MAPS = ('.yaml', '.yml', '.pgm', '.png', '.bmp', '.posegraph', '.pbstream', '.db')
# `ros2 launch` itself and the actions of `launch` read these.
OF_LAUNCH = frozenset({
    'launch-prefix', 'launch-prefix-filter', 'emulate_tty', 'sigterm_timeout', 'sigkill_timeout',
    'ros_namespace', 'global_params', 'ros_remaps', 'ros_params',
})  # fmt: skip
SIMILAR = 0.75


def is_left(value: str, *words: str) -> bool:
    """Whether a value is a word that leaves the setting alone, or empty, as an include may give.

    Args:
        value: of the argument.
        words: further words that do.
    """
    return value.strip().lower() in ('', LEFT, *words)


def is_none(value: str) -> bool:
    """Whether a value is the word for nothing, or empty."""
    return value.strip().lower() in ('', NONE)


def flag(name: str, value: str) -> bool:
    """The truth value of an argument.

    Raises:
        InputError: it is neither true nor false.
    """
    words = {'true': True, '1': True, 'false': False, '0': False}
    if value.strip().lower() not in words:
        raise InputError(f'{name} is {value!r}, expected true or false')
    return words[value.strip().lower()]


def output_map(value: str) -> str:
    """The absolute path of a map that is to be written.

    Raises:
        InputError: it does not end in .folmap, or its folder is not there.
    """
    path = Path(expanded(value)).absolute()
    if path.suffix != '.folmap':
        raise InputError(f'output is {value}, expected a path that ends in .folmap')
    if not path.parent.is_dir():
        raise InputError(f'output is {value}, but there is no folder {path.parent}: make it first')
    return str(path)


def output_folder(value: str) -> Path:
    """The absolute path of a folder for results, which is made.

    Raises:
        InputError: it cannot be made.
    """
    path = Path(expanded(value)).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'output is {value}, which cannot be made: {error.strerror}') from error
    return path


def number(name: str, value: str) -> float:
    """The value of an argument in seconds or the like, 0 or more.

    Raises:
        InputError: it is no such number.
    """
    try:
        read = float(value)
    except ValueError:
        read = -1.0
    if not 0 <= read < float('inf'):
        raise InputError(f'{name} is {value!r}, expected a number from 0 on')
    return read


def expanded(value: str) -> str:
    """A path with ~ replaced: no shell replaces it behind `:=`.

    Raises:
        InputError: there is no such user.
    """
    try:
        return str(Path(value).expanduser())
    except RuntimeError as error:
        raise InputError(f'{value} is no path: {error}') from error


def readable_file(name: str, value: str, what: str) -> str:
    """The absolute path of a file that an argument names.

    Args:
        name: of the argument.
        value: its value.
        what: the file is, with its article.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    path = Path(expanded(value)).absolute()
    try:
        check_regular_file(path, what)
    except FolVprError as error:
        raise InputError(f'{name}:={value}: {error}') from error
    return str(path)


def map_path(value: str) -> str:
    """The map that an argument names; one that lies in the working folder as an absolute path.

    Raises:
        InputError: the ending is that of a map of another package.
    """
    if Path(value).suffix.lower() in FOREIGN_MAPS:
        raise InputError(
            f'map is {value}, a file of another package, expected a .folmap. If a parent launch '
            'file has an argument `map` of its own, give this one by name, map:=SITE.folmap or '
            'map:=none, and include this launch file in a group with scope (GroupAction)'
        )
    path = Path(expanded(value))
    # Another relative path starts at the parameter map_folder.
    return str(path.absolute() if path.exists() else path)


def image_topics(topic: str, transport: str) -> tuple[str, str]:
    """The topic without the ending of a transport, and the transport that is to be used.

    Args:
        topic: the argument image_topic.
        transport: the argument image_transport; empty where it is not given.

    Returns:
        Base topic, and transport, which is empty where the node decides.

    Raises:
        InputError: the topic is no name, or the transport is unknown or contradicts it.
    """
    if not re.fullmatch(r'(?:~/|/)?[\w{}][\w/{}]*(?<!/)', topic) or '//' in topic:
        raise InputError(f'image_topic is {topic!r}, expected a topic such as /camera/image_raw')
    known = ('auto', 'raw', *TRANSPORTS.values())
    if transport and transport not in known:
        raise InputError(f'image_transport is {transport!r}, expected one of {", ".join(known)}')
    for ending, of_ending in TRANSPORTS.items():
        base = topic.removesuffix(ending)
        if base in ('', topic) or transport == 'raw':
            continue
        if transport not in ('', 'auto', of_ending):
            raise InputError(
                f'image_topic is {topic}, but image_transport {transport}: give the topic without '
                f'{ending}, or image_transport:={of_ending}'
            )
        return base, of_ending
    return topic, transport


# ---- namespaces


def doubled_namespace(pushed: str, namespace: str, node: str) -> str:
    """What to tell of a namespace that a parent launch file has pushed already; or nothing.

    Args:
        pushed: by the parent.
        namespace: the argument; it is appended to the other one unless it begins with /.
        node: name of the node.
    """
    pushed = pushed.rstrip('/')
    if not namespace or namespace.startswith('/') or not f'/{pushed}'.endswith(f'/{namespace}'):
        return ''
    pushed = '/' + pushed.lstrip('/')
    return (
        f'namespace is {namespace}, within the namespace {pushed} that a parent launch file has '
        f'pushed: the node is {pushed}/{namespace}/{node}. For {pushed}/{node} give '
        'namespace:=none'
    )


# ---- what was given


def unused_names(
    given: Collection[str], declared: Sequence[str], *, is_included: bool
) -> list[tuple[str, str]]:
    """Names that were given as arguments and that no argument has.

    Args:
        given: names; those of a parent launch file too, where this one is included.
        declared: names of the arguments of this launch file.
        is_included: whether a parent launch file includes this one. It has arguments of its own,
            so that a name is then told only where it looks like a misspelt one.

    Returns:
        Each such name, and the argument that was probably meant, or an empty text.
    """
    found = []
    for name in given:
        if name in declared or name in OF_LAUNCH:
            continue
        meant = _meant(name, declared)
        if meant or not is_included:
            found.append((name, meant))
    return found


def _meant(name: str, declared: Sequence[str]) -> str:
    swapped = [other for other in declared if sorted(other) == sorted(name)]
    return next(iter(swapped or difflib.get_close_matches(name, declared, 1, SIMILAR)), '')
