"""Reads of a profile of Fast DDS what it means for large messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from fol_vpr.errors import InputError

_DEFAULT_SEGMENT = 512 * 1024
"""Bytes of a segment of shared memory where a profile names none (Fast DDS, SHM transport)."""


@dataclass(frozen=True)
class Profile:
    """The transports of the participants that are created under a profile.

    Attributes:
        has_default: whether it has a default profile of participants; without one ROS ignores it.
        shared_memory: whether messages may go through shared memory.
        segment_size: bytes of a participant's segment.
        max_message_size: bytes of the largest message in shared memory; 0 where it is not named.
        network: whether messages may go over the network.
    """

    has_default: bool
    shared_memory: bool
    segment_size: int
    max_message_size: int
    network: bool


def read_profile(text: str) -> Profile:
    """Read a profile.

    Args:
        text: XML, of Fast DDS 2 or 3.

    Raises:
        InputError: it is no XML, or no profile of Fast DDS.
    """
    if '<!DOCTYPE' in text or '<!ENTITY' in text:
        raise InputError('its XML declares a document type, expected a plain profile')
    try:
        root = ET.fromstring(text)  # noqa: S314 without a document type nothing expands
    except ET.ParseError as error:
        raise InputError(f'it is no XML ({error})') from error
    if _name(root) not in ('dds', 'profiles'):
        raise InputError(f'its root is <{_name(root)}>, expected <dds> or <profiles>')
    descriptors = {
        _text(each, 'transport_id'): each for each in _every(root, 'transport_descriptor')
    }
    participants = [
        each
        for each in _every(root, 'participant')
        if each.get('is_default_profile', '').lower() == 'true'
    ]
    if not participants:
        return Profile(False, True, _DEFAULT_SEGMENT, 0, True)
    chosen = participants[-1]
    used = [
        descriptors[name]
        for each in _every(chosen, 'userTransports')
        for item in each
        if (name := (item.text or '').strip()) in descriptors
    ]
    missing = [
        name
        for each in _every(chosen, 'userTransports')
        for item in each
        if (name := (item.text or '').strip()) not in descriptors
    ]
    if missing:
        raise InputError(f'its participant names the transport {missing[0]}, which is not defined')
    memory = [each for each in used if _text(each, 'type') == 'SHM']
    builtin = _text(chosen, 'useBuiltinTransports').lower() != 'false'
    kind = (_text(chosen, 'builtinTransports') or 'DEFAULT').upper()
    builtin_memory = builtin and kind in ('DEFAULT', 'SHM', 'LARGE_DATA', 'LARGE_DATAV6')
    network = any(_text(each, 'type') != 'SHM' for each in used)
    sizes = [_number(each, 'segment_size', _DEFAULT_SEGMENT) for each in memory]
    return Profile(
        has_default=True,
        shared_memory=bool(memory) or builtin_memory,
        segment_size=max(sizes, default=_DEFAULT_SEGMENT),
        max_message_size=max((_number(e, 'maxMessageSize', 0) for e in memory), default=0),
        network=network or (builtin and kind not in ('SHM', 'NONE')),
    )


def _name(element: ET.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition('}')[2]


def _every(root: ET.Element, name: str) -> Iterator[ET.Element]:
    return (each for each in root.iter() if _name(each) == name)


def _text(root: ET.Element, name: str) -> str:
    found = next(_every(root, name), None)
    return '' if found is None else (found.text or '').strip()


def _number(root: ET.Element, name: str, default: int) -> int:
    text = _text(root, name)
    if not text:
        return default
    if not text.isdecimal():
        raise InputError(f'its {name} is {text[:40]!r}, expected a number of bytes')
    return int(text)
