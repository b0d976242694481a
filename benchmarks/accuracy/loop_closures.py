"""Loop closures: precision and recall, with the decision layer and without.

    python -m benchmarks loop_closures [--weights fol_tiny] [--threads 2] [--json OUT.json]

On the real sequences of $FOL_VPR_SHARED:

- tum_fr1_desk, within the drive: every image is a keyframe, those of the last 5 s are recent, and
  a pair is right by the rule of its loops.csv (within 0.3 m and 20 degrees, more than 5 s apart).
  An image does not tell 0.3 m from 0.4 m: the same answers are judged within 0.6 m too.
- gardens_point, against a map: day_right is the map, day_left the drive, an image a second.

Each method gives at most one answer for an image, with a score. Without the decision layer that is
the first of the global search with its similarity, or the first by local matches with their
number, as the released code does it. With it, it is what the node would publish, by its inliers;
only the information criterion, which leaves out what is right but tells nothing new, is off, and
`informative` is how many remain where it is on. Precision and recall are those of all answers,
R@P100 is the largest share of the images with a right answer that a threshold on the score finds
without accepting a wrong one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.datasets import PlaceSet, place_sets, tum_camera
from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.config import (
    LoopsConfig,
    MappingConfig,
    NetworkConfig,
    RecognizerConfig,
    RetrievalConfig,
)
from fol_vpr.datatypes import Frame
from fol_vpr.evaluation.closures import DriveTrajectory, RevisitCriteria, precision_recall
from fol_vpr.loop_closure import DistanceTracker, SessionRecorder
from fol_vpr.loop_closure.revisits import find_revisits
from fol_vpr.mapping import build_map, map_header
from fol_vpr.network import FeatureExtractor
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import ImageFolder, decode_bytes

SECOND = 1_000_000_000
DESK_RULE = RevisitCriteria(distance=0.3, angle=20.0, gap=5.0, poses_of='camera')
# Every image is a keyframe, and each verified pair is published.
DESK = LoopsConfig(
    enabled=True,
    exclude_time=DESK_RULE.gap,
    exclude_keyframes=0,
    keyframe_interval=0.0,
    keyframe_similarity=1.0,
    min_information_gain_bits=0.0,
)


@dataclass(frozen=True)
class Answer:
    """What a method says of one image: score, and whether it is right."""

    score: float
    right: bool


@dataclass(frozen=True)
class Row:
    """A method on a sequence.

    Attributes:
        answers: images that it said something of.
        positives: images that have a right answer.
        precision, recall: of all answers.
        recall_at_full_precision: with the best threshold.
        informative: closures left with the information criterion; None where there is none.
    """

    sequence: str
    method: str
    answers: int
    positives: int
    precision: float
    recall: float
    recall_at_full_precision: float
    average_precision: float
    informative: int | None = None


def row(
    sequence: str, method: str, answers: Sequence[Answer], positives: int, left: int | None = None
) -> Row:
    """The figures of a method."""
    right = sum(answer.right for answer in answers)
    curve = precision_recall((a.score for a in answers), (a.right for a in answers), positives)
    return Row(
        sequence,
        method,
        len(answers),
        positives,
        right / len(answers) if answers else float('nan'),
        right / max(positives, 1),
        curve.recall_at_full_precision,
        curve.average_precision,
        left,
    )


# ---- within a drive


def desk(data: Path, network: NetworkConfig) -> list[Row]:
    """tum_fr1_desk against itself."""
    folder = ImageFolder(data / 'tum_fr1_desk' / 'rgb', data / 'tum_fr1_desk' / 'frames.csv')
    camera = tum_camera(data / 'tum_fr1_desk' / 'TUM1.yaml')
    frames = [replace(frame, camera=camera) for _, frame in folder.frames()]
    config = RecognizerConfig(network, loops=DESK)
    rare = replace(
        config,
        loops=replace(DESK, min_information_gain_bits=LoopsConfig.min_information_gain_bits),
    )
    left = len(_published(frames, rare))
    ties = {**_plain(frames, config), 'published': _published(frames, config)}
    rows = []
    for name, rule in (
        ('tum_fr1_desk', DESK_RULE),
        ('within 0.6 m', replace(DESK_RULE, distance=0.6)),
    ):
        drive = DriveTrajectory([f.stamp_ns for f in frames], [f.pose for f in frames], rule)
        positives = int(drive.is_revisit().sum())
        for method, found in ties.items():
            answers = [
                Answer(score, bool(drive.same_place(now, then))) for score, now, then in found
            ]
            informative = left if method == 'published' else None
            rows.append(row(name, method, answers, positives, informative))
    return rows


Tie = tuple[float, int, int]
"""Score, and the stamps of the image and of the keyframe that it is said to show again."""


def _plain(frames: Sequence[Frame], config: RecognizerConfig) -> dict[str, list[Tie]]:
    """The first of the global search, and the first by local matches."""
    extractor = FeatureExtractor(config.network)
    header = map_header(extractor, name='', codec=config.loops.codec, frame_id=config.loops.frame)
    tracker = DistanceTracker(config.loops.speed)
    session = SessionRecorder(config.loops, header, 'drive', tracker)
    by_matches = replace(
        config,
        retrieval=replace(
            config.retrieval, rerank_score='match_count', rerank=config.loops.candidates
        ),
        loops=replace(config.loops, verify=1),
    )
    found: dict[str, list[Tie]] = {'similarity': [], 'matches': []}
    try:
        for frame in frames:
            features = extractor.extract([frame.image])[0]
            tracker.update(frame.stamp_ns, None)
            session.add_if_keyframe(frame, features)
            for candidate in session.search(features, 1):
                then = session.place(candidate.index).stamp_ns
                found['similarity'].append((candidate.similarity, frame.stamp_ns, then))
            for first in find_revisits(session, frame, features, by_matches, extractor.device):
                tie = (first.match_score, frame.stamp_ns, first.place.stamp_ns)
                found['matches'].append(tie)
    finally:
        session.close()
        extractor.close()
    return found


def _published(frames: Sequence[Frame], config: RecognizerConfig) -> list[Tie]:
    recognizer = PlaceRecognizer(config)
    try:
        return [
            (closure.inliers, closure.stamp_from_ns, closure.stamp_to_ns)
            for frame in frames
            for closure in recognizer.recognize(replace(frame, pose=None)).loop_closures
        ]
    finally:
        recognizer.close()


# ---- against a map


def gardens(sequence: PlaceSet, network: NetworkConfig, folder: Path) -> list[Row]:
    """Queries as a drive through a map of the references."""
    path = folder / f'{sequence.name}.folmap'
    extractor = FeatureExtractor(network)
    build_map(ImageFolder(sequence.references[0].parent), path, extractor, MappingConfig())
    extractor.close()
    positives = sum(bool(each) for each in sequence.positives)
    rows = []
    for method, order in (('similarity', 'spatial'), ('matches', 'match_count')):
        retrieval = RetrievalConfig(rerank_score=order, rerank=20 if method == 'matches' else 0)
        first = _first(sequence, RecognizerConfig(network, retrieval), path, method)
        rows.append(row(sequence.name, method, first, positives))
    loops = LoopsConfig(min_information_gain_bits=0.0)
    published = _with_map(sequence, RecognizerConfig(network, loops=loops), path)
    left = len(_with_map(sequence, RecognizerConfig(network), path))
    return [*rows, row(sequence.name, 'published', published, positives, left)]


def _first(sequence: PlaceSet, config: RecognizerConfig, path: Path, method: str) -> list[Answer]:
    """The first hypothesis for each image by itself."""
    config = replace(config, verification=replace(config.verification, verify=0))
    answers = []
    recognizer = PlaceRecognizer(config)
    try:
        recognizer.load_map(path)
        for number, frame in _stream(sequence):
            best = recognizer.recognize(frame, sequence=False).hypotheses[0]
            score = best.similarity if method == 'similarity' else best.match_score
            answers.append(Answer(score, best.place.index in sequence.positives[number]))
    finally:
        recognizer.close()
    return answers


def _with_map(sequence: PlaceSet, config: RecognizerConfig, path: Path) -> list[Answer]:
    """The closures that a node with the map publishes."""
    answers = []
    recognizer = PlaceRecognizer(config)
    try:
        recognizer.load_map(path)
        for number, frame in _stream(sequence):
            recognition = recognizer.recognize(frame)
            if recognition.loop_closures:
                believed = recognition.believed
                assert believed is not None
                right = believed.place.index in sequence.positives[number]
                answers.append(Answer(believed.inliers, right))
    finally:
        recognizer.close()
    return answers


def _stream(sequence: PlaceSet) -> Iterator[tuple[int, Frame]]:
    for number, path in enumerate(sequence.queries):
        image = decode_bytes(path.read_bytes(), str(path))
        yield number, Frame(image, stamp_ns=(number + 1) * SECOND)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where the sequences are not there."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--weights', default=NetworkConfig.weights)
    options = parser.parse_args(arguments)
    shared = os.environ.get('FOL_VPR_SHARED')
    if shared is None:
        print('FOL_VPR_SHARED does not name the folder of the sequences')
        return 1
    data = Path(shared) / 'data'
    network = NetworkConfig(weights=options.weights, threads=options.threads)
    rows = desk(data, network)
    with tempfile.TemporaryDirectory() as folder:
        for sequence in place_sets([]):
            if sequence.name == 'gardens_point':
                rows += gardens(sequence, network, Path(folder))
    print(f'{options.weights}; answers, and images that have a right one\n')
    print(
        f'{"sequence":14} {"method":11} {"answers":>8} {"of":>5} {"precision":>10} {"recall":>7} '
        f'{"R@P100":>7} {"AP":>6} {"informative":>12}'
    )
    for each in rows:
        left = '' if each.informative is None else str(each.informative)
        print(
            f'{each.sequence:14} {each.method:11} {each.answers:8} {each.positives:5} '
            f'{each.precision:10.3f} {each.recall:7.3f} {each.recall_at_full_precision:7.3f} '
            f'{each.average_precision:6.3f} {left:>12}'
        )
    write_figures(options.json, [asdict(each) for each in rows])
    return 0
