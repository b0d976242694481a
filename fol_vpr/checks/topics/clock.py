"""Whether the clock of the node goes, and whether the stamps are of it."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.topics.facts import GraphFacts, StreamFacts
from fol_vpr.checks.topics.names import listed
from fol_vpr.checks.topics.stamps import OLD, stamp_problem

LATE = 0.5
"""Seconds from the stamp of an image to its arrival from which the delay is a finding."""
_WHY = {
    'zero': 'nothing can be interpolated to the time of an image, and loop closures name no time',
    'backwards': 'the evidence of earlier images is forgotten at each jump',
    'repeated': 'odometry and transforms of another moment are taken for the image',
    'since_boot': 'odometry and transforms of other sensors have another time',
    'future': 'odometry and transforms of that time have not arrived when the image is answered',
    'old': 'odometry and transforms of that time are forgotten already',
}
_GRAVE = ('zero', 'since_boot', 'future', 'old')


def examine_clock(facts: GraphFacts) -> Iterator[Finding]:
    """Findings on use_sim_time and /clock."""
    clock = facts.clock
    if clock.use_sim_time and not clock.count:
        there = (
            f'{listed(clock.publishers)} publishes on /clock, but nothing came within '
            f'{facts.seconds:g} s'
            if clock.publishers
            else 'nobody publishes on /clock'
        )
        yield Finding(
            'clock.missing',
            Severity.ERROR,
            f'use_sim_time is true, and {there}',
            'the time of the node stands at 0: stamps are not compared, and no transform fits',
            'set use_sim_time to false on a robot; where it is meant, start the simulator, or '
            'play the bag with its clock',
            facts.command_to_set('use_sim_time', 'false'),
        )
    elif clock.use_sim_time and clock.count > 1 and clock.advanced <= 0:
        yield Finding(
            'clock.stands',
            Severity.WARNING,
            f'use_sim_time is true, and the time on /clock did not go on within '
            f'{facts.seconds:g} s',
            'what waits for the time waits for ever',
            'continue the simulator or the player, which are paused',
        )
    elif clock.count and not clock.use_sim_time:
        yield Finding(
            'clock.unused',
            Severity.WARNING,
            f'{listed(clock.publishers) or "a node"} publishes on /clock, and use_sim_time is '
            'false',
            'images of a simulator or a bag then have stamps of another clock than the node',
            'set use_sim_time to true, or stop what publishes there',
            'ros2 launch fol_vpr localize.launch.py use_sim_time:=true',
        )
    else:
        kind = 'that of /clock' if clock.use_sim_time else 'that of the system'
        yield ok('clock.source', f'the time of the node is {kind}')
    if len(clock.publishers) > 1 and clock.count:
        yield Finding(
            'clock.several',
            Severity.WARNING,
            f'{len(clock.publishers)} nodes publish on /clock: {listed(clock.publishers)}',
            'the time jumps between the two',
            'end all but one',
            'ros2 topic info -v /clock',
        )


def examine_stamps(facts: GraphFacts) -> Iterator[Finding]:
    """Findings on the stamps of the images, also beside those of the odometry."""
    stream = facts.images.stream
    if stream is None or stream.stamps is None:
        return
    clock = facts.clock
    compare = not facts.replay and not (clock.use_sim_time and not clock.count)
    problem = stamp_problem(stream.stamps, facts.stamp_tolerance, compare=compare)
    if problem is not None:
        grave = problem.name in _GRAVE
        yield Finding(
            f'stamps.{problem.name}',
            Severity.ERROR if grave else Severity.WARNING,
            f'{stream.topic}: {problem.seen}',
            _WHY[problem.name],
            problem.remedy,
            f'ros2 topic echo --once --field header.stamp {stream.topic}',
        )
    elif compare and stream.delay > LATE:
        yield Finding(
            'stamps.late',
            Severity.WARNING,
            f'{stream.topic}: images are {stream.delay:.2f} s old when they arrive',
            'answers are of a place that the robot has left; or the clocks of camera and computer '
            'differ by that much',
            'look for queues in the driver or the network; compare the clocks',
            f'ros2 topic delay {stream.topic}',
        )
    elif compare:
        yield ok(
            'stamps.delay', f'{stream.topic}: {stream.delay * 1e3:.0f} ms from stamp to arrival'
        )
    yield from _beside_odometry(stream, facts)


def _beside_odometry(stream: StreamFacts, facts: GraphFacts) -> Iterator[Finding]:
    other = facts.odometry.stream
    if other is None or other.stamps is None or stream.stamps is None:
        return
    apart = stream.delay - other.delay
    if abs(apart) > max(facts.odom_gap, LATE) and abs(apart) < OLD * 1e9:
        behind = 'behind' if apart > 0 else 'ahead of'
        yield Finding(
            'stamps.odometry',
            Severity.WARNING,
            f'the stamps of {stream.topic} are {abs(apart):.2f} s {behind} those of {other.topic}',
            'an image gets the pose that the odometry had at another moment, or none '
            f'(odom_gap {facts.odom_gap:g} s)',
            'have both stamped by one clock, at the moment of measurement',
        )
