"""`fol_vpr calibrate`: fits how probable the answers of a map are, from drives through it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fol_vpr.cli.common.arguments import (
    add_network_of_map,
    add_scale,
    add_settings,
    network_of_map,
    recognizer_config,
    settings,
)
from fol_vpr.cli.common.console import Progress, SkipBad, check_writable, working
from fol_vpr.cli.common.criterion import Criterion, too_easy, what_is_right
from fol_vpr.cli.common.drive import add_dataset_option, add_drive_options, part_of, pose_gap
from fol_vpr.cli.common.ground_truth import load_ground_truth
from fol_vpr.cli.common.output import add_json, remark, say, show_results, warn
from fol_vpr.config import (
    CALIBRATED,
    CameraConfig,
    EvaluationConfig,
    RetrievalConfig,
    VerificationConfig,
    settings_of,
)
from fol_vpr.errors import InputError

if TYPE_CHECKING:
    from fol_vpr.calibration import CalibrationDrive
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import FrameSource

# All settings that the probabilities depend on; they are stored with the calibration.
RETRIEVAL, VERIFICATION = (
    tuple(n.partition('.')[2] for n in CALIBRATED if n.startswith(f'{group}.'))
    for group in ('retrieval', 'verification')
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Fit, to drives through a map whose positions are known, how probable the answers of the '
        'map are; print how well the probabilities hold on parts of the drives that were left out '
        'of the fit; and store the calibration in the map. Drives that the map was built from are '
        'refused. Each image is also searched in the map without the references near it, as an '
        'example of an image outside the map.'
    )
    parser.add_argument('--map', metavar='M.folmap', required=True, help='the map')
    parser.add_argument(
        '--bag',
        metavar='BAG',
        action='append',
        default=[],
        help='a drive as a bag of ROS 2 or ROS 1; may be repeated',
    )
    parser.add_argument(
        '--images', metavar='DIR', action='append', default=[],
        help='a drive as a folder of images in the order of their names; may be repeated',
    )  # fmt: skip
    add_dataset_option(parser, 'a drive; may be repeated', action='append', default=[])
    parser.add_argument('--image-topic', metavar='T', help='topic of the images in the bags')
    parser.add_argument(
        '--pose-topic', metavar='T', help='topic of the poses in the bags, in the frame of the map'
    )
    parser.add_argument('--odom-topic', metavar='T', help='topic of the odometry in the bags')
    parser.add_argument(
        '--positions', metavar='CSV', action='append', default=[],
        help='positions of the images of a folder, or `exif` for those in the EXIF data of '
        'photographs; give it once for each --images',
    )  # fmt: skip
    parser.add_argument(
        '--frame-id', metavar='NAME', default='',
        help='frame that the positions are in, where the drives name another one',
    )  # fmt: skip
    parser.add_argument(
        '--ground-truth', metavar='FILE', action='append', default=[],
        help='CSV with the columns query_index,ref_indices, or a .npy as VPR-Bench has it; give '
        'it once for each drive, bags first, data sets last. Without it, positions decide, see '
        '--positive-radius',
    )  # fmt: skip
    parser.add_argument(
        '--index-tolerance', metavar='N', type=int,
        help='references show the place of an image where the numbers in the names of their '
        'images differ by N or less, as the seasons of Nordland; instead of positions',
    )  # fmt: skip
    parser.add_argument(
        '--limit', metavar='N', type=int, help='use only the first N images of each drive'
    )
    parser.add_argument(
        '--skip-bad', action='store_true', help='leave out images that cannot be read'
    )
    add_json(parser, 'the calibration')
    parser.add_argument('--picture', metavar='OUT.png', help='draw the reliability diagram')
    parser.add_argument(
        '--dry-run', action='store_true', help='print the calibration, and leave the map unchanged'
    )
    add_drive_options(parser)
    add_scale(parser)
    add_network_of_map(parser)
    add_settings(parser, CameraConfig)
    add_settings(parser, RetrievalConfig, only=RETRIEVAL)
    of_scale = {'place_radius': f'that of the scale, else {VerificationConfig().place_radius}'}
    add_settings(parser, VerificationConfig, only=VERIFICATION, defaults=of_scale)
    of_scale = {'positive_radius': f'that of the scale, else {EvaluationConfig().positive_radius}'}
    add_settings(parser, EvaluationConfig, defaults=of_scale)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    _check(args)
    if args.picture is not None:
        check_writable(args.picture)
    from fol_vpr.calibration import fit_calibration, store_calibration, summary_lines
    from fol_vpr.recognizer import PlaceRecognizer

    sources = _sources(args)
    network = network_of_map(args, args.map)
    recognizer = PlaceRecognizer(recognizer_config(args, network))
    try:
        recognizer.warm_up()
        drives, criterion = _drives(args, recognizer, sources)
        provenance = _provenance(recognizer, criterion)
        used, of_map = recognizer.config, recognizer.map_status.settings
    finally:
        recognizer.close()
    fitted = fit_calibration(drives, used.verification, provenance, settings_of(used))
    show_results(
        args,
        lambda: json.loads(fitted.to_json()),
        lambda: '\n'.join([f'right: {criterion}', of_map, *summary_lines(fitted)]),
    )
    if args.picture is not None:
        from fol_vpr.evaluation.pictures import draw_reliability

        curves = {'leading place': fitted.place, 'not in the map': fitted.outside}
        draw_reliability(args.picture, curves, str(criterion))
        remark(f'picture: {args.picture}')
    if args.dry_run:
        say(args, f'{args.map} is unchanged')
        return 0
    with Progress('calibrate', 'places') as progress:
        store_calibration(args.map, fitted.calibration, progress=progress)
    say(args, f'{args.map} is calibrated, {fitted.quality}')
    return 0


def _check(args: argparse.Namespace) -> None:
    drives = len(args.bag) + len(args.images) + len(args.dataset)
    if not drives:
        raise InputError(
            'no drive to calibrate with: give --bag BAG, --images DIR or --dataset NAME FOLDER'
        )
    if args.ground_truth and args.index_tolerance is not None:
        raise InputError('--ground-truth and --index-tolerance exclude each other; give one')
    if args.limit is not None and args.limit < 1:
        raise InputError(f'--limit is {args.limit}, expected at least 1')
    if args.ground_truth and len(args.ground_truth) != drives:
        raise InputError(
            f'--ground-truth is given {len(args.ground_truth)} times for {drives} drives: give '
            'it once for each, bags first, data sets last'
        )
    if args.positions and len(args.positions) != len(args.images):
        raise InputError(
            f'--positions is given {len(args.positions)} times for {len(args.images)} folders of '
            'images: give it once for each'
        )


def _sources(args: argparse.Namespace) -> list[FrameSource]:
    from fol_vpr.sources import open_source

    camera = settings(args, CameraConfig())
    bags = [
        open_source(
            path,
            image_topic=args.image_topic,
            pose_topic=args.pose_topic,
            odom_topic=args.odom_topic,
            frame_id=args.frame_id,
            camera=camera,
            max_pose_gap=pose_gap(args),
            stamps=args.stamps,
        )
        for path in args.bag
    ]
    positions = args.positions or [None] * len(args.images)
    folders = [
        open_source(path, positions_csv=csv, frame_id=args.frame_id, camera=camera)
        for path, csv in zip(args.images, positions, strict=True)
    ]
    sets = [
        open_source(
            folder,
            dataset=name,
            frame_id=args.frame_id,
            camera=camera,
            max_pose_gap=pose_gap(args),
        )
        for name, folder in args.dataset
    ]
    return [part_of(source, args) for source in (*bags, *folders, *sets)]


def _provenance(recognizer: PlaceRecognizer, criterion: Criterion) -> dict[str, Any]:
    """Facts about the calibration that are stored with it."""
    info = recognizer.map_info
    assert info is not None
    return {
        'created': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        'model_id': info.model_id,
        'preprocessing_id': info.preprocessing_id,
        'codec': info.codec,
        'places': info.places,
        'index': recognizer.map_status.index,
        'precision': recognizer.extractor.precision,
        'ground_truth': str(criterion),
        'criterion': criterion.as_json(),
    }


def _drives(
    args: argparse.Namespace, recognizer: PlaceRecognizer, sources: Sequence[FrameSource]
) -> tuple[list[CalibrationDrive], Criterion]:
    """The evidence of all images of the drives, and what counts as right."""
    from fol_vpr.calibration import check_other_drive, check_promising, collect, differing_drives

    with working('loading the map'):
        info = recognizer.load_map(args.map)
    if not recognizer.extractor.trained:
        raise InputError(
            f'{args.map} was made with untrained weights, whose scores say nothing about '
            'places: build it with trained weights first'
        )
    for source in sources:
        check_other_drive(source, recognizer.places, args.map)
    given = ', '.join(args.ground_truth) or None
    criteria, criterion = what_is_right(args, args.map, ground_truth=given)
    truths = args.ground_truth or [None] * len(sources)
    positives = [
        load_ground_truth(
            source,
            recognizer.places,
            info,
            criteria,
            ground_truth=truth,
            index_tolerance=args.index_tolerance,
            limit=args.limit,
        )[0]
        for source, truth in zip(sources, truths, strict=True)
    ]
    check_promising(recognizer.places, positives, recognizer.config.verification)
    drives = []
    with Progress('calibrate') as progress:
        everything = [found for truth in positives for found in truth]
        if easy := too_easy(everything, info.places, criterion):
            progress.warn(easy)
        unknown = [found for truth in positives for found in truth if found is None]
        if unknown:
            progress.warn(f'{len(unknown)} images are left out, as their positions are not known')
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
    for difference in differing_drives(drives):
        warn(difference)
    return drives, criterion
