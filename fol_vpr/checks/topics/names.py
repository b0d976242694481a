"""Names of topics and frames that may have been meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches

MOST = 8
"""Names that a message lists at most."""


def topics_of(topics: Mapping[str, Sequence[str]], types: Collection[str]) -> list[str]:
    """Names of the topics that have one of some types, sorted."""
    return sorted(name for name, kinds in topics.items() if set(kinds) & set(types))


def similar_names(wanted: str, names: Iterable[str]) -> list[str]:
    """Names that are like a wanted one, the most similar first.

    Topics of cameras share their last words, `image_raw`, whatever their namespace; so a name
    counts as similar too where its last word is.
    """
    names = list(names)
    close = get_close_matches(wanted, names, n=3, cutoff=0.6)
    last = wanted.rpartition('/')[2]
    same_end = [name for name in names if name.rpartition('/')[2] == last]
    found = list(dict.fromkeys([*close, *same_end]))
    return nearest_first(wanted, found)[:3]


def nearest_first(wanted: str, names: Iterable[str]) -> list[str]:
    """Names in the order of their similarity to a wanted one."""
    return sorted(names, key=lambda name: -SequenceMatcher(None, wanted, name).ratio())


def listed(names: Sequence[str]) -> str:
    """Names in words, the first few of many."""
    more = f' and {len(names) - MOST} more' if len(names) > MOST else ''
    return ', '.join(names[:MOST]) + more
