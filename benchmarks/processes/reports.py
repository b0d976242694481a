"""The report of a drive of ten thousand queries: seconds, memory, bytes.

    python -m benchmarks reports --result R.json --map M.folmap --images DIR_OR_BAG
                                 [--queries 10000] [--output OUT.html]

A real result, as `fol_vpr evaluate --json` writes it, is repeated: each repetition is a drive of
its own, beside the ones before, with the answers and the images of the real one. Map and images
are those of the result. Galleries are left out: their cost does not depend on the number of
queries. Seconds are those of the processor, which other programs on the machine change less.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.evaluation.ground_truth import PlottedPositions
from fol_vpr.evaluation.offline import Answers
from fol_vpr.evaluation.report import Evaluation, align_columns
from fol_vpr.evaluation.results import References, Result, read_result
from fol_vpr.recognizer import open_map
from fol_vpr.reporting.evaluation import FrameImages, evaluation_page
from fol_vpr.sources import open_source

APART = 60.0
"""Metres between two repetitions of the drive."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one table."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--result', type=Path, required=True, help='of `fol_vpr evaluate --json`')
    parser.add_argument('--map', type=Path, required=True, help='the map of the result')
    parser.add_argument('--images', type=Path, required=True, help='the queries of the result')
    parser.add_argument('--queries', type=int, default=10_000)
    parser.add_argument('--output', type=Path, help='where the page stays; else it is removed')
    options = parser.parse_args(arguments)
    single = read_result(options.result)
    source, count = open_source(options.images), single.evaluation.queries

    def query(index: int) -> np.ndarray | None:
        number = index % count
        frames = source.frames(number, lambda _position, _error: None, number + 1)
        return next((frame.image for _, frame in frames), None)

    with tempfile.TemporaryDirectory() as folder, open_map(options.map) as reader:
        references = len(reader.places)
        images = FrameImages(query, lambda index: reader.image(index % references))
        page = options.output or Path(folder) / 'report.html'
        repeated = repeat(single, options.queries)
        figures = measure(repeated, images, Path(folder) / 'result.json', page)
    print('\n'.join(align_columns([[name, f'{value:.1f}'] for name, value in figures.items()])))
    write_figures(options.json, figures)
    return 0


def measure(result: Result, images: FrameImages, document: Path, page: Path) -> dict[str, float]:
    """Seconds and bytes of each step, and the most memory that the process had."""
    figures: dict[str, float] = {'queries': result.evaluation.queries}
    figures['references'] = len(result.references.place_ids)
    started = time.process_time()
    with document.open('w', encoding='utf-8') as file:
        result.write(file)
    figures['write the result, s'] = time.process_time() - started
    figures['result, MB'] = document.stat().st_size / 1e6
    started = time.process_time()
    again = read_result(document)
    figures['read the result, s'] = time.process_time() - started
    for name, given in (('without frames', None), ('with frames', images)):
        started = time.process_time()
        evaluation_page(again, given).write(page)
        figures[f'write the page {name}, s'] = time.process_time() - started
        figures[f'page {name}, MB'] = page.stat().st_size / 1e6
    figures['most memory, MB'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return figures


def repeat(single: Result, queries: int) -> Result:
    """A result of so many queries, each repetition of the drive with references of its own."""
    known, size = single.evaluation, len(single.references.place_ids)
    times = -(-queries // known.queries)
    answers, positives = [], []
    for turn in range(times):
        of_turn = [
            None if found is None else frozenset(index + turn * size for index in found)
            for found in known.positives
        ]
        positives += of_turn
        for answer in known.answers:
            before = answer.global_ranking
            answers.append(
                replace(
                    answer,
                    index=answer.index + turn * known.queries,
                    ranking=tuple(index + turn * size for index in answer.ranking),
                    global_ranking=None
                    if before is None
                    else tuple(i + turn * size for i in before),
                )
            )
    plotted = known.plotted
    if plotted is not None:
        steps = np.arange(times)[:, None, None] * np.array([APART, 0.0])
        plotted = PlottedPositions(
            (plotted.queries[: known.queries] + steps).reshape(-1, 2)[:queries],
            (plotted.references + steps).reshape(-1, 2),
        )
    evaluation = Evaluation(
        replace(known.conditions, references=size * times),
        positives[:queries],
        Answers([answer for answer in answers if answer.index < queries], known.unmatched),
        plotted,
    )
    names = tuple(
        f'{turn}/{name}' for turn in range(times) for name in single.references.place_ids
    )
    sessions = single.references.session_of * times
    references = References(names, single.references.sessions, sessions)
    return replace(single, evaluation=evaluation, references=references)
