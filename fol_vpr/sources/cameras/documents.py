"""Reads the text of a calibration file as mappings and lists, within bounds.

YAML as ROS, Kalibr and OpenCV's FileStorage write it, JSON and OpenCV's XML. Nothing in a file is
executed, and no alias is expanded beyond the size of the file itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from typing import Any
from xml.parsers import expat

import yaml

from fol_vpr.errors import InputError
from fol_vpr.files import printable

MAX_DEPTH = 20
"""Levels of nesting; real calibrations have five."""
MAX_NODES = 20_000
"""Keys and values of YAML: files of OpenCV list the corners of each image beside the camera."""
_MAX_DIGITS = 400
_TAG = 'tag:yaml.org,2002:'
# Printed messages: `array('d', [0.1, 0.2])` of Python, and numpy's `array([0.1, 0.2])`.
_PYTHON_ARRAY = re.compile(r'\barray\(\s*(?:\'[a-z]\'\s*,\s*)?(\[[^\[\]()]*\])[^()]*\)')
# OpenCV's first line `%YAML:1.0`, which is no directive of YAML, and `key:1` without a blank,
# which is no mapping.
_DIRECTIVE = re.compile(r'^%YAML.*$', re.MULTILINE)
_TIGHT = re.compile(r'^([ ]*[A-Za-z_][\w.]*):(?=[^\s:/])', re.MULTILINE)
_NUMBER = r'[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?'


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain YAML: mappings, lists, texts and decimal numbers.

    YAML 1.1, which PyYAML reads, takes 1e-05 for a text, 010 for eight and 1:30 for ninety.
    """

    depth = 0
    nodes = 0
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise yaml.YAMLError(f'it has more than {MAX_NODES} values')
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(f'it is nested deeper than {MAX_DEPTH} levels')
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.YAMLError('a key is a list or a mapping')
            _add(found, key, self.construct_object(value_node, deep=True))
        return found


def _add(found: dict[Any, Any], key: Any, value: Any) -> None:
    """Add a value to a mapping, which may have it already if it is the same.

    Raises:
        ValueError: it has another one.
    """
    # Lists are not compared: aliases can make that endless.
    same = isinstance(value, (str, int, float)) and found.get(key, value) == value
    if key in found and not same:
        raise ValueError(f'{printable(str(key))} stands there twice')
    found[key] = value


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        _add(found, key, value)
    return found


def _matrix(loader: _Loader, node: yaml.Node) -> Any:
    return loader.construct_mapping(node)


def _integer(loader: _Loader, node: Any) -> int:
    text = str(loader.construct_scalar(node))
    if len(text) > _MAX_DIGITS:
        raise yaml.YAMLError(f'a number has {len(text)} digits')
    return int(text)


def _float(loader: _Loader, node: Any) -> float:
    text = str(loader.construct_scalar(node)).lower().replace('.inf', 'inf')
    return float(text.replace('.nan', 'nan'))


for _first in '-+0123456789':
    _Loader.yaml_implicit_resolvers.setdefault(_first, []).append(
        (f'{_TAG}int', re.compile(r'^[-+]?\d+$'))
    )
for _first in '-+.0123456789':
    _Loader.yaml_implicit_resolvers.setdefault(_first, []).append(
        (f'{_TAG}float', re.compile(rf'^(?:{_NUMBER}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$'))
    )
_Loader.add_constructor(f'{_TAG}int', _integer)
_Loader.add_constructor(f'{_TAG}float', _float)
_Loader.add_constructor(f'{_TAG}opencv-matrix', _matrix)
_Loader.add_constructor(f'{_TAG}map', _matrix)


def read_documents(text: str) -> list[dict[str, Any]]:
    """The mappings that a text holds: one, or several YAML documents.

    Args:
        text: of the file.

    Raises:
        InputError: the text is no such document; the message says which and why, without the name
            of the file.
    """
    start = text.lstrip()
    if start.startswith('<'):
        return [_read_xml(start)]
    if start.startswith('{') and (found := _read_json(text)) is not None:
        return [found]
    return _read_yaml(text)


def _read_yaml(text: str) -> list[dict[str, Any]]:
    plain = _PYTHON_ARRAY.sub(r'\1', _DIRECTIVE.sub('', text).replace('\t', '    '))
    if _DIRECTIVE.match(text.lstrip()):
        plain = _TIGHT.sub(r'\1: ', plain)
    try:
        documents = list(yaml.load_all(plain, _Loader))
    except RecursionError as error:
        raise InputError('is no YAML: it is nested too deeply') from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f'is no YAML ({_first_line(error)})') from error
    return [each for each in documents if isinstance(each, dict)]


def _read_json(text: str) -> dict[str, Any] | None:
    """The object of a JSON text; None if it is none, as YAML may begin with a brace as well."""
    try:
        found = json.loads(_without_comments(text), object_pairs_hook=_json_object)
    except (ValueError, RecursionError):
        return None
    if _depth_exceeded(found, MAX_DEPTH):
        raise InputError(f'is no calibration: it is nested deeper than {MAX_DEPTH} levels')
    return found if isinstance(found, dict) else None


def _without_comments(text: str) -> str:
    """JSON without the comments that OpenCV allows: /* ... */, and lines of //."""
    kept, at = [], 0
    while (start := text.find('/*', at)) >= 0 and (end := text.find('*/', start)) >= 0:
        kept.append(text[at:start])
        at = end + 2
    lines = ''.join([*kept, text[at:]]).split('\n')
    return '\n'.join(line for line in lines if not line.lstrip().startswith('//'))


def _depth_exceeded(value: Any, left: int) -> bool:
    inner: Iterator[Any] = iter(())
    if isinstance(value, dict):
        inner = iter(value.values())
    elif isinstance(value, list):
        inner = iter(value)
    return left < 0 or any(_depth_exceeded(each, left - 1) for each in inner)


def _read_xml(text: str) -> dict[str, Any]:
    """The mapping of OpenCV's XML; texts of blanks and numbers become lists."""
    root: dict[str, Any] = {}
    levels: list[tuple[dict[str, Any], list[str]]] = [(root, [])]

    def begin(name: str, _: dict[str, str]) -> None:
        if len(levels) > MAX_DEPTH:
            raise InputError(f'is no calibration: it is nested deeper than {MAX_DEPTH} levels')
        levels.append(({}, []))

    def end(name: str) -> None:
        children, words = levels.pop()
        parent = levels[-1][0]
        if name in parent and name != '_':
            raise InputError(f'is no calibration: {printable(name)} stands there twice')
        parent[name] = children or _scalar_or_list(''.join(words))

    def refuse(*_: Any) -> None:
        raise InputError('is no calibration: its XML declares a document type')

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = lambda part: levels[-1][1].append(part)
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise InputError(f'is no XML ({error})') from error
    storage = root.get('opencv_storage')
    if not isinstance(storage, dict):
        raise InputError('is XML, but not of OpenCV: it has no opencv_storage')
    return storage


def _scalar_or_list(text: str) -> Any:
    words = text.split()
    numbers = [float(word) if re.fullmatch(_NUMBER, word) else word for word in words]
    return numbers[0] if len(numbers) == 1 else numbers if len(numbers) > 1 else ''


def _first_line(error: Exception) -> str:
    mark = getattr(error, 'problem_mark', None)
    said = getattr(error, 'problem', None) or str(error).partition('\n')[0]
    return printable(said) + (f', line {mark.line + 1}' if mark is not None else '')
