"""The .db3 files of rosbag2: old schemas, missing indexes, and databases of something else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from helpers.source_files import SECOND, bag, pose, storage_file, text

from fol_vpr.errors import InputError
from fol_vpr.sources import Bag, deserialize


def drive(path: Path) -> Path:
    """Written in another order than that of reception."""
    order = [3, 1, 2, 5, 4]
    messages = [pose(place * SECOND, (place, 0, 0)) for place in order]
    return storage_file(bag(path, [*messages, text(SECOND)]))


@contextmanager
def changed(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as database:
        yield database
        database.commit()


@pytest.mark.parametrize(
    'change',
    [
        '',
        'DROP INDEX timestamp_idx',
        'DROP TABLE message_definitions',
        'DROP TABLE schema; DROP TABLE metadata; DROP TABLE message_definitions; '
        'ALTER TABLE topics DROP COLUMN type_description_hash; '
        'ALTER TABLE topics DROP COLUMN offered_qos_profiles',
        "UPDATE topics SET offered_qos_profiles = '{ no yaml'",
        "UPDATE message_definitions SET encoding = 'unknown'",
    ],
)
def test_every_schema(tmp_path: Path, change: str) -> None:
    file = drive(tmp_path / 'monday')
    with changed(file) as database:
        database.executescript(change)
    bag_read = Bag(file)
    read = [deserialize(each).pose.position.x for each in bag_read.read(['/pose'])]
    assert read == [1, 2, 3, 4, 5]
    assert bag_read.topics['/chatter'].count == 1


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ('UPDATE messages SET topic_id = 9 WHERE timestamp = 2000000000', '1 messages belong to'),
        ("UPDATE messages SET data = 'text'", 'has no time or no data'),
        ("UPDATE messages SET timestamp = 'noon'", 'ValueError'),
    ],
)
def test_row_that_rosbag2_never_writes(tmp_path: Path, change: str, said: str) -> None:
    file = drive(tmp_path / 'monday')
    with changed(file) as database:
        database.executescript(change)
    with pytest.raises(InputError, match=rf'({said}).*\.recover'):
        list(Bag(file).read(['/pose']))


def test_database_of_something_else(tmp_path: Path) -> None:
    file = tmp_path / 'map.db3'
    with changed(file) as database:
        database.execute('CREATE TABLE places (id INTEGER)')
    with pytest.raises(
        InputError, match=r'no bag: it has no tables topics and messages'
    ) as caught:
        Bag(file)
    assert 'recover' not in str(caught.value)


def test_view_in_place_of_a_table(tmp_path: Path) -> None:
    """A view can be a query that never ends; rosbag2 writes tables."""
    file = drive(tmp_path / 'monday')
    with changed(file) as database:
        database.executescript(
            'ALTER TABLE messages RENAME TO others; CREATE VIEW messages AS SELECT * FROM others'
        )
    with pytest.raises(InputError, match='no bag'):
        Bag(file)
