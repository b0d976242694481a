"""The plan for the memory of a map: what fits is taken, and what does not is refused."""

import pytest

from fol_vpr.config import RetrievalConfig, StorageConfig
from fol_vpr.errors import DeviceError
from fol_vpr.mapping import plan_memory
from fol_vpr.mapping.memory import PLACE_BYTES
from fol_vpr.retrieval import index_layouts

PLACES, DIM, LOCAL = 1000, 8448, 900_000_000
INDEX = 4 * PLACES * DIM


def plan(available: int, **changes):
    return plan_memory(PLACES, {'flat': INDEX}, LOCAL, StorageConfig(**changes), available)


@pytest.mark.parametrize(
    ('wanted', 'budget', 'held'),
    [('auto', 2000, True), ('auto', 900, False), ('file', 2000, False), ('memory', 2000, True)],
)
def test_local_features_are_held_where_they_are_wanted_and_fit(wanted, budget, held):
    made = plan(10**10, memory_budget=budget, local_features=wanted)
    assert made.hold_local_features == held
    assert made.total == INDEX + PLACES * PLACE_BYTES + held * LOCAL
    assert made.peak == made.total + INDEX
    assert ('900 MB held' in made.describe()) == held


def test_without_a_budget_a_share_of_what_is_there_counts():
    assert plan(10**9, memory_share=0.5).budget == 5 * 10**8
    with pytest.raises(DeviceError, match=r'34 MB.*100 MB are available'):
        plan(10**8, memory_share=0.3)


def test_what_does_not_fit_is_refused_with_the_numbers_and_the_remedy():
    with pytest.raises(DeviceError) as caught:
        plan(10**10, memory_budget=30)
    for part in ('1000 places', 'search index flat 34 MB', 'of 30 MB granted', 'memory_budget'):
        assert part in str(caught.value)
    with pytest.raises(DeviceError, match='local_features to auto'):
        plan(10**10, memory_budget=900, local_features='memory')
    # While it is loaded, the descriptors are there twice.
    with pytest.raises(DeviceError, match='69 MB while loading'):
        plan(60 * 10**6, memory_budget=50)


def test_a_leaner_index_is_taken_where_the_fastest_does_not_fit():
    layouts = index_layouts(RetrievalConfig(), PLACES, DIM, 'cpu')
    assert list(layouts) == ['flat', 'large'] and layouts['large'] < layouts['flat'] / 10
    for budget, name in ((40, 'flat'), (30, 'large')):
        made = plan_memory(PLACES, layouts, 0, StorageConfig(memory_budget=budget), 10**10)
        assert made.index_name == name
    fixed = index_layouts(RetrievalConfig(index='flat'), PLACES, DIM, 'cpu')
    with pytest.raises(DeviceError, match='do not fit'):
        plan_memory(PLACES, fixed, 0, StorageConfig(memory_budget=30), 10**10)
