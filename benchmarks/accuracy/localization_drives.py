"""Drives for the benchmark `localization`: of the map, of its calibration, and of its queries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.calibration import CalibrationDrive, collect
from fol_vpr.config import EvaluationConfig, MappingConfig, NetworkConfig, RecognizerConfig
from fol_vpr.evaluation.ground_truth import (
    CapturedPosition,
    positives_by_position,
    read_ground_truth,
)
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import FrameSource, open_source

# Where positions are the ground truth: the town is 180 m round.
TOWN_TRUTH = EvaluationConfig(positive_radius=5.0, positive_angle=40.0)


def _open_town(bag: Path) -> FrameSource:
    return open_source(
        bag,
        image_topic='/camera/image/compressed',
        pose_topic='/ground_truth',
        odom_topic='/odom',
    )


@dataclass(frozen=True)
class Trial:
    """A map, what it is calibrated with, and what it is asked."""

    name: str
    learned: list[CalibrationDrive]
    asked: CalibrationDrive


class Data:
    """Maps and drives, in a folder that is thrown away."""

    def __init__(self, folder: Path, town: Sequence[Path], limit: int | None) -> None:
        self._folder = folder
        self._limit = limit
        self._recognizer = PlaceRecognizer(RecognizerConfig(NetworkConfig()))
        shared = os.environ.get('FOL_VPR_SHARED')
        self._data = None if shared is None else Path(shared) / 'data'
        self._town = [path for path in town if path.exists()]

    def trials(self) -> tuple[list[Trial], dict[str, list[CalibrationDrive]]]:
        """What is asked of calibrated maps, and drives elsewhere by the name of a trial."""
        trials: list[Trial] = []
        elsewhere: dict[str, list[CalibrationDrive]] = {}
        if self._data is not None:
            for name, references, queries in (
                ('gardens_point', 'day_right', 'day_left'),
                ('corridor', 'ref', 'query'),
            ):
                self._take(name, open_source(self._data / name / references))
                drive = self._drive_by_csv(name, self._data / name / queries)
                half = len(drive.examples) // 2
                first = CalibrationDrive(f'{name}, first half', drive.examples[:half])
                second = CalibrationDrive(f'{name}, second half', drive.examples[half:])
                trials += [
                    Trial(name, [first], second),
                    Trial(name, [second], first),
                ]
                other = {'gardens_point': 'corridor/query', 'corridor': 'gardens_point/day_left'}
                elsewhere[name] = [
                    self._elsewhere(self._data / other[name]),
                    self._elsewhere(self._data / 'ie_tower' / 'floor10'),
                ]
        if len(self._town) >= 2:
            self._take('town', _open_town(self._town[0]))
            drives = [self._drive_by_position(path) for path in self._town[1:]]
            half = len(drives[0].examples) // 2
            first = CalibrationDrive('town, first half', drives[0].examples[:half])
            second = CalibrationDrive('town, second half', drives[0].examples[half:])
            halves = 'town, half a drive'
            trials += [Trial(halves, [first], second), Trial(halves, [second], first)]
            for asked in drives if len(drives) > 1 else []:
                trials.append(Trial('town', [each for each in drives if each != asked], asked))
        return trials, elsewhere

    def _take(self, name: str, source: FrameSource) -> None:
        path = self._folder / f'{name}.folmap'
        build_map(source, path, self._recognizer.extractor, MappingConfig())
        self._recognizer.load_map(path)

    def _drive_by_csv(self, name: str, folder: Path) -> CalibrationDrive:
        assert self._data is not None
        source = open_source(folder)
        sizes = len(source), len(self._recognizer.places)
        positives = read_ground_truth(self._data / name / 'ground_truth.csv', *sizes)
        return collect(self._recognizer, source, positives, limit=self._limit)

    def _drive_by_position(self, path: Path) -> CalibrationDrive:
        source = _open_town(path)
        queries = [CapturedPosition.of(capture) for capture in source.captures()]
        references = [CapturedPosition.of(place) for place in self._recognizer.places]
        positives = positives_by_position(queries, references, TOWN_TRUTH)
        return collect(self._recognizer, source, positives, limit=self._limit)

    def _elsewhere(self, folder: Path) -> CalibrationDrive:
        source = open_source(folder)
        nowhere = [frozenset[int]()] * len(source)
        drive = collect(self._recognizer, source, nowhere, limit=self._limit)
        return CalibrationDrive('/'.join(folder.parts[-2:]), drive.examples)

    def close(self) -> None:
        """Free the network."""
        self._recognizer.close()
