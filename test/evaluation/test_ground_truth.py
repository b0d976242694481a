"""Positives from CSVs, good and bad, and from positions."""

import logging
import math
from pathlib import Path

import numpy as np
import pytest
from helpers.data_sets.object_arrays import write_object_array

from fol_vpr.config import EvaluationConfig
from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, GeoPosition, Pose
from fol_vpr.datatypes.utm import UtmZone, utm_from_geo
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import (
    CapturedPosition,
    PlottedPositions,
    positives_by_number,
    positives_by_position,
    read_ground_truth,
)


def csv_file(folder: Path, text: str) -> Path:
    path = folder / 'gt.csv'
    path.write_text(text, encoding='utf-8')
    return path


def test_columns_in_any_order_and_further_ones(tmp_path):
    path = csv_file(
        tmp_path,
        '\ufeffnote,ref_indices,query_index\r\nx,0  2 ,1\r\n,,3\r\n"a, b",2,0\r\n',
    )
    assert read_ground_truth(path, 5, 3) == [{2}, {0, 2}, set(), set(), set()]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'header with the columns query_index, ref_indices'),
        ('query,refs\n0,1\n', 'holds query, refs'),
        ('query_index,ref_indices\n', 'no lines'),
        ('query_index,ref_indices\n0,1\nx,2\n', "line 3 .* query_index holds 'x'"),
        ('query_index,ref_indices\n0,1 b\n', "line 2 .* ref_indices holds 'b'"),
        ('query_index,ref_indices\n0,1;2\n', "ref_indices holds '1;2'"),
        ('query_index,ref_indices\n4,1\n', 'query_index names 4, but there are 4 queries'),
        ('query_index,ref_indices\n-1,1\n', 'query_index names -1'),
        ('query_index,ref_indices\n0,3\n', 'ref_indices names 3, but there are 3 references'),
        ('query_index,ref_indices\n0,1\n1,1\n0,2\n', 'line 4 .* already given in line 2'),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_ground_truth(csv_file(tmp_path, text), 4, 3)


def test_what_is_no_csv(tmp_path):
    path = tmp_path / 'gt.csv'
    with pytest.raises(InputError, match='there is no ground truth'):
        read_ground_truth(path, 1, 1)
    with pytest.raises(InputError, match='cannot be read'):
        read_ground_truth(tmp_path, 1, 1)
    path.write_bytes(b'query_index,ref_indices\n\xff\xfe,0\n')
    with pytest.raises(InputError, match='UTF-8'):
        read_ground_truth(path, 1, 1)


@pytest.mark.parametrize(
    'text',
    [
        'query_index;ref_indices\n0;1 2\n3;\n',
        'query_index\tref_indices\n0\t1 2\n3\t\n',
        '# by hand\nquery_index,ref_indices\n0,1 2\n# none\n3,\n',
        # As pandas writes a column of lists.
        'query_index,ref_indices\n0,"[1, 2]"\n3,[]\n',
        ' Query_Index , Ref_Indices \n0, 1  2 \n3,\n',
    ],
)
def test_forms_of_one_csv(tmp_path, text):
    assert read_ground_truth(csv_file(tmp_path, text), 4, 3) == [{1, 2}, set(), set(), set()]


def array_file(folder: Path, rows: list, protocol: int = 2) -> Path:
    array = np.empty((len(rows), 2), dtype=object)
    for number, (query, references) in enumerate(rows):
        array[number] = [query, references]
    return write_object_array(folder / 'ground_truth_new.npy', array, protocol)


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_array_of_vpr_bench(tmp_path, protocol):
    rows = [
        [0, [0, 1]],
        [2, np.array([1, 2])],
        [1, range(1, 3)],
        [3, [-1]],
        [4, (2.0, np.int64(0))],
    ]
    found = read_ground_truth(array_file(tmp_path, rows, protocol), 6, 3)
    # -1 is no reference but the mark of a query whose place the map does not have.
    assert found == [{0, 1}, {1, 2}, {1, 2}, set(), {0, 2}, set()]


