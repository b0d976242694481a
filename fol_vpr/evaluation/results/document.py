"""A result as an object: answers, ground truth, and what produced them.

The document is JSON with the figures of `Evaluation.as_json` under their keys, and beside them:

- `format`, `format_version`: `FORMAT` and `FORMAT_VERSION`.
- `provenance`, `settings`, `map_file`: the fields of `Provenance`, `Settings` and `MapFile`.
- `places`: the references of the map, as lists in the order of `Place.index`; see `References`.
- `per_query`: for each query one object, answered or not, with the keys of `QUERY_KEYS`.

Times are milliseconds, positions metres in the frame of the map, and null is what is not known.
The figures are for people and scripts; what reads the document counts again from `per_query`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, TextIO

import numpy as np

from fol_vpr.config import RecognizerConfig
from fol_vpr.datatypes import MapInfo, Place
from fol_vpr.errors import MapError
from fol_vpr.evaluation.metrics import none_if_nan
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.report import Evaluation
from fol_vpr.evaluation.results.provenance import Provenance
from fol_vpr.files import open_file

FORMAT = 'fol_vpr evaluation'
FORMAT_VERSION = 1
QUERY_KEYS = (
    'index', 'uri', 'stamp_ns', 'state', 'cause', 'reason', 'remedy', 'probability',
    'p_not_in_map', 'positives', 'ranking', 'match_scores', 'global_ranking', 'similarities',
    'timings_ms', 'xy',
)  # fmt: skip
"""Keys of an object of `per_query`: those of `QueryAnswer`, and the query's ground truth.

