"""Calibration files of every format, valid, odd and damaged: what is read, and what is refused.

    python -m benchmarks calibrations [--count 250] [--seed 0]

Of the files that are read, the viewing rays are compared with the published formulas of the lens:
a difference of more than 0.01 px is a silent error. A file that takes more than five seconds
counts as one that hangs. Damaged files may be read, where the damage left a valid calibration.
"""

from __future__ import annotations

import resource
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.robustness.calibration_files import FORMATS, Lens, random_lens
from fol_vpr.datatypes import Camera
from fol_vpr.errors import InputError
from fol_vpr.evaluation.report import align_columns
from fol_vpr.geometry.viewing_rays import project_to_pixels
from fol_vpr.sources import read_calibration

PATIENCE = 5
TOLERANCE = 0.01
KINDS = ('valid', 'odd', 'not supported', 'damaged')
OUTCOMES = ('read', 'refused', 'crashed', 'hung', 'silently wrong')
_WORDS = ('.nan', '.inf', '-1', '1e400', '[[]]', '{}', '~', '*a', '&a', '9' * 99)
_INSERTED = ('!!python/name:x ', '<<: ', '"', '\t', '\0', '%')
_UNSUPPORTED = ('omni', 'mei', 'double_sphere', 'eucm', 'fov', 'division', 'thin_prism', 'newest')


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table; 1 where a file crashed the reader, hung, or was read wrongly."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--count', type=int, default=250, help='number of files')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        counts, examples, growth = run(Path(folder), options.count, options.seed)
    rows = [['', 'files', *OUTCOMES]]
    for kind in KINDS:
        found = [counts[kind, outcome] for outcome in OUTCOMES]
        rows.append([kind, str(sum(found)), *map(str, found)])
    print('\n'.join(align_columns(rows, left=(0,))))
    print(f'memory grew by {growth:.1f} MiB after the first fifth of the files')
    for example in examples:
        print(example)
    write_figures(options.json, {' '.join(key): count for key, count in counts.items()})
    return int(any(counts[kind, outcome] for kind in KINDS for outcome in OUTCOMES[2:]))


def run(folder: Path, count: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str], float]:
    """How each kind of file ended, messages about the faults, and the growth of memory in MiB."""
    random = np.random.default_rng(seed)
    counts: Counter[tuple[str, str]] = Counter()
    faults: list[str] = []
    before = 0.0
    for index in range(count):
        kind = KINDS[index % len(KINDS)]
        text, lens = _file(random, kind, list(FORMATS)[index // len(KINDS) % len(FORMATS)])
        path = folder / f'{index}'
        path.write_text(text, 'utf-8', newline='')
        outcome, why = _outcome(path, kind, lens)
        path.unlink()
        counts[kind, outcome] += 1
        if outcome in OUTCOMES[2:]:
            faults.append(f'{kind}, file {index}: {outcome}: {why}')
        if index == count // 5:
            before = _memory()
    return counts, faults, _memory() - before


def _file(random: np.random.Generator, kind: str, name: str) -> tuple[str, Lens]:
    make, models, skewed = FORMATS[name]
    lens = random_lens(random, *models[random.integers(len(models))], skewed=skewed)
    text = make(lens)
    if kind == 'odd':
        text = _odd(random, text)
    elif kind == 'not supported':
        wrong = Lens(lens.size, lens.matrix, str(random.choice(_UNSUPPORTED)), lens.coefficients)
        text = FORMATS['YAML of ROS'][0](wrong)
    elif kind == 'damaged':
        for _ in range(random.integers(1, 4)):
            text = _damaged(random, text)
    return text, lens


def _odd(random: np.random.Generator, text: str) -> str:
    """Another writing of the same calibration."""
    way = random.integers(6)
    if way == 0:
        return text.replace('\n', '\r\n')
    if way == 1:
        return '\ufeff' + text
    if way == 2 and not text.startswith(('<', '{', '#')):
        return text.replace('\n', '  # said by hand\n') if '|' not in text else text
    if way == 3 and text.startswith('image_width'):
        return '/**:\n  ros__parameters:\n' + ''.join(f'    {line}\n' for line in text.split('\n'))
    if way == 4 and text.startswith('header'):
        zeros = 'width: 0\nheight: 0\ndistortion_model: ""\nd: []\nk: [0,0,0,0,0,0,0,0,0]\n---\n'
        return zeros + text
    return f'{text}\n\n'


def _damaged(random: np.random.Generator, text: str) -> str:
    way, at = random.integers(7), int(random.integers(len(text) + 1))
    lines = text.split('\n')
    row = int(random.integers(len(lines)))
    if way == 0:
        return text[:at]
    if way == 1:
        return text[:at] + chr(int(random.integers(1, 0x2FFF))) + text[at + 1 :]
    if way == 2:
        return '\n'.join(lines[:row] + lines[row + 1 :])
    if way == 3:
        return '\n'.join([*lines[: row + 1], *lines[row:]])
    if way == 4:
        word = random.choice(_WORDS)
        return '\n'.join([*lines[:row], f'{lines[row].split(":")[0]}: {word}', *lines[row + 1 :]])
    if way == 5:
        return text.replace(',', ', [' * int(random.integers(1, 40)), 1)
    return text[:at] + str(random.choice(_INSERTED)) + text[at:]


def _outcome(path: Path, kind: str, lens: Lens) -> tuple[str, str]:
    try:
        with _limited():
            camera = read_calibration(path).camera
            error = _error(camera, lens)
    except InputError as refused:
        if kind in ('valid', 'odd'):
            return 'silently wrong', f'refused: {refused}'
        return 'refused', str(refused)
    except TimeoutError as hung:
        return 'hung', str(hung)
    except BaseException as crash:  # noqa: BLE001 any other end of the call is what is looked for
        return 'crashed', repr(crash)
    if kind == 'not supported':
        return 'silently wrong', f'{camera.model!r} instead of a refusal'
    if kind != 'damaged' and error > TOLERANCE:
        return 'silently wrong', f'{error:.3f} px'
    return 'read', ''


def _error(camera: Camera, lens: Lens) -> float:
    """Largest distance in pixels of the camera's projection from the one by the formulas."""
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 9), np.linspace(-0.5, 0.5, 7))
    directions = np.stack([x.ravel(), y.ravel()], axis=1)
    points = np.concatenate([directions, np.ones((len(directions), 1))], axis=1)
    seen = project_to_pixels(camera, points, camera.size)
    return float(np.abs(seen - lens.pixels(directions)).max())


@contextmanager
def _limited() -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f'more than {PATIENCE} s')

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)


def _memory() -> float:
    """Peak of the resident memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
