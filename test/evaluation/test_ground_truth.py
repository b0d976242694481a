"""Positives from CSVs, good and bad, and from positions."""

import math
from pathlib import Path

import numpy as np
import pytest

from fol_vpr.config import EvaluationConfig
from fol_vpr.datatypes import UNKNOWN_ANGLE_VARIANCE, GeoPosition, Pose
from fol_vpr.errors import InputError
from fol_vpr.evaluation.ground_truth import (
    CapturedPosition,
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
