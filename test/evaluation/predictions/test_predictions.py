"""The prediction format of VPR-methods-evaluation, as its commit adbb6e2 writes it."""

from __future__ import annotations

import pytest
from helpers.disk_limits import small_files

from fol_vpr.datatypes import LocalizationState
from fol_vpr.errors import InputError, StorageError
from fol_vpr.evaluation.offline import Answers, QueryAnswer
from fol_vpr.evaluation.predictions.answers import as_predictions, read_answers
from fol_vpr.evaluation.predictions.files import Prediction, read_predictions, write_predictions
from fol_vpr.evaluation.predictions.run import check_database, read_run

QUERIES = [(f'/here/queries/@{n}.0@7.0@q{n}@.jpg', n) for n in range(2)]
REFERENCES = [f'/here/database/@{n}.0@7.0@d{n}@.jpg' for n in range(3)]
# Its function save_file_with_paths joins with line ends, and so leaves an empty line after each
# block; a query without positives has two at the end.
FILES = {
    '000.txt': 'Query path:\nq/@0.0@7.0@q0@.jpg\n\nPredictions paths:\nd/@2.0@7.0@d2@.jpg\n'
    'd/@0.0@7.0@d0@.jpg\n\nPositives paths:\nd/@0.0@7.0@d0@.jpg\n',
    '001.txt': 'Query path:\nq/@1.0@7.0@q1@.jpg\n\nPredictions paths:\nd/@1.0@7.0@d1@.jpg\n'
    'd/@0.0@7.0@d0@.jpg\n\nPositives paths:\n\n',
}
LOG = """\
2026-11-29 10:22:46 main.py --method=salad --database_folder=d --queries_folder=q
2026-11-29 10:22:47 Arguments: Namespace(positive_dist_threshold=25, method='salad', \
backbone='DINOv2', device='cuda', no_labels=False, image_size=[322, 322], use_labels=True)
2026-11-29 10:22:47 Testing with salad with a DINOv2 backbone and descriptors dimension 8448
2026-11-29 10:22:47 Testing on < #queries: 2; #database: 3 >
2026-11-29 10:23:08 R@1: 44.0, R@5: 71.0, R@10: 100.0
"""


@pytest.fixture
def run(tmp_path):
    """A run as that program leaves it."""
    preds = tmp_path / 'run' / 'preds'
    preds.mkdir(parents=True)
    for name, text in FILES.items():
        (preds / name).write_text(text)
        (preds / name.replace('.txt', '.jpg')).write_bytes(b'a picture')
    (tmp_path / 'run' / 'info.log').write_text(LOG)
    return tmp_path / 'run'


def test_predictions_are_read_in_the_order_of_their_numbers(run):
    for path in (run, run / 'preds'):
        first, second = read_predictions(path)
        assert first.predicted == ('d/@2.0@7.0@d2@.jpg', 'd/@0.0@7.0@d0@.jpg')
        assert (first.positives, second.positives) == (('d/@0.0@7.0@d0@.jpg',), ())


def test_they_become_answers_to_the_same_images_elsewhere(run):
    answers = read_answers(run, QUERIES, REFERENCES)
    assert [each.ranking for each in answers.items] == [(2, 0), (1, 0)]
    assert [each.global_ranking for each in answers.items] == [(2, 0), (1, 0)]
    assert answers.items[1].uri == QUERIES[1][0]
    assert answers.items[0].timings == {}


def test_what_is_written_is_what_that_program_writes(tmp_path):
    predictions = [
        Prediction('q/@0.0@7.0@q0@.jpg', ('d/@2.0@7.0@d2@.jpg', 'd/@0.0@7.0@d0@.jpg'),
                   ('d/@0.0@7.0@d0@.jpg',)),
        Prediction('q/@1.0@7.0@q1@.jpg', ('d/@1.0@7.0@d1@.jpg', 'd/@0.0@7.0@d0@.jpg'), ()),
    ]  # fmt: skip
    folder = write_predictions(tmp_path / 'out', predictions)
    assert {each.name: each.read_text() for each in folder.iterdir()} == FILES
    assert read_predictions(folder) == predictions