`state` is null for a query without an answer. `positives` and rankings are positions in `places`.
"""
_LARGE = ('places', 'per_query')
_GROUPS = ('network', 'retrieval', 'verification', 'storage', 'loops')
_SHOWN = ('candidates', 'rerank', 'shortlist', 'rerank_score')
_BLOCK = 2**20


@dataclass(frozen=True)
class Settings:
    """The settings of the recognition that was evaluated.

    Attributes:
        codec: how the map stores local features.
        values: by the names of settings, such as `retrieval.candidates`; empty where they are not
            known, as for the answers of a node.
        given: names of the settings that the user gave; the others are defaults, or the map's.
    """

    codec: str = ''
    values: Mapping[str, Any] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: RecognizerConfig, codec: str, given: Collection[str] = ()) -> Settings:
        """The settings of a recognizer.

        Args:
            config: the settings in use.
            codec: of the map.
            given: names of the settings that the user gave.
        """
        groups = {name: getattr(config, name) for name in _GROUPS}
        values = {
            f'{name}.{spec.name}': getattr(group, spec.name)
            for name, group in groups.items()
            for spec in fields(group)
        }
        # The address of a server may hold a password, and a result is given to others.
        del values['retrieval.index_uri']
        return cls(codec, values, frozenset(given))


@dataclass(frozen=True)
class MapFile:
    """The map file at the time of the evaluation.

    Attributes:
        sha256: of the file; empty where it was not computed.
        content_id: another one each time that the file is written.
        bytes: size of the file and of the changes beside it.
        modified: when it was last written, ISO 8601 in UTC.
    """

    sha256: str = ''
    content_id: str = ''
    bytes: int = 0
    modified: str = ''

    @classmethod
    def of(cls, info: MapInfo) -> MapFile:
        """The file of a map; reads all of it, a second or two per gigabyte.

        Args:
            info: header of the map.

        Raises:
            MapError: the file can no longer be read.
        """
        digest = hashlib.sha256()
        with open_file(info.path, 'a map', MapError) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
            seconds = os.fstat(file.fileno()).st_mtime
        modified = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec='seconds')
        return cls(digest.hexdigest(), info.content_id, info.bytes, modified)


@dataclass(frozen=True, eq=False)
class References:
    """The references of the map, by `Place.index`.

    Attributes:
        place_ids: their names.
        sessions: names of the sessions of the map.
        session_of: [R] for each reference the position of its session in `sessions`.
    """

    place_ids: tuple[str, ...]
    sessions: tuple[str, ...]
    session_of: tuple[int, ...]

    @classmethod
    def of(cls, places: Sequence[Place]) -> References:
        """The references of a map."""
        sessions = {name: n for n, name in enumerate(dict.fromkeys(p.session_id for p in places))}
        return cls(
            tuple(place.place_id for place in places),
            tuple(sessions),
            tuple(sessions[place.session_id] for place in places),
        )


@dataclass(frozen=True, eq=False)
class Result:
    """The result of an evaluation, complete enough for a report or a comparison.

    Attributes:
        evaluation: answers and ground truth, from which every figure is counted; its `plotted`
            holds the positions of queries and references, where both have some.
        references: of the map.
        provenance: what produced the result.
        settings: of the recognition.
        map_file: the map file.
    """

    evaluation: Evaluation
    references: References
    provenance: Provenance = field(default_factory=Provenance)
    settings: Settings = field(default_factory=Settings)
    map_file: MapFile = field(default_factory=MapFile)

    def as_json(self) -> dict[str, Any]:
        """The document as values for JSON."""
        plotted, references = self.evaluation.plotted, self.references
        return {
            'format': FORMAT,
            'format_version': FORMAT_VERSION,
            'provenance': asdict(self.provenance),
            'settings': {
                'codec': self.settings.codec,
                'values': dict(self.settings.values),
                'given': sorted(self.settings.given),
            },
            'map_file': asdict(self.map_file),
            **self.evaluation.as_json(),
            'places': {
                'place_ids': list(references.place_ids),
                'sessions': list(references.sessions),
                'session_of': list(references.session_of),
                'xy': None if plotted is None else [_xy(each) for each in plotted.references],
            },
            'per_query': list(self._records()),
        }

    def write(self, file: TextIO) -> None:
        """Write the document, with one line for each query."""
        values = self.as_json()
        head = {key: value for key, value in values.items() if key not in _LARGE}
        text = json.dumps(head, indent=2, allow_nan=False).removesuffix('\n}')
        file.write(f'{text},\n  "places": {_compact(values["places"])},\n  "per_query": [')
        for number, record in enumerate(values['per_query']):
            file.write(f'{"," if number else ""}\n    {_compact(record)}')
        file.write('\n  ]\n}\n')

    def write_per_query(self, file: TextIO) -> None:
        """Write a line for each query as CSV; see `Evaluation.write_per_query`."""
        settings, provenance = self.settings, self.provenance
        produced_by = {
            'fol_vpr_version': provenance.fol_vpr_version,
            'command': provenance.command,
            'date': provenance.date,
            'codec': settings.codec,
            **{name: settings.values.get(f'retrieval.{name}', '') for name in _SHOWN},
        }
        self.evaluation.write_per_query(file, produced_by)

    def _records(self) -> Iterator[dict[str, Any]]:
        evaluation = self.evaluation
        answers = {answer.index: answer for answer in evaluation.answers}
        for index, positive in enumerate(evaluation.positives):
            xy = None if evaluation.plotted is None else _xy(evaluation.plotted.queries[index])
            yield {
                'index': index,
                **_answer(answers.get(index)),
                'positives': None if positive is None else sorted(positive),
                'xy': xy,
            }


def _answer(answer: QueryAnswer | None) -> dict[str, Any]:
    """What a record says of the answer; nulls where there was none."""
    if answer is None:
        return {key: None for key in QUERY_KEYS if key not in ('index', 'positives', 'xy')}
    explanation, orders = answer.explanation, (answer.ranking, answer.global_ranking)
    ranking, global_ranking = (None if each is None else list(each) for each in orders)
    return {
        'uri': answer.uri,
        'stamp_ns': answer.stamp_ns,
        'state': answer.state.name,
        'cause': explanation.cause.name,
        'reason': explanation.reason,
        'remedy': explanation.remedy,
        'probability': _rounded(answer.probability, 6),
        'p_not_in_map': _rounded(answer.p_not_in_map, 6),
        'ranking': ranking,
        'match_scores': [_rounded(each, 6) for each in answer.match_scores],
        'global_ranking': global_ranking,
        'similarities': [_rounded(each, 6) for each in answer.similarities],
        'timings_ms': {key: round(s * 1000, 3) for key, s in answer.timings.items()},
    }


def _rounded(value: float, digits: int) -> float | None:
    return none_if_nan(round(float(value), digits) if math.isfinite(value) else math.nan)


def _xy(position: np.ndarray) -> list[float] | None:
    return None if np.isnan(position).any() else [round(float(each), 3) for each in position]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(',', ':'), allow_nan=False)
