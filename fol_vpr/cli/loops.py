"""`fol_vpr loops`: finds the loop closures of a recorded drive."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from fol_vpr.cli.common.arguments import (
    add_scale,
    add_settings,
    network_of_map,
    recognizer_config,
    settings,
)
from fol_vpr.cli.common.console import Progress, check_writable, table, working
from fol_vpr.cli.common.drive import add_dataset_option, add_drive_options, part_of, pose_gap
from fol_vpr.cli.common.output import add_json, show_produced, warn
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
from fol_vpr.evaluation.closures import DriveTrajectory, RevisitCriteria
from fol_vpr.files import atomic_text

if TYPE_CHECKING:
    import numpy as np

    from fol_vpr.datatypes import LoopClosure, MapInfo, Place, Pose
    from fol_vpr.evaluation.results import Provenance
    from fol_vpr.recognizer import PlaceRecognizer
    from fol_vpr.reporting.loops import LoopsResult
    from fol_vpr.sources import FrameSource


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
    parser.add_argument('--output', metavar='OUT.csv', help='table of the loop closures to write')
    add_json(parser, 'the closures, the settings and what became of each image')
    parser.add_argument(
        '--report', metavar='OUT.html',
        help='write a page with the track, the closures, and the images of the most dubious ones',
    )  # fmt: skip
    parser.add_argument(
        '--picture', metavar='OUT.png', help='draw the track with the closures, and three of them'
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
    files = [each for each in (args.output, args.report, args.picture) if each is not None]
    if args.json is None and not files:
        raise InputError(
            'nothing is to be written: expected --output, --json, --report or --picture'
        )
    for each in files:
        check_writable(each)
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
        recognizer.warm_up()
        if args.map is not None:
            with working('loading the map'):
                recognizer.load_map(args.map)
            for each in recognizer.map_status.remarks():
                warn(each)
        drive = _process(recognizer, source)
        result = _result(args, recognizer, source, drive)
        session = recognizer.save_session().path if config.loops.session_file else ''
    finally:
        recognizer.close()
    _write(args, result, drive, source)
    rows = [*result.rows(), *([['session', session]] if session else [])]
    show_produced(
        args,
        result.as_json,
        lambda: '\n'.join([table(rows), *result.advice()]),
    )
    return 0


def _provenance(args: argparse.Namespace) -> Provenance:
    from fol_vpr.evaluation.results import Provenance

    return Provenance.of_this(args.command_line)


def _write(
    args: argparse.Namespace, result: LoopsResult, drive: _Drive, source: FrameSource
) -> None:
    from fol_vpr.reporting.loops import COLUMNS, closures_page, draw_closures

    if args.output is not None:
        with atomic_text(args.output) as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(result.csv_row(closure) for closure in result.closures)
    if args.picture is None and args.report is None:
        return
    from fol_vpr.recognizer import open_map

    with nullcontext() if args.map is None else open_map(args.map) as reader:
        images = _EndImages(source, drive)
        if reader is not None:
            images.add_map(reader.places, reader.image)
        if args.picture is not None:
            draw_closures(args.picture, result, images)
        if args.report is not None:
            closures_page(result, images, _provenance(args)).write(args.report)


def _network(args: argparse.Namespace) -> NetworkConfig:
    if args.map is not None:
        return network_of_map(args, args.map)
    return settings(args, NetworkConfig())


@dataclass
class _Drive:
    """What is kept of each image of a drive, and the closures.

    Attributes:
        closures: in the order of the images.
        stamps: of the images, in nanoseconds.
        poses: of the images by the ground truth, None where it has none.
        odometry: of the images, likewise.
        positions: of the images in the source, by their stamp.
    """

    closures: list[LoopClosure] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    poses: list[Pose | None] = field(default_factory=list)
    odometry: list[Pose | None] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)


def _process(recognizer: PlaceRecognizer, source: FrameSource) -> _Drive:
    """The loop closures of a drive, with what is known of its images.

    Raises:
        InputError: two images in a row have the same stamp.
    """
    from fol_vpr.reporting.loops import CAMERA_FRAME

    drive = _Drive()
    with Progress('loops') as progress:
        for position, frame in source.frames():
            if drive.stamps and frame.stamp_ns == drive.stamps[-1]:
                raise InputError(
                    f'image {position} of {source.description} has the same stamp as the image '
                    f'before it, {frame.stamp_ns} ns, but a loop closure is identified by its two '
                    'stamps; give the times of a folder with --positions, or take the times of '
                    'reception of a bag with --stamps reception'
                )
            if not frame.frame_id:
                frame = replace(frame, frame_id=CAMERA_FRAME)
            drive.closures.extend(recognizer.recognize(frame).loop_closures)
            drive.stamps.append(frame.stamp_ns)
            drive.poses.append(frame.pose)
            drive.odometry.append(frame.odometry)
            drive.positions[frame.stamp_ns] = position
            progress(position + 1, len(source), f'{len(drive.closures)} closures')
    return drive


def _result(
    args: argparse.Namespace, recognizer: PlaceRecognizer, source: FrameSource, drive: _Drive
) -> LoopsResult:
    from fol_vpr.reporting.loops import LoopsResult

    criteria, origin = _criteria(args, recognizer.map_info)
    truth = None
    if any(pose is not None for pose in drive.poses):
        truth = DriveTrajectory(drive.stamps, drive.poses, criteria)
    return LoopsResult(
        source=source.description,
        map='' if args.map is None else str(args.map),
        session_id=recognizer.session_id,
        stamps=drive.stamps,
        poses=drive.poses,
        odometry=drive.odometry,
        closures=drive.closures,
        keyframes=recognizer.loops.keyframes,
        diagnosis=recognizer.loops.diagnosis,
        config=recognizer.config,
        truth=truth,
        criteria_from=origin,
    )


class _EndImages:
    """The images at both ends of a closure, read again from the drive and the map."""

    def __init__(self, source: FrameSource, drive: _Drive) -> None:
        self._places: dict[tuple[str, int], int] = {}
        self._load: Callable[[int], bytes | None] | None = None
        self._source = source
        self._drive = drive

    def add_map(self, places: Sequence[Place], load: Callable[[int], bytes | None]) -> None:
        """Take the places of a map, and what returns the JPEG of one by its index."""
        for place in places:
            self._places.setdefault((place.session_id, place.stamp_ns), place.index)
        self._load = load

    def __call__(self, closure: LoopClosure) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The RGB images of `from` and `to`; None where one is not there."""
        return self._of_drive(closure.stamp_from_ns), self._of_place(closure)

    def _of_drive(self, stamp_ns: int) -> np.ndarray | None:
        position = self._drive.positions.get(stamp_ns)
        if position is None:
            return None
        frames = self._source.frames(position, stop=position + 1)
        return next((frame.image for _, frame in frames), None)

    def _of_place(self, closure: LoopClosure) -> np.ndarray | None:
        if closure.session_to == closure.session_from or self._load is None:
            return self._of_drive(closure.stamp_to_ns)
        from fol_vpr.pictures import decoded

        index = self._places.get((closure.session_to, closure.stamp_to_ns))
        return None if index is None else decoded(self._load(index))


def _criteria(args: argparse.Namespace, info: MapInfo | None) -> tuple[RevisitCriteria, str]:
    """What counts as a right closure, and where that comes from, in words."""
    scale = args.scale or (info.scale if info is not None else '')
    distance, origin = args.loop_distance, 'given'
    if distance is None:
        distance = SCALES[scale or DEFAULT_SCALE].loop_distance
        origin = f'scale {scale or f"{DEFAULT_SCALE}, as nobody named one"}'
    return RevisitCriteria(distance, args.loop_angle, args.loop_gap, args.poses_of), origin
