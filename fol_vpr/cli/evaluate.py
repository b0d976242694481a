"""`fol_vpr evaluate`: compares answers with ground truth, offline or from a recording."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from fol_vpr.cli.common.arguments import (
    add_network_of_map,
    add_scale,
    add_settings,
    given_names,
    network_of_map,
    recognizer_config,
    settings,
)
from fol_vpr.cli.common.console import Progress, SkipBad, check_writable, working
from fol_vpr.cli.common.criterion import Criterion, too_easy, what_is_right
from fol_vpr.cli.common.drive import (
    add_dataset_option,
    add_drive_options,
    part_of,
    pose_gap,
)
from fol_vpr.cli.common.ground_truth import load_ground_truth
from fol_vpr.cli.common.output import STDOUT, add_json, remark, write_document
from fol_vpr.cli.common.pictures import (
    add_picture_options,
    check_picture_options,
    query_frames,
    write_pictures,
)
from fol_vpr.cli.common.predictions import (
    add_prediction_options,
    check_new,
    judged,
    query_paths,
    read_predicted,
    write_predicted,
)
from fol_vpr.cli.common.report import write_report
from fol_vpr.config import (
    CameraConfig,
    EvaluationConfig,
    NetworkConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import PlottedPositions, Positives
from fol_vpr.evaluation.metrics import RECALL_AT
from fol_vpr.evaluation.offline import answer_offline
from fol_vpr.evaluation.report import Conditions, Evaluation
from fol_vpr.evaluation.results import MapFile, Provenance, References, Result, Settings
from fol_vpr.files import atomic_text

if TYPE_CHECKING:
    import numpy as np

    from fol_vpr.datatypes import MapInfo, Place
    from fol_vpr.evaluation.galleries import AnswerPainter
    from fol_vpr.evaluation.pictures import LoadImage
    from fol_vpr.sources import FrameSource

# Settings that become options. Without --verify and --sequence, no pair is verified geometrically.
RETRIEVAL = (
    'candidates', 'rerank', 'rerank_score', 'shortlist', 'match_threshold', 'similarity_weight',
    'min_relative_similarity',
)  # fmt: skip
VERIFICATION = ('verify', 'inlier_threshold', 'min_inliers', 'min_inlier_ratio', 'min_regions')
# Settings of the decision over a sequence of images.
SEQUENCE = (
    'probability', 'consecutive', 'max_gap', 'speed', 'place_radius', 'place_index_gap',
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Recognise queries, or read the answers that a node gave, and compare the answers with '
        'ground truth: Recall@1/5/10 before and after re-ranking, percentiles of the latency, and '
        'the number of queries without an answer. Queries without any positive are left out of '
        'the recall and counted separately.'
    )
    _add_queries(parser)
    _add_truth(parser.add_argument_group('ground truth'))
    _add_outputs(parser.add_argument_group('figures, page and pictures'))
    _add_foreign_answers(parser.add_argument_group('answers of a node or of another program'))
    add_drive_options(parser)
    add_scale(parser)
    add_settings(parser, CameraConfig)
    add_network_of_map(parser)
    add_settings(parser, RetrievalConfig, only=RETRIEVAL, of_map=True)
    add_settings(parser, VerificationConfig, only=(*VERIFICATION, *SEQUENCE), of_map=True)
    of_scale = f'that of the scale, else {EvaluationConfig().positive_radius}'
    add_settings(parser, EvaluationConfig, defaults={'positive_radius': of_scale})


def _add_queries(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--map', metavar='M.folmap', required=True, help='the map')
    queries = parser.add_mutually_exclusive_group(required=True)
    queries.add_argument('--queries', metavar='DIR_OR_BAG', help='image folder or bag')
    add_dataset_option(queries, 'queries')
    parser.add_argument('--image-topic', metavar='T', help='topic of the images in the bag')
    parser.add_argument('--limit', metavar='N', type=int, help='use only the first N queries')
    parser.add_argument(
        '--sequence',
        action='store_true',
        help='decide over the sequence of queries, as the node does, and count right and wrong '
        'decisions',
    )
    parser.add_argument(
        '--odom-topic', metavar='T', help='topic of the odometry in the bag, for --sequence'
    )
    parser.add_argument(
        '--skip-bad',
        action='store_true',
        help='end with exit code 0 although queries cannot be read; they count as misses in any '
        'case, and without this option the exit code is 2',
    )


def _add_truth(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--pose-topic', metavar='T', help='topic of the poses in the bag, for --positive-radius'
    )
    group.add_argument(
        '--positions',
        metavar='CSV',
        help='positions of the images of a folder; `exif`: those in the EXIF data of photographs',
    )
    group.add_argument(
        '--frame-id',
        metavar='NAME',
        default='',
        help='frame that the positions of the queries are in, where they name another one',
    )
    truth = group.add_mutually_exclusive_group()
    truth.add_argument(
        '--ground-truth',
        metavar='FILE',
        help='CSV with the columns query_index,ref_indices, or a .npy as VPR-Bench has it; '
        'without it, positions of queries and references decide, see --positive-radius',
    )
    truth.add_argument(
        '--index-tolerance',
        metavar='N',
        type=int,
        help='references show the place of a query where the numbers in the names of their images '
        'differ by N or less, as the seasons of Nordland; instead of positions',
    )
    truth.add_argument(
        '--without-ground-truth',
        action='store_true',
        help='report latency and queries without an answer, and no recall',
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    add_json(group, 'the figures')
    group.add_argument(
        '--report',
        metavar='OUT.html',
        help='write a page to look at and to give away: figures, curves, the trajectory, pictures '
        'of answers, and what produced them; one file that opens without a network',
    )
    group.add_argument('--per-query', metavar='OUT.csv', help='write a line for every query')
    group.add_argument(
        '--picture', metavar='OUT.png', help='draw the first reference found for every query'
    )
    add_picture_options(group)


def _add_foreign_answers(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--recording',
        metavar='BAG',
        help="bag with the live node's ~/places; --queries is then the bag that was played",
    )
    group.add_argument(
        '--recording-topic',
        metavar='T',
        help='topic of the answers, where the recording holds those of several nodes',
    )
    add_prediction_options(group)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    args.started = time.monotonic()
    _check_combination(args)
    for output in (args.per_query, args.picture, args.report):
        if output is not None:
            check_writable(output)
    check_picture_options(args)
    check_new(args.predictions)
    from fol_vpr.sources import open_source

    source = open_source(
        args.dataset[1] if args.dataset else args.queries,
        image_topic=args.image_topic,
        pose_topic=args.pose_topic,
        positions_csv=args.positions,
        frame_id=args.frame_id,
        camera=settings(args, CameraConfig()),
        odom_topic=args.odom_topic,
        max_pose_gap=pose_gap(args),
        stamps=args.stamps,
        dataset=args.dataset[0] if args.dataset else '',
    )
    source = part_of(source, args)
    if args.predictions is not None:
        query_paths(source, args.limit)
    if args.recording is not None or args.read_predictions is not None:
        _evaluate_given(args, source)
    else:
        _evaluate_offline(args, source)
    return 0


def _check_combination(args: argparse.Namespace) -> None:
    if args.limit is not None and args.limit < 1:
        raise InputError(f'--limit is {args.limit}, expected at least 1')
    if args.candidates is not None and args.candidates < max(RECALL_AT):
        raise InputError(
            f'--candidates is {args.candidates}, but Recall@{max(RECALL_AT)} needs as many'
        )
    if not args.sequence:
        unused = [name for name in ('odom_topic', *SEQUENCE) if getattr(args, name) is not None]
        if unused:
            raise InputError(f'--{unused[0].replace("_", "-")} needs --sequence')
    if args.recording is None and args.recording_topic is not None:
        raise InputError('--recording-topic needs --recording')
    if args.read_predictions is not None and args.recording is not None:
        raise InputError('--read-predictions and --recording exclude each other')
    if args.recording is not None or args.read_predictions is not None:
        network = tuple(spec.name for spec in fields(NetworkConfig))
        of_a_node = ('limit',) if args.recording is not None else ()
        of_the_run = (*of_a_node, 'odom_topic', *SEQUENCE, *RETRIEVAL, *VERIFICATION, *network)
        useless = [name for name in of_the_run if getattr(args, name) is not None]
        useless += ['sequence'] if args.sequence else []
        if useless:
            raise InputError(
                f'--{useless[0].replace("_", "-")} has no effect on recorded answers; leave it out'
            )


def _evaluate_given(args: argparse.Namespace, source: FrameSource) -> None:
    """Evaluate the answers of a node or of another program, without the weights of the map."""
    from fol_vpr.evaluation.galleries import AnswerPainter
    from fol_vpr.evaluation.recording import read_recording
    from fol_vpr.recognizer import describe_map, open_map

    with open_map(args.map) as reader:
        info, places = reader.info, reader.places
        positives, plotted, criterion = _ground_truth(args, source, places, info)
        if args.recording is None:
            answers, run = read_predicted(args, source, places, info)
            conditions = _conditions(args, source, info, criterion, positives)
            evaluation = Evaluation(conditions, positives, answers, plotted)
            evaluation = judged(evaluation, run, criterion)
        else:
            topic = args.recording_topic
            answers = read_recording(args.recording, source, places, info, topic=topic)
            # The settings of the node are not in its answers, so only the map can be judged.
            remarks = describe_map(args.map).remarks
            conditions = _conditions(args, source, info, criterion, positives, remarks)
            evaluation = Evaluation(conditions, positives, answers, plotted)
        result = Result(
            evaluation,
            References.of(places),
            _provenance(args),
            Settings(info.codec if args.recording is not None else ''),
            _map_file(args, info),
        )
        painter = AnswerPainter(result.evaluation, places, query_frames(source), reader.image)
        _report(args, result, source, reader.image, painter)
        if args.predictions is not None:
            write_predicted(args, evaluation, source, places)


def _evaluate_offline(args: argparse.Namespace, source: FrameSource) -> None:
    from fol_vpr.evaluation.galleries import AnswerPainter
    from fol_vpr.recognizer import PlaceRecognizer, open_map

    # Errors in the ground truth are reported before the queries, which take minutes.
    with open_map(args.map) as reader:
        positives, plotted, criterion = _ground_truth(args, source, reader.places, reader.info)
    # Geometric verification changes decisions, and not the order of the hypotheses.
    usual = VerificationConfig() if args.sequence else replace(VerificationConfig(), verify=0)
    network = network_of_map(args, args.map)
    config = recognizer_config(args, network, verification=usual)
    recognizer = PlaceRecognizer(config)
    try:
        with working('loading the map'):
            info = recognizer.load_map(args.map)
            recognizer.warm_up()
        # Without the sequence nothing is decided, and no probability is shown.
        remarks = tuple(recognizer.map_status.remarks()) if args.sequence else ()
        with Progress('evaluate', unit='queries') as progress:
            unread = SkipBad(progress)
            answers = answer_offline(
                recognizer,
                source,
                limit=args.limit,
                sequence=args.sequence,
                progress=progress,
                on_bad=unread,
            )
        extractor = recognizer.extractor
        conditions = replace(
            _conditions(args, source, info, criterion, positives, remarks),
            weights=extractor.weights_name,
            trained=extractor.trained,
            device=extractor.runs_on,
            precision=extractor.precision,
            rerank=recognizer.config.retrieval.rerank,
            sequence=args.sequence,
        )
        evaluation = Evaluation(conditions, positives, answers, plotted)
        given = {*given_names(args, NetworkConfig), *(config.given or ())}
        result = Result(
            evaluation,
            References.of(recognizer.places),
            _provenance(args, extractor.runs_on),
            Settings.of(recognizer.config, info.codec, given),
            _map_file(args, info),
        )
        load, places = recognizer.reference_image, recognizer.places
        painter = AnswerPainter(evaluation, places, query_frames(source), load, recognizer)
        _report(args, result, source, load, painter)
        if args.predictions is not None:
            write_predicted(args, evaluation, source, places)
    finally:
        recognizer.close()
    if unread.count and not args.skip_bad:
        raise InputError(
            f'{unread.count} of {evaluation.queries} queries cannot be read and were counted as '
            f'misses; repair the files, or accept that with --skip-bad. The first: {unread.first}'
        )


def _ground_truth(
    args: argparse.Namespace,
    source: FrameSource,
    places: Sequence[Place],
    info: MapInfo,
) -> tuple[Positives, PlottedPositions | None, Criterion]:
    if args.without_ground_truth:
        unknown: Positives = [None] * len(source)
        return unknown[: args.limit], None, Criterion('none')
    truth = args.ground_truth or getattr(source, 'ground_truth', None)
    criteria, criterion = what_is_right(args, args.map, ground_truth=truth)
    positives, plotted = load_ground_truth(
        source,
        places,
        info,
        criteria,
        ground_truth=args.ground_truth,
        index_tolerance=args.index_tolerance,
        limit=args.limit,
        instead='--without-ground-truth for latency only',
    )
    return positives, plotted, criterion


def _conditions(
    args: argparse.Namespace,
    source: FrameSource,
    info: MapInfo,
    criterion: Criterion,
    positives: Positives,
    remarks: Sequence[str] = (),
) -> Conditions:
    easy = too_easy(positives, info.places, criterion)
    return Conditions(
        map=args.map,
        map_id=info.map_id,
        source=source.description,
        ground_truth=str(criterion),
        weights=info.weights_name,
        trained=info.trained,
        model_id=info.model_id,
        preprocessing_id=info.preprocessing_id,
        references=info.places,
        recording=args.recording or '',
        calibrated=info.calibrated,
        scale=args.scale or info.scale,
        warnings=(*remarks, *([easy] if easy else [])),
    )


def _provenance(args: argparse.Namespace, device: str = '') -> Provenance:
    seconds = time.monotonic() - args.started
    return Provenance.of_this(args.command_line, device=device, seconds=seconds)


def _map_file(args: argparse.Namespace, info: MapInfo) -> MapFile:
    return MapFile.of(info) if args.json or args.report else MapFile()


def _report(
    args: argparse.Namespace,
    result: Result,
    source: FrameSource,
    load: LoadImage,
    painter: AnswerPainter,
) -> None:
    evaluation = result.evaluation
    if args.json != STDOUT:
        print(evaluation.as_table(), flush=True)
    write_document(args, result.write)
    if args.per_query is not None:
        with atomic_text(args.per_query) as file:
            result.write_per_query(file)
    if args.report is not None:
        write_report(args.report, result, source, load, painter)
    if args.picture is not None:
        _draw(args.picture, evaluation, source, load)
    if args.pictures is not None:
        write_pictures(args, evaluation, painter)


def _draw(path: str, evaluation: Evaluation, source: FrameSource, load: LoadImage) -> None:
    from fol_vpr.evaluation.pictures import draw_evaluation

    query = query_frames(source)

    def query_image(index: int) -> np.ndarray | None:
        frame = query(index)
        return None if frame is None else frame.image

    draw_evaluation(path, evaluation, query_image, load)
    remark(f'picture: {path}')
