"""Whether images arrive."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.topics.facts import GraphFacts, TopicReport
from fol_vpr.checks.topics.names import listed, similar_names, topics_of

IMAGE_TYPES = {
    'sensor_msgs/msg/Image': '',
    'sensor_msgs/msg/CompressedImage': '/compressed',
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket': '/ffmpeg',
    'foxglove_msgs/msg/CompressedVideo': '/video',
}
"""Types of images, with the ending of their topics."""


def examine_images(facts: GraphFacts) -> Iterator[Finding]:
    """Findings on the topics of images, their publishers, and what arrived."""
    images = facts.images
    reports = images.reports
    publishers = [each for report in reports for each in report.publishers]
    wrong = [each for report in reports for each in report.problems]
    yield from wrong_publishers('images', reports, 'no image of it arrives')
    if not publishers:
        if not wrong:
            yield _missing(facts)
        else:
            yield Finding(
                'images.other_transport', Severity.ERROR, '; '.join(wrong),
                'the node hears no image', 'do as it says',
            )  # fmt: skip
        return
    stream = images.stream
    if stream is None or not stream.count:
        yield Finding(
            'images.silent',
            Severity.ERROR,
            f'no image within {facts.seconds:g} s on '
            f'{" and ".join(report.name for report in reports if report.publishers)}, though '
            f'{listed(publishers)} publishes there',
            'the node has nothing to answer',
            'look whether the camera runs; restart its driver if a subscriber was killed before '
            '(docs/how-to/troubleshoot.md); between containers share /dev/shm (--ipc=host); for '
            'large raw images set the profile of Fast DDS for their publisher',
            f'ros2 topic hz {next(report.name for report in reports if report.publishers)}',
        )
        return
    if images.error:
        yield Finding(
            'images.decode',
            Severity.ERROR,
            f'an image on {stream.topic} cannot be decoded: {images.error}',
            'the node counts it as bad, and answers none of them',
            'publish another encoding (docs/reference/image_encodings.md)',
        )
    else:
        size = '' if images.size is None else f', {images.size[0]}x{images.size[1]}'
        yield ok(
            'images.rate',
            f'{stream.rate:.1f} a second on {stream.topic}{size} {images.encoding}'.rstrip(),
        )
    if stream.lost:
        yield Finding(
            'images.lost',
            Severity.WARNING,
            f'{stream.lost} of {stream.lost + stream.count} images on {stream.topic} were lost '
            'on the way',
            'those places are not seen',
            'set the profile of Fast DDS for their publisher and for the node '
            '(docs/how-to/cameras.md#large-raw-images), or publish compressed images',
        )
    several = [report for report in reports if len(report.publishers) > 1]
    for report in several:
        yield Finding(
            'images.several_publishers',
            Severity.WARNING,
            f'{len(report.publishers)} publishers on {report.name}: {listed(report.publishers)}',
            'images of two cameras, or of a bag beside a camera, are taken for one stream: stamps '
            'jump, and the states of places mix',
            'end all but one, or give each its own topic',
            f'ros2 topic info -v {report.name}',
        )


def wrong_publishers(group: str, reports: object, why: str) -> Iterator[Finding]:
    """Findings on publishers whose type or quality of service does not fit.

    Args:
        group: of the findings.
        reports: of the topics.
        why: what follows.
    """
    assert isinstance(reports, (list, tuple))
    for report in reports:
        for problem in report.wrong_qos:
            yield Finding(
                f'{group}.qos', Severity.ERROR, problem, why,
                'have the publisher offer at least what the subscription asks for',
                f'ros2 topic info -v {report.name}',
            )  # fmt: skip
        if report.publishers:
            for problem in report.problems:
                if problem not in report.wrong_qos:
                    yield Finding(
                        f'{group}.type', Severity.ERROR, problem, why,
                        'remap to a topic of that type', f'ros2 topic info {report.name}',
                    )  # fmt: skip


def _missing(facts: GraphFacts) -> Finding:
    names = [report.name for report in facts.images.reports]
    wanted = names[0] if names else 'image'
    there = topics_of(facts.topics, IMAGE_TYPES)
    roots = list(dict.fromkeys(_root(name, facts.topics[name]) for name in there))
    similar = similar_names(wanted, roots) or (roots if len(roots) == 1 else [])
    if not facts.nodes:
        return Finding(
            'images.missing', Severity.ERROR,
            f'nobody publishes on {wanted}, and no other node is seen at all',
            'the node hears no image',
            'start the camera; compare ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE and '
            'RMW_IMPLEMENTATION with those of its driver; containers need the network of the host',
            'ros2 node list',
        )  # fmt: skip
    if not roots:
        seen = f'nobody publishes on {wanted}, nor images on any other topic'
        return Finding(
            'images.missing', Severity.ERROR, seen, 'the node hears no image',
            'start the driver of the camera, and see what it says', 'ros2 topic list -t',
        )  # fmt: skip
    meant = f'is {" or ".join(similar)} meant? ' if similar else ''
    return Finding(
        'images.missing',
        Severity.ERROR,
        f'nobody publishes on {wanted}; images are on {listed(roots)}',
        'the node hears no image',
        f'{meant}Give the topic as image_topic:= to the launch file, or remap `image`',
        f'ros2 launch fol_vpr localize.launch.py image_topic:={(similar or roots)[0]}',
    )


def _root(name: str, types: object) -> str:
    """The topic of raw images that a topic of another transport belongs to."""
    assert isinstance(types, (list, tuple))
    for kind in types:
        ending = IMAGE_TYPES.get(kind, '')
        if ending and name.endswith(ending):
            return name.removesuffix(ending)
    return name


def rate_of(facts: GraphFacts) -> float | None:
    """Images per second of the camera; None where none arrived."""
    stream = facts.images.stream
    return None if stream is None or stream.rate <= 0 else stream.rate


def report_of(facts: GraphFacts, type_name: str) -> TopicReport | None:
    """The report of the topic of a type."""
    return next((r for r in facts.images.reports if r.type_name == type_name), None)
