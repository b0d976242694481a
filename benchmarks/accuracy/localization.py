"""What the decision layer says, and how often it is right.

    FOL_VPR_SHARED=... python -m benchmarks localization [--town DAY EVENING ...] [--limit 200]

Each map is calibrated with one half of a drive, and that of the town with all drives but one, too;
and asked with the other one, which the calibration has not seen:

- frames of the drive itself, and the same frames with their places taken out of the map;
- frames of somewhere else altogether: another data set, another town;
- a drive that jumps to another part of its route.

"Without" stands for believing the first hypothesis of every image. The towns are drawn by
`python -m training town drive`, see the Makefile; without them their lines are left out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.localization_drives import Data, Trial
from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.calibration import CalibrationDrive, CalibrationExample, fit_calibration
from fol_vpr.config import VerificationConfig
from fol_vpr.datatypes import Candidate, LocalizationState, Place, PlaceHypothesis, Pose
from fol_vpr.decision import NEIGHBOUR_FACTOR, Decision, Locations, Observation
from fol_vpr.decision.calibration import DEFAULTS
from fol_vpr.evaluation.closures import precision_recall
from fol_vpr.evaluation.reliability import calibration_error, reliability_bins
from fol_vpr.evaluation.report import align_columns

BEFORE, AFTER = 20, 20
JUMPS = 12
# What the cost is measured for: of the global search, of these re-ranked, of these verified.
CANDIDATES, RERANKED, VERIFIED = 100, 10, 3


@dataclass
class Tally:
    """What was said of some images."""

    images: int = 0
    in_map: int = 0
    first_right: int = 0
    localized_right: int = 0
    localized_beside: int = 0
    localized_wrong: int = 0
    not_in_map: int = 0
    ambiguous: int = 0
    said: list[tuple[float, bool]] = field(default_factory=list, repr=False)
    said_nowhere: list[tuple[float, bool]] = field(default_factory=list, repr=False)

    def error(self) -> float:
        """Expected calibration error of the leading place."""
        return calibration_error(
            reliability_bins([p for p, _ in self.said], [right for _, right in self.said])
        )

    def error_nowhere(self) -> float:
        """That of the probability that the map has no such place."""
        return calibration_error(
            reliability_bins(
                [p for p, _ in self.said_nowhere], [right for _, right in self.said_nowhere]
            )
        )


def tally_drive(
    decision: Decision, examples: Sequence[CalibrationExample], masked: bool, tally: Tally
) -> None:
    """Run a stream through the decision layer from its beginning."""
    decision.reset()
    for example in examples:
        seen = example.masked if masked else example.observation
        if seen is None:
            continue
        count(decision, seen, frozenset() if masked else example.positives, tally)


def count(
    decision: Decision, seen: Observation, positives: frozenset[int], tally: Tally
) -> LocalizationState:
    """Judge one image, and count what was said."""
    result = decision.update(seen)
    tally.images += 1
    tally.in_map += bool(positives)
    first = seen.hypotheses[0].place.index if seen.hypotheses else -1
    tally.first_right += first in positives
    if result.believed is not None:
        right = result.believed.place.index in positives
        beside = not right and _is_beside(result.believed.place, seen, positives, decision.config)
        tally.localized_right += right
        tally.localized_beside += beside
        tally.localized_wrong += not right and not beside
    tally.not_in_map += result.state == LocalizationState.NOT_IN_MAP
    tally.ambiguous += result.state == LocalizationState.AMBIGUOUS
    if result.probabilities:
        leader = max(result.evidence, key=lambda each: result.probability(each.best.place))
        right = leader.best.place.index in positives
        tally.said.append((result.probability(leader.best.place), right))
        tally.said_nowhere.append((result.p_not_in_map, not positives))
    return result.state


def _is_beside(
    place: Place, seen: Observation, positives: frozenset[int], config: VerificationConfig
) -> bool:
    right = [each for each in seen.places if each.index in positives]
    near = Locations(right).same(place, config, radius_factor=NEIGHBOUR_FACTOR)
    return bool(near.any())


# ---- tables


def streams(
    trials: Sequence[Trial], config: VerificationConfig
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Drives that the calibration has not seen: with their places in the map, and without.

    Returns:
        A row for each trial, and one for all trials of a name, whose probabilities are judged
        together.
    """
    rows = []
    pooled: dict[str, Tally] = {}
    for trial in trials:
        calibration = fit_calibration(trial.learned, config, {}).calibration
        for with_calibration in (calibration, None):
            decision = Decision(config, with_calibration)
            inside, outside, both = Tally(), Tally(), Tally()
            for tally, masked in ((inside, False), (outside, True), (both, False), (both, True)):
                tally_drive(decision, trial.asked.examples, masked, tally)
            if with_calibration:
                pool = pooled.setdefault(trial.name, Tally())
                pool.said += both.said
                pool.said_nowhere += both.said_nowhere
            rows.append(
                {
                    'map': trial.name,
                    'calibrated with': ', '.join(d.name for d in trial.learned)
                    if with_calibration
                    else 'nothing',
                    'asked': trial.asked.name,
                    'images': inside.images,
                    'first right': inside.first_right,
                    'LOCALIZED right': inside.localized_right,
                    'beside': inside.localized_beside,
                    'LOCALIZED wrong': inside.localized_wrong,
                    'places out: LOCALIZED': outside.localized_wrong,
                    'NOT_IN_MAP': outside.not_in_map,
                    'of': outside.images,
                    'ECE in the map': inside.error(),
                    'ECE in and out': both.error(),
                    'ECE not in map': both.error_nowhere(),
                }
            )
    together = [
        {
            'map': name,
            'answers': len(pool.said),
            'ECE': pool.error(),
            'ECE not in map': pool.error_nowhere(),
        }
        for name, pool in pooled.items()
    ]
    return rows, together


