"""Positions and times from tables and file names, and what each bad line is told."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fol_vpr.errors import InputError
from fol_vpr.sources.positions import (
    UNKNOWN_ANGLE_VARIANCE,
    location_from_name,
    parse_seconds,
    read_locations,
)
from fol_vpr.sources.trajectories import read_trajectory

FILES = ['a.jpg', 'sub/b.jpg', 'sub/c.jpg']


def table(folder: Path, content: str, name: str = 'positions.csv') -> Path:
    path = folder / name
    path.write_text(content, encoding='utf-8')
    return path


def test_files_with_poses_and_times(tmp_path: Path) -> None:
    content = (
        '\ufeffIndex, Timestamp ,file,TX,ty,tz,qx,qy,qz,qw,weather\r\n'
        '7,1305031452.791720,sub/b.jpg,1.5,-2,3,0,0,0.6,0.8,sunny\r\n'
        '\r\n'
        '8,1305031453.000000001,a.jpg,0,0,0,0,0,0,1,"rain, fog"\r\n'
    )
    found = read_locations(table(tmp_path, content), tmp_path, FILES)
    assert sorted(found) == [0, 1]
    pose = found[1].pose
    assert pose is not None
    np.testing.assert_array_equal(pose.position, [1.5, -2, 3])
    np.testing.assert_allclose(pose.orientation, [0, 0, 0.6, 0.8])
    assert pose.covariance is None
    assert found[1].stamp_ns == 1_305_031_452_791_720_000
    assert found[0].stamp_ns == 1_305_031_453_000_000_001


def test_positions_without_orientation_say_so(tmp_path: Path) -> None:
    found = read_locations(table(tmp_path, 'index,easting,northing\n2,4.5,6'), tmp_path, FILES)
    pose = found[2].pose
    assert pose is not None
    np.testing.assert_array_equal(pose.position, [4.5, 6, 0])
    np.testing.assert_array_equal(pose.orientation, [0, 0, 0, 1])
    assert pose.covariance is not None
    np.testing.assert_allclose(np.diag(pose.covariance)[3:], UNKNOWN_ANGLE_VARIANCE)
    assert found[2].stamp_ns is None


def test_geodetic_positions(tmp_path: Path) -> None:
    content = 'image,lat,lon,alt,stamp_ns\na.jpg,48.1,11.6,,5\nsub/c.jpg,-33.9,151.2,12.5,6\n'
    found = read_locations(table(tmp_path, content), tmp_path, FILES)
    first, second = found[0].geo, found[2].geo
    assert first is not None
    assert second is not None
    assert (first.latitude, first.longitude, found[0].stamp_ns) == (48.1, 11.6, 5)
    assert math.isnan(first.altitude)
    assert second.altitude == 12.5
    assert found[0].pose is None


def test_names_may_be_relative_to_the_table(tmp_path: Path) -> None:
    # A table beside the image folder, as in the TUM data sets: rgb/a.jpg lies in images rgb/.
    images = tmp_path / 'rgb'
    images.mkdir()
    (images / 'a.jpg').touch()
    path = table(tmp_path, 'file,x,y\nrgb/a.jpg,1,2\n')
    assert list(read_locations(path, images, ['a.jpg'])) == [0]


BAD = [
    ('', 'has no rows'),
    ('file,x,y\n', 'has no rows'),
    ('a;b;c\n1;2;3\n', "line 1 is 'a;b;c', expected a header"),
    ('a.jpg,1,2\n', "line 1 is 'a.jpg,1,2', expected a header"),
    ('x,y\n1,2\n', 'expected file or index'),
    ('file\na.jpg\n', 'expected positions'),
    ('file,x\na.jpg,1\n', 'line 1 lacks the column y'),
    ('file,x,y,qx,qw\na.jpg,1,2,0,1\n', 'line 1 lacks the column qy, qz'),
    ('file,latitude\na.jpg,1\n', 'line 1 lacks the column longitude'),
    ('file,x,tx,y\na.jpg,1,1,2\n', 'x and tx mean the same'),
    ('file,x,y\na.jpg,1,2\nsub/b.jpg,1\n', 'line 3 has 2 fields, expected 3'),
    ('file,x,y\na.jpg,1,2,3\n', 'line 2 has 4 fields, expected 3'),
    ('file,x,y\na.jpg,one,2\n', "line 2: x is 'one', expected a finite number"),
    ('file,x,y\na.jpg,1,nan\n', "line 2: y is 'nan'"),
    ('file,x,y\na.jpg,inf,2\n', "line 2: x is 'inf'"),
    ('file,x,y\na.jpg,,2\n', "line 2: x is ''"),
    ('file,x,y\nd.jpg,1,2\n', "line 2: there is no image 'd.jpg'"),
    ('file,x,y\n../a.jpg,1,2\n', "line 2: there is no image '../a.jpg'"),
    ('file,x,y\na.jpg,1,2\n\na.jpg,1,2\n', r'line 4: a.jpg has a row already \(.*line 2\)'),
    ('index,x,y\n3,1,2\n', "line 2: index is '3', expected a whole number from 0 to 2"),
    ('index,x,y\n-1,1,2\n', "line 2: index is '-1'"),
    ('index,x,y\n1.0,1,2\n', "line 2: index is '1.0'"),
    ('index,x,y\n²,1,2\n', "line 2: index is '²'"),
    ('file,lat,lon\na.jpg,91,0\n', 'line 2: latitude within ±90°'),
    ('file,x,y,qx,qy,qz,qw\na.jpg,1,2,0,0,0,0\n', 'line 2: a unit quaternion'),
    ('file,timestamp\na.jpg,yesterday\n', "line 2: 'yesterday' is no time"),
    ('file,timestamp\na.jpg,NaN\n', "line 2: 'NaN' is no time"),
    ('file,timestamp\na.jpg,-1\n', "line 2: '-1' is not a time"),
    ('file,timestamp\na.jpg,9e30\n', 'between 1970 and 2262'),
    ('file,timestamp\na.jpg,0\nsub/b.jpg,150000000000\n', 'seconds and milliseconds by their'),
    ('file;x;y\na.jpg;1,5;2.5\n', "line 2: x is '1,5'.* with a point, not a comma"),
    ('file;x;y\na.jpg;1,500;2,500\n', 'numbers such as 1,500 have either three decimals or'),
    ('file,x,y\na.jpg,1,\n', "line 2: y is '', expected a finite number"),
    ('file,x,y\na.jpg,1_0,2\n', "line 2: x is '1_0'"),
    ('file,stamp_ns\na.jpg,1.5\n', "line 2: stamp_ns is '1.5'"),
    ('file,x,y\n"a.jpg,1,2\n', 'is no CSV'),
    ('file,"x,y\na.jpg,1,2\n', 'line 1 is no CSV'),
    ('file,timestamp\na.jpg,1e999999999\n', 'is no time'),
]


@pytest.mark.parametrize(('content', 'said'), BAD)
def test_bad_line_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = table(tmp_path, content)
    with pytest.raises(InputError, match=said) as raised:
        read_locations(path, tmp_path, FILES)
    assert str(path) in str(raised.value)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / 'positions.csv'
    path.write_bytes(b'file,x,y\n\xff\xfe,1,2\n')
    with pytest.raises(InputError, match='expected a UTF-8 text file'):
        read_locations(path, tmp_path, FILES)
    with pytest.raises(InputError, match='does not exist'):
        read_locations(tmp_path / 'missing.csv', tmp_path, FILES)


def test_utm_file_name_with_heading() -> None:
    name = '@0543256.96@4178906.70@10@S@037.75625@-122.50860@pano@@90@@@@201311@@.jpg'
    found = location_from_name(name)
    assert found is not None
    assert found.pose is not None
    np.testing.assert_array_equal(found.pose.position, [543256.96, 4178906.70, 0])
    # Heading east is a yaw of 0.
    np.testing.assert_allclose(found.pose.orientation, [0, 0, 0, 1], atol=1e-12)
    assert found.geo is not None
    assert (found.geo.latitude, found.geo.longitude) == (37.75625, -122.50860)


def test_heading_north_is_a_quarter_turn_to_the_left() -> None:
    found = location_from_name('@1@2@10@S@@@@@0@.jpg')
    assert found is not None
    assert found.pose is not None
    np.testing.assert_allclose(found.pose.orientation, [0, 0, math.sqrt(0.5), math.sqrt(0.5)])
    assert found.geo is None


def test_short_utm_file_name() -> None:
    found = location_from_name('@12.5@-3@.png')
    assert found is not None
    assert found.pose is not None
    assert found.pose.covariance is not None
    np.testing.assert_array_equal(found.pose.position, [12.5, -3, 0])


@pytest.mark.parametrize('name', ['a.jpg', 'a@1@2@.jpg', '@1.jpg', '@home@.jpg'])
def test_other_file_names_say_nothing(name: str) -> None:
    assert location_from_name(name) is None


@pytest.mark.parametrize('name', ['@east@2@x.jpg', '@1@nan@x.jpg', '@@@@.jpg'])
def test_utm_file_name_without_numbers(name: str) -> None:
    with pytest.raises(InputError, match='expected UTM coordinates'):
        location_from_name(name)


@given(st.integers(0, 2**63 - 1))
def test_seconds_keep_every_nanosecond(stamp_ns: int) -> None:
    assert parse_seconds(f'{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}') == stamp_ns


def yaw_of(found: dict) -> float:
    quaternion = found[0].pose.orientation
    return math.degrees(2 * math.atan2(quaternion[2], quaternion[3]))


@pytest.mark.parametrize(
    ('column', 'cell', 'degrees'),
    [
        ('yaw', '1.5707963267948966', 90),
        ('yaw_rad', '-7.853981633974483', -90),  # unwrapped
        ('yaw_deg', '181', -179),
        ('yaw [deg]', '30', 30),
        ('yaw (rad)', '0.5235987755982988', 30),
        ('heading_deg', '0', 90),
        ('heading [°]', '90', 0),
    ],
)
def test_orientations_by_a_column_of_angles(
    tmp_path: Path, column: str, cell: str, degrees: float
) -> None:
    found = read_locations(table(tmp_path, f'index,x,y,{column}\n0,1,2,{cell}\n'), tmp_path, FILES)
    assert (yaw_of(found) - degrees + 180) % 360 == pytest.approx(180)
    assert found[0].pose.has_orientation


def test_a_yaw_in_degrees_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='yaw is 181, more than a turn in radians; name the col'):
        read_locations(table(tmp_path, 'index,x,y,yaw\n0,1,2,181\n'), tmp_path, FILES)


@pytest.mark.parametrize(
    ('header', 'said'),
    [
        ('index,x,y,yaw', 'yaw is read as radians counterclockwise from x'),
        ('index,x,y,heading', 'the column heading is not used'),
        ('index,x,y,roll', 'the column roll is not used'),
    ],
)
def test_columns_of_angles_are_mentioned(
    tmp_path: Path, header: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    read_locations(table(tmp_path, f'{header}\n0,1,2,0.3\n'), tmp_path, FILES)
    assert said in caplog.text


def test_impossible_numbers_of_a_table_name_their_line(tmp_path: Path) -> None:
    for content, said in (
        ('index,x,y\n0,1e308,2\n', 'line 2: a position of three numbers within'),
        ('index,lat,lon,alt\n0,1,2,1e300\n', 'line 2: an altitude within'),
    ):
        with pytest.raises(InputError, match=said):
            read_locations(table(tmp_path, content), tmp_path, FILES)


@pytest.mark.parametrize('content', [
    'file;x;y\na.jpg;1,5;2\nsub/b.jpg;-3;1,250\n',
    'sep=;\nfile;x;y\na.jpg;1,5;2\nsub/b.jpg;-3;1,250\n',
    'file\tx\ty\na.jpg\t1,5\t2\nsub/b.jpg\t-3\t1,250\n',
    'file,x,y\na.jpg,"1,5",2\nsub/b.jpg,-3,"1,250"\n',
])  # fmt: skip
def test_decimal_commas_that_can_be_nothing_else(tmp_path: Path, content: str, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        found = read_locations(table(tmp_path, content), tmp_path, FILES)
    assert [list(found[index].pose.position) for index in (0, 1)] == [[1.5, 2, 0], [-3, 1.25, 0]]
    assert 'the comma in numbers such as 1,250 is read as a decimal point' in caplog.text


@pytest.mark.parametrize('columns', ['x,y', 'latitude,longitude'])
def test_positions_whose_cells_are_empty_are_not_known(
    tmp_path: Path, columns: str, caplog
) -> None:
    path = table(tmp_path, f'file,{columns},timestamp\na.jpg,,,1\nsub/b.jpg,3,4,2\n')
    with caplog.at_level(logging.WARNING):
        found = read_locations(path, tmp_path, FILES)
    assert (found[0].pose, found[0].geo, found[0].stamp_ns) == (None, None, 10**9)
    assert found[1].pose is not None or found[1].geo is not None
    assert '1 of 2 rows have empty cells instead of a position' in caplog.text


def test_a_trajectory_leaves_out_rows_without_position(tmp_path: Path, caplog) -> None:
    path = table(tmp_path, 'timestamp,x,y\n1,,\n2,3,4\n')
    with caplog.at_level(logging.WARNING):
        (found,) = read_trajectory(path)
    assert found.stamp_ns == 2 * 10**9
    assert '1 of 2 rows have empty cells' in caplog.text
    with pytest.raises(InputError, match='has no row with a position, all 1 are empty'):
        read_trajectory(table(tmp_path, 'timestamp,x,y\n1,,\n'))


@pytest.mark.parametrize('content', ['', '\n', '# timestamp x y z\n'])
def test_an_empty_trajectory_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match='has no rows'):
        read_trajectory(table(tmp_path, content))


def test_a_yaw_about_down_is_not_taken_for_one_about_up(tmp_path: Path) -> None:
    path = table(tmp_path, 'timestamp,northing,easting,down,roll,pitch,yaw\n1,2,3,4,0,0,1.5\n')
    with pytest.raises(InputError, match=r'columns yaw and down, .* clockwise from north; give'):
        read_trajectory(path)
