"""The statuses on /diagnostics: each says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from fol_vpr.errors import escape_controls
from fol_vpr.ros.node.diagnostics.facts import NodeFacts
from fol_vpr.ros.node.diagnostics.images import images_part, stamps_part
from fol_vpr.ros.node.diagnostics.monitor import Snapshot
from fol_vpr.ros.node.diagnostics.problems import ERROR, OK, WARN, Part, Problem
from fol_vpr.ros.node.parameters.advice import how_to_set

if TYPE_CHECKING:
    from fol_vpr.ros.node.mapping.mapper import MappingStatus


def diagnostic_parts(facts: NodeFacts, counts: Snapshot) -> dict[str, Part]:
    """What each status says, by the name of the part."""
    parts = {
        'node': _node(facts),
        'images': images_part(facts, counts),
        'stamps': stamps_part(facts, counts),
        'map': _map(facts),
        'recognition': _recognition(facts, counts),
        'loops': _loops(facts),
    }
    if facts.mapping is not None:
        parts['mapping'] = _mapping(facts.mapping)
    return parts


def diagnostic_statuses(name: str, parts: Mapping[str, Part]) -> list[DiagnosticStatus]:
    """The statuses of the node, each named `NAME: part`, with all problems of the part."""
    return [
        DiagnosticStatus(
            level=max((problem.level for problem in part.problems), default=OK),
            name=f'{name}: {each}',
            message=escape_controls(
                '; '.join(problem.message for problem in part.problems) or part.message
            ),
            values=[
                KeyValue(key=key, value=escape_controls(str(value)))
                for key, value in part.values.items()
            ],
        )
        for each, part in parts.items()
    ]


def _node(facts: NodeFacts) -> Part:
    values: dict[str, object] = {'state': facts.state, 'enabled': facts.enabled, **facts.network}
    if facts.transition:
        return Part([], facts.transition, values)
    if facts.failure:
        failed = Problem(ERROR, 'a transition failed', facts.failure, is_logged=True)
        return Part([failed], '', values)
    if facts.clock_missing:
        message = 'use_sim_time is true, but no time comes on /clock'
        return Part([Problem(ERROR, 'no time on /clock', message)], '', values)
    if facts.state == 'active' and not facts.enabled:
        return Part([], 'disabled by ~/enable', values)
    if facts.state in ('unconfigured', 'inactive'):
        step = 'configure' if facts.state == 'unconfigured' else 'activate'
        return Part([], f'{facts.state}: waits for a lifecycle manager to {step} it', values)
    return Part([], facts.state, values)


def _map(facts: NodeFacts) -> Part:
    info, wanted = facts.map_info, facts.settings.map
    if info is None and facts.mapping is not None:
        return Part([], 'the map to build begins with the first keyframe', {})
    if info is None and facts.transition:
        return Part([], 'not loaded', {})
    if info is None and facts.loops is not None and facts.loops.enabled and not facts.map_failure:
        return Part([], 'no map: images are compared with those of the drive only', {})
    if info is None and facts.map_failure:
        return Part([Problem(ERROR, 'no map', facts.map_failure, is_logged=True)], '', {})
    if info is None and wanted and facts.state in ('unconfigured', 'finalized'):
        said = f'{facts.state}: the map is {wanted}, and configure loads it'
        return Part([], said, {'path': wanted})
    if info is None:
        message = f'no map: call ~/load_map, or {how_to_set("map", "NAME.folmap")}'
        return Part([Problem(ERROR, 'no map', message)], '', {})
    values: dict[str, object] = {
        'name': info.name,
        'path': info.path,
        'map id': info.map_id,
        'model id': info.model_id,
        'preprocessing id': info.preprocessing_id,
        'places': info.places,
        'frame': info.frame_id,
        'calibrated': info.calibrated,
        'decisions': facts.decisions,
        'settings': facts.settings_of_map,
        'index': facts.index,
    }
    problems = []
    if facts.map_failure:
        message = f'kept {info.name}, as another map failed to load: {facts.map_failure}'
        problems.append(Problem(WARN, 'another map was not loaded', message, is_logged=True))
    if facts.calibration_problem:
        problems.append(Problem(WARN, 'the calibration does not hold', facts.calibration_problem))
    if facts.index_problem:
        problems.append(Problem(WARN, 'the search index is impaired', facts.index_problem))
    if facts.hits_problem:
        message = f'hits are not counted: {facts.hits_problem}'
        problems.append(Problem(WARN, 'hits are not counted', message))
    return Part(problems, f'{info.name}: {info.places} places', values)


def _recognition(facts: NodeFacts, counts: Snapshot) -> Part:
    explanation = counts.explanation
    values: dict[str, object] = {
        'last state': counts.state.name,
        'last reason': explanation.reason,
        'last remedy': explanation.remedy,
        'last image quality': f'{counts.quality:.2f}',
    }
    for stage, (median, high) in counts.latency.items():
        values[f'{stage} (ms)'] = f'{median * 1e3:.1f} median, {high * 1e3:.1f} 95th percentile'
    for (state, cause), number in sorted(counts.causes.items(), key=lambda item: -item[1]):
        values[f'{state.name}: {cause.in_words}'] = number
    if facts.listening:
        values['odometry'] = facts.odometry_state
    problems = []
    if facts.network and not facts.trained:
        message = 'untrained weights: the answers mean nothing'
        problems.append(Problem(WARN, 'untrained weights', message, is_logged=True))
    if not facts.listening:
        return Part(problems, 'not listening', values)
    if counts.answer_age is None:
        return Part(problems, 'no answer yet', values)
    if counts.answer_age > facts.settings.image_timeout:
        message = f'no answer for {counts.answer_age:.0f} s'
        return Part([*problems, Problem(WARN, 'no answers', message)], '', values)
    if counts.quality_reason:
        message = f'poor image: {counts.quality_reason}'
        problems.append(Problem(WARN, 'poor images', message))
    if facts.odometry_problem:
        problems.append(Problem(WARN, 'odometry that cannot be used', facts.odometry_problem))
    said = f'{counts.state.name}: {explanation.reason}' if explanation.reason else ''
    return Part(problems, said or counts.state.name, values)


def _loops(facts: NodeFacts) -> Part:
    loops = facts.loops
    if loops is None:
        return Part([], 'not configured', {})
    counts = loops.counts
    values: dict[str, object] = {
        'within the drive': 'yes' if loops.enabled else 'no: loops.enabled is false',
        'keyframes': loops.keyframes,
        'session file': loops.file or 'none that stays',
        'published': counts.published,
        'accepted': counts.accepted,
        'rejected': counts.rejected,
        'unused': counts.unused,
        'ignored feedback': counts.ignored,
        'threshold (doublings)': f'{counts.threshold:.2f}',
    }
    if counts.last_ignored:
        values['last ignored'] = counts.last_ignored
    problems = []
    if loops.problem:
        problems.append(Problem(WARN, 'the drive is not recorded as it should be', loops.problem))
    if counts.ignored:
        message = f'ignored {counts.last_ignored}'
        problems.append(Problem(WARN, 'ignored feedback', message, is_logged=True))
    return Part(problems, f'{counts.published} published, {counts.accepted} accepted', values)


def _mapping(mapping: MappingStatus) -> Part:
    values: dict[str, object] = {
        'path': mapping.path,
        'places': mapping.places,
        'keyframes of this drive': mapping.stored,
        'images without a pose': mapping.without_pose,
    }
    problems = []
    if mapping.problem:
        message = f'images are not stored: {mapping.problem}'
        problems.append(Problem(ERROR, 'images are not stored', message, is_logged=True))
    return Part(problems, f'{mapping.stored} keyframes of this drive are stored', values)
