"""The rows `whole` and `answers`: a drive, answered image by image by both builds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.against import inputs
from benchmarks.against.answers import Side, agreement, pose_errors
from benchmarks.against.builds import Worker
from benchmarks.against.context import CRITERIA, Context, say
from benchmarks.against.report import Section
from benchmarks.against.turns import Comparison

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
# Answers that are not counted: the first ones find cold caches.
WARM_UP = 4


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
