"""Options of all verbs that read a drive: which part of it, and by which times."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.output import remark
from fol_vpr.config import MappingConfig
from fol_vpr.errors import InputError

if TYPE_CHECKING:
    from fol_vpr.sources import FrameSource
    from fol_vpr.sources.window import Moment

# As `fol_vpr.sources.bags.clocks` has them, which is not imported before a verb runs.
STAMPS = ('header', 'reception')
# As `fol_vpr.sources.DATASETS`, likewise.
DATASETS = (
    'tum', 'euroc', 'kitti', '4seasons', 'nclt', 'robotcar', 'nordland', 'tokyo247', 'pitts30k',
    'sf_xl', 'msls', 'vpr_bench',
)  # fmt: skip


def add_part_options(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, by: str = ''
) -> None:
    """Add --from and --to; `by` says by which times they choose."""
    told = f', {by}' if by else ''
    parser.add_argument(
        '--from', dest='begin', metavar='T',
        help=f'take nothing before this time{told}: seconds from the start of the drive, or a '
        'stamp in s, ms, us or ns; numbers from 100,000,000 on are stamps',
    )  # fmt: skip
    parser.add_argument('--to', dest='end', metavar='T', help='take nothing after this time')


def add_drive_options(parser: argparse.ArgumentParser, *, pose_gap: bool = True) -> None:
    """Add --from, --to, --stamps, and with `pose_gap` --max-pose-gap."""
    group = parser.add_argument_group('part of the drive, and times')
    add_part_options(group)
    group.add_argument(
        '--stamps', choices=STAMPS, default='header',
        help='time of the messages of a bag: the stamp of their header, or when they were '
        'recorded, for stamps that stand still or are of another clock than those of the poses. '
        'Default: header.',
    )  # fmt: skip
    if pose_gap:
        add_settings(parser, MappingConfig, only=('max_pose_gap',))


def add_dataset_option(
    parser: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup, what: str, **settings: Any
) -> None:
    """Add --dataset NAME FOLDER.

    Args:
        parser: gets the option.
        what: the images are for, for help.
        settings: further ones of the option, such as its action.
    """
    parser.add_argument(
        '--dataset', nargs=2, metavar=('NAME', 'FOLDER'),
        help=f'{what}: a drive or part of a public data set as it lies on the disk, '
        f'{", ".join(DATASETS)}; of msls also with a subtask, as msls:all. FOLDER is the '
        'sequence, the part, or the folder of one camera in it',
        **settings,
    )  # fmt: skip


def pose_gap(args: argparse.Namespace) -> float:
    """The value of --max-pose-gap, which the verb has.

    Raises:
        InputError: it is outside its range.
    """
    return settings(args, MappingConfig()).max_pose_gap


def part_moments(args: argparse.Namespace) -> tuple[Moment | None, Moment | None]:
    """The times of --from and --to; None for what is not given.

    Raises:
        InputError: a time is none, or the first is after the second.
    """
    from fol_vpr.sources.window import parse_moment

    begin = None if args.begin is None else parse_moment(args.begin, '--from')
    end = None if args.end is None else parse_moment(args.end, '--to')
    if begin and end and begin.is_stamp == end.is_stamp and begin.ns > end.ns:
        raise InputError(f'--from {begin.text} is after --to {end.text}')
    return begin, end


def part_of(source: FrameSource, args: argparse.Namespace, *, said: bool = True) -> FrameSource:
    """The part of a drive that --from and --to choose, or all of it.

    Args:
        source: the whole drive.
        args: with the options of `add_part_options`.
        said: whether to print which part it is.

    Raises:
        InputError: a time is none, or no image lies between the two.
    """
    from fol_vpr.sources.window import DriveWindow

    begin, end = part_moments(args)
    if begin is None and end is None:
        return source
    part = DriveWindow(source, begin, end)
    if said:
        remark(part.description)
    return part
