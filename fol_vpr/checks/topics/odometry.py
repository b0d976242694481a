"""Whether there is odometry, and of which frame."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok, skipped
from fol_vpr.checks.topics.facts import GraphFacts
from fol_vpr.checks.topics.frames import connected, is_optical_name
from fol_vpr.checks.topics.images import wrong_publishers
from fol_vpr.checks.topics.names import listed, similar_names, topics_of
from fol_vpr.datatypes import bare_frame

ODOMETRY_TYPE = 'nav_msgs/msg/Odometry'
_WITHOUT = 'map -> odom cannot be published, and loop closures are told apart by time alone'


def examine_odometry(facts: GraphFacts) -> Iterator[Finding]:
    """Findings on the odometry."""
    odometry, needed = facts.odometry, facts.frames.publish_tf
    report, grave = odometry.report, Severity.ERROR if needed else Severity.WARNING
    yield from wrong_publishers('odometry', [report], _WITHOUT)
    if not report.publishers:
        there = topics_of(facts.topics, [ODOMETRY_TYPE])
        similar = similar_names(report.name, there) or there[:1]
        if not needed and not there:
            yield skipped(
                'odometry.none', f'nobody publishes on {report.name}; odometry is optional'
            )
            return
        listing = f'; odometry is on {listed(there)}' if there else ''
        yield Finding(
            'odometry.missing', grave, f'nobody publishes on {report.name}{listing}', _WITHOUT,
            f'is {" or ".join(similar)} meant? Remap `odom`' if similar else 'start the odometry',
            f'localizer --ros-args -r odom:={similar[0]}' if similar else '',
        )  # fmt: skip
        return
    stream = odometry.stream
    if stream is None or not stream.count:
        if not report.problems:
            yield Finding(
                'odometry.silent', grave,
                f'no message within {facts.seconds:g} s on {report.name}', _WITHOUT,
                'look at its publisher', f'ros2 topic hz {report.name}',
            )  # fmt: skip
        return
    if stream.rate and 1 / stream.rate > facts.odom_gap:
        yield Finding(
            'odometry.slow', Severity.WARNING,
            f'{stream.rate:.1f} a second on {report.name}, {1 / stream.rate:.2f} s apart',
            f'with odom_gap {facts.odom_gap:g} s most images have no odometry',
            f'publish it faster, or set odom_gap to {2 / stream.rate:.1f}',
        )  # fmt: skip
    else:
        yield ok('odometry.rate', f'{stream.rate:.1f} a second on {report.name}')
    yield from _frame(facts)


def _frame(facts: GraphFacts) -> Iterator[Finding]:
    child = bare_frame(facts.odometry.child_frame_id)
    base, topic = facts.frames.base_frame, facts.odometry.report.name
    if not child and facts.frames.publish_tf:
        yield Finding(
            'odometry.no_frame', Severity.ERROR, f'{topic} names no child_frame_id',
            'map -> odom cannot be published', 'have its publisher name the frame of the robot',
        )  # fmt: skip
    elif (
        child and child != base and facts.frames.known and not connected(facts.frames, base, child)
    ):
        optical = ', an optical frame' if is_optical_name(child) else ''
        yield Finding(
            'odometry.frame', Severity.WARNING,
            f'{topic} is of the frame {child}{optical}, and /tf_static does not tell where {base} '
            'is in that',
            'images have no odometry',
            f'publish the transform on /tf_static, or set base_frame to {child}'
            if not optical
            else 'publish the transform on /tf_static: base_frame should not be optical',
        )  # fmt: skip
