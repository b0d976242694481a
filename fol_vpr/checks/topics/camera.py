"""Whether the camera is calibrated, and whether the calibration is that of the images."""

from __future__ import annotations

from collections.abc import Iterator

from fol_vpr.checks.findings import Finding, Severity, ok
from fol_vpr.checks.topics.facts import GraphFacts
from fol_vpr.checks.topics.images import wrong_publishers
from fol_vpr.checks.topics.names import listed, similar_names, topics_of
from fol_vpr.datatypes import bare_frame
from fol_vpr.errors import InputError
from fol_vpr.sources.cameras import camera_from_info, camera_of_images

INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
_WITHOUT = (
    'matches are verified without a calibration, and neither relative poses nor refined ones are '
    'measured'
)


def examine_camera(facts: GraphFacts) -> Iterator[Finding]:
    """Findings on camera_info."""
    camera, report = facts.camera, facts.camera.report
    yield from wrong_publishers('camera', [report], _WITHOUT)
    if not report.publishers:
        there = topics_of(facts.topics, [INFO_TYPE])
        similar = similar_names(report.name, there) or there[:1]
        listing = f'; camera_info is on {listed(there)}' if there else ''
        yield Finding(
            'camera.missing',
            Severity.WARNING,
            f'nobody publishes on {report.name}{listing}',
            _WITHOUT,
            f'is {" or ".join(similar)} meant? Give it as camera_info_topic:= to the launch file'
            if similar
            else 'calibrate the camera (camera_calibration), and have its driver publish the '
            'calibration',
        )
        return
    if camera.info is None:
        if not report.problems:
            yield Finding(
                'camera.silent',
                Severity.WARNING,
                f'no message within {facts.seconds:g} s on {report.name}, though '
                f'{listed(report.publishers)} publishes there',
                _WITHOUT,
                'look at its publisher: some send camera_info with the images only',
                f'ros2 topic echo --once {report.name}',
            )
        return
    yield _content(facts)


def _content(facts: GraphFacts) -> Finding:
    info, topic = facts.camera.info, facts.camera.report.name
    stream = facts.images.stream
    frame_id = '' if stream is None else bare_frame(stream.frame_id)
    rectified = facts.camera.rectified
    try:
        if facts.images.size is None:
            size = (int(info.width), int(info.height))
            camera = camera_from_info(info, size, rectified=rectified)
        else:
            camera = camera_of_images(info, facts.images.size, frame_id, rectified=rectified)
    except InputError as error:
        return Finding(
            'camera.mismatch', Severity.WARNING, f'{topic}: {error}', _WITHOUT,
            'have camera_info describe the images that are published',
            f'ros2 topic echo --once {topic}',
        )  # fmt: skip
    if camera is None:
        return Finding(
            'camera.uncalibrated',
            Severity.WARNING,
            f'{topic}: K is zero, which means that the camera is not calibrated',
            _WITHOUT,
            'calibrate it, and give the file to its driver (camera_info_url)',
            'ros2 run camera_calibration cameracalibrator --size 8x6 --square 0.03 --ros-args '
            '-r image:=/camera/image_raw',
        )
    focal = camera.matrix[0, 0]
    model = camera.model or 'no distortion'
    return ok('camera.calibration', f'{topic}: focal length {focal:.0f} px, {model}')
