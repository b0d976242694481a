"""Predictions in the format of VPR-methods-evaluation, written and read by `fol_vpr evaluate`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from fol_vpr.cli.common.criterion import Criterion
from fol_vpr.cli.common.output import remark
from fol_vpr.errors import InputError, StorageError
from fol_vpr.evaluation.report import Evaluation

if TYPE_CHECKING:
    from fol_vpr.datatypes import MapInfo, Place
    from fol_vpr.evaluation.offline import Answers
    from fol_vpr.evaluation.predictions.run import Run
    from fol_vpr.sources import FrameSource

ROUNDING = 0.051
"""Percentage points that a recall of the log may differ by; it has one decimal."""


def add_prediction_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that write and read predictions."""
    parser.add_argument(
        '--predictions',
        metavar='OUT_DIR',
        help='write the references found for each query as VPR-methods-evaluation does, into '
        'OUT_DIR/preds; for queries and maps of image folders',
    )
    parser.add_argument(
        '--read-predictions',
        metavar='RUN_DIR',
        help='judge the predictions of another program instead: the folder of a run of '
        'VPR-methods-evaluation with --num_preds_to_save 20, of the same images as map and '
        'queries; what they do not hold, such as latencies, stays empty',
    )


def check_new(path: str | None) -> None:
    """Check that predictions can be written, before minutes of work.

    Raises:
        StorageError: there are predictions already.
    """
    if path is not None and (Path(path) / 'preds').exists():
        raise StorageError(f'{path}/preds exists already; give another folder, or remove it')


def query_paths(source: FrameSource, limit: int | None) -> list[tuple[str, int]]:
    """Path and stamp of each query."""
    found = [(each.uri, each.stamp_ns) for each in islice(source.captures(), limit)]
    _check_paths([uri for uri, _ in found], f'the queries, {source.description},')
    return found


def _check_paths(paths: Sequence[str], what: str) -> None:
    if len(set(paths)) < len(paths):
        raise InputError(
            f'{what} have no paths of their own, as the images of a bag, so that predictions '
            'cannot name them; give image folders'
        )


def read_predicted(
    args: argparse.Namespace, source: FrameSource, places: Sequence[Place], info: MapInfo
) -> tuple[Answers, Run]:
    """The answers of another program to the queries, and what its log says of it.

    Raises:
        InputError: they cannot be read, or are of other queries or references.
    """
    from fol_vpr.evaluation.predictions.answers import read_answers
    from fol_vpr.evaluation.predictions.run import check_database, read_run

    run = read_run(args.read_predictions)
    check_database(run, info.places, args.map)
    _check_paths([place.image_uri for place in places], f'the references of {args.map}')
    queries = query_paths(source, args.limit)
    return read_answers(args.read_predictions, queries, [p.image_uri for p in places]), run


def judged(evaluation: Evaluation, run: Run, criterion: Criterion) -> Evaluation:
    """An evaluation with what is known of the other program in its conditions.

    A warning is added where the recall in its log is not the one that was counted here.
    """
    conditions = replace(
        evaluation.conditions,
        predictions=str(run.folder),
        weights=run.method,
        trained=True,
        model_id=run.method,
        preprocessing_id=run.image_size or 'images of their own size',
        device=run.device,
        calibrated=False,
        rerank=0,
    )
    found = replace(evaluation, conditions=conditions)
    warnings = conditions.warnings
    if run.references is None:
        warnings += (
            'there is no info.log beside the predictions, so among how many references they were '
            'searched is not known: check that it were those of the map',
        )
    if odd := _other_recalls(found, run, criterion):
        warnings += (odd,)
    return replace(found, conditions=replace(conditions, warnings=warnings))


def _other_recalls(evaluation: Evaluation, run: Run, criterion: Criterion) -> str:
    """A warning where a recall in the log differs from that counted here by the same criterion."""
    config = criterion.config
    same = (
        config is not None
        and config.positive_radius == run.radius
        and config.positive_angle == 180
        and run.queries == evaluation.queries
    )
    if not same:
        return ''
    for k, share in evaluation.recall_reranked().items():
        said = run.recalls.get(k)
        if said is None or share is None:
            continue
        # That program counts queries without any positive as misses.
        here = 100 * share.hits / evaluation.queries
        if abs(here - said) > ROUNDING:
            return (
                f'its log says Recall@{k} {said:.1f} % of all queries, counted here are '
                f'{here:.1f} %, by the same radius: do map and queries hold the same positions as '
                'the names of its images?'
            )
    return ''


def write_predicted(
    args: argparse.Namespace,
    evaluation: Evaluation,
    source: FrameSource,
    places: Sequence[Place],
) -> None:
    """Write the answers of an evaluation as predictions.

    Raises:
        InputError: queries or references have no paths of their own.
        StorageError: the folder cannot be written, or holds predictions already.
    """
    from fol_vpr.evaluation.predictions.answers import as_predictions
    from fol_vpr.evaluation.predictions.files import write_predictions

    references = [place.image_uri for place in places]
    _check_paths(references, f'the references of {args.map}')
    queries = [uri for uri, _ in query_paths(source, evaluation.queries)]
    predictions = as_predictions(evaluation.given, queries, references, evaluation.positives)
    remark(f'predictions: {write_predictions(args.predictions, predictions)}')
