"""Predictions as answers, which ground truth judges like those of the recognizer; and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import Positives
from fol_vpr.evaluation.metrics import RECALL_AT
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.predictions.files import Prediction, read_predictions
from fol_vpr.files import printable

REMEDY = 'give the map and the queries that were built of the folders of that run'


class ImagePaths:
    """Finds an image by its path, which may begin otherwise than it did elsewhere.

    Args:
        paths: of the images.
        what: they are, for messages, such as 'queries'.
    """

    def __init__(self, paths: Sequence[str], what: str) -> None:
        self._what = what
        self._parts = [PurePosixPath(path).parts for path in paths]
        self._by_name: dict[str, list[int]] = defaultdict(list)
        for index, parts in enumerate(self._parts):
            if parts:
                self._by_name[parts[-1]].append(index)

    def find(self, path: str) -> int | None:
        """The position of the image at a path; None where there is none of its name.

        Of several images with its name, it is the one with which the path has the most folders
        in common, counted from the name.

        Raises:
            InputError: several have equally many.
        """
        wanted = PurePosixPath(path.replace('\\', '/')).parts
        candidates = self._by_name.get(wanted[-1], []) if wanted else []
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        common = [_common_end(self._parts[each], wanted) for each in candidates]
        best = [each for each, n in zip(candidates, common, strict=True) if n == max(common)]
        if len(best) > 1:
            raise InputError(
                f'{printable(path)} may be any of {len(best)} {self._what} of that name, such as '
                f'{" and ".join(printable("/".join(self._parts[each])) for each in best[:2])}; '
                'give each image a name of its own'
            )
        return best[0]


def _common_end(one: Sequence[str], two: Sequence[str]) -> int:
    # One path may be longer: what both have in common ends with the shorter one.
    pairs = zip(reversed(one), reversed(two), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


def read_answers(
    path: str | Path, queries: Sequence[tuple[str, int]], references: Sequence[str]
) -> Answers:
    """Read the predictions of another program as answers.

    What they do not hold stays empty: latencies, probabilities, decisions.

    Args:
        path: the folder of a run, with `preds` in it, or `preds` itself.
        queries: path and stamp in nanoseconds of each query.
        references: path of each reference, by `Place.index`.

    Returns:
        An answer for each query; predictions for other images are counted in `unmatched`.

    Raises:
        InputError: the predictions cannot be read, are not of these queries and references, or
            some queries have none.
    """
    asked = ImagePaths([uri for uri, _ in queries], 'queries')
    known = ImagePaths(references, 'references')
    answers: dict[int, QueryAnswer] = {}
    unmatched = 0
    shown = printable(str(path))
    for prediction in read_predictions(path):
        index = asked.find(prediction.query)
        if index is None:
            unmatched += 1
            continue
        if index in answers:
            raise InputError(
                f'{shown} has two predictions for {printable(prediction.query)}; {REMEDY}'
            )
        ranking = []
        for each in prediction.predicted:
            reference = known.find(each)
            if reference is None or reference in ranking:
                why = 'is no reference of the map' if reference is None else 'is there twice'
                raise InputError(
                    f'{shown}: {printable(each)}, predicted for {printable(prediction.query)}, '
                    f'{why}; {REMEDY}'
                )
            ranking.append(reference)
        uri, stamp_ns = queries[index]
        answers[index] = QueryAnswer(
            index=index,
            stamp_ns=stamp_ns,
            uri=uri,
            state=LocalizationState.UNKNOWN,
            ranking=tuple(ranking),
            global_ranking=tuple(ranking),
        )
    if len(answers) < len(queries):
        first = next(n for n in range(len(queries)) if n not in answers)
        raise InputError(
            f'{shown} has no prediction for {len(queries) - len(answers)} of {len(queries)} '
            f'queries, of which the first is {printable(queries[first][0])}; {REMEDY}'
        )
    return Answers([answers[index] for index in sorted(answers)], unmatched)


def as_predictions(
    answers: Answers,
    queries: Sequence[str],
    references: Sequence[str],
    positives: Positives,
) -> list[Prediction]:
    """Answers as predictions, in the final order of their hypotheses.

    Args:
        answers: to the queries.
        queries: path of each query.
        references: path of each reference, by `Place.index`.
        positives: of each query.

    Returns:
        One for each query; without predictions where it was not answered.
    """
    rankings = {answer.index: answer.ranking[: max(RECALL_AT)] for answer in answers.items}
    return [
        Prediction(
            query=query,
            predicted=tuple(references[each] for each in rankings.get(index, ())),
            positives=None if found is None else tuple(references[n] for n in sorted(found)),
        )
        for index, (query, found) in enumerate(zip(queries, positives, strict=True))
    ]
