"""Correct the odometry of a recorded drive by its loop closures, and draw both trajectories.

    python -m examples.pose_graph BAG --odometry /odom --truth /ground_truth --output drive.png

Finds the loop closures within the drive, or reads those that `fol_vpr loops --json FILE` found
(`--closures FILE`), and optimises a pose graph of the odometry and the closures with GTSAM. Prints
what became of each closure and, where the bag has a ground truth, the trajectory error before and
after: the root mean square distance of all images from the ground truth in metres, after the rigid
alignment that fits best. Run it from a checkout; neither ROS nor a node is needed.

Which closures to believe is decided by `examples/pose_graph_backend`. A closure without a
transform says that two images look alike, and nothing about how far apart they were: it constrains
nothing. A single pair of images of one camera measures a direction without a length: it constrains
the rotation, and the direction where the odometry knows the baseline well enough. `--compare`
prints the error without these tests as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import gtsam
import numpy as np

import fol_vpr
from examples.pose_graph_backend.closures import Answer, Closure, Measurement
from examples.pose_graph_backend.geometry import pose3
from examples.pose_graph_backend.pose_graph import PoseGraph
from examples.pose_graph_backend.settings import GraphSettings
from examples.pose_graph_backend.solver import Solver
from examples.pose_graph_backend.track import OdometryPath
from fol_vpr.config import DEFAULT_SCALE, SCALES, LoopsConfig, NetworkConfig, RecognizerConfig
from fol_vpr.evaluation.closures import DriveTrajectory, RevisitCriteria
from fol_vpr.evaluation.trajectories import absolute_trajectory_error, align
from fol_vpr.files import read_text
from fol_vpr.json_text import parse_json
from fol_vpr.recognizer import PlaceRecognizer

NOISE = ('position_noise', 'rotation_noise', 'turning_noise')
# Standard deviations of "taken at the same pose": radians, metres.
SAME_POSE = np.repeat([0.1, 1.0], 3)
# Standard deviations from which a kernel discounts a residual: none is as large.
NO_KERNEL = 1e6


@dataclass
class Drive:
    """What is known of the images of a drive that have odometry.

    Attributes:
        stamps: in nanoseconds.
        odometry: poses of the base in the frame of the odometry.
        truth: poses of the base by the ground truth, None where it has none.
        mount: pose of the camera in the base frame; None where the bag does not tell.
        closures: loop closures within the drive.
    """

    stamps: list[int] = field(default_factory=list)
    odometry: list[gtsam.Pose3] = field(default_factory=list)
    truth: list[fol_vpr.Pose | None] = field(default_factory=list)
    mount: gtsam.Pose3 | None = None
    closures: list[Closure] = field(default_factory=list)

    @property
    def known(self) -> np.ndarray:
        """[N] bool: which images have a ground truth."""
        return np.array([pose is not None for pose in self.truth], bool)

    @property
    def true_positions(self) -> np.ndarray:
        """[K, 3] metres, of the images that have a ground truth."""
        return np.array([pose.position for pose in self.truth if pose is not None])

    def error(self, positions: np.ndarray) -> float:
        """Root mean square distance of positions [N, 3] from the ground truth, in metres."""
        return absolute_trajectory_error(positions[self.known], self.true_positions).rmse

    def verdicts(self) -> list[bool | None]:
        """Which closures are right, as `fol_vpr loops` judges it; None where it is not known."""
        criteria = RevisitCriteria(SCALES[DEFAULT_SCALE].loop_distance)
        judge = DriveTrajectory(self.stamps, self.truth, criteria)
        return [judge.same_place(c.stamp_from_ns, c.stamp_to_ns) for c in self.closures]


def read_drive(options: argparse.Namespace) -> Drive:
    """Read the drive, and find its closures where no file has them."""
    source = fol_vpr.open_source(
        options.bag, odom_topic=options.odometry, pose_topic=options.truth
    )
    drive = Drive()
    found: list[fol_vpr.LoopClosure] = []
    recognizer = None
    if options.closures is None:
        network = NetworkConfig(threads=options.threads)
        loops = LoopsConfig(enabled=True)
        recognizer = PlaceRecognizer(RecognizerConfig(network=network, loops=loops))
    for _, frame in source.frames():
        if frame.odometry is None:
            continue
        drive.stamps.append(frame.stamp_ns)
        drive.odometry.append(of_package(frame.odometry))
        drive.truth.append(frame.pose)
        if drive.mount is None and frame.camera is not None and frame.camera.mount is not None:
            drive.mount = of_package(frame.camera.mount)
        if recognizer is not None:
            found += recognizer.recognize(frame).loop_closures
    if recognizer is not None:
        recognizer.close()
    if not drive.stamps:
        raise fol_vpr.InputError(
            f'no image of {options.bag} has odometry; name its topic with --odometry '
            '(fol_vpr bag info BAG lists the topics)'
        )
    if options.closures is None:
        for each in found:
            transform = None
            if (r := each.relative) is not None:
                transform = r.translation, r.orientation, r.covariance, r.metric
            stamps = each.stamp_from_ns, each.stamp_to_ns
            drive.closures.append(closure_of(drive, each.candidate_id, stamps, transform))
    else:
        drive.closures = read_closures(options.closures, drive)
    return drive


def of_package(pose: fol_vpr.Pose) -> gtsam.Pose3:
    """The pose as GTSAM has it."""
    return pose3(pose.position.tolist(), pose.orientation.tolist())


def closure_of(
    drive: Drive, name: int, stamps: Sequence[int], transform: Sequence[Any] | None
) -> Closure:
    """A closure for the graph.

    Args:
        drive: the drive of the closure.
        name: its candidate_id.
        stamps: of its newer image and of its older one, in nanoseconds.
        transform: translation, orientation x y z w, covariance [6, 6], and whether the length of
            the translation was measured; None where nothing was.
    """
    newer, older = stamps
    if transform is None:
        return Closure(name, newer, older, None)
    if drive.mount is None:
        raise fol_vpr.InputError(
            'where the camera sits on the robot is not known, so that a transform between two '
            'cameras says nothing of the robot: the bag needs /tf_static and a camera_info'
        )
    translation, orientation, covariance, metric = transform
    pose = pose3(list(translation), list(orientation))
    measured = Measurement.from_ros(pose, np.asarray(covariance), metric=metric)
    return Closure(name, newer, older, measured, drive.mount, drive.mount)


def read_closures(path: Path, drive: Drive) -> list[Closure]:
    """The closures within a drive that `fol_vpr loops --json` wrote."""
    stamps = set(drive.stamps)
    closures = []
    try:
        for each in parse_json(read_text(path, 'loop closures'))['closures']:
            if not each['within_drive']:
                continue
            ends = [each['stamp_from_ns'], each['stamp_to_ns']]
            if not stamps.issuperset(ends):
                raise ValueError(f'the drive has no image with odometry at one of {ends} ns')
            found = each['from_t_to']
            names = ('translation', 'orientation_xyzw', 'covariance', 'metric_scale')
            transform = None if found is None else [found[name] for name in names]
            closures.append(closure_of(drive, each['candidate_id'], ends, transform))
    except (KeyError, TypeError, ValueError) as error:
        raise fol_vpr.InputError(
            f'{path} does not hold loop closures of this drive: {error}; expected what '
            'fol_vpr loops --json writes, of the same bag'
        ) from error
    return closures


def tested(drive: Drive, settings: GraphSettings) -> tuple[np.ndarray, dict[int, Answer]]:
    """The corrected positions [N, 3], and what became of each closure.

    Closures come with their later image, as they would on the robot.
    """
    graph = PoseGraph(settings)
    waiting = sorted(drive.closures, key=lambda closure: closure.stamp_from_ns)
    answers: list[Answer] = []
    for stamp, pose in zip(drive.stamps, drive.odometry, strict=True):
        while waiting and waiting[0].stamp_from_ns <= stamp:
            answers += graph.add_closure(waiting.pop(0))
        answers += graph.add_odometry(stamp, pose)
    answers += graph.finish()
    positions = np.array([graph.pose(stamp).translation() for stamp in drive.stamps])
    return positions, {answer.closure_id: answer for answer in answers}


def untested(
    drive: Drive, settings: GraphSettings, *, same_pose: bool = False, kernel: bool = True
) -> np.ndarray:
    """The corrected positions [N, 3] where each closure is a constraint, without any test.

    Args:
        drive: the drive.
        settings: of the graph.
        same_pose: take a closure without a transform for two images at the same pose.
        kernel: discount large residuals (Cauchy), else least squares.
    """
    if not kernel:
        settings = replace(settings, kernel=NO_KERNEL)
    track = OdometryPath(settings)
    solver = Solver(track, settings)
    for stamp, pose in zip(drive.stamps, drive.odometry, strict=True):
        track.add(stamp, pose)
        solver.add_node(stamp)
    for closure in drive.closures:
        if closure.measured is None:
            if not same_pose:
                continue
            measured = Measurement(gtsam.Pose3(), np.diag(SAME_POSE**2), metric=True)
        else:
            measured = closure.measured.widened(
                settings.covariance_scale, settings.rotation_floor, settings.position_floor
            )
        solver.enter(replace(closure, measured=measured), direction=False, near=True)
    return solver.positions()


def print_closures(drive: Drive, answers: dict[int, Answer]) -> None:
    """A line for each closure: what it is, and what became of it."""
    verdicts = drive.verdicts()
    for closure, right in zip(drive.closures, verdicts, strict=True):
        answer = answers[closure.closure_id]
        start, end = ((s - drive.stamps[0]) / 1e9 for s in ends_of(closure))
        truth = {True: 'right', False: 'wrong', None: '-'}[right]
        state = 'accepted' if answer.accepted else 'rejected'
        print(
            f'{start:8.1f} s -> {end:6.1f} s  {truth:5}  {measured_in_words(closure):12}  '
            f'{state}: {answer.reason}'
        )
    accepted = sum(answer.accepted for answer in answers.values())
    wrong = sum(
        right is False and answers[closure.closure_id].accepted
        for closure, right in zip(drive.closures, verdicts, strict=True)
    )
    of_them = f', {wrong} of them wrong' if drive.known.any() else ''
    print(f'{len(drive.closures)} loop closures, {accepted} accepted{of_them}')


def measured_in_words(closure: Closure) -> str:
    """What was measured between the images of a closure."""
    if closure.measured is None:
        return 'no transform'
    return 'in metres' if closure.measured.metric else 'direction'


def ends_of(closure: Closure) -> tuple[int, int]:
    """The stamps of both images."""
    return closure.stamp_from_ns, closure.stamp_to_ns


def draw(
    path: Path, drive: Drive, before: np.ndarray, after: np.ndarray, accepted: set[int]
) -> None:
    """Draw both trajectories, the ground truth, and the closures on the corrected one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 6), layout='constrained')
    axis = figure.add_subplot()
    names = ['odometry', 'with loop closures']
    if drive.known.any():
        known, truth = drive.known, drive.true_positions
        axis.plot(*truth[:, :2].T, color='#222222', lw=3, alpha=0.35, label='ground truth')
        names = [
            f'{name}: {drive.error(positions):.2f} m'
            for name, positions in zip(names, (before, after), strict=True)
        ]
        before, after = (align(p[known], truth).apply(p) for p in (before, after))
    axis.plot(*before[:, :2].T, color='#d95f02', lw=1.5, ls='--', label=names[0])
    axis.plot(*after[:, :2].T, color='#1f6fb4', lw=1.5, label=names[1])
    row = {stamp: number for number, stamp in enumerate(drive.stamps)}
    for taken, colour, style, name in (
        (True, '#1b9e77', '-', 'closures accepted'),
        (False, '#999999', ':', 'closures rejected'),
    ):
        own = [c for c in drive.closures if (c.closure_id in accepted) == taken]
        for number, closure in enumerate(own):
            ends = after[[row[stamp] for stamp in ends_of(closure)]]
            label = f'{name} ({len(own)})' if number == 0 else None
            axis.plot(*ends[:, :2].T, style, color=colour, marker='o', ms=4, lw=1.2, label=label)
    axis.set_aspect('equal')
    axis.set_xlabel('x in metres')
    axis.set_ylabel('y in metres')
    figure.legend(loc='outside right upper', frameon=False)
    figure.savefig(path, dpi=120)


