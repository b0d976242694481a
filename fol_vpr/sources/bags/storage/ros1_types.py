"""Converts messages of ROS 1 to those of ROS 2, with the converter of rosbags."""

from __future__ import annotations

import logging
from functools import cached_property

from rosbags.convert.converter import (
    STATIC_MSGTYPE_RENAMES,
    is_same_wireformat,
    migrate_bytes,
)
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from fol_vpr.files import printable

_EMPTY_CDR = b'\0\1\0\0'
_HEADER = 'std_msgs/msg/Header'

log = logging.getLogger(__name__)


def ros2_type(name: str) -> str:
    """The name in ROS 2 of a type of ROS 1, which differs for tf/tfMessage alone."""
    return str(STATIC_MSGTYPE_RENAMES.get(name, name))


class Ros1Converter:
    """Converts the messages of one type.

    `seq` of the header is left out; times keep their bits. Fields that ROS 2 has under another
    name, such as D, K, R, P of CameraInfo, take their values; fields that only ROS 2 has are zero.
    A type that `target` does not know keeps its definition, with the header of ROS 2.

    Args:
        msgtype: in ROS 1, with /msg/, such as tf/msg/tfMessage.
        definition: the text in the recording; where it cannot be parsed, the type is taken to be
            that of ROS Noetic, or of ROS 2 with the header of ROS 1.
        target: the types of ROS 2.
    """

    def __init__(self, msgtype: str, definition: str, target: Typestore) -> None:
        self._msgtype = msgtype
        self._name = ros2_type(msgtype)
        self._definition = definition
        self._known = target
        self._cache: dict[str, object] = {}
        self._has_failed = False

    def to_cdr(self, data: bytes) -> bytes:
        """A message as ROS 2 serialises it.

        Args:
            data: as ROS 1 serialises it.

        Returns:
            The message. One that does not fit its definition becomes an empty one, which does not
            fit either: damage is met where the message is deserialised, as with ROS 2, so that
            one damaged message does not end the reading of a bag.
        """
        try:
            return self._convert(data)
        except Exception as error:  # noqa: BLE001 - rosbags raises exceptions of many types
            if not self._has_failed:
                log.warning(
                    'a message of %s does not fit the definition of its type (%s), and is taken '
                    'as damaged',
                    printable(self._msgtype),
                    printable(str(error)),
                )
            self._has_failed = True
            return _EMPTY_CDR

    def _convert(self, data: bytes) -> bytes:
        if self._is_same:
            return bytes(self._target.ros1_to_cdr(data, self._name))
        return bytes(
            migrate_bytes(
                self._source,
                self._target,
                self._msgtype,
                self._name,
                self._cache,
                data,
                src_is2=False,
                dst_is2=True,
            )
        )

    @cached_property
    def _source(self) -> Typestore:
        store = get_typestore(Stores.EMPTY)
        is_known = self._name in self._known.fielddefs
        try:
            # An empty definition, which is that of an empty type too, leaves a known one as it is.
            if self._definition.strip() or not is_known:
                store.register(get_types_from_msg(self._definition, self._msgtype))
                return store
        except TypesysError:
            if not is_known:
                raise
        noetic = get_typestore(Stores.ROS1_NOETIC).fielddefs
        store.register({**self._known.fielddefs, **noetic})
        store.register({self._msgtype: store.fielddefs[self._name]})
        return store

    @cached_property
    def _target(self) -> Typestore:
        if self._name in self._known.fielddefs:
            return self._known
        header = {_HEADER: self._known.fielddefs[_HEADER]}
        store = get_typestore(Stores.EMPTY)
        store.register({**self._source.fielddefs, **header})
        return store

    @cached_property
    def _is_same(self) -> bool:
        return is_same_wireformat(self._source, self._target, self._msgtype, self._name)
