"""What a small network is measured on and never tuned on, as one table.

    TOWN=DIR FOL_VPR_SHARED=DIR python -m benchmarks small_network [--weights FILE ...]

- Recall@1 before and after re-ranking with the default settings: Gardens Point, the corridor, and
  two towns at night, whose references were taken by day.
- Town 13 as `make demo` drives through it (`--drives`): the first hypothesis and LOCALIZED right
  and wrong, within 5 m and 40 degrees, calibrated with the overcast drive.
- TUM freiburg1_desk, a camera in the hand: a map with the settings for a room of the first half of
  the drive; each quarter of the rest is asked with a calibration from the other one. Right is
  within the radius of `--scale room`; answerable are images that have such a place in the map.

`python -m benchmarks small_network --draw` draws the towns at night into TOWN first. What is not
there is left out.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.accuracy.localization import Tally, tally_drive
from benchmarks.accuracy.localization_drives import TOWN_TRUTH
from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.calibration import CalibrationDrive, collect, fit_calibration
from fol_vpr.config import (
    EvaluationConfig,
    MappingConfig,
    NetworkConfig,
    RecognizerConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.config.scale import scaled
from fol_vpr.decision import Decision
from fol_vpr.evaluation.ground_truth import CapturedPosition, positives_by_position
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import FrameSource, ImageFolder, open_source
from training.data import open_validation
from training.data.config import FoldersSource, PairSource, ValidationSource
from training.recall import evaluate

NIGHT_TOWNS = {
    'night1': (9301, ('night,exposure=-0.6', 'day', 'driven night,exposure=-0.6')),
    'night2': (9302, ('wet night,exposure=-0.6', 'overcast', 'driven night,exposure=-0.6')),
}
"""Seed and conditions of each; the view in the middle is the reference."""


class Row(NamedTuple):
    """A line of the table; counts of images.

    Attributes:
        images: that have a place in the map.
        beside: LOCALIZED at a place next to one that is right.
    """

    set: str
    images: int
    what: str
    right: int
    beside: int
    wrong: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--weights', nargs='+', default=['fol_tiny'])
    parser.add_argument('--sets', nargs='+', default=list(SETS), choices=list(SETS))
    parser.add_argument(
        '--drives', type=Path, default=Path('build/town'), metavar='DIR',
        help='folder with the drives day, evening and overcast through town 13',
    )  # fmt: skip
    parser.add_argument('--draw', action='store_true', help='draw the towns at night, and end')
    options = parser.parse_args(arguments)
    if options.draw:
        draw(_folder('TOWN') or Path('town'))
        return 0
    figures = {}
    for weights in options.weights:
        network = NetworkConfig(weights=weights, threads=options.threads)
        print(f'weights {weights}\n')
        print('| set | images | what | right | beside | wrong |\n|' + ' --- |' * 6)
        rows = []
        for name in options.sets:
            for row in SETS[name](network, options.drives):
                rows.append(row)
                share = f'{row.right} ({100 * row.right / max(1, row.images):.1f} %)'
                cells = (row.set, row.images, row.what, share, row.beside, row.wrong)
                print(f'| {" | ".join(map(str, cells))} |', flush=True)
        print()
        figures[weights] = [row._asdict() for row in rows]
    write_figures(options.json, figures)
    return 0


def draw(folder: Path) -> None:
    """Draw the towns at night that are not there yet."""
    from training.town.places import PlacesConfig, write_places

    for name, (seed, conditions) in NIGHT_TOWNS.items():
        if not (folder / name / 'town.json').exists():
            config = PlacesConfig(
                seed=seed, places=60, views=3, indoor=0.0, conditions=conditions,
                in_turn=True, vary=True, strength=0.5,
            )  # fmt: skip
            write_places(config, folder / name)


def _folder(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _shared(name: str) -> Path | None:
    shared = _folder('FOL_VPR_SHARED')
    path = shared / 'data' / name if shared else None
    return path if path is not None and path.is_dir() else None


# ---- recall


def _recall(name: str, source: ValidationSource, network: NetworkConfig) -> Iterator[Row]:
    chosen = open_validation(source)
    evaluation = evaluate(
        network, chosen.references, chosen.queries, chosen.positives, rerank=RetrievalConfig.rerank
    )
    orders = (
        ('first, global', evaluation.recall_global()),
        ('first, re-ranked', evaluation.recall_reranked()),
    )
    for what, recall in orders:
        share = recall[1]
        assert share is not None
        yield Row(name, share.total, what, share.hits, 0, share.total - share.hits)


def gardens_point(network: NetworkConfig, _drives: Path) -> Iterator[Row]:
    """Day right against day left."""
    if data := _shared('gardens_point'):
        pair = PairSource(
            str(data / 'day_right'), str(data / 'day_left'), str(data / 'ground_truth.csv')
        )
        yield from _recall('Gardens Point, day', pair, network)


def corridor(network: NetworkConfig, _drives: Path) -> Iterator[Row]:
    """Within two frames."""
    if data := _shared('corridor'):
        pair = PairSource(str(data / 'ref'), str(data / 'query'), str(data / 'ground_truth.csv'))
        yield from _recall('Corridor', pair, network)


def night_towns(network: NetworkConfig, _drives: Path) -> Iterator[Row]:
    """The map by day, the queries at night."""
    town = _folder('TOWN')
    for name, (seed, _) in NIGHT_TOWNS.items():
        if town is not None and (town / name / 'places').is_dir():
            source = FoldersSource(str(town / name / 'places'))
            yield from _recall(f'town {seed}, day → night', source, network)


# ---- states


def town_13(network: NetworkConfig, drives: Path) -> Iterator[Row]:
    """The demo: asked in the evening, calibrated with an overcast day."""
    if not all((drives / name).is_dir() for name in ('day', 'overcast', 'evening')):
        return
    day, overcast, evening = (
        open_source(drives / name, pose_topic='/ground_truth', odom_topic='/odom')
        for name in ('day', 'overcast', 'evening')
    )
    recognizer = PlaceRecognizer(RecognizerConfig(network))
    with tempfile.TemporaryDirectory(prefix='fol_vpr_town_') as folder:
        _load(recognizer, day, MappingConfig(), Path(folder))
        learned, asked = (_drive(recognizer, source, TOWN_TRUTH) for source in (overcast, evening))
        recognizer.close()
    tally = _asked([(learned, asked)], VerificationConfig())
    yield from _states('town 13, evening', tally, tally.images)


def desk(network: NetworkConfig, _drives: Path) -> Iterator[Row]:
    """A camera in the hand."""
    data = _shared('tum_fr1_desk')
    if data is None:
        return
    verification = scaled(VerificationConfig(), 'room')
    recognizer = PlaceRecognizer(RecognizerConfig(network, verification=verification))
    with tempfile.TemporaryDirectory(prefix='fol_vpr_desk_') as folder:
        halves = [_half_of_desk(data, Path(folder), half) for half in (0, 1)]
        _load(recognizer, halves[0], scaled(MappingConfig(), 'room'), Path(folder))
        drive = _drive(recognizer, halves[1], scaled(EvaluationConfig(), 'room'))
        recognizer.close()
    middle = len(drive.examples) // 2
    first, second = (
        CalibrationDrive(name, examples)
        for name, examples in (
            ('third quarter', drive.examples[:middle]),
            ('last quarter', drive.examples[middle:]),
        )
    )
    tally = _asked([(first, second), (second, first)], verification)
    yield from _states('TUM desk', tally, tally.in_map)


def _half_of_desk(data: Path, folder: Path, half: int) -> ImageFolder:
    """The first or second half of the drive, as a folder of its own."""
    with (data / 'frames.csv').open(newline='') as file:
        rows = list(csv.reader(file))
    middle = 1 + (len(rows) - 1) // 2
    chosen = rows[1:middle] if half == 0 else rows[middle:]
    target = folder / f'half{half}'
    (target / 'rgb').mkdir(parents=True)
    for row in chosen:
        shutil.copy(data / row[2], target / row[2])
    with (target / 'frames.csv').open('w', newline='') as file:
        csv.writer(file).writerows([rows[0], *chosen])
    return ImageFolder(target / 'rgb', target / 'frames.csv')


def _load(
    recognizer: PlaceRecognizer, source: FrameSource, mapping: MappingConfig, folder: Path
) -> None:
    path = folder / 'map.folmap'
    build_map(source, path, recognizer.extractor, mapping)
    recognizer.load_map(path)


def _drive(
    recognizer: PlaceRecognizer, source: FrameSource, truth: EvaluationConfig
) -> CalibrationDrive:
    queries = [CapturedPosition.of(capture) for capture in source.captures()]
    references = [CapturedPosition.of(place) for place in recognizer.places]
    return collect(recognizer, source, positives_by_position(queries, references, truth))


def _asked(
    trials: Iterable[tuple[CalibrationDrive, CalibrationDrive]], config: VerificationConfig
) -> Tally:
    """What was said of drives, each with a calibration from another one."""
    tally = Tally()
    for learned, asked in trials:
        calibration = fit_calibration([learned], config, {}).calibration
        tally_drive(Decision(config, calibration), asked.examples, False, tally)
    return tally


def _states(name: str, tally: Tally, answerable: int) -> Iterator[Row]:
    missed = answerable - tally.first_right
    yield Row(name, answerable, 'first, re-ranked', tally.first_right, 0, missed)
    right, beside = tally.localized_right, tally.localized_beside
    yield Row(name, answerable, 'LOCALIZED', right, beside, tally.localized_wrong)


SETS = {
    'gardens_point': gardens_point,
    'corridor': corridor,
    'night_towns': night_towns,
    'town_13': town_13,
    'desk': desk,
}
