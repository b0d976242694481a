"""The statuses of images and of their stamps."""

from __future__ import annotations

import os

from fol_vpr.checks.topics.stamps import StampFacts, stamp_problem
from fol_vpr.ros.node.diagnostics.facts import NodeFacts
from fol_vpr.ros.node.diagnostics.monitor import RATE_SPAN, Snapshot
from fol_vpr.ros.node.diagnostics.problems import ERROR, WARN, Part, Problem
from fol_vpr.ros.node.inputs.images import TRANSPORTS
from fol_vpr.ros.node.parameters.advice import LAUNCH_FILE_VARIABLE, how_to_remap

# Seconds for which a problem stays visible, longer than the interval at which monitors poll.
RECENT = 10.0
# Seconds without an image after which the log says so: a camera may start after the node.
LOG_TIMEOUT = 10.0
# Fewest images of which a share is worth a warning.
FEW = 10


def images_part(facts: NodeFacts, counts: Snapshot) -> Part:
    """The status `images`."""
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
    if counts.received_lately:
        share = counts.dropped_lately / counts.received_lately
        values[f'dropped within {RATE_SPAN:g} s'] = f'{share:.0%}'
    if facts.listening:
        values['camera'] = facts.camera_state
    if counts.last_bad:
        values['last bad image'] = counts.last_bad
    for topic in facts.topics:
        values[topic.name] = '; '.join(topic.publishers) or 'no publisher'
    if not facts.listening:
        return Part([], 'not listening', values)
    if counts.image_age is None or counts.image_age > facts.settings.image_timeout:
        return Part([_no_images(facts, counts.image_age)], '', values)
    message = f'{counts.rates["received"]:.1f} images per second'
    return Part(_image_problems(facts, counts), message, values)


def _image_problems(facts: NodeFacts, counts: Snapshot) -> list[Problem]:
    """What is wrong while images come."""
    problems = []
    if counts.bad_age is not None and counts.bad_age < RECENT:
        message = f'bad image {counts.bad_age:.0f} s ago: {counts.last_bad}'
        problems.append(Problem(WARN, 'bad images', message, is_logged=True))
    of_publishers = [problem for topic in facts.topics for problem in topic.problems]
    if of_publishers:
        message = '; '.join(of_publishers)
        problems.append(Problem(WARN, 'a publisher that does not fit', message, message))
    if counts.lost_lately:
        message = (
            f'{counts.lost_lately} images were lost on the way within {RATE_SPAN:g} s: set the '
            'Fast DDS profile fastdds_shm.xml for their publisher and for this node, or take '
            'compressed images'
        )
        problems.append(Problem(WARN, 'images lost on the way', message))
    received, dropped = counts.received_lately, counts.dropped_lately
    if received >= FEW and dropped > facts.settings.dropped_share * received:
        problems.append(Problem(WARN, 'images dropped', _dropped(facts, counts)))
    if facts.camera_problem:
        message = facts.camera_problem
        problems.append(Problem(WARN, 'a camera_info that cannot be used', message, message))
    return problems


def _dropped(facts: NodeFacts, counts: Snapshot) -> str:
    share = counts.dropped_lately / counts.received_lately
    return (
        f'{share:.0%} of the images of the last {RATE_SPAN:g} s were dropped '
        f'({counts.dropped_lately} of {counts.received_lately}): {counts.rates["received"]:.1f} '
        f'come per second, {counts.rates["answered"]:.1f} are answered. Lower the rate of the '
        'camera, or take less time for an image (network.device, network.input_size, '
        'retrieval.rerank); where the newest image is enough, raise dropped_share '
        f'({facts.settings.dropped_share:g})'
    )


def _no_images(facts: NodeFacts, age: float | None) -> Problem:
    since = '' if age is None else f' for {age:.0f} s'
    patience = LOG_TIMEOUT if age is None else LOG_TIMEOUT - facts.settings.image_timeout
    return Problem(
        ERROR,
        'no images',
        no_images_message(facts, since),
        reason=no_images_message(facts),
        patience=max(0.0, patience),
    )


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
        return (
            f'no images on {names}{since}, though there is a publisher: does the camera run? If '
            'other subscribers get none either, restart its driver: with Fast DDS, a subscriber '
            'that was killed can block it'
        )
    types = {topic.type_name for topic in facts.topics}
    topics = [kind.topic for kind in TRANSPORTS.values() if kind.type_name in types] or ['image']
    nobody = f'no images on {names}{since}: nobody publishes there; '
    others = list(dict.fromkeys(other for topic in facts.topics for other in topic.others))
    if not others:
        return (
            f'{nobody}{how_to_remap(topics[0], "TOPIC")} if the camera has another, and compare '
            'ROS_DOMAIN_ID: no image topic is published here'
        )
    return (
        f'{nobody}images are published on {", ".join(others)}: '
        f'{_how_to_listen_to(others[0])} if that is the camera'
    )


def _how_to_listen_to(other: str) -> str:
    """How to listen to a topic, given as `NAME (TYPE)`, at the next start."""
    name, _, type_name = other.rstrip(')').partition(' (')
    topic = next((k.topic for k in TRANSPORTS.values() if k.type_name == type_name), 'image')
    base = name.removesuffix(topic.removeprefix('image'))
    if LAUNCH_FILE_VARIABLE in os.environ:
        # A launch file looks for all transports beside the name that it is given.
        return how_to_remap('image', base)
    return how_to_remap(topic, name)


def stamps_part(facts: NodeFacts, counts: Snapshot) -> Part:
    """The status `stamps`."""
    values: dict[str, object] = {
        'backwards': counts.backwards,
        'use_sim_time': facts.use_sim_time,
    }
    if counts.ahead is None:
        return Part([], 'no image yet', values)
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
        found = Problem(WARN, f'stamps ({problem.name.replace("_", " ")})', str(problem))
        return Part([found], '', values)
    return Part([], 'as expected' if compare else 'not compared with the clock', values)


def _is_recent(age: float | None) -> bool:
    return age is not None and age < RECENT
