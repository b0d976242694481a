"""`fol_vpr bag`: writes a bag from images or video, plays, records, and lists the topics."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fol_vpr.cli.bag import info
from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.console import Progress
from fol_vpr.cli.common.drive import STAMPS, add_part_options, part_moments
from fol_vpr.cli.common.output import add_json, remark, sentence, show_results
from fol_vpr.cli.common.processes import stop_signals
from fol_vpr.cli.common.ros import needs_ros
from fol_vpr.config import BagWriterConfig, CameraConfig, PlayerConfig, RecorderConfig
from fol_vpr.errors import InputError

if TYPE_CHECKING:
    from fol_vpr.ros.bags.player import PlaySummary
    from fol_vpr.ros.bags.recorder import RecordSummary
    from fol_vpr.sources.bags.writing.from_images import BagSummary

# Settings that become options by themselves; the topic and the times are options of the verb.
WRITER_SETTINGS = (
    'compressed', 'frame_id', 'storage', 'pose_topic', 'pose_type', 'map_frame', 'base_frame'
)  # fmt: skip
VIDEO_SETTINGS = WRITER_SETTINGS[1:]
CAMERA_SETTINGS = ('camera', 'camera_name', 'camera_mount', 'image_range')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs below `fol_vpr bag`."""
    verbs = parser.add_subparsers(dest='bag_verb', metavar='VERB', required=True)
    for name, text, declare, run in (
        ('from-images', 'write a bag from a folder of images', _declare_from_images, _from_images),
        ('from-video', 'write a bag from a video file', _declare_from_video, _from_video),
        ('play', 'publish the messages of a bag over ROS', _declare_play, _play),
        ('record', 'record topics into a bag', _declare_record, _record),
        (
            'info',
            'duration, topics, types, rates and compression of a bag',
            info.add_arguments,
            info.run,
        ),
    ):
        verb = verbs.add_parser(name, help=text, description=sentence(text))
        declare(verb)
        verb.set_defaults(bag_run=run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen verb."""
    return int(args.bag_run(args))


def _declare_from_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'images', metavar='DIR', help='folder of images, taken in natural order: 2 before 10'
    )
    parser.add_argument('--topic', default='', help='topic of the images; by default '
    '/camera/image, with /compressed appended for compressed images')  # fmt: skip
    times = parser.add_mutually_exclusive_group()
    times.add_argument('--rate', type=float, metavar='HZ', help='images per second')
    times.add_argument('--stamps', metavar='CSV', help='CSV with the times of the images')
    _add_written_bag(parser)
    add_settings(parser, BagWriterConfig, only=WRITER_SETTINGS)
    add_settings(parser, CameraConfig, only=CAMERA_SETTINGS)


def _declare_from_video(parser: argparse.ArgumentParser) -> None:
    from fol_vpr.sources.images.video.packets import VIDEO_TOPIC

    parser.description = (
        'Write a bag from a video file: MP4, MOV, Matroska, WebM, AVI or MPEG transport stream. '
        'The packets are copied and not encoded again, and every picture keeps its own time. '
        'Needs the package PyAV.'
    )
    parser.add_argument('video', metavar='VIDEO', help='the file')
    parser.add_argument(
        '--topic', default=VIDEO_TOPIC, help=f'topic of the video; by default {VIDEO_TOPIC}'
    )
    parser.add_argument(
        '--first-stamp',
        type=float,
        metavar='S',
        help='time in seconds of the first picture that players show; poses with times need it '
        'on their own clock. Without it the first picture of the file has 1 s',
    )
    _add_written_bag(parser)
    add_settings(parser, BagWriterConfig, only=VIDEO_SETTINGS)
    add_settings(parser, CameraConfig, only=CAMERA_SETTINGS[:3])


def _add_written_bag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--output', required=True, metavar='BAG', help='folder of the new bag')
    parser.add_argument(
        '--poses',
        metavar='FILE',
        help='poses with times: a CSV, or a trajectory as TUM, KITTI or EuRoC have them',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing bag')
    add_json(parser, 'the summary')


def _from_images(args: argparse.Namespace) -> int:
    from fol_vpr.sources.bags.writing.from_images import write_bag_from_images

    chosen = settings(args, BagWriterConfig())
    with Progress('writing') as progress:
        summary = write_bag_from_images(
            args.images,
            args.output,
            topic=args.topic,
            rate=args.rate,
            stamps_csv=args.stamps,
            poses_csv=args.poses,
            camera=settings(args, CameraConfig()),
            overwrite=args.overwrite,
            progress=progress,
            **{name: getattr(chosen, name) for name in WRITER_SETTINGS},
        )
    return _show_summary(args, summary)


def _from_video(args: argparse.Namespace) -> int:
    from fol_vpr.sources.bags.writing.from_video import write_bag_from_video

    chosen = settings(args, BagWriterConfig())
    with Progress('writing') as progress:
        summary = write_bag_from_video(
            args.video,
            args.output,
            topic=args.topic,
            first_stamp=args.first_stamp,
            poses_csv=args.poses,
            camera=settings(args, CameraConfig()),
            overwrite=args.overwrite,
            progress=progress,
            **{name: getattr(chosen, name) for name in VIDEO_SETTINGS},
        )
    return _show_summary(args, summary)


def _show_summary(args: argparse.Namespace, summary: BagSummary) -> int:
    if summary.notice:
        remark(summary.notice)
    seconds = (summary.last_ns - summary.first_ns) / 1e9
    show_results(
        args,
        lambda: summary,
        lambda: (
            f'{summary.path}: {summary.images} images and {summary.poses} poses over '
            f'{seconds:.1f} s, {summary.bytes / 1e6:.1f} MB'
        ),
    )
    return 0


def _declare_play(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', metavar='BAG', help=info.BAG_HELP)
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='T', help='play only these topics'
    )
    parser.add_argument(
        '--remap',
        nargs='+',
        default=[],
        metavar='FROM:=TO',
        help='publish topics under other names',
    )
    parser.add_argument(
        '--answers',
        default='',
        metavar='TOPIC',
        help='topic of the answers to the images, e.g. /localizer/places; images are then sent no '
        'faster than they are answered',
    )
    add_json(parser, 'the summary')
    add_part_options(parser, 'by the times of reception')
    parser.add_argument(
        '--stamps', choices=STAMPS, default='header',
        help='header: stamps as they were recorded; reception: write the times of reception into '
        'the headers, for stamps that stand still or are 0. Default: header.',
    )  # fmt: skip
    add_settings(parser, PlayerConfig)


def _play(args: argparse.Namespace) -> int:
    begin, end = part_moments(args)
    player = needs_ros('fol_vpr.ros.bags.player')
    with Progress('playing', unit='messages') as progress:
        player.play(
            args.bag,
            settings(args, PlayerConfig()),
            topics=args.topics,
            remap=dict(_parse_remapping(pair) for pair in args.remap),
            answers=args.answers,
            begin=begin,
            end=end,
            stamps=args.stamps,
            conclude=lambda summary: _print_played(summary, args, progress),
            report=progress.warn,
            progress=progress,
        )
    return 0


def _print_played(summary: PlaySummary, args: argparse.Namespace, progress: Progress) -> None:
    progress.close()
    sent = ', '.join(f'{count} on {topic}' for topic, count in summary.sent.items())
    lines = [f'sent {sent or "no messages"} in {summary.seconds:.1f} s']
    if summary.answered is not None:
        lines.append(f'answered {summary.answered} of {summary.images} images')
    show_results(args, lambda: summary, lambda: '\n'.join(lines))


def _parse_remapping(pair: str) -> tuple[str, str]:
    old, sign, new = pair.partition(':=')
    if not (old and sign and new):
        raise InputError(f'--remap needs FROM:=TO, got {pair}')
    return old, new


def _declare_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('topics', nargs='+', metavar='TOPIC', help='topic to record')
    parser.add_argument('--output', required=True, metavar='BAG', help='folder of the new bag')
    add_json(parser, 'the summary')
    add_settings(parser, RecorderConfig)


def _record(args: argparse.Namespace) -> int:
    recorder = needs_ros('fol_vpr.ros.bags.recorder')
    with stop_signals() as is_stopped:
        recorder.record(
            args.output,
            args.topics,
            settings(args, RecorderConfig()),
            conclude=lambda summary: _print_recorded(summary, args),
            report=remark,
            is_stopped=is_stopped,
        )
    return 0


def _print_recorded(summary: RecordSummary, args: argparse.Namespace) -> None:
    recorded = ', '.join(f'{count} on {topic}' for topic, count in summary.recorded.items())
    lines = [f'{args.output}: {recorded or "no messages"} in {summary.seconds:.1f} s']
    lines += [f'no publisher on {topic}' for topic in summary.missing]
    show_results(args, lambda: summary, lambda: '\n'.join(lines))
