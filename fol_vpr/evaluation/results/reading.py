"""Reads the document of a result, and checks all of it: it may come from a stranger."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fol_vpr.datatypes import Cause, Explanation, LocalizationState
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.evaluation.results.document import (
    FORMAT,
    FORMAT_VERSION,
    MapFile,
    References,
    Result,
    Settings,
)
from fol_vpr.evaluation.results.provenance import Machine, Provenance
from fol_vpr.evaluation.results.values import Node
from fol_vpr.files import printable, read_bytes
from fol_vpr.json_text import parse_json

WRITER = '`fol_vpr evaluate --json`'
MAX_REASON = 10_000
"""Most characters of one text; what this package writes has some hundred."""


def read_result(path: str | Path) -> Result:
    """Read what `fol_vpr evaluate --json` wrote.

    Raises:
        InputError: no such file, no JSON, no result, one of a newer version, or values that do
            not fit together; the message names the file and the key.
    """
    shown = printable(str(path))
    try:
        value = parse_json(read_bytes(path, f'a result of {WRITER}'))
    except ValueError as error:
        raise InputError(f'{shown} is no JSON: {error}; give a file that {WRITER} wrote') from None
    if not isinstance(value, dict) or value.get('format') != FORMAT:
        found = value.get('format') if isinstance(value, dict) else type(value).__name__
        raise InputError(
            f'{shown} is no result: its "format" is {printable(repr(found))}, expected '
            f'{FORMAT!r}; give a file that {WRITER} of this version wrote, or evaluate again'
        )
    document = Node(value, shown)
    version = document['format_version'].integer(1)
    if version > FORMAT_VERSION:
        raise InputError(
            f'{shown} has format_version {version}, expected at most {FORMAT_VERSION}: a newer '
            'fol_vpr wrote it; update this one'
        )
    references, places_xy = _references(document['places'])
    return Result(
        evaluation=_evaluation(document, len(references.place_ids), places_xy),
        references=references,
        provenance=_provenance(document['provenance']),
        settings=_settings(document['settings']),
        map_file=_texts(document['map_file'], MapFile, bytes=lambda node: node.integer()),
    )


def _texts(node: Node, kind: Callable[..., Any], **other: Callable[[Node], Any]) -> Any:
    """A dataclass whose fields are texts, but for those of `other`."""
    names = [spec.name for spec in fields(kind)]  # type: ignore[arg-type]
    return kind(**{n: other[n](node[n]) if n in other else node[n].text() for n in names})


def _provenance(node: Node) -> Provenance:
    provenance: Provenance = _texts(
        node,
        Provenance,
        machine=lambda machine: _texts(machine, Machine, cores=lambda n: n.integer()),
        seconds=lambda seconds: seconds.optional(lambda n: n.number(0)),
    )
    return provenance


def _settings(node: Node) -> Settings:
    values = {name: each.setting() for name, each in node['values'].items()}
    given = frozenset(each.text() for each in node['given'].items_of_list())
    return Settings(node['codec'].text(), values, given)


def _references(node: Node) -> tuple[References, np.ndarray | None]:
    """The references, and their positions [R, 2]; None where there are none."""
    place_ids = tuple(each.text() for each in node['place_ids'].items_of_list())
    sessions = tuple(each.text() for each in node['sessions'].items_of_list())
    numbers = node['session_of'].indices(len(sessions), count=len(place_ids))
    xy = node['xy'].optional(lambda n: n.positions(len(place_ids)))
    return References(place_ids, sessions, numbers), xy


def _evaluation(document: Node, references: int, places_xy: np.ndarray | None) -> Evaluation:
    records = list(document['per_query'].items_of_list())
    document['queries'].equals(len(records), 'the number of objects in "per_query"')
    document['references'].equals(references, 'the number of "place_ids" in "places"')
    positives = [
        node['positives'].optional(lambda n: frozenset(n.indices(references))) for node in records
    ]
    answers = []
    for index, node in enumerate(records):
        node['index'].equals(index, 'its position in "per_query"')
        if not node['state'].is_null:
            answers.append(_answer(node, index, references))
    plotted = None
    if places_xy is not None:
        positions = np.full((len(records), 2), math.nan)
        for index, node in enumerate(records):
            if not node['xy'].is_null:
                positions[index] = node['xy'].position()
        plotted = PlottedPositions(positions, places_xy)
    unmatched = document['unmatched_answers'].integer()
    given = Answers(answers, unmatched)
    return Evaluation(_conditions(document), positives, given, plotted)


def _conditions(document: Node) -> Conditions:
    conditions: Conditions = _texts(
        document,
        Conditions,
        trained=lambda n: n.truth(),
        references=lambda n: n.integer(),
        rerank=lambda n: n.optional(lambda known: known.integer()),
        sequence=lambda n: n.truth(),
        calibrated=lambda n: n.truth(),
        warnings=lambda n: tuple(each.text(MAX_REASON) for each in n.items_of_list()),
    )
    return conditions


def _answer(node: Node, index: int, references: int) -> QueryAnswer:
    ranking = node['ranking'].indices(references, unique=True)
    before = node['global_ranking'].optional(lambda n: n.indices(references, unique=True))
    return QueryAnswer(
        index=index,
        stamp_ns=node['stamp_ns'].integer(-(2**63), 2**63 - 1),
        uri=node['uri'].text(MAX_REASON),
        state=node['state'].name_of(LocalizationState),
        ranking=ranking,
        global_ranking=before,
        match_scores=node['match_scores'].numbers(len(ranking)),
        similarities=node['similarities'].numbers(len(before or ())),
        timings={key: each.number(0) / 1000 for key, each in node['timings_ms'].items()},
        probability=node['probability'].number_or_nan(0, 1),
        p_not_in_map=node['p_not_in_map'].number_or_nan(0, 1),
        explanation=Explanation(
            node['cause'].name_of(Cause),
            node['reason'].text(MAX_REASON),
            node['remedy'].text(MAX_REASON),
        ),
    )
