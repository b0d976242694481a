"""What publishing an answer costs: conversion, serialisation and handing over to DDS.

    python -m benchmarks publishing

Runs in a process of its own, with a subscriber in the same one, and prints seconds as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.options import benchmark_parser
from fol_vpr.datatypes import (
    LocalizationState,
    Place,
    PlaceHypothesis,
    Pose,
    PoseSource,
    Recognition,
)

HYPOTHESES = 10
ROUNDS = 200


def publish_seconds() -> list[float] | str:
    """Seconds of each publication, measured in a new process; why not, where there is no ROS."""
    domain = {'ROS_DOMAIN_ID': str(1 + os.getpid() % 100)}
    local = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks', 'publishing'],
        capture_output=True,
        text=True,
        env={**os.environ, **domain, **local},
        check=False,
    )
    if done.returncode:
        return (done.stderr.strip() or f'exit code {done.returncode}').splitlines()[-1]
    return [float(value) for value in json.loads(done.stdout)]


def _recognition() -> Recognition:
    pose = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.eye(6))
    hypotheses = tuple(
        PlaceHypothesis(
            place=Place(rank, f'drive/{rank:06d}', 'drive', 1, f'/data/{rank}.jpg', (960, 540)),
            rank=rank,
            similarity=0.9 - 0.01 * rank,
            match_score=300.0,
            pose_source=PoseSource.OF_MAP_IMAGE,
            pose=pose,
        )
        for rank in range(HYPOTHESES)
    )
    return Recognition(
        1, 'camera', LocalizationState.LOCALIZED, hypotheses, believed=hypotheses[0]
    )


def _measure() -> list[float]:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from fol_vpr.ros.messages.conversions import places_message
    from fol_vpr_msgs.msg import PlaceHypothesisArray

    rclpy.init()
    node = rclpy.create_node('publishing_benchmark')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    received: list[PlaceHypothesisArray] = []
    node.create_subscription(PlaceHypothesisArray, 'places', received.append, 100)
    publisher = node.create_publisher(PlaceHypothesisArray, 'places', 100)
    while not publisher.get_subscription_count():
        executor.spin_once(timeout_sec=0.1)
    recognition = _recognition()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        message = places_message(recognition, map_frame='map', model_id='n', processing_time=0.5)
        publisher.publish(message)
        seconds.append(time.perf_counter() - started)
        executor.spin_once(timeout_sec=0.1)
    rclpy.shutdown()
    assert len(received) > ROUNDS // 2, 'the subscriber was there, and got next to nothing'
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in this process, and print the seconds of each publication as a JSON list."""
    benchmark_parser(__name__, __doc__, threads=False, figures=False).parse_args(arguments)
    print(json.dumps(_measure()))
    return 0
