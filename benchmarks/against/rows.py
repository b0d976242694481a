"""The row groups of a comparison. Each measures both builds in turns, and returns its section."""

from __future__ import annotations

import contextlib
import json
import math
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.against import inputs
from benchmarks.against.answers import Side, agreement, pose_errors
from benchmarks.against.builds import Build, BuildError, Worker, measured
from benchmarks.against.report import Section
from benchmarks.against.turns import Comparison, Pair
from fol_vpr.config import EvaluationConfig

# As `make demo` gives them.
CRITERIA = EvaluationConfig(positive_radius=5, positive_angle=40)
SCALE = 'street'
# Other names of a stage in older builds.
OLD_STAGES = {'measure': 'refine_pose'}
STAGES = (
    'decode', 'resize', 'forward', 'search', 'rerank', 'verify', 'decide', 'refine_pose', 'loops',
    'total', 'image', 'cpu',
)  # fmt: skip
MEANINGS = {
    'total': 'whole answer',
    'image': 'from one answer to the next',
    'cpu': 'processor time, all threads',
    'refine_pose': 'measuring a pose',
    'rerank': 're-ranking',
    'verify': 'geometric verification',
}
# Times that each stage, or each network, should be faster than commit 0dc4b60.
STAGE_GOALS = {'forward': 3.0, 'rerank': 4.75, 'verify': 3.9, 'refine_pose': 5.0, 'total': 4.0}
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
# Answers that are not counted: the first ones find cold caches.
WARM_UP = 4


@dataclass
class Context:
    """What the row groups share.

    Attributes:
        builds: the one that is compared with, and the working tree.
        town: folder of the drives of `make demo`.
        folder: a temporary one for what is made.
        maps: folder where maps are kept from one call to the next.
        map: calibrated map of the drive by day that both builds read; None lets each make its own.
        threads: of each build; 0 leaves that to torch.
        images: of the drive that are answered; 0 takes all.
        turn: images that are answered in a row.
        rounds: turns of everything but answers.
        weights: networks of the rows `forward`.
        sizes: places of the rows `search`.
    """

    builds: tuple[Build, Build]
    town: Path
    folder: Path
    maps: Path
    map: Path | None
    threads: int
    images: int
    turn: int
    rounds: int
    weights: Sequence[str]
    sizes: Sequence[int]
    waiting_s: float = 0.0
    _made: dict[str, Path] = field(default_factory=dict)

    @contextlib.contextmanager
    def workers(self) -> Iterator[Pair]:
        """A process for each build."""
        with contextlib.ExitStack() as stack:
            each = [
                stack.enter_context(
                    Worker(build, self.threads, self.folder / f'worker-{number}.log')
                )
                for number, build in enumerate(self.builds)
            ]
            pair = Pair(each[0], each[1])
            yield pair
            self.waiting_s += pair.waiting_s

    def map_of(self, build: Build) -> Path:
        """The map of the drive by day, built and calibrated by a build as `make demo` does.

        Raises:
            BuildError: a drive is missing, or the build failed.
        """
        if build.name in self._made:
            return self._made[build.name]
        # A commit with changes says too little about the code that made a map.
        folder = self.folder if build.commit.endswith('+') else self.maps
        path = self.map or folder / f'{build.commit}.folmap'
        if not path.exists():
            day, overcast = self.drive('day'), self.drive('overcast')
            say(f'{build.name}: building and calibrating its map of the drive')
            scale = ('--scale', SCALE) if build.takes('--scale', 'map', 'build') else ()
            build.run(
                '-m', 'fol_vpr.cli.main', 'map', 'build', '--bag', day,
                '--pose-topic', inputs.POSES, *scale, '--output', path, threads=self.threads,
            )  # fmt: skip
            build.run(
                '-m', 'fol_vpr.cli.main', 'calibrate', '--map', path, '--bag', overcast,
                '--pose-topic', inputs.POSES, '--odom-topic', inputs.ODOMETRY,
                '--positive-radius', CRITERIA.positive_radius,
                '--positive-angle', CRITERIA.positive_angle, threads=self.threads,
            )  # fmt: skip
        self._made[build.name] = path
        return path

    def drive(self, name: str) -> Path:
        """A drive of the town.

        Raises:
            BuildError: it was not drawn.
        """
        path = self.town / name
        if not path.is_dir():
            raise BuildError(f'{path} is not there: `make demo` draws the drives')
        return path


def say(message: str) -> None:
    """Tell on standard error what is going on."""
    print(message, file=sys.stderr, flush=True)


def answers(context: Context) -> list[Section]:
    """The whole answer, stage by stage, and what was answered: rows `whole` and `answers`."""
    drive = context.drive('evening')
    maps = {build.name: str(context.map_of(build)) for build in context.builds}
    with context.workers() as pair:
        opened = [
            worker.ask(
                'open_drive', map_file=maps[worker.build.name], drive=str(drive),
                pose_topic=inputs.POSES, odom_topic=inputs.ODOMETRY,
            )
            for worker in pair.workers
        ]  # fmt: skip
        count = min(context.images or opened[0]['images'], opened[0]['images'])
        say(f'answering {count} images of the drive, {context.turn} in a row')

        def task(worker: Worker) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = worker.ask('answer', count=context.turn)
            return found

        turns = pair.turns(math.ceil(count / context.turn), task)
    sides = [
        Side([each for turn in side for each in turn][:count], opening['places'])
        for side, opening in zip(turns, opened, strict=True)
    ]
    what = ', '.join(
        f'{build.name}: {opening["weights"]} in {opening["precision"]}'
        for build, opening in zip(context.builds, opened, strict=True)
    )
    return [_stages(sides, what), _decisions(context, sides)]


