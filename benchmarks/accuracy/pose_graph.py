"""What loop closures do to a trajectory: examples/pose_graph_backend on drives with exact poses.

    FOL_VPR_SHARED=DIR python -m benchmarks pose_graph [--seeds 5] [--closures pipeline truth]

Two drives: TUM fr1_desk, a camera in the hand for 23 s, and 1.6 rounds through the synthetic town
(drawn where --town does not hold it yet). Their odometry is made of the exact poses with drift,
another one for each seed; `benchmarks.accuracy.drives_with_odometry` says how much. Closures are

- `pipeline`: what `PlaceRecognizer` finds within the drive, with that odometry, and the transforms
  that it measured;
- `truth`: exact relative poses of frames that are near each other, with noise of the covariance
  that they come with: what a perfect front-end would give.

A fifth of them, at least one, is made wrong for the last columns: the transform of another pair, a
random one, or another place at the other end, by turns; of those that were accepted all the same,
the table says how far the worst one is off. The error is the absolute trajectory error of all
images (RMSE, metres) after a rigid alignment: the mean over the seeds, and the range.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import gtsam
import numpy as np

from benchmarks.accuracy.drives_with_odometry import Run, desk, plain_pose, town
from benchmarks.options import benchmark_parser, write_figures
from examples.pose_graph_backend.closures import Closure, Measurement
from examples.pose_graph_backend.geometry import pose3
from examples.pose_graph_backend.pose_graph import PoseGraph
from examples.pose_graph_backend.settings import GraphSettings
from fol_vpr.config import LoopsConfig, NetworkConfig, RecognizerConfig
from fol_vpr.datatypes import Frame, LoopClosure
from fol_vpr.evaluation.trajectories import absolute_trajectory_error
from fol_vpr.recognizer import PlaceRecognizer

WRONG = 0.2
# What is true of either drive, and that a user would set: how far a camera moves between
# keyframes, and how good the odometry is.
GRAPH = {
    'TUM fr1_desk': GraphSettings(
        keyframe_distance=0.05,
        keyframe_turn=0.1,
        position_noise=0.05,
        rotation_noise=0.03,
        turning_noise=0.01,
        position_floor=0.01,
        rotation_floor=0.03,  # a rolling shutter in the hand
    ),
    'synthetic town': GraphSettings(position_noise=0.15, rotation_noise=0.012, turning_noise=0.01),
}
LOOPS = {
    'TUM fr1_desk': LoopsConfig(
        enabled=True,
        store_images=True,
        keyframe_distance=0.1,
        keyframe_angle=10.0,
        exclude_distance=2.0,
        agreement=0.3,
        odometry_stddev=0.05,
        closure_stddev=0.02,
        min_information_gain_bits=0.0,
        verify=4,
    ),
    'synthetic town': LoopsConfig(enabled=True, store_images=True, odometry_stddev=0.15),
}
# Frames that show the same: metres and radians apart, and metres driven in between at least.
NEAR = {'TUM fr1_desk': (0.3, 0.35, 2.0), 'synthetic town': (2.0, 0.35, 30.0)}
NOISE = np.repeat([0.01, 0.03], 3)


@dataclass
class Outcome:
    """Errors of one drive in metres, seed by seed."""

    run: str
    kind: str
    found: list[int] = field(default_factory=list)
    metric: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    wrong_accepted: list[int] = field(default_factory=list)
    furthest_off: float = 0.0
    odometry: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    spoilt: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where closures made a trajectory worse than its odometry."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--runs', nargs='+', default=['desk', 'town'], choices=['desk', 'town'])
    parser.add_argument('--closures', nargs='+', default=['pipeline', 'truth'],
                        choices=['pipeline', 'truth'])  # fmt: skip
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--town', type=Path, default=Path('build/town/loop'))
    options = parser.parse_args(arguments)
    runs = []
    if 'desk' in options.runs:
        runs.append(desk(Path(os.environ['FOL_VPR_SHARED']) / 'data'))
    if 'town' in options.runs:
        runs.append(town(options.town))
    print(HEAD)
    outcomes = []
    for run in runs:
        for kind in options.closures:
            outcomes.append(measured(run, kind, options.seeds, options.threads))
            print(_line(run, outcomes[-1]), flush=True)
    write_figures(options.json, [vars(each) for each in outcomes])
    worse = [
        np.mean(each.closed) > np.mean(each.odometry)
        or np.mean(each.spoilt) > np.mean(each.odometry)
        for each in outcomes
    ]
    return int(any(worse))


def measured(run: Run, kind: str, seeds: int, threads: int) -> Outcome:
    """Both ways of closing the loops, over all seeds."""
    outcome = Outcome(run.name, kind)
    for seed in range(seeds):
        odometry = run.drift.of(run.poses, seed)
        if kind == 'pipeline':
            closures = recognized(run, odometry, threads)
        else:
            closures = exact_but_for_noise(run, seed)
        outcome.found.append(len(closures))
        outcome.metric.append(sum(c.measured is not None and c.measured.metric for c in closures))
        outcome.odometry.append(error(run, dict(zip(run.stamps, odometry, strict=True))))
        graph = driven(run, odometry, closures)
        outcome.accepted.append(len(graph.accepted))
        outcome.closed.append(error(run, corrected(run, graph)))
        spoilt, wrong = with_wrong_ones(run, closures, seed)
        graph = driven(run, odometry, spoilt)
        outcome.wrong.append(len(wrong))
        outcome.wrong_accepted.append(len(graph.accepted & wrong))
        off = [
            metres_off(run, each) for each in spoilt if each.closure_id in graph.accepted & wrong
        ]
        outcome.furthest_off = max([outcome.furthest_off, *off])
        outcome.spoilt.append(error(run, corrected(run, graph)))
    return outcome


def recognized(run: Run, odometry: Sequence[gtsam.Pose3], threads: int) -> list[Closure]:
    """What place recognition finds within the drive."""
    at = dict(zip(run.stamps, odometry, strict=True))
    assert run.camera.mount is not None
    camera = run.camera.mount
    mount = pose3(camera.position.tolist(), camera.orientation.tolist())
    config = RecognizerConfig(network=NetworkConfig(threads=threads), loops=LOOPS[run.name])
    recognizer = PlaceRecognizer(config)
    found: list[LoopClosure] = []
    for number, stamp in enumerate(run.images):
        frame = Frame(
            run.load(number),
            stamp_ns=stamp,
            frame_id='camera',
            camera=run.camera,
            odometry=plain_pose(at[stamp]),
        )
        found += recognizer.recognize(frame).loop_closures
    recognizer.close()
    closures = []
    for each in found:
        measured = None
        if each.relative is not None:
            pose = pose3(each.relative.translation.tolist(), each.relative.orientation.tolist())
            measured = Measurement.from_ros(
                pose, each.relative.covariance, metric=each.relative.metric
            )
        stamps = each.stamp_from_ns, each.stamp_to_ns
        closures.append(Closure(each.candidate_id, *stamps, measured, mount, mount))
    return closures


def exact_but_for_noise(run: Run, seed: int) -> list[Closure]:
    """For every second image that came back, the nearest image of those that are long past."""
    rng = np.random.default_rng([seed, 2])
    at = dict(zip(run.stamps, run.poses, strict=True))
    poses = [at[stamp] for stamp in run.images]
    places = np.array([pose.translation() for pose in poses])
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    near, turned, past = NEAR[run.name]
    closures: list[Closure] = []
    for end in range(0, len(poses), 2):
        starts = np.flatnonzero(way <= way[end] - past)
        starts = starts[np.argsort(np.linalg.norm(places[starts] - places[end], axis=1))]
        for start in starts[:1]:
            pose = poses[end].between(poses[start])
            angle = np.linalg.norm(gtsam.Rot3.Logmap(pose.rotation()))
            if np.linalg.norm(pose.translation()) > near or angle > turned:
                continue
            noisy = pose.compose(gtsam.Pose3.Expmap(NOISE * rng.normal(size=6)))
            measured = Measurement(noisy, np.diag(NOISE**2), True)
            stamps = run.images[end], run.images[start]
            closures.append(Closure(len(closures), *stamps, measured))
    return closures


def with_wrong_ones(
    run: Run, closures: Sequence[Closure], seed: int
) -> tuple[list[Closure], set[int]]:
    """The closures with a fifth of them wrong, and which those are."""
    rng = np.random.default_rng([seed, 3])
    usable = [n for n, each in enumerate(closures) if each.measured is not None]
    count = max(1, round(WRONG * len(usable))) if len(usable) > 1 else 0
    chosen = rng.choice(usable, size=count, replace=False)
    spoilt = list(closures)
    for turn, number in enumerate(chosen):
        closure = closures[number]
        measured = closure.measured
        assert measured is not None
        others = [n for n in usable if n != number]
        if turn % 3 == 0:
            other = closures[rng.choice(others)].measured
            assert other is not None
            spoilt[number] = replace(closure, measured=other)
        elif turn % 3 == 1:
            place = rng.normal(size=3) * (3 if run.drift.flat else 0.5)
            pose = gtsam.Pose3(gtsam.Rot3.Expmap(rng.normal(size=3)), place)
            spoilt[number] = replace(closure, measured=replace(measured, pose=pose))
        else:
            earlier = [stamp for stamp in run.images if stamp < closure.stamp_from_ns - 5e9]
            spoilt[number] = replace(closure, stamp_to_ns=int(rng.choice(earlier)))
    return spoilt, {closures[number].closure_id for number in chosen}


def metres_off(run: Run, closure: Closure) -> float:
    """How far the translation of a closure is from the truth; 0 for a direction."""
    if closure.measured is None or not closure.measured.metric:
        return 0.0
    at = dict(zip(run.stamps, run.poses, strict=True))
    truth = at[closure.stamp_from_ns].between(at[closure.stamp_to_ns])
    return float(np.linalg.norm(closure.of_bases()[0].translation() - truth.translation()))


def driven(run: Run, odometry: Sequence[gtsam.Pose3], closures: Sequence[Closure]) -> PoseGraph:
    """The graph after the drive, to which each closure came with its image."""
    graph = PoseGraph(GRAPH[run.name])
    waiting = sorted(closures, key=lambda closure: closure.stamp_from_ns)
    for stamp, pose in zip(run.stamps, odometry, strict=True):
        while waiting and waiting[0].stamp_from_ns <= stamp:
            graph.add_closure(waiting.pop(0))
        graph.add_odometry(stamp, pose)
    return graph


def corrected(run: Run, graph: PoseGraph) -> dict[int, gtsam.Pose3]:
    """Poses of all images after the drive, by their stamps."""
    return {stamp: graph.pose(stamp) for stamp in run.images}


def error(run: Run, estimated: dict[int, gtsam.Pose3]) -> float:
    """Absolute trajectory error of the images, RMSE in metres."""
    truth = dict(zip(run.stamps, run.poses, strict=True))
    sides = [
        np.array([poses[stamp].translation() for stamp in run.images])
        for poses in (estimated, truth)
    ]
    return absolute_trajectory_error(*sides).rmse


HEAD = (
    '| drive | closures | found (metric) | accepted | odometry | with closures | after / before '
    '| wrong ones accepted | with a fifth wrong | after / before |\n|' + ' --- |' * 10
)


def _line(run: Run, outcome: Outcome) -> str:
    before = np.mean(outcome.odometry)
    cells = [
        f'{run.name}, {run.length:.0f} m',
        outcome.kind,
        f'{np.mean(outcome.found):.1f} ({np.mean(outcome.metric):.1f})',
        f'{np.mean(outcome.accepted):.1f}',
        _range(outcome.odometry),
        _range(outcome.closed),
        f'{np.mean(outcome.closed) / before:.2f}',
        f'{sum(outcome.wrong_accepted)} of {sum(outcome.wrong)}, {outcome.furthest_off:.1f} m off',
        _range(outcome.spoilt),
        f'{np.mean(outcome.spoilt) / before:.2f}',
    ]
    return '| ' + ' | '.join(cells) + ' |'


def _range(values: Sequence[float]) -> str:
    return f'{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})'
