"""`fol_vpr evaluate`: answers against ground truth, offline or from a recording."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from fol_vpr.cli.arguments import add_network_of_map, add_settings, network_of_map, settings
from fol_vpr.cli.console import Progress, SkipBad, atomic_text, check_writable
from fol_vpr.config import (
    EvaluationConfig,
    RecognizerConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import (
    Positives,
    Whereabouts,
    positives_by_position,
    read_ground_truth,
)
from fol_vpr.evaluation.metrics import RECALL_AT
from fol_vpr.evaluation.offline import Answers, answer_offline
from fol_vpr.evaluation.report import Conditions, Evaluation

if TYPE_CHECKING:
    import numpy as np

    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import FrameSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Run queries through the recogniser, or take the answers that the live node gave, and '
        'compare them with ground truth: Recall@1/5/10 before and after re-ranking, latency '
        'percentiles, queries that were dropped. Queries without any positive are left out of '
        'the recall and counted.'
    )
    parser.add_argument('--map', metavar='M.folmap', required=True)
    parser.add_argument(
        '--queries', metavar='DIR_OR_BAG', required=True, help='image folder or ROS 2 bag'
    )
    parser.add_argument('--image-topic', metavar='T', help='of the bag')
    parser.add_argument('--pose-topic', metavar='T', help='of the bag, for --positive-radius')
    parser.add_argument('--positions', metavar='CSV', help='positions of the images of a folder')
    truth = parser.add_mutually_exclusive_group()
    truth.add_argument(
        '--ground-truth',
        metavar='CSV',
        help='columns query_index,ref_indices; without it, positions of queries and references '
        'decide, see --positive-radius',
    )
    truth.add_argument(
        '--without-ground-truth',
        action='store_true',
        help='latency, drops and pictures only',
    )
    parser.add_argument('--json', metavar='OUT.json', help='write the figures as JSON')
    parser.add_argument('--per-query', metavar='OUT.csv', help='write a line for every query')
    parser.add_argument(
        '--picture', metavar='OUT.png', help='draw what came first for every query'
    )
    parser.add_argument(
        '--recording',
        metavar='BAG',
        help="bag with the live node's ~/places; --queries is then the bag that was played",
    )
    parser.add_argument(
        '--recording-topic', metavar='T', help='where the recording holds several nodes'
    )
    parser.add_argument('--limit', metavar='N', type=int, help='only the first N queries')
    parser.add_argument(
        '--skip-bad', action='store_true', help='queries that cannot be read count as misses'
    )
    add_network_of_map(parser)
    add_settings(parser, RetrievalConfig, only=('candidates', 'rerank', 'match_threshold'))
    add_settings(parser, VerificationConfig, only=('verify',))
    add_settings(parser, EvaluationConfig)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    _check_combination(args)
    criteria = settings(args, EvaluationConfig())
    retrieval = settings(args, RetrievalConfig())
    # Geometric verification does not change the order of the hypotheses; it would only cost time.
    verification = settings(args, replace(VerificationConfig(), verify=0))
    for output in (args.json, args.per_query, args.picture):
        if output is not None:
            check_writable(output)
    from fol_vpr.sources import open_source

    source = open_source(
        args.queries,
        image_topic=args.image_topic,
        pose_topic=args.pose_topic,
        positions_csv=args.positions,
    )
    from fol_vpr.recognizer import PlaceRecognizer

    network = network_of_map(args, args.map)
    recognizer = PlaceRecognizer(RecognizerConfig(network, retrieval, verification))
    try:
        recognizer.load_map(args.map)
        evaluation = _evaluate(args, source, recognizer, criteria)
        print(evaluation.as_table())
        _write(args, evaluation)
        if args.picture is not None:
            _draw(args.picture, evaluation, source, recognizer)
    finally:
        recognizer.close()
    return 0


def _check_combination(args: argparse.Namespace) -> None:
    if args.limit is not None and args.limit < 1:
        raise InputError(f'--limit is {args.limit}, expected at least 1')
    if args.candidates is not None and args.candidates < max(RECALL_AT):
        raise InputError(
            f'--candidates is {args.candidates}, but Recall@{max(RECALL_AT)} needs as many'
        )
    if args.recording is None and args.recording_topic is not None:
        raise InputError('--recording-topic needs --recording')
    if args.recording is not None:
        useless = [name for name in ('limit', 'rerank', 'candidates') if getattr(args, name)]
        if useless:
            raise InputError(
                f'--{useless[0]} has no effect on answers that were recorded; leave it out'
            )


def _evaluate(
    args: argparse.Namespace,
    source: FrameSource,
    recognizer: PlaceRecognizer,
    criteria: EvaluationConfig,
) -> Evaluation:
    # What can be known to be wrong is said before the queries, which take minutes.
    references = [Whereabouts.of(place) for place in recognizer.places]
    positives: Positives | None = None
    if args.without_ground_truth:
        positives = [frozenset()] * len(source)
    elif args.ground_truth is not None:
        positives = read_ground_truth(args.ground_truth, len(source), len(references))
    else:
        _check_positions(args.map, source, references, recognizer)
    answers = _answers(args, source, recognizer)
    if positives is None:
        positives = positives_by_position(answers.whereabouts, references, criteria)
    conditions = _conditions(args, source, recognizer, criteria)
    return Evaluation(conditions, positives[: args.limit], answers)


def _answers(
    args: argparse.Namespace, source: FrameSource, recognizer: PlaceRecognizer
) -> Answers:
    info = recognizer.map_info
    assert info is not None
    if args.recording is not None:
        from fol_vpr.evaluation.recording import read_recording

        return read_recording(
            args.recording, source, recognizer.places, info, topic=args.recording_topic
        )
    recognizer.warm_up()
    with Progress('evaluate', unit='queries') as progress:
        return answer_offline(
            recognizer,
            source,
            limit=args.limit,
            progress=progress,
            on_bad=SkipBad(progress) if args.skip_bad else None,
        )


def _check_positions(
    path: str,
    source: FrameSource,
    references: list[Whereabouts],
    recognizer: PlaceRecognizer,
) -> None:
    info = recognizer.map_info
    assert info is not None
    if not any(reference.pose or reference.geo for reference in references):
        raise InputError(
            f'no ground truth: the references of {path} have no positions; give '
            '--ground-truth CSV, or --without-ground-truth for latency only'
        )
    poses = source.frame_id and any(reference.pose for reference in references)
    if poses and source.frame_id != info.frame_id:
        raise InputError(
            f'the poses of {source.description} are in the frame {source.frame_id!r}, those of '
            f'{path} in {info.frame_id!r}, so they cannot be compared; give --ground-truth CSV'
        )


def _conditions(
    args: argparse.Namespace,
    source: FrameSource,
    recognizer: PlaceRecognizer,
    criteria: EvaluationConfig,
) -> Conditions:
    info, extractor = recognizer.map_info, recognizer.extractor
    assert info is not None
    live = args.recording is not None
    return Conditions(
        map=args.map,
        map_id=info.map_id,
        source=source.description,
        ground_truth=_truth(args, criteria),
        weights=extractor.weights_name,
        trained=extractor.trained,
        model_id=extractor.model_id,
        preprocessing_id=extractor.preprocessing_id,
        references=info.places,
        recording=args.recording or '',
        device='' if live else extractor.device,
        precision='' if live else extractor.precision,
        rerank=None if live else recognizer.config.retrieval.rerank,
    )


def _truth(args: argparse.Namespace, criteria: EvaluationConfig) -> str:
    if args.without_ground_truth:
        return 'none'
    if args.ground_truth is not None:
        return str(args.ground_truth)
    return f'within {criteria.positive_radius:g} m and {criteria.positive_angle:g} degrees'


def _write(args: argparse.Namespace, evaluation: Evaluation) -> None:
    if args.json is not None:
        with atomic_text(args.json) as file:
            json.dump(evaluation.as_json(), file, indent=2, allow_nan=False)
            file.write('\n')
    if args.per_query is not None:
        with atomic_text(args.per_query) as file:
            evaluation.write_per_query(file)


def _draw(
    path: str, evaluation: Evaluation, source: FrameSource, recognizer: PlaceRecognizer
) -> None:
    from fol_vpr.evaluation.pictures import draw_evaluation

    def query_image(index: int) -> np.ndarray | None:
        frames = source.frames(index, lambda _position, _error: None)
        position, frame = next(frames, (-1, None))
        return frame.image if frame is not None and position == index else None

    draw_evaluation(path, evaluation, query_image, recognizer.reference_image)
    print(f'picture: {path}', file=sys.stderr)
