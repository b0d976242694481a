"""Opens maps that were changed at random, in every way that a map is opened.

    python -m benchmarks fuzz_maps [--count 2000] [--seed 0]

Maps, the changes beside them, and exported folders are changed byte by byte, value by value with
digests put right, and in their schema. Each is read completely, checked, repaired, edited, split
and imported, in a process of its own that is killed after a time. Counted is what came of it:

- same: nothing was reported, and the content is that of the map before;
- as written: nothing was reported, and the content is what valid values with right digests say;
- reported: it was opened, and the check names damage;
- refused: an error of this package, when it was opened or read;
- crashed: any other exception, or the end of the process;
- hung: it had not come to an end;
- silent wrong: bytes were changed and no digest, nothing was reported, and the content differs.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import resource
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.robustness import map_mutations as mutations
from fol_vpr.database import (
    MapEditor,
    MapReader,
    check_map,
    import_map,
    read_info,
    repair_map,
    split_by_session,
)
from fol_vpr.errors import FolVprError
from fol_vpr.evaluation.report import align_columns

SECONDS = 60
OUTCOMES = ('same', 'as written', 'reported', 'refused', 'crashed', 'hung', 'silent wrong')

# What is changed, and whether the digests are put right, so that other content is no damage.
KINDS: dict[str, tuple[Callable[[Path, Random], None], str, bool]] = {
    'bytes of the map': (mutations.change_bytes, 'm.folmap', False),
    'bytes of the changes': (mutations.change_bytes, 'm.folmap.changes', False),
    'values of the map': (mutations.change_values, 'm.folmap', True),
    'values of the changes': (mutations.change_values, 'm.folmap.changes', True),
    'schema of the map': (mutations.change_schema, 'm.folmap', True),
    'schema of the changes': (mutations.change_schema, 'm.folmap.changes', True),
    'exported folder': (mutations.change_folder, 'out', True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, and print the counts; 1 where something crashed, hung or was silently wrong."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--count', type=int, default=2000, help='maps')
    parser.add_argument('--seed', type=int, default=0, help='of the first map')
    options = parser.parse_args(arguments)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / 'base'
        base.mkdir()
        mutations.make_base(base)
        worker = _Worker(base)
        memory = []
        for number in range(options.seed, options.seed + options.count):
            kind, outcome, peak, detail = worker.run(number)
            counts[kind][outcome] += 1
            memory.append(peak)
            if detail:
                print(f'seed {number}, {kind}: {outcome}\n{detail}', flush=True)
        worker.stop()
    rows = [['', *OUTCOMES]]
    rows += [[kind, *(f'{counts[kind][each]}' for each in OUTCOMES)] for kind in KINDS]
    total = sum(counts.values(), Counter())
    rows.append(['all', *(f'{total[each]}' for each in OUTCOMES)])
    print('\n'.join(align_columns(rows)))
    tenth = max(1, len(memory) // 10)
    print(f'memory: {max(memory[:tenth])} MB after a tenth, {max(memory)} MB at the end')
    figures = {**{each: total[each] for each in OUTCOMES}, 'megabytes': max(memory)}
    write_figures(options.json, figures)
    return int(any(total[each] for each in ('crashed', 'hung', 'silent wrong')))


class _Worker:
    """A process that takes numbers of maps; started again where it ends or hangs.

    Args:
        base: folder of the sound map.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._start()

    def _start(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context('fork').Process(
            target=_serve, args=(other, self._base), daemon=True
        )
        self._process.start()
        other.close()

    def run(self, number: int) -> tuple[str, str, int, str]:
        """Kind, outcome, peak memory of the process in MB, and what went wrong."""
        kind = _kind(number)
        with suppress(EOFError, OSError):
            self._pipe.send(number)
            if self._pipe.poll(SECONDS):
                outcome, peak, detail = self._pipe.recv()
                return kind, outcome, peak, detail
            self.stop()
            self._start()
            return kind, 'hung', 0, f'not done after {SECONDS} s'
        self.stop()
        self._start()
        return kind, 'crashed', 0, 'the process ended'

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _kind(number: int) -> str:
    return list(KINDS)[number % len(KINDS)]


def _serve(pipe: Connection, base: Path) -> None:
    wanted = _content(base / 'm.folmap')
    imported = base.parent / 'imported.folmap'
    import_map(base / 'out', imported, overwrite=True)
    without_changes = _content(imported)
    while True:
        number = pipe.recv()
        with tempfile.TemporaryDirectory(dir=base.parent) as folder:
            try:
                expected = without_changes if _kind(number) == 'exported folder' else wanted
                outcome, detail = _try(Path(folder), base, number, expected), ''
            except Exception:  # noqa: BLE001 whatever is raised is what is looked for
                outcome, detail = 'crashed', traceback.format_exc(limit=-6)
        if outcome == 'silent wrong':
            detail = 'other content, and no problem was found'
        pipe.send((outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, detail))


def _try(folder: Path, base: Path, number: int, expected: str) -> str:
    change, name, digests_right = KINDS[_kind(number)]
    random = Random(number)
    path = folder / 'm.folmap'
    if name == 'out':
        shutil.copytree(base / 'out', folder / 'out')
        change(folder / 'out', random)
        try:
            import_map(folder / 'out', path)
        except FolVprError:
            return 'refused'
    else:
        for file in base.glob('m.folmap*'):
            shutil.copy(file, folder)
        change(folder / name, random)
    problems = check_map(path)
    outcome = _read(path)
    if outcome == 'refused' and not problems:
        raise AssertionError('it is refused, but the check finds no problem')
    _use(path, folder)
    if outcome == 'refused':
        return outcome
    if outcome == expected:
        return 'reported' if problems else 'same'
    if problems:
        return 'reported'
    return 'as written' if digests_right else 'silent wrong'


def _read(path: Path) -> str:
    try:
        read_info(path)
        return _content(path)
    except FolVprError:
        return 'refused'


def _content(path: Path) -> str:
    """A digest of everything that a map holds, through the reader."""
    digest = hashlib.sha256()
    with MapReader(path) as reader:
        digest.update(repr(sorted(reader.calibration().items())).encode())
        digest.update(reader.global_descriptors().tobytes())
        for place in reader.places:
            local = reader.local_features(place.index)
            for array in (local.descriptors, local.positions, local.weights):
                digest.update(array.tobytes())
            digest.update(reader.image(place.index) or b'none')
            numbers = [] if place.pose is None else [place.pose.position, place.pose.orientation]
            known = (place.place_id, place.session_id, place.stamp_ns, place.image_uri)
            digest.update(repr((known, place.image_size, place.geo, numbers)).encode())
    return digest.hexdigest()


def _use(path: Path, folder: Path) -> None:
    """Whatever else opens maps; errors of this package are right answers."""
    with suppress(FolVprError):
        split_by_session(path, folder / 'parts')
    with suppress(FolVprError), MapEditor(path) as editor:
        editor.remove([editor.place_ids[-1]])
        editor.save()
    with suppress(FolVprError):
        repair_map(path)