def surest_first(trials: Sequence[Trial], config: VerificationConfig) -> list[dict[str, Any]]:
    """Recall at 100 % precision, by what the answers of drives through the map are ordered by.

    Every image is answered: without the decision layer by the first of the global search, or by
    the one with most matches or most inliers; with it, by the most probable place.
    """
    rows = []
    for trial in trials:
        decision = Decision(config, fit_calibration(trial.learned, config, {}).calibration)
        answers: dict[str, list[tuple[float, bool]]] = {}
        for example in trial.asked.examples:
            for name, score, index in _answers(example.observation, decision):
                answers.setdefault(name, []).append((score, index in example.positives))
        known = sum(bool(example.positives) for example in trial.asked.examples)
        curves = {
            name: precision_recall([score for score, _ in found], [r for _, r in found], known)
            for name, found in answers.items()
        }
        recalls = {name: curve.recall_at_full_precision for name, curve in curves.items()}
        rows.append({'map': trial.name, 'asked': trial.asked.name, 'images': known, **recalls})
    return rows


def _answers(seen: Observation, decision: Decision) -> Iterator[tuple[str, float, int]]:
    """What each way says of an image: its name, how sure it is, and the reference."""
    looked_at = [h for h in seen.hypotheses if not np.isnan(h.match_score)]
    result = decision.update(seen)
    first = max(seen.candidates, key=lambda each: each.similarity)
    yield 'similarity', first.similarity, first.index
    matched = max(looked_at, key=lambda each: each.match_score)
    yield 'matches', matched.match_score, matched.place.index
    verified = max(seen.hypotheses, key=lambda each: each.inliers)
    yield 'inliers', verified.inliers, verified.place.index
    places = [each.best.place for each in result.evidence]
    believed = max(places, key=result.probability)
    yield 'probability', result.probability(believed), believed.index


def foreign(
    trials: Sequence[Trial],
    elsewhere: dict[str, list[CalibrationDrive]],
    config: VerificationConfig,
) -> list[dict[str, Any]]:
    """Frames that have no place in the map at all."""
    rows = []
    for name, drives in elsewhere.items():
        halves = [drive for trial in trials if trial.name == name for drive in trial.learned]
        for calibration in (fit_calibration(halves, config, {}).calibration, None):
            for drive in drives:
                tally = Tally()
                tally_drive(Decision(config, calibration), drive.examples, False, tally)
                rows.append(
                    {
                        'map': name,
                        'calibrated': 'yes' if calibration else 'no',
                        'frames': drive.name,
                        'images': tally.images,
                        'LOCALIZED': tally.localized_wrong,
                        'AMBIGUOUS': tally.ambiguous,
                        'NOT_IN_MAP': tally.not_in_map,
                    }
                )
    return rows


def kidnapping(trials: Sequence[Trial], config: VerificationConfig) -> list[dict[str, Any]]:
    """A drive that jumps: frames until LOCALIZED again, and wrong ones on the way."""
    rows = []
    for trial in trials:
        calibration = fit_calibration(trial.learned, config, {}).calibration
        for with_calibration in (calibration, None):
            decision = Decision(config, with_calibration)
            waits, tally = _jumps(trial.asked.examples, decision)
            found = sorted(wait for wait in waits if wait is not None)
            rows.append(
                {
                    'map': trial.name,
                    'asked': trial.asked.name,
                    'calibrated': 'yes' if with_calibration else 'no',
                    'jumps': len(waits),
                    f'found within {AFTER}': len(found),
                    'median frames': float(np.median(found)) if found else None,
                    'slowest': found[-1] if found else None,
                    'frames': tally.images,
                    'LOCALIZED right': tally.localized_right,
                    'beside': tally.localized_beside,
                    'wrong': tally.localized_wrong,
                }
            )
    return rows


