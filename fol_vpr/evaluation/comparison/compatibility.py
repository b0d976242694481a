"""Whether two results can be compared at all, and what else differs between them."""

from __future__ import annotations

import numpy as np

from fol_vpr.errors import InputError
from fol_vpr.evaluation.comparison.matching import BY_POSITION, Matching
from fol_vpr.evaluation.results import Result

METRE = 0.01
"""Metres that the positions of one query may differ by; results hold millimetres."""
MAX_LISTED = 12
"""Most settings that a warning lists."""


def check_references(first: Result, second: Result) -> None:
    """Check that two results searched the same references.

    Two maps may hold the same references, made with other weights or another codec, say. Then the
    positions of references in `places` mean the same.

    Raises:
        InputError: the references differ.
    """
    one, two = first.evaluation.conditions, second.evaluation.conditions
    if first.references.place_ids == second.references.place_ids:
        # Names may be numbers only, so those of another map can be the same.
        if one.map_id != two.map_id and _places_moved(first, second):
            raise InputError(
                f'the results are of other references: {one.map} and {two.map} have as many, of '
                'the same names, at other positions; evaluate both on maps of the same images'
            )
        return
    counts = len(first.references.place_ids), len(second.references.place_ids)
    common = len({*first.references.place_ids} & {*second.references.place_ids})
    raise InputError(
        f'the results are of other references: {one.map} ({one.map_id}) has {counts[0]}, '
        f'{two.map} ({two.map_id}) has {counts[1]}, and {common} names are in both; a share of '
        'right answers depends on what there is to confuse, so evaluate both on maps of the same '
        'images'
    )


def _places_moved(first: Result, second: Result) -> bool:
    one, two = first.evaluation.plotted, second.evaluation.plotted
    if one is None or two is None:
        return False
    return bool((np.linalg.norm(one.references - two.references, axis=1) > METRE).any())


def check_ground_truth(first: Result, second: Result, matching: Matching) -> None:
    """Check that the same references count as right for the same queries.

    Raises:
        InputError: they do not, or the queries were taken at other positions.
    """
    one, two = first.evaluation, second.evaluation
    moved = _moved(first, second, matching)
    if moved:
        raise InputError(
            f'the results are of other queries: {moved} of {len(matching.pairs)} that have '
            f'{matching.by} in common were taken elsewhere; evaluate both on the same drive'
        )
    other = [(a, b) for a, b in matching.pairs if one.positives[a] != two.positives[b]]
    if other:
        a, b = other[0]
        raise InputError(
            f'the results have another ground truth: for {len(other)} of {len(matching.pairs)} '
            f'queries other references are right. The first says {one.conditions.ground_truth!r}, '
            f'the second {two.conditions.ground_truth!r}; for the query {a} of the first, '
            f'{_count(one.positives[a])} are right, and for the same query of the second, '
            f'{_count(two.positives[b])}. Evaluate both with one criterion'
        )


def _moved(first: Result, second: Result, matching: Matching) -> int:
    """Number of queries whose positions differ."""
    one, two = first.evaluation.plotted, second.evaluation.plotted
    if one is None or two is None:
        return 0
    rows = np.array(matching.pairs)
    apart = np.linalg.norm(one.queries[rows[:, 0]] - two.queries[rows[:, 1]], axis=1)
    return int((apart > METRE).sum())


def _count(positive: frozenset[int] | None) -> str:
    return 'an unknown number' if positive is None else str(len(positive))


def differences(first: Result, second: Result) -> list[str]:
    """What was to be compared: settings, weights and versions that differ, each as a phrase."""
    one, two = first.evaluation.conditions, second.evaluation.conditions
    compared = (
        ('weights', one.weights, two.weights),
        ('preprocessing', one.preprocessing_id, two.preprocessing_id),
        ('codec', first.settings.codec, second.settings.codec),
        ('version', first.provenance.fol_vpr_version, second.provenance.fol_vpr_version),
        ('commit', first.provenance.git_commit, second.provenance.git_commit),
    )
    found = [f'{what}: {a} and {b}' for what, a, b in compared if _both_differ(a, b)]
    return [*found, *_settings(first, second)]


def doubts(first: Result, second: Result, matching: Matching) -> list[str]:
    """Why the figures of a comparison may mean less than they seem to, each as a sentence."""
    one, two = first.evaluation.conditions, second.evaluation.conditions
    found = []
    if matching.first_only or matching.second_only:
        found.append(
            f'only the {len(matching.pairs)} queries that both have, by {matching.by}, are '
            f'compared: {matching.first_only} of the first and {matching.second_only} of the '
            'second are left out'
        )
    if matching.by == BY_POSITION:
        found.append(
            'the queries have neither names nor stamps, so their order tells which is which: '
            'make sure that both results are of the same images'
        )
    if one.map_id != two.map_id:
        found.append(
            f'the maps are two files, {one.map} and {two.map}, with references of the same names'
        )
    elif _both_differ(first.map_file.content_id, second.map_file.content_id):
        found.append('the map was written between the two evaluations, as by a calibration')
    if one.ground_truth != two.ground_truth:
        found.append(
            f'what is right is called {one.ground_truth!r} and {two.ground_truth!r}; it names '
            'the same references'
        )
    found += _latency(first, second)
    for name, conditions in (('first', one), ('second', two)):
        if not conditions.trained:
            found.append(f'the weights of the {name} are untrained: its figures mean nothing')
    return found


def _both_differ(a: str, b: str) -> bool:
    return bool(a and b) and a != b


def _settings(first: Result, second: Result) -> list[str]:
    one, two = first.settings.values, second.settings.values
    if not one or not two:
        return []
    names = sorted(name for name in {*one, *two} if one.get(name) != two.get(name))
    if not names:
        return []
    listed = [f'{n} {_shown(one.get(n))} and {_shown(two.get(n))}' for n in names[:MAX_LISTED]]
    more = f', and {len(names) - MAX_LISTED} more' if len(names) > MAX_LISTED else ''
    return [f'settings: {", ".join(listed)}{more}']


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f'{value:g}'
    return 'unset' if value is None or value == '' else str(value)


def _latency(first: Result, second: Result) -> list[str]:
    """Why latencies differ for other reasons than what was to be compared."""
    one, two = first.evaluation.conditions, second.evaluation.conditions
    timed = [any(a.timings for a in each.evaluation.answers) for each in (first, second)]
    if not all(timed):
        return []
    # The machine of a result is the one that counted; that of a node is not in its answers.
    if bool(one.recording) != bool(two.recording):
        return [
            'latencies of a live node, which waits for earlier images, and of an evaluation '
            'offline are two things'
        ]
    if one.recording:
        return [
            'which machines the live nodes ran on is not recorded: the difference of their '
            'latencies may be that of the machines'
        ]
    a, b = first.provenance.machine, second.provenance.machine
    machines = (
        f'{a.processor}, {a.cores} cores, {one.device} {one.precision}'.rstrip(),
        f'{b.processor}, {b.cores} cores, {two.device} {two.precision}'.rstrip(),
    )
    if machines[0] == machines[1]:
        return []
    return [
        f'latencies were measured on {machines[0]} and on {machines[1]}: their difference is that '
        'of the machines as well'
    ]
