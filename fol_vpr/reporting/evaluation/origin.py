"""The section of a report that says what produced it."""

from __future__ import annotations

from fol_vpr.evaluation.results import Result
from fol_vpr.reporting.page import Section, Table


def add_origin(section: Section, result: Result) -> None:
    """Version, command, date, machine, weights, map, hashes and settings."""
    c, p = result.evaluation.conditions, result.provenance
    settings, map_file = result.settings, result.map_file
    machine = 'Machine'
    if c.recording or c.predictions:
        machine = 'Machine of this evaluation, not of the answers'
    section.intro = 'Everything that produced this page, so that it can be produced again.'
    rows = [
        ('Command', p.command),
        ('fol_vpr', p.fol_vpr_version),
        ('Commit', p.git_commit),
        ('Date', p.date),
        ('Time of the command', '' if p.seconds is None else f'{p.seconds:.0f} s'),
        (machine, str(p.machine) if p.machine.system else ''),
        ('Device of the network', f'{c.device} {c.precision}'.strip()),
        ('Queries', c.source),
        ('Answers recorded in', c.recording),
        ('Ground truth', c.ground_truth),
        ('Weights', c.weights),
        ('Weights, SHA-256 with architecture', c.model_id),
        ('Preprocessing', c.preprocessing_id),
        ('Map', c.map),
        ('Map, identity', c.map_id),
        ('Map, SHA-256 of the file', map_file.sha256),
        ('Map, bytes', f'{map_file.bytes:,}'.replace(',', ' ') if map_file.bytes else ''),
        ('Map, last written', map_file.modified),
        ('Map, codec of local features', settings.codec),
        ('Map, sessions', ', '.join(result.references.sessions[:20])),
        ('Scale', c.scale),
        ('Calibrated', 'yes' if c.calibrated else 'no'),
    ]
    section.add(Table(['what', 'value'], [row for row in rows if row[1]], left=(0, 1)))
    if settings.values:
        section.add(
            Table(
                ['setting', 'value', 'from'],
                [
                    [name, _shown(value), 'given' if name in settings.given else 'map or default']
                    for name, value in settings.values.items()
                ],
                'The settings in use.',
                left=(0, 1, 2),
                sortable=True,
            )
        )
    elif c.recording:
        section.intro += ' The settings of the node are not part of its answers.'


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return str(value) if value != '' else '–'
