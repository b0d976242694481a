"""How well relative and refined poses are measured, against the exact poses of the town.

    python -m benchmarks geometry [--map BAG] [--queries BAG ...] [--every 2]

The bags are drives through one town (docs/how-to/synthetic_town.md), by default those of
`make demo`. The normalised error (NEES) is the squared error in units of the stated covariance,
divided by its degrees of freedom: 1 where the covariance is right, more where it promises too
much.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.config import MappingConfig, RecognizerConfig
from fol_vpr.datatypes import Frame, PlaceHypothesis, Pose, PoseSource, Verification
from fol_vpr.geometry.rigid import compose, inverse, rotation_matrix, rotation_vector
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import open_source

TOWN = Path('build/town')
# Metres beyond which a hypothesis is of another place, and no fault of what measures it.
SAME_PLACE = 12.0


@dataclass
class Errors:
    """Of one kind of pose: translation (degrees or metres), rotation (degrees), NEES."""

    translation: list[float] = field(default_factory=list)
    rotation: list[float] = field(default_factory=list)
    nees: list[float] = field(default_factory=list)

    def add(self, away: np.ndarray, covariance: np.ndarray, metric: bool) -> None:
        """Count an error [6] of a pose with a covariance of rank five or six."""
        freedom = 6 if metric else 5
        variances, axes = np.linalg.eigh(covariance)
        scaled = (axes.T @ away)[-freedom:] ** 2 / variances[-freedom:]
        length = float(np.linalg.norm(away[:3]))
        angle = 2 * np.arcsin(min(1.0, length / 2))
        self.translation.append(length if metric else float(np.degrees(angle)))
        self.rotation.append(float(np.degrees(np.linalg.norm(away[3:]))))
        self.nees.append(float(scaled.sum()) / freedom)

    def summary(self) -> dict[str, float]:
        """Count, medians, and what nine of ten stay within."""
        if not self.nees:
            return {'n': 0}
        found: dict[str, float] = {'n': len(self.nees)}
        for name, values in vars(self).items():
            found[name] = statistics.median(values)
            found[f'{name} 90 %'] = float(np.percentile(values, 90))
            found[f'{name} worst'] = max(values)
        return found


def queries(bag: Path, every: int) -> Iterator[Frame]:
    """Every so many-th image of a drive, with its camera and its true pose."""
    for number, frame in open_source(bag, pose_topic='/ground_truth').frames():
        if number % every == 0:
            yield frame


def measure(recognizer: PlaceRecognizer, bag: Path, every: int) -> dict[str, object]:
    """Errors of what is measured for the leading hypotheses of a drive."""
    relative, base = Errors(), Errors()
    whole: list[float] = []
    seconds: list[float] = []
    asked = verified = wrong = 0
    for frame in queries(bag, every):
        answer = recognizer.recognize(frame, sequence=False)
        asked += 1
        leading = [h for h in answer.hypotheses if h.verification == Verification.GEOMETRY]
        verified += bool(leading)
        if leading:
            seconds.append(answer.timings['refine_pose'])
        for hypothesis in leading:
            if _apart(hypothesis.place.pose, frame.pose) > SAME_PLACE:
                wrong += hypothesis.relative is not None
            else:
                _compare(hypothesis, frame, relative, base, whole)
    return {
        'queries': asked,
        'verified': verified,
        'wrong places': wrong,
        'direction': relative.summary(),
        'refined': base.summary(),
        'map image': statistics.median(whole) if whole else None,
        'milliseconds': 1000 * statistics.median(seconds) if seconds else None,
    }


def _compare(
    hypothesis: PlaceHypothesis, frame: Frame, relative: Errors, base: Errors, whole: list[float]
) -> None:
    place, found = hypothesis.place, hypothesis.relative
    assert frame.pose is not None and frame.camera is not None and place.pose is not None
    if found is None or frame.camera.mount is None:
        return
    mount = frame.camera.mount
    first = inverse(compose(frame.pose, mount))
    truth = compose(first, compose(place.pose, mount))
    if not found.metric:
        unit = truth.position / np.linalg.norm(truth.position)
        away = _error(Pose(found.translation, found.orientation), Pose(unit, truth.orientation))
        relative.add(away, found.covariance, metric=False)
    if hypothesis.pose_source == PoseSource.REFINED and hypothesis.pose is not None:
        assert hypothesis.pose.covariance is not None
        base.add(_error(hypothesis.pose, frame.pose), hypothesis.pose.covariance, metric=True)
        whole.append(_apart(place.pose, frame.pose))


def _apart(first: Pose | None, second: Pose | None) -> float:
    assert first is not None and second is not None
    return float(np.linalg.norm(first.position - second.position))


def _error(found: Pose, truth: Pose) -> np.ndarray:
    turn = rotation_matrix(found.orientation) @ rotation_matrix(truth.orientation).T
    return np.concatenate([found.position - truth.position, rotation_vector(turn)])


def print_table(result: dict[str, dict[str, object]]) -> None:
    """The result for people: two lines for each drive."""
    print('median, 90 %, worst; NEES should be about 1')
    for drive, row in result.items():
        print(
            f'{drive}: {row["queries"]} queries, {row["verified"]} verified, '
            f'{row["wrong places"]} measured at a wrong place, '
            f'{row["milliseconds"] or 0:.0f} ms a measurement'
        )
        for name, kind, unit in (
            ('direction', 'direction', '°'),
            ('refined', 'refined pose', ' m'),
        ):
            errors = row[name]
            assert isinstance(errors, dict)
            if not errors['n']:
                print(f'  {kind:12} none')
                continue
            cells = [
                ' '.join(f'{errors[key + end]:.3g}' for end in ('', ' 90 %', ' worst'))
                for key in ('translation', 'rotation', 'nees')
            ]
            print(
                f'  {kind:12} n {errors["n"]:3}  error {cells[0]}{unit}  rotation {cells[1]}°  '
                f'NEES {cells[2]}'
            )
        if row['map image'] is not None:
            print(f'  without it   error {row["map image"]:.3g} m (pose of the map image)')


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--map', type=Path, default=TOWN / 'day', metavar='BAG')
    parser.add_argument('--queries', type=Path, nargs='+', default=[TOWN / 'evening'])
    parser.add_argument('--every', type=int, default=2, help='use every so many-th query')
    options = parser.parse_args(arguments)
    missing = [bag for bag in (options.map, *options.queries) if not bag.is_dir()]
    if missing:
        print(
            f'{missing[0]} is not there: `make demo` draws the usual drives, or see '
            'docs/how-to/synthetic_town.md'
        )
        return 1
    torch.set_num_threads(options.threads)
    recognizer = PlaceRecognizer(RecognizerConfig())
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'm.folmap'
        source = open_source(options.map, pose_topic='/ground_truth')
        build_map(source, path, recognizer.extractor, MappingConfig())
        recognizer.load_map(path)
        for bag in options.queries:
            result[bag.name] = measure(recognizer, bag, options.every)
        recognizer.close()
    print_table(result)
    write_figures(options.json, result)
    return 0
