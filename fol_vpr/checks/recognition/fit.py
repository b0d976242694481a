"""Whether weights and map are there, whole, and fit each other."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok, skipped
from fol_vpr.checks.recognition.facts import MapFacts, WeightsFacts


def examine_weights(facts: WeightsFacts) -> Iterator[Finding]:
    """Findings on the weights."""
    if facts.error:
        yield Finding(
            'weights.load',
            Severity.ERROR,
            facts.error,
            'the node cannot be configured',
            'name weights that are here, or fetch them',
            'fol_vpr weights list',
        )
        return
    if not facts.trained:
        yield Finding(
            'weights.untrained',
            Severity.WARNING,
            f'the weights {facts.name} are untrained',
            'the state stays UNKNOWN: the answers mean nothing',
            "fetch the authors' weights, and build the map with them",
            'fol_vpr weights fetch vitb14',
        )
        return
    how = ', SHA-256 as recorded beside the file' if facts.recorded else ''
    yield ok('weights.load', f'{facts.name} ({facts.model_id[:23]}){how}')


def examine_map(facts: MapFacts | None) -> Iterator[Finding]:
    """Findings on the map; None where none is named."""
    if facts is None:
        yield skipped(
            'map.none',
            'no map is named: the node would start without one',
            'name the map that the node is to load',
            'fol_vpr doctor --map M.folmap',
        )
        return
    quoted = shlex.quote(facts.path)
    if facts.error:
        yield Finding(
            'map.read',
            Severity.ERROR,
            facts.error,
            'the node cannot be configured with this map',
            'give the path of a map; of a damaged one the sound places can be saved',
            '' if 'does not exist' in facts.error else f'fol_vpr map check {quoted}',
        )
        return
    yield ok(
        'map.read',
        f'{facts.name}: {facts.places} places of {facts.sessions} '
        f'{"session" if facts.sessions == 1 else "sessions"}, '
        f'{facts.bytes / 1e6:.0f} MB, made with {facts.weights_name}'
        + (f', scale {facts.scale}' if facts.scale else ''),
    )
    if facts.mismatch:
        yield Finding(
            'map.other_weights',
            Severity.ERROR,
            facts.mismatch,
            'the node refuses the map: descriptors of different networks cannot be compared',
            'leave network.weights (--weights), network.resize and network.input_size at their '
            'defaults, so that the map decides; or build the map again',
            f'fol_vpr map info {quoted}',
        )
    yield from _calibration(facts, quoted)
    yield from _remarks(facts, quoted)
    yield from _content(facts)


def _calibration(facts: MapFacts, quoted: str) -> Iterator[Finding]:
    if not facts.calibrated:
        yield Finding(
            'map.uncalibrated',
            Severity.WARNING,
            f'{facts.name} has no calibration',
            'answers carry no probability, are never NOT_IN_MAP, and need more evidence to '
            'become LOCALIZED',
            'calibrate it with a drive through the same places that is not in the map',
            f'fol_vpr calibrate --map {quoted} --bag DRIVE',
        )
    elif facts.calibration_problem:
        yield Finding(
            'map.calibration',
            Severity.WARNING,
            facts.calibration_problem,
            'probabilities and states are not those that the calibration was fitted for',
            'leave these settings to the map, or calibrate again with them',
            f'fol_vpr calibrate --map {quoted} --bag DRIVE',
        )
    else:
        yield ok('map.calibration', f'decides {facts.decisions or "by its calibration"}')


def _remarks(facts: MapFacts, quoted: str) -> Iterator[Finding]:
    for remark in facts.remarks:
        yield Finding(
            'map.remark',
            Severity.WARNING,
            remark,
            'answers may be less sure, or less right, than they could be',
            'see what the map says of itself (docs/how-to/calibrate.md)',
            f'fol_vpr map info {quoted}',
        )


def _content(facts: MapFacts) -> Iterator[Finding]:
    positioned = max(facts.poses, facts.geo_positions)
    if not positioned:
        yield Finding(
            'map.no_poses',
            Severity.WARNING,
            'no place of the map has a pose or a position',
            'there is no ~/pose, and places are told apart by their order alone',
            'build the map from a bag with poses, or with --positions CSV',
        )
    elif positioned < facts.places:
        yield Finding(
            'map.some_poses',
            Severity.WARNING,
            f'{positioned} of {facts.places} places have a pose or a position',
            'an answer at one of the others has no pose',
            'see which session lacks them',
            f'fol_vpr map info {shlex.quote(facts.path)} --sessions',
        )
    if facts.poses:
        known = f'calibrated camera at {facts.cameras}, its mount at {facts.mounts}'
        yield ok('map.poses', f'poses in the frame {facts.frame_id or "map"}; {known}')
    if facts.added or facts.removed:
        yield ok(
            'map.changes',
            f'{facts.added} places added and {facts.removed} removed since it was last saved',
        )
