"""`fol_vpr map info | show`: what a map holds, as text, as JSON and as a page."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.console import check_writable, table
from fol_vpr.cli.common.output import add_json, show_produced, warn
from fol_vpr.cli.maps import changes
from fol_vpr.config import PruningConfig, scaled
from fol_vpr.errors import InputError

if TYPE_CHECKING:
    from fol_vpr.database import MapReader
    from fol_vpr.recognizer import MapDescription

MAX_COMPARED, MAX_COMPARED_UNPOSED = 20_000, 4_000
"""Most places of which redundant ones are looked for, with positions and without: all pairs of
descriptors are compared, except of places too far apart."""


def add_info(parser: argparse.ArgumentParser) -> None:
    """Add the options of `map info`."""
    parser.add_argument('map', metavar='MAP', help='a .folmap file')
    add_json(parser, 'the description')
    parser.add_argument(
        '--sessions',
        action='store_true',
        help='list the sessions: places, dates, length, and what each was built from',
    )


def info(args: argparse.Namespace) -> int:
    """Run `map info`; the exit code."""
    from fol_vpr.database import read_info
    from fol_vpr.recognizer import describe_map

    header = read_info(args.map)
    described = describe_map(args.map)
    values = described.as_json()
    if args.sessions:
        listed = values['session_list']
        show_produced(
            args,
            lambda: {'path': header.path, 'map_id': header.map_id, 'session_list': listed},
            lambda: table(_session_rows(described), left=(0, 2, 3, 5)),
        )
        return 0
    rows = [row for row in changes.info_rows(header) if row[0] != 'scale']
    show_produced(
        args,
        lambda: {**dataclasses.asdict(header), **values},
        lambda: table([*rows, *described.rows()]),
    )
    for each in described.remarks:
        warn(each)
    return 0


def _session_rows(described: MapDescription) -> list[list[str]]:
    from fol_vpr.mapping import stamp_in_words

    rows = [['session', 'places', 'first image', 'last image', 'metres', 'built from']]
    for each in described.overview.sessions:
        dates = ['not known', 'not known']
        if each.last_ns > 0:
            dates = [stamp_in_words(each.first_ns), stamp_in_words(each.last_ns)]
        length = 'not known' if each.length != each.length else f'{each.length:.1f}'
        source = each.source or 'not recorded'
        rows.append([each.session_id, str(each.places), *dates, length, source])
    return rows


def add_show(parser: argparse.ArgumentParser) -> None:
    """Add the options of `map show`."""
    parser.description = (
        'Write one page about a map, which opens from a file without a network: a plan of its '
        'places with their images, sessions, coverage, gaps, places that resemble others, how '
        'often places were recognised, calibration and settings.'
    )
    parser.add_argument('map', metavar='MAP', help='a .folmap file, which is not changed')
    parser.add_argument(
        '--output', metavar='OUT.html', required=True, help='the page to write, .html'
    )
    add_json(parser, 'the description of the map')
    parser.add_argument(
        '--gap', type=float, metavar='X',
        help='distance in metres without a reference along a session from which on a stretch is a '
        'gap. Default: the radius of a place, by the scale or the calibration of the map.',
    )  # fmt: skip
    of_scale = {'radius': f'that of the scale, else {PruningConfig().radius}'}
    add_settings(parser, PruningConfig, only=('similarity', 'radius', 'angle'), defaults=of_scale)


def show(args: argparse.Namespace) -> int:
    """Run `map show`; the exit code."""
    if not args.output.endswith(('.html', '.htm')):
        raise InputError(
            f'--output is {args.output}, expected the name of a page: --output {args.output}.html'
        )
    if args.gap is not None and not args.gap > 0:
        raise InputError(f'--gap is {args.gap:g}, expected metres over 0')
    check_writable(args.output)
    from fol_vpr.database import read_hits
    from fol_vpr.evaluation.results import Provenance
    from fol_vpr.recognizer import describe_map, open_map
    from fol_vpr.reporting.maps import MapFacts, map_page

    described = describe_map(args.map, gap=args.gap)
    with open_map(args.map) as reader:
        usual = scaled(PruningConfig(redundant=True), reader.info.scale)
        pruning = settings(args, usual)
        redundant, why = _redundant(reader, pruning)
        facts = MapFacts(
            info=reader.info,
            description=described,
            image=reader.image,
            rows=changes.info_rows(reader.info),
            redundant=redundant,
            pruning=pruning,
            not_compared=why,
            hits=read_hits(args.map),
        )
        page = map_page(facts, Provenance.of_this(args.command_line))
    page.write(args.output)
    show_produced(
        args,
        lambda: {'page': args.output, **dataclasses.asdict(facts.info), **described.as_json()},
        lambda: f'{args.output} shows {facts.info.places} references of {args.map}',
    )
    return 0


def _redundant(reader: MapReader, config: PruningConfig) -> tuple[list[int] | None, str]:
    """Redundant places, or None with the reason why they were not looked for."""
    from fol_vpr.database import redundant_places

    limit = MAX_COMPARED if reader.info.poses else MAX_COMPARED_UNPOSED
    if reader.info.places > limit:
        return None, (
            f'Not computed: {reader.info.places} references are more than the {limit} that are '
            'compared for a page. fol_vpr map prune --redundant compares all of them.'
        )
    return redundant_places(reader, config), ''
