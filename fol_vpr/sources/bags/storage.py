"""Readers of bag storage: those of rosbags, extended to bags on which they fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.metadata import ReaderMetadata, parse_qos
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader


class _SqliteStorage(Sqlite3Reader):
    """The reader of rosbags, extended to files with types that have no definition.

    rosbag2 stores a type whose package the recorder did not have with the encoding '' or
    'unknown', on which rosbags fails.
    """

    def _open(self) -> None:
        try:
            super()._open()
        except KeyError:
            assert self.dbconn is not None
            counted = dict(
                self.dbconn.execute('SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id')
            )
            rows = self.dbconn.execute(
                'SELECT id, name, type, serialization_format, offered_qos_profiles FROM topics'
            )
            undefined = MessageDefinition(MessageDefinitionFormat.NONE, '')
            self.connections = [
                Connection(
                    int(number),
                    str(name),
                    str(msgtype),
                    undefined,
                    '',
                    int(counted.get(number, 0)),
                    ConnectionExtRosbag2(str(serialization), parse_qos(str(qos))),
                    self,
                )
                for number, name, msgtype, serialization, qos in rows
            ]
            total = sum(each.msgcount for each in self.connections)
            self.metadata = ReaderMetadata(0, 0, 0, total, None, None, None, None)


class _FolderStorage(DirectoryReader):
    """The reader of rosbags, changed to identify a topic by its name and type alone.

    rosbags silently yields no messages of a topic whose QoS differs between metadata.yaml and the
    storage, as in several of the bags that rosbag2 is tested with.
    """

    STORAGE_PLUGINS: Mapping[str, Any] = {'mcap': McapReader, 'sqlite3': _SqliteStorage}

    def open(self) -> None:
        super().open()
        described = {(each.topic, each.msgtype): each for each in self.connections}
        for storage in self.storages:
            storage.connections = [
                each._replace(ext=described[each.topic, each.msgtype].ext, digest='')
                for each in storage.connections
                if (each.topic, each.msgtype) in described
            ]


class BagReader(Reader):
    """The reader of rosbags, with the storage formats above."""

    STORAGE_PLUGINS: Mapping[str, Any] = {
        'dir': _FolderStorage,
        '.mcap': McapReader,
        '.db3': _SqliteStorage,
    }
