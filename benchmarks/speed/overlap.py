"""What it brings to extract features of the next image while the last one is answered.

    python -m benchmarks overlap --map MAP --bag build/town/evening [--rate 15] [--seconds 20]
        [--rounds 4] [--threads 2]

Encoded images come at `--rate`, faster than they are answered, to the threads of the live node,
without ROS: the newest one displaces the one that waits. One thread that does everything in turn
(`overlap: never`) and two that overlap take turns, `--rounds` times each. Printed are answers a
second, and milliseconds of the work on an image (processing), of the time that it waited in the
node (waiting), and from its arrival to its answer; and the seconds of CPU that an answer took.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.config import NetworkConfig, RecognizerConfig
from fol_vpr.datatypes import Features, Frame
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.ros.node.worker import TwoStageWorker, Worker
from fol_vpr.sources import decode_bytes, open_source

KINDS = ('in turn', 'overlapping')


class Arrival(NamedTuple):
    """An encoded image with its frame, and when it came."""

    frame: Frame
    jpeg: bytes
    at: float


class Extracted(NamedTuple):
    """A decoded image with its features, when it came, and the seconds of work on it so far."""

    frame: Frame
    features: Features
    at: float
    seconds: float


class Threads:
    """The threads of the live node around a recognizer; collects what the answers took."""

    def __init__(self, recognizer: PlaceRecognizer, kind: str) -> None:
        self._recognizer = recognizer
        self.processing: list[float] = []
        self.waiting: list[float] = []
        options: dict[str, Any] = {
            'capacity': 1,
            'newest_wins': True,
            'on_taken': lambda: None,
        }
        self.worker: Worker[Arrival] | TwoStageWorker[Arrival, Extracted]
        if kind == 'in turn':
            self.worker = Worker(lambda each: self._answer(self._extract(each)), **options)
        else:
            self.worker = TwoStageWorker(self._extract, self._answer, **options)

    def _extract(self, arrival: Arrival) -> Extracted:
        began = time.perf_counter()
        frame = replace(arrival.frame, image=decode_bytes(arrival.jpeg, 'benchmark'))
        features = self._recognizer.extract(frame)
        return Extracted(frame, features, arrival.at, time.perf_counter() - began)

    def _answer(self, extracted: Extracted) -> None:
        began = time.perf_counter()
        self._recognizer.recognize(extracted.frame, prepared=extracted.features)
        ended = time.perf_counter()
        processing = extracted.seconds + ended - began
        self.processing.append(1000 * processing)
        self.waiting.append(1000 * max(0.0, ended - extracted.at - processing))


def round_of(
    recognizer: PlaceRecognizer, kind: str, drive: Sequence[Frame], rate: float, seconds: float
) -> dict[str, list[float]]:
    """Milliseconds of each answer, and one value each of `answers a second` and `CPU`."""
    recognizer.reset_sequence()
    threads = Threads(recognizer, kind)
    encoded = [cv2.imencode('.jpg', frame.image[..., ::-1])[1].tobytes() for frame in drive]
    empty = drive[0].image[:1, :1]
    started, cpu = time.perf_counter(), time.process_time()
    for number, (frame, jpeg) in enumerate(cycle(zip(drive, encoded, strict=True))):
        due = started + number / rate
        if due > started + seconds:
            break
        time.sleep(max(0.0, due - time.perf_counter()))
        stamp = drive[0].stamp_ns + int(number * 1e9 / rate)
        shown = replace(frame, image=empty, stamp_ns=stamp)
        threads.worker.put(Arrival(shown, jpeg, time.perf_counter()))
    threads.worker.wait_idle()
    elapsed, used = time.perf_counter() - started, time.process_time() - cpu
    threads.worker.stop(60)
    answers = len(threads.processing)
    pairs = zip(threads.processing, threads.waiting, strict=True)
    return {
        'processing': threads.processing,
        'waiting': threads.waiting,
        'arrival to answer': [work + wait for work, wait in pairs],
        'answers a second': [answers / elapsed],
        'CPU': [1000 * used / answers],
    }


def _share(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in turns and print both."""
    parser = benchmark_parser(__name__, __doc__)
    _add_arguments(parser)
    options = parser.parse_args(arguments)
    recognizer = PlaceRecognizer(RecognizerConfig(NetworkConfig(threads=options.threads)))
    recognizer.load_map(options.map)
    recognizer.warm_up()
    source = open_source(options.bag, pose_topic=options.pose_topic, odom_topic=options.odom_topic)
    drive = [frame for _, frame in source.frames(stop=options.images)]
    found: dict[str, list[dict[str, list[float]]]] = {kind: [] for kind in KINDS}
    for number in range(options.rounds):
        for kind in KINDS if number % 2 == 0 else reversed(KINDS):
            found[kind].append(round_of(recognizer, kind, drive, options.rate, options.seconds))
    recognizer.close()
    names = list(found[KINDS[0]][0])
    print(f'{"":20}' + ''.join(f'{kind:>28}' for kind in KINDS))
    for name in names:
        cells = []
        for kind in KINDS:
            values = [value for each in found[kind] for value in each[name]]
            middle, high = statistics.median(values), _share(values, 0.95)
            cells.append(f'{middle:10.2f} (95 %: {high:8.2f})')
        print(f'{name:20}' + ''.join(f'{cell:>28}' for cell in cells))
    write_figures(options.json, found)
    return 0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--map', type=Path, required=True)
    parser.add_argument('--bag', type=Path, required=True)
    parser.add_argument('--pose-topic', default='/ground_truth')
    parser.add_argument('--odom-topic', default='/odom')
    parser.add_argument('--rate', type=float, default=15.0, help='images a second')
    parser.add_argument('--seconds', type=float, default=20.0, help='length of each round')
    parser.add_argument('--rounds', type=int, default=4, help='of each kind')
    parser.add_argument('--images', type=int, default=100, help='that the stream repeats')
