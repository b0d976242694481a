"""What of the diagnostics reaches the log, and when."""

from __future__ import annotations

import dataclasses

from fol_vpr.ros.node.diagnostics.problems import ERROR, OK, WARN, Part, Problem, ProblemLog

DROPPED = Problem(WARN, 'images dropped', '79% of the images were dropped')
SILENT = Problem(ERROR, 'no images', 'no images: nobody publishes', 'nobody', patience=10.0)


class Told:
    """What a log is told from second to second."""

    def __init__(self) -> None:
        self.log, self.lines = ProblemLog(), []

    def at(self, now: float, *problems: Problem, listening: bool = True) -> None:
        parts = {'images': Part(problems, 'fine', {})}
        for level, text in self.log.update(parts, listening, now):
            self.lines.append((now, level, text))


def test_a_problem_is_logged_once_when_it_begins_and_once_when_it_ends():
    told = Told()
    for now in range(60):
        message = f'{now} of the images were dropped'
        problems = [dataclasses.replace(DROPPED, message=message)] if 5 <= now < 40 else []
        told.at(float(now), *problems)
    assert told.lines == [
        (8.0, WARN, 'images: 8 of the images were dropped'),
        (49.0, OK, 'images: over after 34 s: images dropped'),
    ]


def test_what_comes_and_goes_is_one_problem():
    told = Told()
    for now in range(100):
        told.at(float(now), *([DROPPED] if now % 4 < 2 and now < 80 else []))
    assert [level for _, level, _ in told.lines] == [WARN, OK]


def test_what_passes_at_once_is_not_logged():
    told = Told()
    for now in range(40):
        told.at(float(now), *([DROPPED] if now < 2 else []))
    assert told.lines == []


def test_missing_images_are_logged_again_where_their_cause_is_another():
    told = Told()
    for now in range(12):
        told.at(float(now), SILENT)
    assert told.lines == [(10.0, ERROR, 'images: no images: nobody publishes')]
    other = dataclasses.replace(SILENT, message='does the camera run?', reason='silent')
    told.at(12.0, other)
    told.at(13.0, other)
    assert told.lines[1:] == [(12.0, ERROR, 'images: does the camera run?')]


def test_a_problem_that_nobody_looks_for_any_more_is_not_over():
    told = Told()
    for now in range(12):
        told.at(float(now), SILENT)
    for now in range(12, 40):
        told.at(float(now), listening=False)
    assert len(told.lines) == 1
    for now in range(40, 60):
        told.at(float(now), SILENT)
    assert [now for now, *_ in told.lines] == [10.0, 50.0]


def test_what_the_log_has_already_only_gets_its_end():
    told = Told()
    bad = Problem(WARN, 'bad images', 'cut short', is_logged=True)
    for now in range(30):
        told.at(float(now), *([bad] if now < 10 else []))
    assert told.lines == [(19.0, OK, 'images: over after 9 s: bad images')]


def test_two_problems_of_one_part_are_told_apart():
    told = Told()
    for now in range(30):
        told.at(float(now), *([DROPPED, SILENT] if now < 15 else [DROPPED]))
    assert [(now, level) for now, level, _ in told.lines] == [
        (3.0, WARN),
        (10.0, ERROR),
        (24.0, OK),
    ]


def test_control_characters_of_strangers_do_not_reach_the_log():
    told = Told()
    for now in range(5):
        told.at(float(now), dataclasses.replace(DROPPED, message='a\x1b[2Jb'))
    assert '\x1b' not in told.lines[0][2]
