"""Recall@K, Wilson's interval and percentiles against numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fol_vpr.evaluation.metrics import Share, percentiles, recall_at, references_off


def test_recall_leaves_out_queries_without_positives():
    rankings = [[3, 1, 2], [5, 6, 7, 8, 9, 4], [1], [2]]
    positives = [{1}, {4}, set(), {0}]
    shares = recall_at(rankings, positives, ks=(1, 2, 5, 6))
    assert shares == {1: Share(0, 3), 2: Share(1, 3), 5: Share(1, 3), 6: Share(2, 3)}


def test_an_empty_ranking_is_a_miss():
    assert recall_at([[], [1]], [{1}, {1}], ks=(1,)) == {1: Share(1, 2)}


def test_references_off_counts_to_the_nearest_positive():
    assert references_off(5, {5, 6}) == 0
    assert references_off(5, {1, 7, 40}) == 2
    assert references_off(0, {9}) == 9


def test_no_positives_at_all_is_no_number():
    share = recall_at([[1]], [set()])[1]
    assert share.total == 0
    assert math.isnan(share.value)
    assert all(math.isnan(bound) for bound in share.interval())


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match='zip'):
        recall_at([[1], [2]], [{1}])


@pytest.mark.parametrize(
    ('hits', 'total', 'low', 'high'),
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_interval_as_published(hits, total, low, high):
    assert Share(hits, total).interval() == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share(hits_of_total):
    share = Share(*hits_of_total)
    low, high = share.interval()
    assert 0 <= low <= share.value + 1e-12
    assert share.value - 1e-12 <= high <= 1


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 20), max_size=12), st.sets(st.integers(0, 20))),
        max_size=30,
    )
)
def test_recall_does_not_fall_with_k(queries):
    rankings, positives = [q[0] for q in queries], [q[1] for q in queries]
    shares = recall_at(rankings, positives, ks=range(1, 13))
    hits = [shares[k].hits for k in range(1, 13)]
    assert hits == sorted(hits)
    assert {share.total for share in shares.values()} == {sum(bool(p) for p in positives)}


def test_percentiles_of_the_queries_that_ran_a_stage():
    timings = [{'forward': 0.001 * i} for i in range(101)] + [{'rerank': 2.0}]
    found = percentiles(timings)
    assert list(found) == ['forward', 'rerank']
    assert found['forward'] == pytest.approx(
        {'p50': 0.05, 'p95': 0.095, 'p99': 0.099, 'mean': 0.05}
    )
    assert found['rerank'] == {'p50': 2.0, 'p95': 2.0, 'p99': 2.0, 'mean': 2.0}
