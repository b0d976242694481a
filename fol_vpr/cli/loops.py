"""`fol_vpr loops`: finds the loop closures of a recorded drive."""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from fol_vpr.cli.common.arguments import (
    add_scale,
    add_settings,
    network_of_map,
    recognizer_config,
    settings,
)
from fol_vpr.cli.common.console import Progress, atomic_text, check_writable, print_table
from fol_vpr.cli.common.drive import add_dataset_option, add_drive_options, part_of, pose_gap
from fol_vpr.cli.common.output import warn
from fol_vpr.config import (
    DEFAULT_SCALE,
    SCALES,
    CameraConfig,
    LoopsConfig,
    NetworkConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.errors import InputError
from fol_vpr.evaluation.closures import DriveTrajectory, RevisitCriteria, evaluate_closures

if TYPE_CHECKING:
    from fol_vpr.datatypes import LoopClosure, MapInfo, Pose
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import FrameSource

COLUMNS = (
    'candidate_id', 'session_from', 'session_to', 'stamp_from_ns', 'stamp_to_ns', 'frame_from',
    'frame_to', 'similarity', 'probability', 'verification', 'matches', 'inliers',
    'has_transform', 'metric_scale', 'x', 'y', 'z', 'qx', 'qy', 'qz', 'qw', 'covariance', 'right',
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Process a recorded drive as the node would, and write its loop closures: within the '
        'drive, and with a map if --map is given. Poses of the drive, if there are any, are taken '
        'as ground truth.'
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--bag', metavar='BAG', help='bag of ROS 2 or ROS 1')
    source.add_argument('--images', metavar='DIR', help='folder of images, taken in natural order')
    add_dataset_option(source, 'the drive')
    parser.add_argument('--image-topic', metavar='T', help='topic of the images in the bag')
    parser.add_argument('--odom-topic', metavar='T', help='topic of the odometry in the bag')
    parser.add_argument(
        '--pose-topic', metavar='T', help='topic of the poses in the bag, used as ground truth'
    )
    parser.add_argument(
        '--positions', metavar='CSV', help='times and poses of the images of a folder'
    )
    parser.add_argument('--map', metavar='M.folmap', help='find loop closures with this map too')
    parser.add_argument(
        '--output', metavar='OUT.csv', required=True, help='table of the loop closures to write'
    )
    add_drive_options(parser)
    add_scale(parser)
    _add_criteria(parser)
    recorded = dict.fromkeys(('weights', 'resize', 'input_size'), "the map's, where one is given")
    add_settings(parser, NetworkConfig, defaults=recorded)
    add_settings(parser, CameraConfig)
    add_settings(
        parser, RetrievalConfig, only=('rerank', 'shortlist', 'match_threshold'), of_map=True
    )
    add_settings(
        parser,
        VerificationConfig,
        only=(
            'min_inliers', 'min_inlier_ratio', 'min_regions', 'inlier_threshold', 'place_radius',
        ),
        of_map=True,
    )  # fmt: skip
    names = [spec.name for spec in fields(LoopsConfig) if spec.name != 'enabled']
    add_settings(parser, LoopsConfig, only=names, of_map=True)


def _add_criteria(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        'ground truth', 'When two images of the drive show the same place.'
    )
    usual = RevisitCriteria()
    lengths = ', '.join(f'{each.loop_distance:g} for {name}' for name, each in SCALES.items())
    group.add_argument(
        '--loop-distance', type=float, metavar='X',
        help=f'largest distance between two images in metres. Default: by the scale, {lengths}.',
    )  # fmt: skip
    for name, text in (
        ('angle', 'largest angle between their viewing directions in degrees'),
        ('gap', 'smallest time between them in seconds'),
    ):
        default = getattr(usual, name)
        group.add_argument(
            f'--loop-{name}', type=float, default=default, metavar='X',
            help=f'{text}. Default: {default}.',
        )  # fmt: skip
    group.add_argument(
        '--poses-of', choices=('base', 'camera'), default=usual.poses_of,
        help='frame whose poses are given: that of the robot, which looks along x, or the optical '
        'frame of the camera, which looks along z. Default: base.',
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    check_writable(args.output)
    _criteria(args, None)  # a wrong value is reported before anything is loaded
    config = recognizer_config(args, _network(args), loops=replace(LoopsConfig(), enabled=True))
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.sources import open_source

    source = open_source(
        args.dataset[1] if args.dataset else args.bag or args.images,
        image_topic=args.image_topic,
        pose_topic=args.pose_topic,
        odom_topic=args.odom_topic,
        positions_csv=args.positions,
        camera=settings(args, CameraConfig()),
        max_pose_gap=pose_gap(args),
        stamps=args.stamps,
        dataset=args.dataset[0] if args.dataset else '',
    )
    source = part_of(source, args)
    recognizer = PlaceRecognizer(config)
    try:
        if args.map is not None:
            recognizer.load_map(args.map)
            for each in recognizer.map_status.remarks():
                warn(each)
        criteria, origin = _criteria(args, recognizer.map_info)
        closures, stamps, poses = _process(recognizer, source)
        within = [c for c in closures if c.session_to == recognizer.session_id]
        drive = None
        if any(pose is not None for pose in poses):
            drive = DriveTrajectory(stamps, poses, criteria)
        with atomic_text(args.output) as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_row(c, drive if c in within else None) for c in closures)
        rows = [
            ['images', str(len(stamps))],
            ['keyframes', str(recognizer.loops.keyframes)],
            ['closures within the drive', str(len(within))],
            ['closures with the map', str(len(closures) - len(within))],
            *([] if drive is None else _report(within, drive, origin)),
        ]
        if config.loops.session_file:
            rows.append(['session', recognizer.save_session().path])
    finally:
        recognizer.close()
    print_table(rows)
    return 0


def _network(args: argparse.Namespace) -> NetworkConfig:
    if args.map is not None:
        return network_of_map(args, args.map)
    return settings(args, NetworkConfig())


def _process(
    recognizer: PlaceRecognizer, source: FrameSource
) -> tuple[list[LoopClosure], list[int], list[Pose | None]]:
    """The loop closures of a drive, and the stamps (ns) and poses of its images.

    Raises:
        InputError: two images in a row have the same stamp.
    """
    closures: list[LoopClosure] = []
    stamps: list[int] = []
    poses: list[Pose | None] = []
    with Progress('loops') as progress:
        for position, frame in source.frames():
            if stamps and frame.stamp_ns == stamps[-1]:
                raise InputError(
                    f'image {position} of {source.description} has the same stamp as the image '
                    f'before it, {frame.stamp_ns} ns, but a loop closure is identified by its two '
                    'stamps; give the times of a folder with --positions, or take the times of '
                    'reception of a bag with --stamps reception'
                )
            closures.extend(recognizer.recognize(frame).loop_closures)
            stamps.append(frame.stamp_ns)
            poses.append(frame.pose)
            progress(position + 1, len(source), f'{len(closures)} closures')
    return closures, stamps, poses


def _criteria(args: argparse.Namespace, info: MapInfo | None) -> tuple[RevisitCriteria, str]:
    """What counts as a right closure, and where that comes from, in words."""
    scale = args.scale or (info.scale if info is not None else '')
    distance, origin = args.loop_distance, 'given'
    if distance is None:
        distance = SCALES[scale or DEFAULT_SCALE].loop_distance
        origin = f'scale {scale or f"{DEFAULT_SCALE}, as nobody named one"}'
    return RevisitCriteria(distance, args.loop_angle, args.loop_gap, args.poses_of), origin


def _report(closures: list[LoopClosure], drive: DriveTrajectory, origin: str) -> list[list[str]]:
    report = evaluate_closures(closures, drive)
    criteria = drive.criteria
    precision = 'none' if math.isnan(report.precision) else f'{report.precision:.3f}'
    return [
        [
            'right',
            f'{report.right} (within {criteria.distance:g} m and {criteria.angle:g} degrees; '
            f'{origin})',
        ],
        ['wrong', str(report.wrong)],
        ['without ground truth', str(report.unknown)],
        ['precision', precision],
        ['revisits found', f'{report.found} of {report.revisits} ({report.images} images)'],
    ]


def _row(closure: LoopClosure, drive: DriveTrajectory | None) -> list[Any]:
    relative = closure.relative
    transform: list[Any] = [''] * 8
    if relative is not None:
        transform = [*relative.translation.tolist(), *relative.orientation.tolist()]
        transform.append(' '.join(f'{value:.9g}' for value in relative.covariance.reshape(-1)))
    right = None if drive is None else drive.is_loop(closure)
    return [
        closure.candidate_id,
        closure.session_from,
        closure.session_to,
        closure.stamp_from_ns,
        closure.stamp_to_ns,
        closure.frame_from,
        closure.frame_to,
        f'{closure.similarity:.6f}',
        '' if math.isnan(closure.probability) else f'{closure.probability:.6f}',
        closure.verification.name,
        closure.matches,
        closure.inliers,
        int(relative is not None),
        int(relative is not None and relative.metric),
        *transform,
        '' if right is None else int(right),
    ]