def test_answers_are_written_and_read_again(tmp_path):
    answers = Answers([QueryAnswer(0, 0, '', LocalizationState.UNKNOWN, (2, 1), None)])
    predictions = as_predictions(
        answers, [uri for uri, _ in QUERIES], REFERENCES, [frozenset({1}), None]
    )
    write_predictions(tmp_path, predictions)
    again = read_answers(tmp_path, QUERIES, REFERENCES)
    assert [each.ranking for each in again.items] == [(2, 1), ()]
    with pytest.raises(StorageError, match='exists already'):
        write_predictions(tmp_path, predictions)


def test_predictions_that_do_not_fit_leave_nothing(tmp_path):
    """A part of them would be read as the whole of another run."""
    small, large = Prediction('q.jpg', ('r.jpg',)), Prediction('q.jpg', ('r.jpg',) * 1000)
    with small_files(1000), pytest.raises(StorageError, match='preds cannot be written: File too'):
        write_predictions(tmp_path, [small, large])
    assert list(tmp_path.iterdir()) == []


def test_images_of_one_name_are_told_by_their_folders(tmp_path):
    predictions = [Prediction('x/a/1.jpg', ('y/b/1.jpg',)), Prediction('x/b/1.jpg', ())]
    write_predictions(tmp_path, predictions)
    queries = [('/q/b/1.jpg', 0), ('/q/a/1.jpg', 0)]
    found = read_answers(tmp_path, queries, ['/r/a/1.jpg', '/r/b/1.jpg'])
    assert [each.ranking for each in found.items] == [(), (1,)]
    with pytest.raises(InputError, match='may be any of 2 references'):
        read_answers(tmp_path, queries, ['/r/c/1.jpg', '/r/d/1.jpg'])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda preds: (preds / '000.txt').unlink(), 'save_only_wrong_preds'),
        (lambda preds: [each.unlink() for each in preds.iterdir()], 'holds no predictions'),
        (lambda preds: (preds / '001.txt').write_text('Query path:\nq\n'), 'was cut short'),
        (lambda preds: (preds / '001.txt').write_text('hello\n'), "line 1 is 'hello'"),
        (
            lambda preds: (preds / '001.txt').write_text(FILES['000.txt'] * 2),
            'is there twice, expected it once',
        ),
        (lambda preds: (preds / '001.txt').write_text(FILES['000.txt']), 'two predictions for'),
        (
            lambda preds: (preds / '001.txt').write_text(FILES['001.txt'].replace('d1', 'z')),
            'is no reference of the map',
        ),
        (
            lambda preds: (preds / '001.txt').write_text(FILES['001.txt'].replace('q1', 'z')),
            'no prediction for 1 of 2',
        ),
        (lambda preds: (preds / '001.txt').write_bytes(b'\x80\x02'), 'no UTF-8'),
    ],
)
def test_what_is_no_whole_set_of_predictions_is_refused(run, change, message):
    change(run / 'preds')
    with pytest.raises(InputError, match=message):
        read_answers(run, QUERIES, REFERENCES)


def test_a_file_of_pytorch_is_not_opened(tmp_path):
    pickled = tmp_path / 'z_data.torch'
    pickled.write_bytes(b'anything')
    with pytest.raises(InputError, match='--num_preds_to_save 20'):
        read_predictions(pickled)


def test_the_log_says_what_was_run(run):
    found = read_run(run)
    assert found.method == 'salad (DINOv2, 8448)'
    assert (found.queries, found.references, found.radius) == (2, 3, 25.0)
    assert (found.device, found.image_size) == ('cuda', '322x322')
    assert found.recalls == {1: 44.0, 5: 71.0, 10: 100.0}
    check_database(found, 3, 'm.folmap')
    with pytest.raises(InputError, match=r'searched among 3 references, and m\.folmap has 4'):
        check_database(found, 4, 'm.folmap')


def test_without_a_log_only_the_folder_is_known(run):
    (run / 'info.log').unlink()
    found = read_run(run)
    assert (found.method, found.references, found.recalls) == ('another method', None, {})
