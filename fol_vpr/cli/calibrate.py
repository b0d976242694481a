"""`fol_vpr calibrate`: learns from drives through a map how probable its answers are."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fol_vpr.cli.common.arguments import add_network_of_map, add_settings, network_of_map, settings
from fol_vpr.cli.common.console import Progress, SkipBad, atomic_text, check_writable
from fol_vpr.cli.common.ground_truth import load_ground_truth
from fol_vpr.config import EvaluationConfig, RecognizerConfig, RetrievalConfig, VerificationConfig
from fol_vpr.errors import InputError
from fol_vpr.evaluation.reliability import Bin, calibration_error
from fol_vpr.evaluation.report import align_columns

if TYPE_CHECKING:
    from fol_vpr.calibration import CalibrationDrive, FittedCalibration
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import FrameSource

RETRIEVAL = ('candidates', 'rerank', 'rerank_score', 'shortlist', 'match_threshold')
VERIFICATION = ('verify', 'place_radius', 'place_index_gap', 'max_gap', 'speed')
# Those that the evidence depends on, though they are not to be set here.
REMEMBERED = {
    RetrievalConfig: (*RETRIEVAL, 'similarity_weight', 'min_relative_similarity'),
    VerificationConfig: (*VERIFICATION, 'inlier_threshold'),
}
BAR = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Learn from drives through a map, of which it is known where they went, how probable the '
        'answers of the map are; show how far that holds on parts of the drives that it was not '
        'learned from; and store it in the map. Drives that the map was built from are refused. '
        'The same images without the references near them teach what it looks like where the map '
        'has no such place.'
    )
    parser.add_argument('--map', metavar='M.folmap', required=True)
    parser.add_argument(
        '--bag', metavar='BAG', action='append', default=[], help='a drive; may be repeated'
    )
    parser.add_argument(
        '--images', metavar='DIR', action='append', default=[],
        help='a drive as a folder of images in their order; may be repeated',
    )  # fmt: skip
    parser.add_argument('--image-topic', metavar='T', help='of the bags')
    parser.add_argument('--pose-topic', metavar='T', help='of the bags, in the frame of the map')
    parser.add_argument(
        '--odom-topic', metavar='T', help='odometry of the bags, where they have it'
    )
    parser.add_argument(
        '--positions', metavar='CSV', action='append', default=[],
        help='positions of the images of a folder; once for each --images',
    )  # fmt: skip
    parser.add_argument(
        '--frame-id', metavar='NAME', default='',
        help='frame that the positions are in, where the drives do not name it rightly',
    )  # fmt: skip
    parser.add_argument(
        '--ground-truth', metavar='CSV', action='append', default=[],
        help='columns query_index,ref_indices; once for each drive, bags first. Without it, '
        'positions decide, see --positive-radius',
    )  # fmt: skip
    parser.add_argument(
        '--limit', metavar='N', type=int, help='only the first N images of each drive'
    )
    parser.add_argument('--skip-bad', action='store_true', help='leave out images that are bad')
    parser.add_argument('--json', metavar='OUT.json', help='write the calibration as JSON')
    parser.add_argument('--picture', metavar='OUT.png', help='draw the reliability diagram')
    parser.add_argument(
        '--dry-run', action='store_true', help='show the calibration, and leave the map as it is'
    )
    add_network_of_map(parser)
    add_settings(parser, RetrievalConfig, only=RETRIEVAL)
    add_settings(parser, VerificationConfig, only=VERIFICATION)
    add_settings(parser, EvaluationConfig)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    _check(args)
    criteria = settings(args, EvaluationConfig())
    for output in (args.json, args.picture):
        if output is not None:
            check_writable(output)
    from fol_vpr.calibration import fit_calibration, store_calibration
    from fol_vpr.recognizer import PlaceRecognizer

    sources = _sources(args)
    retrieval = settings(args, RetrievalConfig())
    verification = settings(args, VerificationConfig())
    network = network_of_map(args, args.map)
    recognizer = PlaceRecognizer(RecognizerConfig(network, retrieval, verification))
    try:
        drives = _drives(args, recognizer, sources, criteria)
        info = recognizer.map_info
        assert info is not None
        provenance = {
            'created': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
            'model_id': info.model_id,
            'codec': info.codec,
            'places': info.places,
            'ground_truth': 'CSV' if args.ground_truth else f'{criteria.positive_radius:g} m',
            'settings': {
                name: getattr(config, name)
                for config in (retrieval, verification)
                for name in REMEMBERED[type(config)]
            },
        }
    finally:
        recognizer.close()
    fitted = fit_calibration(drives, verification, provenance)
    print('\n'.join(_lines(fitted)))
    if args.json is not None:
        with atomic_text(args.json) as file:
            file.write(fitted.to_json() + '\n')
    if args.picture is not None:
        from fol_vpr.evaluation.pictures import draw_reliability

        curves = {'leading place': fitted.place, 'not in the map': fitted.outside}
        draw_reliability(args.picture, curves)
        print(f'picture: {args.picture}', file=sys.stderr)
    if args.dry_run:
        print(f'{args.map} was left as it is')
        return 0
    with Progress('calibrate', 'places') as progress:
        store_calibration(args.map, fitted.calibration, progress=progress)
    print(f'{args.map} is calibrated')
    return 0


def _check(args: argparse.Namespace) -> None:
    drives = len(args.bag) + len(args.images)
    if not drives:
        raise InputError('no drive to learn from: give --bag BAG, or --images DIR')
    if args.limit is not None and args.limit < 1:
        raise InputError(f'--limit is {args.limit}, expected at least 1')
    if args.ground_truth and len(args.ground_truth) != drives:
        raise InputError(
            f'--ground-truth is given {len(args.ground_truth)} times for {drives} drives: give '
            'it once for each, bags first'
        )
    if args.positions and len(args.positions) != len(args.images):
        raise InputError(
            f'--positions is given {len(args.positions)} times for {len(args.images)} folders of '
            'images: give it once for each'
        )


def _sources(args: argparse.Namespace) -> list[FrameSource]:
    from fol_vpr.sources import open_source

    bags = [
        open_source(
            path,
            image_topic=args.image_topic,
            pose_topic=args.pose_topic,
            odom_topic=args.odom_topic,
            frame_id=args.frame_id,
        )
        for path in args.bag
    ]
    positions = args.positions or [None] * len(args.images)
    folders = [
        open_source(path, positions_csv=csv, frame_id=args.frame_id)
        for path, csv in zip(args.images, positions, strict=True)
    ]
    return bags + folders


def _drives(
    args: argparse.Namespace,
    recognizer: PlaceRecognizer,
    sources: Sequence[FrameSource],
    criteria: EvaluationConfig,
) -> list[CalibrationDrive]:
    """What all images of the drives gave."""
    from fol_vpr.calibration import check_other_drive, collect

    info = recognizer.load_map(args.map)
    if not recognizer.extractor.trained:
        raise InputError(
            f'{args.map} was made with untrained weights, whose scores mean nothing: build it '
            'with trained ones first'
        )
    for source in sources:
        check_other_drive(source, recognizer.places, args.map)
    truths = args.ground_truth or [None] * len(sources)
    positives = [
        load_ground_truth(
            source, recognizer.places, info, criteria, ground_truth=truth, limit=args.limit
        )[0]
        for source, truth in zip(sources, truths, strict=True)
    ]
    drives = []
    with Progress('calibrate') as progress:
        unknown = [found for truth in positives for found in truth if found is None]
        if unknown:
            progress.warn(
                f'{len(unknown)} images are left out: it is not known where they were taken'
            )
        unread = SkipBad(progress)
        for source, truth in zip(sources, positives, strict=True):
            drives.append(
                collect(
                    recognizer,
                    source,
                    truth,
                    limit=args.limit,
                    progress=progress,
                    on_bad=unread if args.skip_bad else None,
                )
            )
    return drives


# ---- what people see


def _lines(fitted: FittedCalibration) -> list[str]:
    calibration, provenance = fitted.calibration, fitted.calibration.provenance
    right, wrong = fitted.rows
    table = [['evidence', 'weight', 'per', 'around', 'what it is']]
    for each in fitted.evidence():
        numbers = (f'{each.weight:+.2f}', f'{each.scale:.2f}', f'{each.mean:.2f}')
        table.append([each.name, *numbers, each.words])
    return [
        f'{provenance["images"]} images of {len(provenance["drives"])} drive(s), '
        f'{provenance["images_in_map"]} of them in the map; {right} right and {wrong} wrong '
        'places',
        '',
        *align_columns(table, left=(0, 4)),
        '',
        f'offset {calibration.offset:+.2f}; the right place is missed in '
        f'{calibration.miss_rate:.1%} of the images; a wrong one is repeated in '
        f'{calibration.repeat_rate:.1%}',
        '',
        *_diagram('probability of the leading place', fitted.place),
        '',
        *_diagram('probability that the map has no such place', fitted.outside),
    ]


def _diagram(title: str, bins: Sequence[Bin]) -> list[str]:
    """A reliability diagram for a terminal: how often each probability was right."""
    lines = [
        f'{title}, on held-out parts: expected calibration error {calibration_error(bins):.3f}'
    ]
    for each in bins:
        bar = ['.'] * BAR
        bar[: round(each.right * BAR)] = ['#'] * round(each.right * BAR)
        bar[min(BAR - 1, int(each.said * BAR))] = '|'
        lines.append(
            f'  said {each.said:4.2f}  right {each.right:4.2f}  {"".join(bar)}  {each.count}'
        )
    return lines
