import math

import pytest

from benchmarks.against.report import Section, as_markdown, as_text, machine, machine_in_words
from benchmarks.against.turns import Comparison, Pair, quartiles


def test_quartiles_are_interpolated_between_the_values():
    assert quartiles([4, 1, 3, 2, 5]) == (2, 3, 4)
    assert quartiles([1, 2]) == (1.25, 1.5, 1.75)
    assert quartiles([7.0]) == (7, 7, 7)
    with pytest.raises(ValueError, match='no values'):
        quartiles([])


def test_less_time_is_better_and_more_images_a_second_are():
    time = Comparison('forward', 'ms', [24, 25, 26], [6, 5, 5])
    rate = Comparison('build', 'images/s', [2, 2, 3], [6, 7, 6], higher_is_better=True)
    assert (time.times, rate.times) == (5, 3)


def test_the_spread_is_of_pairs_that_met_the_same_load():
    # The load doubles both values of the last two pairs: each pair still has the ratio 4.
    found = Comparison('forward', 'ms', [20, 20, 40, 40], [5, 5, 10, 10])
    assert found.spread == (4, 4)
    unpaired = Comparison('pose', 'ms', [8, 8, 8], [2, 2])
    assert unpaired.spread == (4, 4)


def test_a_stage_that_takes_no_time_has_a_ratio():
    assert Comparison('measure', 'ms', [3.0], [0.0]).times == math.inf
    assert Comparison('loops', 'ms', [0.0], [0.0]).times == 1


def test_a_missed_goal_says_by_how_much():
    assert Comparison('forward', 'ms', [20], [5], goal=4).verdict == 'reached'
    assert Comparison('forward', 'ms', [20], [10], goal=4).verdict == 'missed by 50 %'
    assert Comparison('forward', 'ms', [20], [10]).verdict == ''


class FakeClockWorker:
    """What Pair needs of a worker, with a processor time that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def processor_seconds(self) -> float:
        return self.seconds


def test_every_other_turn_is_in_reverse_order_and_waiting_is_watched():
    one, other = FakeClockWorker(), FakeClockWorker()
    order = []

    def task(worker):
        order.append('AB'[worker is other])
        one.seconds += 0.25  # also where it should wait
        return len(order)

    pair = Pair(one, other)
    assert pair.turns(3, task) == [[1, 4, 5], [2, 3, 6]]
    assert ''.join(order) == 'ABBAAB'
    assert pair.waiting_s == 0.75


def test_a_section_has_a_line_for_each_quantity():
    section = Section(
        'Forward pass',
        [
            Comparison('fol_tiny', 'ms', [24, 24], [8, 8], goal=4, remark='int8'),
            Comparison('ViT-S', 'ms', [144.4], [0.123]),
        ],
        table=[['', 'a', 'b'], ['right | wrong', '1', '2']],
        notes=['One image.'],
    )
    lines = as_markdown(section, '0dc4b60', 'tree').splitlines()
    assert lines[2] == '|  | 0dc4b60 | tree | times better | goal |'
    assert lines[3] == '| --- | --- | --- | --- | --- |'
    assert lines[4] == (
        '| fol_tiny, ms (int8) | 24.0 (24.0–24.0) | 8.00 (8.00–8.00) | 3.00 (3.00–3.00) '
        '| 4: missed by 25 % |'
    )
    assert lines[5].startswith('| ViT-S, ms | 144 | 0.12 | 1174')
    assert '| right \\| wrong | 1 | 2 |' in lines
    assert lines[-1] == 'One image.'
    assert 'missed by 25 %' in as_text(section, 'a', 'b')


def test_the_machine_is_described():
    found = machine()
    assert found['cores'] >= 1
    assert found['memory_gb'] > 0.5
    assert f'{found["cores"]} cores' in machine_in_words(found)
