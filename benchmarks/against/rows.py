"""The row groups of a comparison. Each measures both builds in turns, and returns its section."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.against import inputs
from benchmarks.against.builds import Build, Worker, measured
from benchmarks.against.context import Context, say
from benchmarks.against.drive_rows import answers
from benchmarks.against.report import Section
from benchmarks.against.turns import Comparison

# Times that the working tree should be better than commit 0dc4b60.
FORWARD_GOALS = {'untrained-vits14': 4.0, 'untrained-vitb14': 4.2, 'fol_tiny': 3.0}
BUILD_GOALS = {'untrained-vits14': 3.0}
QUERY_GOALS = {'wall_s': 2.9 / 1.5}
TRAIN_GOAL = 2.5
SEARCH_TURNS = 2
SEARCH_FIGURES = (
    ('p50_ms', 'median', 'ms', False),
    ('p99_ms', '99 %', 'ms', False),
    ('recall_10', 'recall@10', 'share', True),
    ('build_s', 'building the index', 's', False),
    ('open_s', 'opening it', 's', False),
    ('resident_mb', 'memory', 'MB', False),
    ('peak_mb', 'peak of memory', 'MB', False),
)


def forward(context: Context) -> list[Section]:
    """The network alone, at the default precision of each build."""
    images = inputs.write_images(context.drive('evening'), 3, context.folder / 'images.npy')
    rows, notes = [], []
    with context.workers() as pair:
        for weights in context.weights:
            say(f'forward pass of {weights}')
            opened = [worker.ask('open_network', weights=weights) for worker in pair.workers]

            def task(worker: Worker, weights: str = weights) -> dict[str, Any]:
                found: dict[str, Any] = worker.ask(
                    'forward', weights=weights, images=str(images), count=3
                )
                return found

            turns = pair.turns(context.rounds, task)
            before, after = _joined(turns, 'ms')
            first, second = (np.array(side[0]['descriptor']) for side in turns)
            precisions = ' against '.join(each['precision'] for each in opened)
            rows.append(
                Comparison(
                    f'{weights}, {opened[1]["px"]} px', 'ms', before, after,
                    goal=FORWARD_GOALS.get(weights, 0), remark=precisions,
                )
            )  # fmt: skip
            before, after = _joined(turns, 'cpu')
            rows.append(Comparison(f'{weights}, processor time', 'ms', before, after))
            counts = ' and '.join(str(side[0]['local']) for side in turns)
            notes.append(
                f'{weights}: cosine of the global descriptors {first @ second:.6f}, {counts} '
                'local descriptors.'
            )
    return [Section('Forward pass, one image, local features included', rows, notes=notes)]


def _joined(turns: Sequence[Sequence[dict[str, Any]]], key: str) -> list[list[float]]:
    """The values of each build, of all turns."""
    return [[value for turn in side for value in turn[key]] for side in turns]


def query(context: Context) -> list[Section]:
    """`fol_vpr query` of one image, in fresh processes."""
    picture = inputs.write_picture(context.drive('evening'), context.folder / 'query.png')
    found: list[list[dict[str, float]]] = [[], []]
    maps = [context.map_of(build) for build in context.builds]
    say(f'fol_vpr query, {context.rounds} fresh processes of each build')
    # The first process of each finds nothing compiled and is not counted.
    for turn in range(-1, context.rounds):
        for number in (0, 1) if turn % 2 == 0 else (1, 0):
            build = context.builds[number]
            words = [sys.executable, '-m', 'fol_vpr.cli.main', 'query', picture]
            used = measured(
                [*words, '--map', maps[number]], build.environment(context.threads), context.folder
            )
            if turn >= 0:
                found[number].append(used)
    rows = []
    for key, title, unit in (
        ('wall_s', '`fol_vpr query`, all in', 's'),
        ('cpu_s', 'processor time, all threads', 's'),
        ('peak_mb', 'peak of resident memory', 'MB'),
    ):
        before, after = ([used[key] for used in side] for side in found)
        rows.append(Comparison(title, unit, before, after, goal=QUERY_GOALS.get(key, 0)))
    return [Section('One image from the command line, fresh processes', rows)]


def build(context: Context) -> list[Section]:
    """Building a map from a bag; the network is loaded before."""
    rows, notes = [], []
    with context.workers() as pair:
        for weights, images in (('fol_tiny', 120), ('untrained-vits14', 24)):
            count = min(images, context.images or images)
            bag = inputs.shorten_bag(
                context.drive('day'), count, context.folder / f'bag-{weights}'
            )
            say(f'building a map of {count} images with {weights}')
            for worker in pair.workers:
                worker.ask('open_network', weights=weights)

            def task(worker: Worker, weights: str = weights, bag: Path = bag) -> dict[str, Any]:
                path = context.folder / f'built-{worker.build.file_name}.folmap'
                found: dict[str, Any] = worker.ask(
                    'build_map', bag=str(bag), pose_topic=inputs.POSES, weights=weights,
                    output=str(path),
                )  # fmt: skip
                inputs.remove(path)
                return found

            turns = pair.turns(max(3, context.rounds // 2), task)
            before, after = ([turn['images'] / turn['s'] for turn in side] for side in turns)
            rows.append(
                Comparison(
                    weights, 'images/s', before, after, higher_is_better=True,
                    goal=BUILD_GOALS.get(weights, 0),
                )
            )  # fmt: skip
            sizes = [statistics.median(turn['MB'] for turn in side) for side in turns]
            places = ' and '.join(str(side[0]['places']) for side in turns)
            notes.append(
                f'{weights}: {count} images of the bag, {places} places, '
                f'{sizes[0]:.1f} and {sizes[1]:.1f} MB.'
            )
    return [Section('Building a map from a bag', rows, notes=notes)]


def train(context: Context) -> list[Section]:
    """Steps of fol_tiny's recipe, without waiting for batches."""
    try:
        import panda3d  # noqa: F401
        import pytorch_lightning  # noqa: F401
        import pytorch_metric_learning  # noqa: F401
    except ImportError as error:
        reason = f'Left out: {error}; `pip install -r training/requirements.txt` brings it.'
        return [Section("A training step of fol_tiny's recipe", notes=[reason])]
    places = inputs.write_places(context.town, 40, context.folder / 'places')
    steps = 4
    with context.workers() as pair:

        def task(worker: Worker) -> dict[str, Any]:
            name = worker.build.file_name
            recipe = worker.build.root / 'training' / 'configs' / 'fol_tiny.yaml'
            config = inputs.write_recipe(recipe, places, context.folder / f'{name}.yaml')
            run = context.folder / f'run-{name}'
            inputs.remove(run)
            found: dict[str, Any] = worker.ask(
                'train', config=str(config), steps=steps, folder=str(run)
            )
            return found

        say(f"training {steps} steps of fol_tiny's recipe in each turn")
        turns = pair.turns(max(2, context.rounds // 3), task)
    # The first step of a run allocates.
    rows = []
    for key, title, goal in (('s', 'a step', TRAIN_GOAL), ('cpu_s', 'processor time', 0.0)):
        before, after = ([s for turn in side for s in turn[key][1:]] for side in turns)
        rows.append(Comparison(title, 's', before, after, goal=goal))
    losses = [', '.join(f'{x:.4f}' for x in side[0]['losses']) for side in turns]
    names = [each.name for each in context.builds]
    notes = [f'Losses of the first steps: {names[0]} {losses[0]}; {names[1]} {losses[1]}.']
    return [Section("A training step of fol_tiny's recipe", rows, notes=notes)]


def search(context: Context) -> list[Section]:
    """The search among synthetic places, by the benchmark of each build."""
    if not os.environ.get('FOL_VPR_SHARED'):
        note = 'Left out: FOL_VPR_SHARED does not name a folder with real images.'
        return [Section('Search by global descriptor', notes=[note])]
    found: list[list[list[dict[str, Any]]]] = [[], []]
    for turn in range(SEARCH_TURNS):
        for number in (0, 1) if turn % 2 == 0 else (1, 0):
            build = context.builds[number]
            say(f'{build.name}: search among {", ".join(map(str, context.sizes))} places')
            found[number].append(_searched(context, build))
    rows = []
    for position, known in enumerate(found[0][0]):
        where = f'{known["method"]}, {known["references"]} places: '
        for key, title, unit, higher in SEARCH_FIGURES:
            before, after = ([turn[position][key] for turn in side] for side in found)
            rows.append(Comparison(where + title, unit, before, after, higher_is_better=higher))
    return [Section('Search by global descriptor', rows)]


def _searched(context: Context, build: Build) -> list[dict[str, Any]]:
    """The figures of `python -m benchmarks search` of a build."""
    # Where it was in builds before `speed` was a folder.
    is_new = (build.root / 'benchmarks' / 'speed' / 'search.py').is_file()
    module = 'benchmarks.speed.search' if is_new else 'benchmarks.search'
    output = context.folder / 'search.json'
    given = [
        '--sizes', *map(str, context.sizes), '--methods', 'flat', 'large',
        '--real', str(context.real or context.folder / 'real.npy'), '--json', str(output),
        '--threads', str(context.threads), '--folder', str(context.folder),
    ]  # fmt: skip
    script = context.folder / 'search.py'
    # A file with a guard: the benchmark spawns processes, which import it again. Older builds have
    # `benchmarks` as a namespace package, which loses to any other one of that name.
    root = str(build.root)
    script.write_text(
        'import sys\nfrom pathlib import Path\n\n'
        f'others = [p for p in sys.path if p != {root!r} and Path(p, "benchmarks").is_dir()]\n'
        'sys.path[:] = [p for p in sys.path if p not in others]\n'
        f'from {module} import main\n\n'
        f'if __name__ == "__main__":\n    raise SystemExit(main({given!r}))\n'
    )
    build.run(script, threads=context.threads)
    found: list[dict[str, Any]] = json.loads(output.read_text())
    return found


ROWS: dict[str, tuple[Callable[[Context], list[Section]], str]] = {
    'whole': (answers, 'the whole answer, stage by stage'),
    'answers': (answers, 'what is answered: decisions, first places, poses'),
    'forward': (forward, 'the network alone'),
    'query': (query, '`fol_vpr query` of one image: time and memory'),
    'build': (build, 'building a map from a bag'),
    'search': (search, 'search among synthetic places'),
    'train': (train, "a training step of fol_tiny's recipe"),
}
