"""Reads the metadata.yaml of a bag, of every release of rosbag2."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fol_vpr.errors import InputError
from fol_vpr.files import printable, read_text

METADATA = 'metadata.yaml'
NEWEST_VERSION = 9
"""Of the metadata that ROS 2 Jazzy and Kilted write."""

_UNCOMPRESSED = ('', 'none')
_ROOT = 'rosbag2_bagfile_information'


@dataclass
class BagMetadata:
    """What metadata.yaml says, as far as it is needed.

    Attributes:
        storage: identifier of the storage plugin, such as mcap.
        paths: of the files, as written.
        compression: format of compressed files or messages, such as zstd; empty for none.
        counts: number of messages by topic; empty if it is not said.
        encodings: serialisation of the messages by topic, such as cdr.
        warnings: what is unusual, in words.
    """

    storage: str
    paths: list[str]
    compression: str
    counts: Counter[str] = field(default_factory=Counter)
    encodings: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_metadata(folder: Path) -> BagMetadata:
    """Read the metadata of a bag.

    Fields that only describe what the files hold themselves are not needed: the releases of
    rosbag2 differ in them.

    Args:
        folder: of the bag.

    Raises:
        InputError: the file is no YAML, or no metadata.
    """
    path = folder / METADATA
    shown = printable(str(path))
    remedy = f'`ros2 bag reindex {printable(str(folder))}` writes a new one'
    try:
        content = yaml.safe_load(read_text(path, 'the metadata of a bag'))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = printable(' '.join(str(error).split()))
        raise InputError(f'{shown} is no YAML: {reason}; {remedy}') from error
    information = content.get(_ROOT) if isinstance(content, dict) else None
    if not isinstance(information, dict):
        raise InputError(f'{shown} has no field {_ROOT}, so it is no metadata; {remedy}')
    paths = information.get('relative_file_paths')
    mode = str(information.get('compression_mode') or '').lower()
    found = BagMetadata(
        str(information.get('storage_identifier') or ''),
        [each for each in paths if isinstance(each, str)] if isinstance(paths, list) else [],
        str(information.get('compression_format') or '') if mode not in _UNCOMPRESSED else '',
    )
    _read_topics(information.get('topics_with_message_count'), found)
    version = information.get('version')
    if isinstance(version, int) and version > NEWEST_VERSION:
        found.warnings.append(
            f'{shown} is of version {version}, which is newer than {NEWEST_VERSION}, the newest '
            'that is known here; compare the topics and their counts with `ros2 bag info`'
        )
    return found


def _read_topics(topics: Any, metadata: BagMetadata) -> None:
    for each in topics if isinstance(topics, list) else []:
        try:
            name, count = str(each['topic_metadata']['name']), int(each['message_count'])
        except (KeyError, TypeError, ValueError):
            continue
        metadata.counts[name] += count
        if encoding := each['topic_metadata'].get('serialization_format'):
            metadata.encodings[name] = str(encoding)