def _stages(sides: Sequence[Side], what: str) -> Section:
    columns = [_milliseconds(side) for side in sides]
    rows = []
    for stage in STAGES:
        if all(stage in column for column in columns):
            before, after = (column[stage] for column in columns)
            name = MEANINGS.get(stage, stage)
            rows.append(Comparison(name, 'ms', before, after, goal=STAGE_GOALS.get(stage, 0)))
    before, after = _measuring(sides)
    if before:
        rows.append(Comparison('measuring, where both measured a pose', 'ms', before, after))
    return Section(
        'Whole answer, all defaults, sequence with odometry',
        rows,
        notes=[
            f'{len(sides[0].answers)} images of the evening drive; the first {WARM_UP} are not '
            f'counted. {what}.',
            'Measuring a pose is counted over all images, also those where nothing is measured.',
        ],
    )


def _milliseconds(side: Side) -> dict[str, list[float]]:
    """Milliseconds by stage under today's names."""
    counted = side.answers[WARM_UP:] if len(side.answers) > 2 * WARM_UP else side.answers
    found: dict[str, list[float]] = {}
    for answer in counted:
        for name, value in answer['ms'].items():
            found.setdefault(OLD_STAGES.get(name, name), []).append(value)
    # A stage that is not in every answer cannot be paired image by image.
    return {name: values for name, values in found.items() if len(values) == len(counted)}


def _measuring(sides: Sequence[Side]) -> tuple[list[float], list[float]]:
    """Milliseconds of measuring in those images for which both builds measured a pose."""
    found: tuple[list[float], list[float]] = ([], [])
    for pair in zip(*(side.answers for side in sides), strict=True):
        if all(answer['pose'] is not None for answer in pair):
            for values, answer in zip(found, pair, strict=True):
                values.append(answer['ms'].get('refine_pose', answer['ms'].get('measure', 0.0)))
    return found


def _decisions(context: Context, sides: Sequence[Side]) -> Section:
    before, after = sides
    names = [build.name for build in context.builds]
    table = [['', *names]]
    decisions = [side.decisions(CRITERIA) for side in sides]
    for title, name in (
        ('LOCALIZED, right', 'localized_right'),
        ('LOCALIZED, wrong', 'localized_wrong'),
        ('NOT_IN_MAP, right', 'not_in_map_right'),
        ('NOT_IN_MAP, wrong', 'not_in_map_wrong'),
        ('AMBIGUOUS', 'ambiguous'),
        ('UNKNOWN', 'unknown'),
    ):
        table.append([title, *(str(getattr(each, name)) for each in decisions)])
    closures = [sum(each['closures'] for each in side.answers) for side in sides]
    table.append(['loop closures', *map(str, closures)])
    errors = [pose_errors(side.answers) for side in sides]
    table += [
        ['poses measured', *(str(each.count) for each in errors)],
        ['error of a pose, median, m', *(f'{each.metres:.3f}' for each in errors)],
        ['error of a pose, 90 %, m', *(f'{each.metres_90:.3f}' for each in errors)],
        ['error of a pose, median, degrees', *(f'{each.degrees:.3f}' for each in errors)],
        [
            'truth within the 95 % ellipsoid of the covariance',
            *(f'{100 * each.within:.1f} %' for each in errors),
        ],
    ]
    agreed = agreement(before, after)
    return Section(
        'Answers',
        table=table,
        notes=[
            f'Of {agreed.images} images, {agreed.other_states} have another state and '
            f'{agreed.other_places} another first place.',
            f'Both measured the pose of {agreed.both_measured} images. The poses differ by '
            f'{agreed.metres:.4f} m and {agreed.degrees:.4f} degrees at the median; '
            f'{100 * agreed.within_before:.1f} % of the differences are within the 95 % ellipsoid '
            f'of the covariance that {names[0]} states, {100 * agreed.within_after:.1f} % within '
            f'that of {names[1]}.',
            'Right is within 5 m and 40 degrees of the ground truth, as in `make demo`.',
        ],
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
            before, after = ([ms for turn in side for ms in turn['ms']] for side in turns)
            first, second = (np.array(side[0]['descriptor']) for side in turns)
            precisions = ' against '.join(each['precision'] for each in opened)
            rows.append(
                Comparison(
                    f'{weights}, {opened[1]["px"]} px', 'ms', before, after,
                    goal=FORWARD_GOALS.get(weights, 0), remark=precisions,
                )
            )  # fmt: skip
            counts = ' and '.join(str(side[0]['local']) for side in turns)
            notes.append(
                f'{weights}: cosine of the global descriptors {first @ second:.6f}, {counts} '
                'local descriptors.'
            )
    return [Section('Forward pass, one image, local features included', rows, notes=notes)]


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
                path = context.folder / f'built-{worker.build.name}.folmap'
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
            name = worker.build.name
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
    # The first step of a run compiles and allocates.
    before, after = ([s for turn in side for s in turn['s'][1:]] for side in turns)
    losses = [', '.join(f'{x:.4f}' for x in side[0]['losses']) for side in turns]
    precisions = ' against '.join(side[0]['precision'] for side in turns)
    row = Comparison('a step', 's', before, after, goal=TRAIN_GOAL, remark=precisions)
    names = [each.name for each in context.builds]
    notes = [f'Losses of the first steps: {names[0]} {losses[0]}; {names[1]} {losses[1]}.']
    return [Section("A training step of fol_tiny's recipe", [row], notes=notes)]


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
        '--real', str(context.folder / 'real.npy'), '--json', str(output),
        '--threads', str(context.threads), '--folder', str(context.folder),
    ]  # fmt: skip
    script = context.folder / 'search.py'
    # A file with a guard: the benchmark spawns processes, which import it again.
    script.write_text(
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
