"""Which queries of two results are the same image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from fol_vpr.errors import InputError
from fol_vpr.evaluation.offline import QueryAnswer
from fol_vpr.evaluation.report import Evaluation

Key = Callable[[QueryAnswer], object]

BY_POSITION = 'their order, as nothing names them'


@dataclass(frozen=True)
class Matching:
    """The queries that two results have in common.

    Attributes:
        pairs: position of each common query in the first and in the second result, ascending.
        by: what tells that they are the same, in words.
        first_only, second_only: queries that only one result has.
    """

    pairs: tuple[tuple[int, int], ...]
    by: str
    first_only: int
    second_only: int


def match_queries(first: Evaluation, second: Evaluation) -> Matching:
    """Match the queries of two results.

    Queries that were not answered carry neither image nor stamp. They can be matched where one
    result holds the first queries of the other, which `--limit` makes, as then all others have
    the same positions; elsewhere they count as queries that only one result has.

    Raises:
        InputError: the results have no query in common.
    """
    for what, key in _KEYS:
        one, two = (
            _by_key(first.answers, key(first.answers)),
            _by_key(second.answers, key(second.answers)),
        )
        common = one.keys() & two.keys()
        if not common:
            continue
        pairs = sorted((one[each], two[each]) for each in common)
        if all(a == b for a, b in pairs) and _agree_where_both(first, second, pairs):
            shorter = min(first.queries, second.queries)
            pairs = [(index, index) for index in range(shorter)]
        return _matching(pairs, what, first, second)
    if not first.answers or not second.answers:
        raise InputError('nothing can be compared: a result has no answers at all')
    if first.queries == second.queries and _nameless(first) and _nameless(second):
        return _matching([(i, i) for i in range(first.queries)], BY_POSITION, first, second)
    raise InputError(
        f'the results are of other queries: no image and no stamp of the first ({first.queries} '
        f'queries, such as {_example(first)}) is in the second ({second.queries}, such as '
        f'{_example(second)}); evaluate both on the same images or the same drive'
    )


def _by_key(answers: Sequence[QueryAnswer], key: Key) -> dict[object, int]:
    """Position of each answer by its key, where no two answers share it; else nothing."""
    keys = [(key(answer), answer.index) for answer in answers]
    known = [(each, index) for each, index in keys if each]
    counts = Counter(each for each, _ in known)
    return {each: index for each, index in known if counts[each] == 1}


def _stamp(_answers: Sequence[QueryAnswer]) -> Key:
    return lambda answer: answer.stamp_ns


def _uri(answers: Sequence[QueryAnswer]) -> Key:
    return lambda answer: answer.uri


def _name(answers: Sequence[QueryAnswer]) -> Key:
    """The path of an image below the folder that all images of the result lie in.

    The same images may lie in another folder on another machine.
    """
    folders = [PurePosixPath(answer.uri).parent.parts for answer in answers if answer.uri]
    depth = 0
    if folders:
        shortest, longest = min(folders), max(folders)
        # One may be deeper: what both have in common ends with the shorter one.
        pairs = zip(shortest, longest, strict=False)
        depth = next((n for n, (a, b) in enumerate(pairs) if a != b), len(shortest))
    return lambda answer: PurePosixPath(answer.uri).parts[depth:]


def _file(_answers: Sequence[QueryAnswer]) -> Key:
    return lambda answer: PurePosixPath(answer.uri).name


_KEYS: tuple[tuple[str, Callable[[Sequence[QueryAnswer]], Key]], ...] = (
    ('their paths', _uri),
    ('their stamps', _stamp),
    ('the paths of their images below one folder', _name),
    ('the names of their images', _file),
)
"""From what can hardly be the same by chance to what can."""


def _agree_where_both(
    first: Evaluation, second: Evaluation, pairs: Sequence[tuple[int, int]]
) -> bool:
    """Whether each position that both results answered is one of the pairs."""
    both = {a.index for a in first.answers} & {a.index for a in second.answers}
    return both == {a for a, _ in pairs}


def _nameless(evaluation: Evaluation) -> bool:
    return all(not answer.uri and not answer.stamp_ns for answer in evaluation.answers)


def _example(evaluation: Evaluation) -> str:
    answer = evaluation.answers[0]
    name = PurePosixPath(answer.uri).name or 'no image'
    return f'{name}, stamp {answer.stamp_ns}' if answer.stamp_ns else name


def _matching(
    pairs: Sequence[tuple[int, int]], by: str, first: Evaluation, second: Evaluation
) -> Matching:
    return Matching(tuple(pairs), by, first.queries - len(pairs), second.queries - len(pairs))
