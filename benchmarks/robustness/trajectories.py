"""Trajectories, positions and pose topics, plain, odd and damaged: what the images get.

    python -m benchmarks trajectories [--count 250] [--seed 0]

Drives with a known way are written as TUM files, CSV files, @ names and topics of a bag. Of those
that are read, each position is compared with the truth at the time of the image: one that is
further off than the interpolation explains, without a word in the warnings, is silently wrong; so
is an image without a position where nothing is said. Of damaged files only the numbers can be
checked: a changed digit is another position.
"""

from __future__ import annotations

import logging
import resource
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType

import numpy as np

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.robustness.cases.trajectory_cases import TOPICS, Case, make_case
from fol_vpr.datatypes import MAX_COORDINATE, GeoPosition, checked_covariance
from fol_vpr.errors import FolVprError
from fol_vpr.evaluation.report import align_columns
from fol_vpr.sources import Capture, ImageFolder, open_source
from fol_vpr.sources.trajectories import read_trajectory

PATIENCE = 10
KINDS = ('plain', 'odd', 'damaged')
OUTCOMES = ('right', 'warned', 'refused', 'crashed', 'hung', 'silently wrong')


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table; 1 where a file crashed the reader, hung, or was read wrongly."""
    parser = benchmark_parser(__name__, __doc__, threads=False)
    parser.add_argument('--count', type=int, default=250, help='number of trajectories')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args(arguments)
    logging.getLogger('fol_vpr').propagate = False
    counts: Counter[tuple[str, str]] = Counter()
    examples, started = [], 0.0
    for number in range(options.count):
        kind = KINDS[number % 3]
        with tempfile.TemporaryDirectory() as folder:
            case = make_case(Path(folder) / 'drive', options.seed + number, odd=kind == 'odd')
            if kind == 'damaged':
                _damage(case, Random(options.seed + number))
            outcome, what = _outcome(case, damaged=kind == 'damaged')
        counts[kind, outcome] += 1
        if outcome in OUTCOMES[3:]:
            examples.append(f'seed {options.seed + number}, {case.kind} {case.odd}: {what}')
        if number == options.count // 5:
            started = _memory()
    rows = [['', 'drives', *OUTCOMES]]
    for kind in KINDS:
        found = [counts[kind, outcome] for outcome in OUTCOMES]
        rows.append([kind, str(sum(found)), *map(str, found)])
    print('\n'.join(align_columns(rows, left=(0,))))
    print(f'memory grew by {_memory() - started:.1f} MiB after the first fifth of the drives')
    print('\n'.join(examples))
    write_figures(options.json, {' '.join(key): count for key, count in counts.items()})
    return int(bool(examples))


def _outcome(case: Case, *, damaged: bool) -> tuple[str, str]:
    """What became of a trajectory, and the details."""
    said = _Heard()
    logger = logging.getLogger('fol_vpr')
    logger.addHandler(said)
    try:
        with _patience():
            found = _read(case)
    except FolVprError as error:
        return ('refused' if damaged or _cannot_be_used(case) else 'silently wrong'), str(error)
    except TimeoutError:
        return 'hung', ''
    except Exception as error:  # noqa: BLE001 it is counted
        return 'crashed', f'{type(error).__name__}: {error}'
    finally:
        logger.removeHandler(said)
    if impossible := _impossible(found):
        return 'silently wrong', impossible
    if damaged:
        return ('warned' if said.lines else 'right'), ''
    wrong = _differences(case, found)
    if wrong and not said.lines:
        return 'silently wrong', wrong
    return ('warned' if said.lines else 'right'), wrong


def _read(case: Case) -> list[Capture]:
    """The images with their positions, in the order of their times."""
    if case.kind in TOPICS:
        source = open_source(case.path, pose_topic=f'/{case.kind}')
        for _ in source.frames():
            pass
        return list(source.captures())
    if case.kind == 'tum':
        assert case.table is not None
        return [
            Capture(each.stamp_ns or 0, '', each.pose, each.geo)
            for each in read_trajectory(case.table)
        ]
    folder = ImageFolder(case.path, case.table)
    return list(folder.captures())


def _differences(case: Case, found: list[Capture]) -> str:
    """How the positions differ from the true ones; empty where they do not."""
    times = case.drive.image_times()
    if case.kind == '@ names':
        found = sorted(found, key=lambda each: int(each.uri.split('@')[-2]))
    if len(found) != len(times):
        return f'{len(found)} of {len(times)} images'
    unknown = sum(each.pose is None and each.geo is None for each in found)
    if unknown:
        return f'{unknown} images have no position'
    if found[0].geo is not None and case.kind != 'csv utm':
        away = [
            GeoPosition(*case.drive.geo(ns)).distance(each.geo)
            for ns, each in zip(times, found, strict=True)
            if each.geo is not None
        ]
    else:
        # In UTM the zone is that of most images: the shape of the way is compared.
        truth = np.array([case.drive.metres(ns) for ns in times])
        xy = np.array([each.pose.position[:2] for each in found if each.pose is not None])
        if case.kind == 'csv utm':
            truth, xy = (np.linalg.norm(way - way[0], axis=1)[:, None] for way in (truth, xy))
        away = np.linalg.norm(xy - truth, axis=1).tolist()
    # A sphere and the ellipsoid differ by up to 0.5 % in distances, UTM by 0.1 % in scale.
    limit = case.tolerance + (0.2 if case.kind in ('csv utm', '@ names') else 0)
    return f'up to {max(away):.3f} m off' if max(away) > limit else ''


def _impossible(found: list[Capture]) -> str:
    for each in found:
        if each.pose is not None:
            if not (np.abs(each.pose.position) <= MAX_COORDINATE).all():
                return f'position {each.pose.position}'
            if each.pose.covariance is not None:
                checked_covariance(each.pose.covariance)
        if each.geo is not None and each.geo.latitude == each.geo.longitude == 0:
            return 'a place at 0/0'
    return ''


def _cannot_be_used(case: Case) -> bool:
    """Whether an odd trajectory is to be refused: the letter S names two zones."""
    return case.odd == 'zone with letter'


def _damage(case: Case, random: Random) -> None:
    """Change, remove, repeat or insert bytes of the file."""
    if case.table is not None:
        path = case.table
    elif case.path.name == 'bag':
        path = next(each for each in case.path.iterdir() if each.suffix in ('.db3', '.mcap'))
    else:
        path = random.choice(sorted(case.path.iterdir()))
        wrong = random.choice(('@nan', '@1e400@2', '@5e5@5e6@99@Q', '@1@2@31@', '@x@y'))
        path.rename(path.with_name(f'{wrong}{path.name}'))
        return
    data = bytearray(path.read_bytes())
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(data))
        match random.randrange(5):
            case 0:
                data[at] ^= 1 << random.randrange(8)
            case 1:
                del data[at : at + random.randrange(1, 40)]
            case 2:
                data[at:at] = data[at : at + random.randrange(1, 40)]
            case 3:
                words = (b'nan', b'1e400', b'-', b'\n', b'\0', b'9' * 30, b'"', b',')
                data[at:at] = random.choice(words)
            case _:
                del data[at:]
                break
        if not data:
            break
    path.write_bytes(bytes(data))


class _Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _patience() -> Iterator[None]:
    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
