"""The page of a map: plan, sessions, coverage, gaps, redundancy, hits, calibration, settings."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fol_vpr.evaluation.results import Provenance
from fol_vpr.mapping import stamp_in_words
from fol_vpr.reporting import Card, Cards, Note, Page, Section, Table, Text
from fol_vpr.reporting.maps.facts import MapFacts, thumbnails
from fol_vpr.reporting.maps.plan import density_plan, direction_plan, session_plan

SHOWN_ROWS = 200
"""Most rows of a table."""
HEADINGS = ('0 (x)', '45', '90 (y)', '135', '180', '225', '270', '315')
COMPASS = ('east', 'north-east', 'north', 'north-west', 'west', 'south-west', 'south',
           'south-east')  # fmt: skip


def map_page(facts: MapFacts, provenance: Provenance) -> Page:
    """The page of a map.

    Args:
        facts: of the map.
        provenance: what made the page.
    """
    info, overview = facts.info, facts.overview
    first, last = overview.stamps
    dates = f'{stamp_in_words(first)} to {stamp_in_words(last)}' if last > 0 else 'not known'
    page = Page(
        f'Map {info.name}',
        Path(info.path).name,
        [
            ('images taken', dates),
            ('extent', overview.extent_in_words()),
            ('weights', info.weights_name),
            ('page made by', f'fol_vpr {provenance.fol_vpr_version}, {provenance.date}'),
        ],
    )
    _add_summary(page.section('Summary'), facts)
    images = thumbnails(facts)
    _add_plan(page.section('Plan'), facts, images)
    _add_sessions(page.section('Sessions'), facts)
    _add_coverage(page.section('Coverage'), facts)
    _add_gaps(page.section('Gaps'), facts)
    _add_redundancy(page.section('Redundancy'), facts)
    _add_hits(page.section('Recognitions'), facts)
    _add_calibration(page.section('Calibration'), facts)
    _add_file(page.section('File and settings'), facts, provenance)
    return page


def _add_summary(section: Section, facts: MapFacts) -> None:
    info, overview = facts.info, facts.overview
    lengths = [each.length for each in overview.sessions if math.isfinite(each.length)]
    cards = [
        Card(f'{info.places:,}', 'references', f'{info.sessions} session(s)'),
        Card(f'{info.bytes / 1e6:.1f} MB', 'file', f'codec {info.codec}'),
    ]
    if lengths:
        cards.append(Card(f'{sum(lengths):,.0f} m', 'along all sessions'))
        cards.append(
            Card(
                str(len(overview.gaps)), 'gaps', f'over {overview.gap:g} m',
                'wrong' if overview.gaps else 'right',
            )
        )  # fmt: skip
    known = np.isfinite(overview.heading_span)
    if known.any():
        share = float(overview.one_direction[known].mean())
        cards.append(Card(f'{share:.0%}', 'seen from one direction only'))
    if facts.redundant is not None:
        share = len(facts.redundant) / info.places
        cards.append(Card(f'{share:.0%}', 'redundant', f'{len(facts.redundant)} references'))
    quality = facts.description.quality
    tone = {'good': 'right', 'poor': 'wrong'}.get(quality.word, '') if quality else ''
    cards.append(Card(quality.word if quality else 'none', 'calibration', tone=tone))
    section.add(Cards(cards))
    section.add(*(Note(remark) for remark in facts.description.remarks))


def _add_plan(section: Section, facts: MapFacts, images: Mapping[int, bytes]) -> None:
    section.intro = (
        'The references by session. Drag moves the plan, the wheel zooms, a double click shows '
        'everything again, and a click on an entry of the legend hides it.'
    )
    section.add(session_plan(facts, images))


def _add_sessions(section: Section, facts: MapFacts) -> None:
    rows = [
        [
            each.session_id,
            each.places,
            stamp_in_words(each.first_ns) if each.last_ns > 0 else 'not known',
            stamp_in_words(each.last_ns) if each.last_ns > 0 else 'not known',
            f'{each.length:.1f}' if math.isfinite(each.length) else 'not known',
            each.source or 'not recorded',
        ]
        for each in facts.overview.sessions[:SHOWN_ROWS]
    ]
    section.add(
        Table(
            ['session', 'references', 'first image', 'last image', 'length in m', 'built from'],
            rows,
            _shown('sessions', len(facts.overview.sessions)),
            left=(0, 2, 3, 5),
            sortable=True,
        )
    )


def _shown(what: str, count: int) -> str:
    return f'The first {SHOWN_ROWS} of {count} {what}.' if count > SHOWN_ROWS else ''


def _add_coverage(section: Section, facts: MapFacts) -> None:
    overview = facts.overview
    if not overview.posed.any():
        section.add(Text('The map has no positions, so that its coverage is not known.'))
        return
    section.add(density_plan(facts))
    if np.isfinite(overview.headings).any():
        section.add(direction_plan(facts))
    else:
        section.add(Text('The map does not say where its cameras looked to.'))
    counts = overview.heading_counts()
    if sum(counts):
        names = COMPASS if overview.geodetic else HEADINGS
        section.add(
            Table(
                ['camera looks to', *names],
                [['references', *counts]],
                'Directions of view, in degrees counter-clockwise from the x axis of the map, to '
                'the nearest 45 degrees.'
                if not overview.geodetic
                else 'Directions of view.',
            )
        )


def _add_gaps(section: Section, facts: MapFacts) -> None:
    overview = facts.overview
    if not overview.posed.any():
        section.add(Text('The map has no positions, so that gaps are not known.'))
        return
    limit = f'more than {overview.gap:g} m from one reference to the next of its session'
    if not overview.gaps:
        section.add(Text(f'There is no gap: nowhere is it {limit}.'))
        return
    section.intro = f'Stretches without a reference: {limit}.'
    rows = [
        [
            gap.session_id,
            f'{gap.length:.1f}',
            f'{gap.seconds:.1f}',
            overview.places[gap.before].place_id,
            overview.places[gap.after].place_id,
        ]
        for gap in overview.gaps[:SHOWN_ROWS]
    ]
    header = ['session', 'metres', 'seconds', 'from', 'to']
    section.add(Table(header, rows, _shown('gaps', len(overview.gaps)), left=(0, 3, 4)))


def _add_redundancy(section: Section, facts: MapFacts) -> None:
    pruning = facts.pruning
    rule = (
        f'A place is redundant where another one has a similarity of at least '
        f'{pruning.similarity:g}'
    )
    if facts.overview.posed.any():
        rule += f' within {pruning.radius:g} m and {pruning.angle:g} degrees'
    section.intro = f'{rule}; one of each such group is kept.'
    if facts.redundant is None:
        section.add(Text(facts.not_compared))
        return
    count, total = len(facts.redundant), facts.info.places
    names = ('similarity', 'radius', 'angle') if facts.overview.posed.any() else ('similarity',)
    values = [f'--{name} {getattr(pruning, name):.12g}' for name in names]
    section.add(
        Text(
            f'{count} of {total} references ({count / total:.0%}) are redundant. '
            f'A map without them is made by: {_prune(facts, "--redundant", *values)}'
            if count
            else f'None of the {total} references is redundant.'
        )
    )
    if not count:
        return
    redundant = set(facts.redundant)
    rows = []
    for each in facts.overview.sessions[:SHOWN_ROWS]:
        own = [p.index for p in facts.overview.places if p.session_id == each.session_id]
        rows.append([each.session_id, len(own), len(redundant.intersection(own))])
    section.add(Table(['session', 'references', 'redundant'], rows, sortable=True))


def _prune(facts: MapFacts, *options: str) -> str:
    """The command that makes a smaller map; whatever the name of the map, a shell may get it."""
    name = shlex.quote(Path(facts.info.path).name)
    return f'fol_vpr map prune {name} {" ".join(options)} --output smaller.folmap'


def _add_hits(section: Section, facts: MapFacts) -> None:
    if not facts.hits:
        section.add(
            Text(
                'Nothing was counted. A node with storage.record_hits set to true counts how '
                'often it recognises each place, in a file beside the map.'
            )
        )
        return
    places = facts.overview.places
    counts = [(facts.hits.get(place.place_id, 0), place) for place in places]
    never = sum(not count for count, _ in counts)
    section.add(
        Text(
            f'{sum(count for count, _ in counts)} recognitions were counted. {never} of '
            f'{len(places)} places were never recognised; a map without them is made by: '
            f'{_prune(facts, "--never-hit")}'
        )
    )
    most = sorted(counts, key=lambda pair: (-pair[0], pair[1].index))[:20]
    rows = [[place.place_id, place.session_id, count] for count, place in most if count]
    section.add(Table(['place', 'session', 'recognised'], rows, 'The most often recognised.',
                      left=(0, 1)))  # fmt: skip


def _add_calibration(section: Section, facts: MapFacts) -> None:
    description = facts.description
    if description.calibration is None:
        section.add(
            Text(
                'The map has no calibration, so that answers carry no probabilities: '
                'fol_vpr calibrate makes one from a drive with ground truth.'
            )
        )
        return
    shown = ('calibration', 'calibrated by', 'calibrated with')
    rows = [row for row in description.rows() if row[0] in shown]
    made = description.calibration_facts
    rows += [
        [name, str(made[key])]
        for name, key in (('made', 'created'), ('number format', 'precision'))
        if key in made
    ]
    drives = made.get('drives')
    if isinstance(drives, (list, tuple)):
        rows.append(['drives', ', '.join(str(each) for each in drives)])
    section.add(Table(['calibration', ''], rows, left=(0, 1)))


def _add_file(section: Section, facts: MapFacts, provenance: Provenance) -> None:
    rows = [list(row) for row in facts.rows]
    rows += [
        ['model id', facts.info.model_id],
        ['content id', facts.info.content_id],
        ['created', facts.description.created],
    ]
    section.add(Table(['map', ''], rows, left=(0, 1)))
    calibration = facts.description.calibration
    if calibration is not None:
        settings = [[name, str(value)] for name, value in calibration.settings.items()]
        section.add(
            Table(['setting', 'value'], settings, 'Settings that the map brings along.',
                  left=(0, 1))
        )  # fmt: skip
    section.add(Table(['this page', ''], _provenance_rows(provenance), left=(0, 1)))


def _provenance_rows(provenance: Provenance) -> list[list[str]]:
    rows = [
        ['version', f'fol_vpr {provenance.fol_vpr_version}'],
        ['commit', provenance.git_commit],
        ['command', provenance.command],
        ['date', provenance.date],
        ['machine', str(provenance.machine)],
    ]
    return [row for row in rows if row[1]]