def _jumps(
    examples: Sequence[CalibrationExample], decision: Decision
) -> tuple[list[int | None], Tally]:
    """Frames until found for each jump, and what was said after all of them."""
    rng = np.random.default_rng(0)
    waits: list[int | None] = []
    said = Tally()
    if len(examples) < 2 * BEFORE + AFTER // 2:
        return waits, said
    for _ in range(JUMPS):
        start, target = _far_apart(len(examples), rng)
        decision.reset()
        before = examples[start : start + BEFORE]
        stamp = before[-1].observation.stamp_ns if before else 0
        for example in before:
            decision.update(example.observation)
        wait: int | None = None
        after = examples[target : target + AFTER]
        shift = stamp + 300_000_000 - after[0].observation.stamp_ns
        for number, example in enumerate(after, 1):
            right = said.localized_right
            # As if no time had passed, and as if the odometry had not noticed anything.
            seen = replace(
                example.observation,
                stamp_ns=example.observation.stamp_ns + shift,
                odometry=None if number == 1 else example.observation.odometry,
            )
            count(decision, seen, example.positives, said)
            if said.localized_right > right and wait is None:
                wait = number
        waits.append(wait)
    return waits, said


def _far_apart(total: int, rng: np.random.Generator) -> tuple[int, int]:
    """Where a drive of `total` frames is left, and where it goes on: not just around."""
    while True:
        start = int(rng.integers(0, total - BEFORE + 1))
        target = int(rng.integers(0, total - AFTER + 1))
        if abs(target - (start + BEFORE)) >= BEFORE:
            return start, target


def decide_milliseconds(repetitions: int = 200) -> list[float]:
    """Of the decision on made-up images of a map with poses: 10 candidates, each another place.

    Every image leads elsewhere, so that the filter has as many places to follow as it ever has.
    """
    rng = np.random.default_rng(0)
    decision = Decision(VerificationConfig(), DEFAULTS)
    orientation = np.array([0.0, 0.0, 0.0, 1.0])
    places = [
        Place(index, f'p{index}', 's', 0, '', (640, 480), Pose(position, orientation))
        for index, position in enumerate(rng.uniform(0, 5000, (CANDIDATES, 3)))
    ]
    milliseconds = []
    for number in range(repetitions):
        seen = _made_up(number, places, rng)
        started = time.perf_counter()
        decision.update(seen)
        milliseconds.append(1e3 * (time.perf_counter() - started))
    return milliseconds


def _made_up(number: int, places: Sequence[Place], rng: np.random.Generator) -> Observation:
    order = rng.permutation(len(places))
    similarities = np.sort(rng.normal(0.5, 0.1, len(places)))[::-1]
    candidates = [
        Candidate(int(index), float(similarity))
        for index, similarity in zip(order, similarities, strict=True)
    ]
    pairs = np.zeros((300, 2))
    hypotheses = [
        PlaceHypothesis(
            places[candidate.index],
            rank,
            candidate.similarity,
            match_score=300.0,
            inliers=30 if rank < VERIFIED else 0,
            query_xy=pairs if rank < VERIFIED else None,
        )
        for rank, candidate in enumerate(candidates[:RERANKED])
    ]
    descriptor = rng.standard_normal(8448, dtype=np.float32)
    return Observation(
        stamp_ns=300_000_000 * number,
        candidates=candidates,
        places=[places[candidate.index] for candidate in candidates],
        hypotheses=hypotheses,
        descriptor=descriptor / np.linalg.norm(descriptor),
    )


def show(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of the same keys as a table."""
    if not rows:
        return
    names = list(rows[0])
    table = [names] + [[_cell(row[name]) for name in names] for row in rows]
    left = [i for i, name in enumerate(names) if isinstance(rows[0][name], str)]
    print(title)
    print('\n'.join(align_columns(table, left=left)), end='\n\n', flush=True)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return '-'
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the figures."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument(
        '--town', type=Path, nargs='*', metavar='BAG',
        default=[Path('build/town/day'), Path('build/town/evening')],
        help='drives through one town: that of the map, then others',
    )  # fmt: skip
    parser.add_argument('--limit', type=int, help='only the first N images of each drive')
    parser.add_argument('--probability', type=float, default=VerificationConfig.probability)
    options = parser.parse_args(arguments)
    config = VerificationConfig(probability=options.probability)
    with tempfile.TemporaryDirectory(prefix='fol_vpr_decisions_') as folder:
        data = Data(Path(folder), options.town, options.limit)
        try:
            trials, elsewhere = data.trials()
        finally:
            data.close()
    if not trials:
        print('nothing to measure: set FOL_VPR_SHARED, or draw a town (make demo does)')
        return 0
    each, together = streams(trials, config)
    report: dict[str, Any] = {
        'config': asdict(config),
        'streams': each,
        'together': together,
        'surest_first': surest_first(trials, config),
        'foreign': foreign(trials, elsewhere, config),
        'kidnapping': kidnapping(trials, config),
        'decide_ms': decide_milliseconds(),
    }
    show('Drives that the calibration has not seen', report['streams'])
    show('All of a map together', report['together'])
    show('Recall at 100 % precision', report['surest_first'])
    show('Frames that have no place in the map', report['foreign'])
    show(f'Kidnapping: {BEFORE} frames, a jump, {AFTER} frames', report['kidnapping'])
    cost = report['decide_ms']
    print(
        f'The decision at {RERANKED} candidates: {np.median(cost):.2f} ms, 95th percentile '
        f'{np.percentile(cost, 95):.2f} ms, on one core'
    )
    write_figures(options.json, report, str)
    return 0
