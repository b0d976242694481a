"""Trajectories in the forms of the data sets: what is recognised, and how it is turned."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.sources.trajectories import read_trajectory


def table(folder: Path, content: str, name: str = 'positions.csv') -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding='utf-8')
    return path


def test_trajectory_of_either_form_is_sorted(tmp_path: Path) -> None:
    tum = table(
        tmp_path, '# timestamp tx ty tz qx qy qz qw\n2 4 5 6 0 0 0 1\n1.5 1 2 3 0 0 0 1\n', 't.txt'
    )
    comma = table(tmp_path, 'stamp,x,y,z,qx,qy,qz,qw\n2,4,5,6,0,0,0,1\n1.5,1,2,3,0,0,0,1\n')
    for path in (tum, comma):
        track = read_trajectory(path)
        assert [each.stamp_ns for each in track] == [1_500_000_000, 2_000_000_000]
        assert track[0].pose is not None
        np.testing.assert_array_equal(track[0].pose.position, [1, 2, 3])


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('1 1 2 3 0 0 0 1\n2 1 2 3\n', 'line 2 has 4 fields, expected 8'),
        ('1 1 2 nan 0 0 0 1\n', "line 1: z is 'nan'"),
        ('file,x,y\na.jpg,1,2\n', 'expected a timestamp'),
        ('file,timestamp\na.jpg,1\n', 'x, y or latitude, longitude'),
    ],
)
def test_bad_trajectory(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_trajectory(table(tmp_path, content))


def test_real_motion_capture(data: Path) -> None:
    track = read_trajectory(data / 'tum_fr1_desk' / 'groundtruth.txt')
    assert len(track) == 2335
    assert track[0].stamp_ns == 1_305_031_449_799_600_000


EUROC = '1403715524907143168,0.5,2.0,0.9,0.6,0.8,0.0,0.0' + ',0.1' * 9 + '\n'
EUROC_HEADER = (
    '#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], '
    'q_RS_z [], v_RS_R_x [m s^-1], v_RS_R_y [m s^-1], v_RS_R_z [m s^-1], b_w_RS_S_x [rad s^-1], '
    'b_w_RS_S_y [rad s^-1], b_w_RS_S_z [rad s^-1], b_a_RS_S_x [m s^-2], b_a_RS_S_y [m s^-2], '
    'b_a_RS_S_z [m s^-2]\n'
)


@pytest.mark.parametrize('header', [EUROC_HEADER, ''])
def test_euroc_has_nanoseconds_and_w_first(tmp_path: Path, header: str, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        (found,) = read_trajectory(table(tmp_path, header + EUROC))
    assert found.stamp_ns == 1_403_715_524_907_143_168
    assert found.pose is not None
    np.testing.assert_array_equal(found.pose.position, [0.5, 2, 0.9])
    np.testing.assert_allclose(found.pose.orientation, [0.8, 0, 0, 0.6])
    assert 'nanoseconds, by their magnitude' in caplog.text


# From the left camera's z forward, x right: 2 m ahead, turned 90 degrees to the right.
KITTI = '1 0 0 0 0 1 0 0 0 0 1 0\n0 0 1 0 0 1 0 0 -1 0 0 2\n'


@pytest.mark.parametrize('times', ['times.txt', '../sequences/00/times.txt'])
def test_kitti_is_turned_to_the_axes_of_rep_103(tmp_path: Path, times: str, caplog) -> None:
    path = table(tmp_path, KITTI, 'poses/00.txt')
    table(path.parent, '0.000000e+00\n1.037359e-01\n', times)
    with caplog.at_level(logging.WARNING):
        first, second = read_trajectory(path)
    assert (first.stamp_ns, second.stamp_ns) == (0, 103_735_900)
    assert first.pose is not None
    assert second.pose is not None
    np.testing.assert_allclose(first.pose.orientation, [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(second.pose.position, [2, 0, 0], atol=1e-12)
    # To the right is to -y.
    forward = rotation_matrix(second.pose.orientation)[:, 0]
    np.testing.assert_allclose(forward, [0, -1, 0], atol=1e-12)
    assert 'KITTI poses' in caplog.text


def test_kitti_takes_the_times_of_as_many_images(tmp_path: Path) -> None:
    path = table(tmp_path, KITTI, '00.txt')
    table(tmp_path, '0.0\n0.1\n', 'times.txt')
    assert [each.stamp_ns for each in read_trajectory(path, [5, 7])] == [5, 7]
    assert [each.stamp_ns for each in read_trajectory(path, [5, 7, 9])] == [0, 10**8]


def test_kitti_without_times_takes_those_of_the_frames(tmp_path: Path) -> None:
    path = table(tmp_path, KITTI, '00.txt')
    assert [each.stamp_ns for each in read_trajectory(path, [5, 7])] == [5, 7]
    with pytest.raises(InputError, match=r'put times\.txt of the sequence beside it'):
        read_trajectory(path)
    with pytest.raises(InputError, match='2 KITTI poses, but the images has 3 times'):
        read_trajectory(path, [5, 7, 9])


@pytest.mark.parametrize(
    ('stamp', 'said'),
    [
        ('1305031452.79172', ''),
        ('1305031452791.72', 'milliseconds'),
        ('1305031452791720', 'microseconds'),
        ('1305031452791720000', 'nanoseconds'),
        ('1.30503145279172e+09', ''),
    ],
)
def test_times_of_every_unit(tmp_path: Path, stamp: str, said: str, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        (found,) = read_trajectory(table(tmp_path, f'{stamp} 1 2 3 0 0 0 1\n'))
    assert found.stamp_ns == 1_305_031_452_791_720_000
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('1 0 0 0 0 1 0 0 0 0 1\n', 'expected a header'),
        ('1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0\n', 'line 2 has 3 fields, expected 12'),
        ('2 0 0 0 0 2 0 0 0 0 2 0\n', 'line 1 holds no rotation'),
        ('1 0 0 nan 0 1 0 0 0 0 1 0\n', 'line 1 has 12 fields, expected 12 finite'),
        (EUROC + '1,2\n', 'line 2 has 2 fields, expected 17'),
        # Eight columns without a header may have their quaternion in either order.
        ('1.5,1,2,3,1,0,0,0\n', 'expected a header'),
    ],
)
def test_bad_trajectories_of_data_sets(tmp_path: Path, content: str, said: str) -> None:
    path = table(tmp_path, content)
    with pytest.raises(InputError, match=said):
        read_trajectory(path, [0, 1])