def main(options: argparse.Namespace) -> None:
    """Read, optimise, print and draw."""
    settings = GraphSettings(**{name: getattr(options, name) for name in NOISE})
    drive = read_drive(options)
    before = np.array([pose.translation() for pose in drive.odometry])
    after, answers = tested(drive, settings)
    print_closures(drive, answers)
    if drive.known.any():
        print('trajectory error (RMSE after alignment):')
        rows = {'before, odometry alone': before, 'after, with loop closures': after}
        if options.compare:
            rows |= {
                'without tests, least squares': untested(drive, settings, kernel=False),
                'without tests, robust kernel': untested(drive, settings),
                'no transform taken for the same pose, least squares': untested(
                    drive, settings, same_pose=True, kernel=False
                ),
                'no transform taken for the same pose, robust kernel': untested(
                    drive, settings, same_pose=True
                ),
            }
        for name, positions in rows.items():
            print(f'  {name:52}{drive.error(positions):7.2f} m')
    else:
        moved = np.linalg.norm(after - before, axis=1).max()
        print(f'no ground truth: the error is not known; images moved by up to {moved:.2f} m')
    if options.output is not None:
        accepted = {name for name, answer in answers.items() if answer.accepted}
        draw(options.output, drive, before, after, accepted)
        print(f'drawn in {options.output}')


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    summary, _, rest = (__doc__ or '').partition('\n')
    parser = argparse.ArgumentParser(
        'python -m examples.pose_graph', description=summary, epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument('bag', type=Path, metavar='BAG')
    parser.add_argument('--odometry', default='/odom', metavar='TOPIC', help='default: /odom')
    parser.add_argument('--truth', metavar='TOPIC', help='poses that are the ground truth')
    parser.add_argument('--closures', type=Path, metavar='FILE.json',
                        help='of fol_vpr loops --json; default: find them')  # fmt: skip
    parser.add_argument('--output', type=Path, metavar='FILE.png', help='picture to draw')
    parser.add_argument('--compare', action='store_true',
                        help='print the error without the tests, too')  # fmt: skip
    parser.add_argument('--threads', type=int, default=0, help='of the network; default: all')
    for each in fields(GraphSettings):
        if each.name in NOISE:
            name = f'--{each.name.replace("_", "-")}'
            text = f'{each.metadata["description"]} Default: {each.default}.'
            parser.add_argument(name, type=float, default=each.default, metavar='X', help=text)
    return parser.parse_args(words)


if __name__ == '__main__':
    try:
        main(parsed())
    except (fol_vpr.FolVprError, ValueError) as error:
        sys.exit(f'error: {error}')