def test_array_that_names_frames_past_the_end(tmp_path, caplog):
    rows = [[frame, list(range(max(0, frame - 2), frame + 3))] for frame in range(5)]
    with caplog.at_level(logging.WARNING):
        found = read_ground_truth(array_file(tmp_path, rows), 5, 5)
    assert found[4] == {2, 3, 4}
    assert 'names references that the map does not have: 3 times, up to 6 of 5' in caplog.text
    # Half of the references are missing: some queries have none that is there.
    with pytest.raises(InputError, match=r'row 4 .* names 2, but there are 2 references'):
        read_ground_truth(array_file(tmp_path, rows), 5, 2)


def test_array_with_a_list_for_each_query(tmp_path):
    lists = np.empty(3, dtype=object)
    lists[:] = [[0, 1], np.array([2], np.int32), []]
    path = write_object_array(tmp_path / 'a.npy', lists)
    assert read_ground_truth(path, 3, 3) == [{0, 1}, {2}, set()]
    pairs = np.empty(2, dtype=object)
    pairs[:] = [[1, [0, 1]], [0, [2]]]
    path = write_object_array(tmp_path / 'b.npy', pairs)
    assert read_ground_truth(path, 2, 3) == [{2}, {0, 1}]


def test_array_of_first_and_last_references(tmp_path, caplog):
    np.save(tmp_path / 'a.npy', np.array([[0.0, -1, 1], [1, 0, 2], [2, 1, 3]]))
    with caplog.at_level(logging.WARNING):
        assert read_ground_truth(tmp_path / 'a.npy', 3, 3) == [{0, 1}, {0, 1, 2}, {1, 2}]
    assert 'query, first and last reference in each row' in caplog.text


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ([[0, [1]], [0, [1]]], 'row 1 .* query 0 was already given in row 0'),
        ([[4, [1]]], 'query_index names 4, but there are 4 queries'),
        ([[0, [3]]], 'names 3, but there are 3 references'),
        ([[0, [-1, 1]]], 'names -1'),
        ([[0, [1.5]]], 'row 0 .* holds 1.5, expected whole numbers'),
        ([[0, ['1']]], "row 0 .* holds '1', expected whole numbers"),
        ([[0, [[1]]]], r'row 0 .* holds \[1\], expected whole numbers'),
        ([[True, [1]]], 'row 0 .* holds True'),
        ([[float('nan'), [1]]], 'row 0 .* holds nan'),
    ],
)
def test_bad_arrays(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_ground_truth(array_file(tmp_path, rows), 4, 3)


def test_arrays_of_other_shapes(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((4, 2)))
    with pytest.raises(InputError, match=r'array \[4, 2\] of float64, expected .* as a CSV'):
        read_ground_truth(tmp_path / 'a.npy', 4, 3)
    write_object_array(tmp_path / 'a.npy', np.full((2, 3), 0, dtype=object))
    with pytest.raises(InputError, match=r'array of objects \[2, 3\]'):
        read_ground_truth(tmp_path / 'a.npy', 4, 3)


def test_numbers_of_images_tell_their_places(caplog):
    queries = ['winter/images-00001.png', 'winter/images-00003.png', 'winter/images-00100.png']
    # The summer lacks frame 2, and has frame 10 after frame 9.
    summer = [('summer', f'summer/{number}.png') for number in (1, 3, 4, 9, 10, 99)]
    with caplog.at_level(logging.WARNING):
        assert positives_by_number(queries, summer, 0) == [{0}, {1}, set()]
    assert '1 to 100 of the queries, 1 to 99 of the references' in caplog.text
    assert positives_by_number(queries, summer, 1) == [{0}, {1, 2}, {5}]
    fall = [('fall', 'fall/3.png')]
    assert positives_by_number(queries, summer + fall, 0)[1] == {1, 6}


@pytest.mark.parametrize(
    ('queries', 'message'),
    [
        (['1.png', 'x.png'], r'x\.png of the queries has no number'),
        (['a/1.png', 'b/1.png'], 'have the same number'),
        (['9' * 40 + '.png'], 'no number in its name that tells'),
    ],
)
def test_numbers_that_do_not_tell(queries, message):
    with pytest.raises(InputError, match=message):
        positives_by_number(queries, [('s', '1.png')], 1)


def at(x: float, y: float = 0.0, heading: float = 0.0) -> CapturedPosition:
    half = math.radians(heading) / 2
    quaternion = np.array([0, 0, math.sin(half), math.cos(half)])
    return CapturedPosition(pose=Pose(np.array([x, y, 0.0]), quaternion))


def test_poses_within_the_radius():
    references = [at(0), at(24), at(26), CapturedPosition()]
    found = positives_by_position(
        [at(0), at(100), CapturedPosition()], references, EvaluationConfig()
    )
    # Of the last one it is not known where it was taken, which is not to be nowhere.
    assert found == [{0, 1}, set(), None]


def test_poses_that_look_another_way():
    references = [at(0, heading=heading) for heading in (0, 30, 50, 180, 340)]
    config = EvaluationConfig(positive_angle=40)
    assert positives_by_position([at(1)], references, config) == [{0, 1, 4}]


def test_orientations_count_only_where_both_are_known():
    covariance = np.diag([0, 0, 0, *[np.float32(UNKNOWN_ANGLE_VARIANCE)] * 3])
    nowhere = CapturedPosition(pose=Pose(np.zeros(3), np.array([0, 0, 0, 1.0]), covariance))
    config = EvaluationConfig(positive_angle=40)
    assert positives_by_position([at(0, heading=180)], [nowhere, at(0)], config) == [{0}]
    assert positives_by_position([nowhere], [nowhere, at(0, heading=180)], config) == [{0, 1}]


def test_geodetic_positions_in_metres_across_the_date_line():
    # One degree of longitude at 60 degrees north is half of one at the equator: 55.6 km.
    step = 20 / 55_597
    references = [
        CapturedPosition(geo=GeoPosition(60, 179.9999)),
        CapturedPosition(geo=GeoPosition(60, -179.9999)),
        CapturedPosition(geo=GeoPosition(60, 179.9999 - 2 * step)),
    ]
    query = CapturedPosition(geo=GeoPosition(60, 179.9999))
    found = positives_by_position([query], references, EvaluationConfig())
    assert found == [{0, 1}]


def test_nothing_to_compare_is_said():
    geo = CapturedPosition(geo=GeoPosition(1, 2))
    with pytest.raises(InputError, match=r'queries: 1 poses and 0 geodetic .*--ground-truth'):
        positives_by_position([at(0)], [geo], EvaluationConfig())


def test_drives_in_two_utm_zones_are_compared_in_one() -> None:
    """Seven metres apart on both sides of Greenwich: eastings of 292 km and 708 km."""
    west, east = np.array([[51.5, -0.00005]]), np.array([[51.5, 0.00005]])

    def taken(degrees: np.ndarray, zone: UtmZone) -> CapturedPosition:
        xy = utm_from_geo(degrees, zone)[0]
        pose = Pose(np.array([*xy, 0.0]), np.array([0.0, 0, 0, 1]))
        return CapturedPosition(pose, GeoPosition(*degrees[0]))

    references = [taken(west, UtmZone(30, True)), taken(west + 0.01, UtmZone(30, True))]
    queries = [taken(east, UtmZone(31, True)), taken(east + 0.01, UtmZone(30, True))]
    criteria = EvaluationConfig(positive_radius=10)
    assert positives_by_position(queries, references, criteria) == [{0}, {1}]
    plotted = PlottedPositions.of(queries, references)
    assert plotted is not None
    np.testing.assert_allclose(plotted.queries, plotted.references, atol=10)
