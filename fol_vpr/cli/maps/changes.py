"""`fol_vpr map merge | split | prune | remove | save | export | import`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from fol_vpr.cli.common.arguments import add_scale, add_settings, scaled_settings
from fol_vpr.cli.common.console import Progress, check_map_name, table
from fol_vpr.cli.common.output import add_json, say, sentence, show_produced
from fol_vpr.config import PruningConfig
from fol_vpr.datatypes import MapInfo
from fol_vpr.errors import InputError

Verbs = Any  # argparse has no public name for the result of add_subparsers


def add_verbs(verbs: Verbs) -> None:
    """Add the verbs that make maps from maps, or change a map."""
    _add_merge(verbs)
    _add_split(verbs)
    _add_prune(verbs)
    remove = _add(verbs, 'remove', 'remove places or sessions from a map')
    remove.add_argument('map', metavar='MAP', help='the map, which is rewritten')
    remove.add_argument(
        '--place',
        action='append',
        default=[],
        metavar='ID',
        help='a place to remove; may be repeated',
    )
    remove.add_argument(
        '--session',
        action='append',
        default=[],
        metavar='ID',
        help='a session whose places are removed; may be repeated',
    )
    save = _add(verbs, 'save', 'write a map and the changes beside it as one file')
    save.add_argument('map', metavar='MAP', help='the map')
    _add_output(save, required=False, note='another map to write; MAP itself by default')
    add_scale(save)
    exported = _add(verbs, 'export', 'write a map as a folder of images, CSV and npy')
    exported.add_argument('map', metavar='MAP', help='the map')
    exported.add_argument('--output', metavar='DIR', required=True, help='the folder to write')
    imported = _add(verbs, 'import', 'make a map from a folder that `fol_vpr map export` wrote')
    imported.add_argument('folder', metavar='DIR', help='the folder')
    _add_output(imported)


def _add(verbs: Verbs, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=sentence(text))
    add_json(parser, 'the description of the map')
    return parser


def _add_output(
    parser: argparse.ArgumentParser, *, required: bool = True, note: str = 'the map to write'
) -> None:
    parser.add_argument('--output', metavar='M.folmap', required=required, help=note)
    parser.add_argument('--overwrite', action='store_true', help='replace an existing map')


def _add_merge(verbs: Verbs) -> None:
    parser = _add(verbs, 'merge', 'make one map of the places of several maps')
    parser.add_argument(
        'maps',
        metavar='MAP',
        nargs='+',
        help='maps made with the same network and in the same frame',
    )
    _add_output(parser)
    parser.add_argument('--name', default='', help='name of the map; by default that of the file')
    add_scale(parser)
    parser.add_argument(
        '--qualify',
        action='store_true',
        help='prefix sessions and places with the name of their map, where names occur twice',
    )


def _add_split(verbs: Verbs) -> None:
    parser = _add(verbs, 'split', 'make a map of each session, or of the places in a region')
    parser.add_argument('map', metavar='MAP', help='the map, which is not changed')
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        '--by-session', metavar='DIR', help='folder that a map of each session is written to'
    )
    bounds = ('X0', 'Y0', 'X1', 'Y1')
    how.add_argument(
        '--region',
        type=float,
        nargs=4,
        metavar=bounds,
        help='corners of the region in metres, in the frame of the map',
    )
    how.add_argument(
        '--geo-region',
        type=float,
        nargs=4,
        metavar=('LON0', 'LAT0', 'LON1', 'LAT1'),
        help='corners of the region in degrees (WGS 84)',
    )
    _add_output(parser, required=False, note='map of the places in the region to write')
    parser.add_argument('--rest', metavar='R.folmap', help='map of all other places to write')


def _add_prune(verbs: Verbs) -> None:
    parser = _add(
        verbs, 'prune', 'make a map without places that are never recognised, or redundant'
    )
    parser.add_argument('map', metavar='MAP', help='the map, which is not changed')
    _add_output(parser)
    add_scale(parser)
    of_scale = {'radius': f'that of the scale, else {PruningConfig().radius}'}
    add_settings(parser, PruningConfig, defaults=of_scale)


def _merge(args: argparse.Namespace) -> int:
    from fol_vpr.database import merge_maps

    check_map_name('--output', args.output)
    with Progress('map merge', 'places') as progress:
        info = merge_maps(
            args.maps,
            args.output,
            name=args.name,
            qualify=args.qualify,
            overwrite=args.overwrite,
            scale=args.scale or '',
            progress=progress,
        )
    return show_info(args, info)


def _split(args: argparse.Namespace) -> int:
    from fol_vpr.database import Region, split_by_region, split_by_session

    check_map_name('--output', args.output)
    check_map_name('--rest', args.rest)
    if args.by_session is not None:
        if args.output or args.rest:
            raise InputError(
                '--output and --rest need --region or --geo-region: --by-session names the files '
                'itself'
            )
        with Progress('map split', 'places') as progress:
            infos = split_by_session(
                args.map, args.by_session, overwrite=args.overwrite, progress=progress
            )
    else:
        if not args.output:
            raise InputError('--output is missing: give the file for the places in the region')
        west, south, east, north = args.region or args.geo_region
        region = Region(west, south, east, north, geodetic=args.region is None)
        with Progress('map split', 'places') as progress:
            infos = split_by_region(
                args.map,
                region,
                args.output,
                args.rest,
                overwrite=args.overwrite,
                progress=progress,
            )
    show_produced(
        args,
        lambda: {'maps': infos},
        lambda: table([[info.path, f'{info.places} references'] for info in infos]),
    )
    return 0


def _prune(args: argparse.Namespace) -> int:
    from fol_vpr.database import prune_map, read_info

    check_map_name('--output', args.output)
    info = read_info(args.map)
    before, config = info.places, scaled_settings(args, PruningConfig(), info.scale)
    with Progress('map prune', 'places') as progress:
        info = prune_map(
            args.map, args.output, config, overwrite=args.overwrite, progress=progress
        )
    say(args, f'{info.places} of {before} references are kept')
    return show_info(args, info)


def _remove(args: argparse.Namespace) -> int:
    from fol_vpr.database import MapEditor

    if not (args.place or args.session):
        raise InputError('nothing to remove: name places with --place, or sessions with --session')
    with MapEditor(args.map) as editor, Progress('map remove', 'places') as progress:
        removed = editor.remove(args.place, args.session)
        info = editor.save(progress=progress)
    say(args, f'{len(removed)} references were removed')
    return show_info(args, info)


def _save(args: argparse.Namespace) -> int:
    from fol_vpr.database import MapEditor

    check_map_name('--output', args.output)
    with MapEditor(args.map) as editor, Progress('map save', 'places') as progress:
        info = editor.save(
            args.output, overwrite=args.overwrite, scale=args.scale or '', progress=progress
        )
    return show_info(args, info)


def _export(args: argparse.Namespace) -> int:
    from fol_vpr.database import export_map

    with Progress('map export', 'places') as progress:
        info = export_map(args.map, args.output, progress=progress)
    show_produced(args, lambda: info, lambda: f'{args.output} holds {info.places} references')
    return 0


def _import(args: argparse.Namespace) -> int:
    from fol_vpr.database import import_map

    check_map_name('--output', args.output)
    with Progress('map import', 'places') as progress:
        info = import_map(args.folder, args.output, overwrite=args.overwrite, progress=progress)
    return show_info(args, info)


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    'merge': _merge,
    'split': _split,
    'prune': _prune,
    'remove': _remove,
    'save': _save,
    'export': _export,
    'import': _import,
}


def show_info(args: argparse.Namespace, info: MapInfo) -> int:
    """Print the description of a map; the exit code."""
    show_produced(args, lambda: info, lambda: table(info_rows(info)))
    return 0


def info_rows(info: MapInfo) -> list[list[str]]:
    """The description of a map, as rows of name and value."""
    datum = 'none' if info.datum is None else f'{info.datum.latitude}, {info.datum.longitude}'
    return [
        [name, f'{value}']
        for name, value in (
            ('map', info.name),
            ('file', f'{info.path}, {info.bytes / 1e6:.1f} MB, schema {info.schema_version}'),
            ('map id', info.map_id),
            ('references', f'{info.places} from {info.sessions} session(s)'),
            ('not saved yet', f'{info.added} added, {info.removed} removed'),
            ('weights', f'{info.weights_name} ({_short_id(info.model_id)})'),
            ('preprocessing', info.preprocessing_id),
            ('descriptors', f'{info.descriptor_dim} global, {info.local_dim} local, {info.codec}'),
            ('frame', info.frame_id),
            ('georeferenced', f'{"yes" if info.georeferenced else "no"}, datum {datum}'),
            ('positions', _positions(info)),
            ('cameras', _cameras(info)),
            ('scale', info.scale or 'not named'),
            ('calibrated', 'yes' if info.calibrated else 'no'),
        )
    ]


def _short_id(model_id: str) -> str:
    """The architecture and the first twelve digits of the hash, which tell any two apart."""
    architecture, colon, digest = model_id.partition(':')
    return f'{architecture}{colon}{digest[:12]}'


def _positions(info: MapInfo) -> str:
    kinds = (('poses', info.poses), ('geodetic positions', info.geo_positions))
    known = [f'{count} {kind}' for kind, count in kinds if count]
    return f'{" and ".join(known)} of {info.places} places' if known else 'not known'


def _cameras(info: MapInfo) -> str:
    if not info.cameras:
        return 'not known'
    return f'calibrated for {info.cameras} places, with a mount for {info.mounts or "none"}'
