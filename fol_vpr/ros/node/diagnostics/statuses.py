"""The statuses on /diagnostics: each says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from fol_vpr.checks.topics.facts import TopicReport
from fol_vpr.checks.topics.stamps import StampFacts, stamp_problem
from fol_vpr.config import NodeConfig
from fol_vpr.datatypes import MapInfo
from fol_vpr.errors import escape_controls
from fol_vpr.ros.node.diagnostics.monitor import RATE_SPAN, Snapshot
from fol_vpr.ros.node.inputs.images import TRANSPORTS
from fol_vpr.ros.node.parameters.advice import how_to_remap, how_to_set

if TYPE_CHECKING:
    from fol_vpr.loop_closure import LoopStatus

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
# Seconds for which a problem stays visible, longer than the interval at which monitors poll.
RECENT = 10.0


@dataclass(frozen=True)
class NodeFacts:
    """What the diagnostics report besides the counts of images.

    Attributes:
        state: label of the lifecycle state.
        enabled: whether the node listens to images while active.
        failure: why the last transition failed, empty if it succeeded.
        use_sim_time: whether the node takes the time from /clock.
        clock_missing: use_sim_time is set, and no time has arrived.
        settings: of the node.
        network: weights, device and precision by name; empty while unconfigured.
        trained: whether the weights are trained.
        map_info: of the loaded map, None without one.
        map_failure: why the last map was not loaded, empty if it was.
        index: the search index of the map; empty without a map.
        index_problem: what keeps the index from working as it should, empty if nothing does.
        decisions: the calibration that the decisions use; empty without one.
        calibration_problem: why its probabilities do not hold, empty if nothing is known.
        settings_of_map: which settings the map brings, in words.
        hits_problem: why counts of hits could not be written to the map, empty if they could.
        topics: publishers of images.
        camera_problem: what is wrong with camera_info, empty if nothing is.
        camera_state: what is known of the camera.
        odometry_problem: what is wrong with odom, empty if nothing is.
        loops: state of the search for loop closures; None while unconfigured.
        transition: the transition that occupies the node, its step and duration; else empty.
    """

    state: str
    enabled: bool
    failure: str
    use_sim_time: bool
    clock_missing: bool
    settings: NodeConfig
    network: Mapping[str, str]
    trained: bool
    map_info: MapInfo | None
    map_failure: str
    index: str
    index_problem: str
    decisions: str
    hits_problem: str
    topics: Sequence[TopicReport]
    camera_problem: str
    camera_state: str
    odometry_problem: str
    loops: LoopStatus | None
    transition: str = ''
    calibration_problem: str = ''
    settings_of_map: str = ''

    @property
    def listening(self) -> bool:
        """Whether the node listens to images."""
        return self.state == 'active' and self.enabled


def diagnostic_statuses(name: str, facts: NodeFacts, counts: Snapshot) -> list[DiagnosticStatus]:
    """All statuses of the node, each named `NAME: part`."""
    parts = {
        'node': _node(facts),
        'images': _images(facts, counts),
        'stamps': _stamps(facts, counts),
        'map': _map(facts),
        'recognition': _recognition(facts, counts),
        'loops': _loops(facts),
    }
    return [
        DiagnosticStatus(
            level=level,
            name=f'{name}: {part}',
            message=escape_controls(message),
            values=[
                KeyValue(key=key, value=escape_controls(str(value)))
                for key, value in values.items()
            ],
        )
        for part, (level, message, values) in parts.items()
    ]


Part = tuple[bytes, str, dict[str, object]]
"""Level, message and values of a status."""


def _node(facts: NodeFacts) -> Part:
    values: dict[str, object] = {'state': facts.state, 'enabled': facts.enabled, **facts.network}
    if facts.transition:
        return OK, facts.transition, values
    if facts.failure:
        return ERROR, facts.failure, values
    if facts.clock_missing:
        return ERROR, 'use_sim_time is true, but no time comes on /clock', values
    if facts.state == 'active' and not facts.enabled:
        return OK, 'disabled by ~/enable', values
    if facts.state in ('unconfigured', 'inactive'):
        step = 'configure' if facts.state == 'unconfigured' else 'activate'
        return OK, f'{facts.state}: waits for a lifecycle manager to {step} it', values
    return OK, facts.state, values


def _images(facts: NodeFacts, counts: Snapshot) -> Part:
    values: dict[str, object] = {
        'received': counts.received,
        'answered': counts.answered,
        'dropped': counts.dropped,
        'bad': counts.bad,
        'waiting': counts.waiting,
        'lost': counts.lost,
        'received per second': f'{counts.rates["received"]:.2f}',
        'answered per second': f'{counts.rates["answered"]:.2f}',
    }
    if facts.listening:
        values['camera'] = facts.camera_state
    if counts.last_bad:
        values['last bad image'] = counts.last_bad
    for topic in facts.topics:
        values[topic.name] = '; '.join(topic.publishers) or 'no publisher'
    problems = [problem for topic in facts.topics for problem in topic.problems]
    if not facts.listening:
        return OK, 'not listening', values
    if counts.image_age is None or counts.image_age > facts.settings.image_timeout:
        since = '' if counts.image_age is None else f' for {counts.image_age:.0f} s'
        return ERROR, no_images_message(facts, since), values
    if counts.bad_age is not None and counts.bad_age < RECENT:
        return WARN, f'bad image {counts.bad_age:.0f} s ago: {counts.last_bad}', values
    if problems:
        return WARN, '; '.join(problems), values
    if counts.lost_lately:
        return (
            WARN,
            f'{counts.lost_lately} images were lost on the way within {RATE_SPAN:g} s: set the '
            'Fast DDS profile fastdds_shm.xml for their publisher and for this node, or take '
            'compressed images',
            values,
        )
    if facts.camera_problem:
        return WARN, facts.camera_problem, values
    return OK, f'{counts.rates["received"]:.1f} images per second', values


def no_images_message(facts: NodeFacts, since: str = '') -> str:
    """The message that no images arrive, with the reason and the remedy.

    Args:
        facts: of the node.
        since: for how long, e.g. ' for 3 s'; may be empty.
    """
    names = ' and '.join(topic.name for topic in facts.topics)
    problems = [problem for topic in facts.topics for problem in topic.problems]
    if problems:
        return f'no images on {names}{since}: {"; ".join(problems)}'
    if any(topic.publishers for topic in facts.topics):
        return f'no images on {names}{since}, though there is a publisher: does the camera run?'
    types = {topic.type_name for topic in facts.topics}
    topics = [kind.topic for kind in TRANSPORTS.values() if kind.type_name in types] or ['image']
    return (
        f'no images on {names}{since}: nobody publishes there; '
        f'{how_to_remap(topics[0], "TOPIC")} if the camera has another, and compare ROS_DOMAIN_ID'
    )


def _stamps(facts: NodeFacts, counts: Snapshot) -> Part:
    values: dict[str, object] = {
        'backwards': counts.backwards,
        'use_sim_time': facts.use_sim_time,
    }
    if counts.ahead is None:
        return OK, 'no image yet', values
    values['last stamp ahead of the clock (s)'] = f'{counts.ahead:.3f}'
    stamps = StampFacts(
        ahead=counts.ahead,
        unstamped=counts.unstamped,
        last_jump=counts.last_jump if _is_recent(counts.backwards_age) else 0.0,
        repeated=_is_recent(counts.repeated_age),
    )
    compare = not (facts.clock_missing or facts.settings.replay)
    problem = stamp_problem(stamps, facts.settings.stamp_tolerance, compare=compare)
    if problem is not None:
        return WARN, str(problem), values
    if not compare:
        return OK, 'not compared with the clock', values
    return OK, 'as expected', values


def _is_recent(age: float | None) -> bool:
    return age is not None and age < RECENT


def _map(facts: NodeFacts) -> Part:
    info = facts.map_info
    if info is None and facts.transition:
        return OK, 'not loaded', {}
    if info is None and facts.loops is not None and facts.loops.enabled and not facts.map_failure:
        return OK, 'no map: images are compared with those of the drive only', {}
    if facts.state == 'unconfigured' and facts.settings.map and not facts.map_failure:
        return OK, f'unconfigured: the map is {facts.settings.map}, and configure loads it', {}
    if info is None:
        no_map = f'no map: call ~/load_map, or {how_to_set("map", "NAME.folmap")}'
        return ERROR, facts.map_failure or no_map, {}
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
    if facts.map_failure:
        return (
            WARN,
            f'kept {info.name}, as another map failed to load: {facts.map_failure}',
            values,
        )
    if facts.calibration_problem:
        return WARN, facts.calibration_problem, values
    if facts.index_problem:
        return WARN, facts.index_problem, values
    if facts.hits_problem:
        return WARN, f'hits are not counted: {facts.hits_problem}', values
    return OK, f'{info.name}: {info.places} places', values


def _recognition(facts: NodeFacts, counts: Snapshot) -> Part:
    values: dict[str, object] = {
        'last state': counts.state.name,
        'last image quality': f'{counts.quality:.2f}',
    }
    for stage, (median, high) in counts.latency.items():
        values[f'{stage} (ms)'] = f'{median * 1e3:.1f} median, {high * 1e3:.1f} 95th percentile'
    if facts.network and not facts.trained:
        return WARN, 'untrained weights: the answers mean nothing', values
    if not facts.listening:
        return OK, 'not listening', values
    if counts.answer_age is None:
        return OK, 'no answer yet', values
    if counts.answer_age > facts.settings.image_timeout:
        return WARN, f'no answer for {counts.answer_age:.0f} s', values
    if counts.quality_reason:
        return WARN, f'poor image: {counts.quality_reason}', values
    if facts.odometry_problem:
        return WARN, facts.odometry_problem, values
    return OK, counts.state.name, values


def _loops(facts: NodeFacts) -> Part:
    loops = facts.loops
    if loops is None:
        return OK, 'not configured', {}
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
    if loops.problem:
        return WARN, loops.problem, values
    if counts.ignored:
        return WARN, f'ignored {counts.last_ignored}', values
    return OK, f'{counts.published} published, {counts.accepted} accepted', values
