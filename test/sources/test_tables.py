"""Tables as spreadsheets, scripts and data sets write them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fol_vpr.errors import InputError
from fol_vpr.sources.positions import read_locations
from fol_vpr.sources.tables import is_number

FILES = ['a.jpg', 'sub/b.jpg', 'sub/c.jpg']


def table(folder: Path, content: str) -> Path:
    path = folder / 'positions.csv'
    path.write_text(content, encoding='utf-8')
    return path


@pytest.mark.parametrize(
    'content',
    [
        'file,x,y\na.jpg,1,2\nsub/b.jpg,3,4\n',
        'file;x;y\na.jpg;1;2\nsub/b.jpg;3;4\n',
        'file\tx\ty\na.jpg\t1\t2\nsub/b.jpg\t3\t4\n',
        'file x y\na.jpg 1 2\nsub/b.jpg   3 4\n',
        '# file x y\na.jpg 1 2\nsub/b.jpg 3 4\n',
        '# made by hand\nfile,x,y\na.jpg,1,2\n# the next is uncertain\nsub/b.jpg,3,4\n',
        'File , X [m] , Y (m)\n"a.jpg",1,2\n"sub/b.jpg", 3 ,4\n',
        'file,x,y,\na.jpg,1,2,\nsub/b.jpg,3,4,\n',
        'note,file,x,y\n"wet; dark",a.jpg,1,2\n,sub/b.jpg,3,4\n',
        # Names without ending, and those of a table made on Windows.
        'image,x,y\na,1,2\nsub/b,3,4\n',
        'image,x,y\na.jpg,1,2\nsub\\b.jpg,3,4\n',
    ],
)
def test_forms_of_one_table(tmp_path: Path, content: str) -> None:
    found = read_locations(table(tmp_path, content), tmp_path, FILES)
    poses = {index: located.pose for index, located in found.items()}
    assert {index: pose and list(pose.position) for index, pose in poses.items()} == {
        0: [1, 2, 0],
        1: [3, 4, 0],
    }


def test_rows_of_images_that_are_not_there_are_counted(tmp_path: Path, caplog) -> None:
    content = 'file,x,y\na.jpg,1,2\nd.jpg,5,6\ne.jpg,7,8\n'
    with caplog.at_level(logging.WARNING):
        found = read_locations(table(tmp_path, content), tmp_path, FILES)
    assert list(found) == [0]
    assert '2 of 3 rows' in caplog.text
    assert "'d.jpg' in" in caplog.text


def test_name_without_ending_that_two_images_have(tmp_path: Path) -> None:
    path = table(tmp_path, 'file,x,y\na,1,2\n')
    with pytest.raises(InputError, match=r'line 2: a may be a\.jpg and a\.png; add the ending'):
        read_locations(path, tmp_path, ['a.jpg', 'a.png'])


@pytest.mark.parametrize(
    ('column', 'text', 'said'),
    [
        ('timestamp', '1305031452.5', ''),
        ('timestamp', '1305031452500', 'milliseconds'),
        ('time', '1305031452500000', 'microseconds'),
        ('stamp', '1305031452500000000', 'nanoseconds'),
        ('#timestamp [ns]', '1305031452500000000', ''),
        ('timestamp [us]', '1305031452500000', ''),
        ('utime', '1305031452500000', ''),
        ('timestamp_ms', '1305031452500', ''),
        ('time (s)', '1305031452.5', ''),
        ('stamp_ns', '1305031452500000000', ''),
    ],
)
def test_units_of_times(tmp_path: Path, column: str, text: str, said: str, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        found = read_locations(table(tmp_path, f'{column},file\n{text},a.jpg\n'), tmp_path, FILES)
    assert found[0].stamp_ns == 1_305_031_452_500_000_000
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('file,"x,y\na.jpg,1,2\n', 'line 1 is no CSV'),
        ('file,timestamp\na.jpg,9e999999\n', "'9e999999' is no time in seconds"),
        ('file,x,y\na.jpg,1,5,2,5\n', 'line 2 has 5 fields, expected 3 .* separated by commas'),
        ('file;x;y\na.jpg,1,2\n', 'line 2 has 1 fields, expected 3 .* separated by semicolons'),
        ('# nothing but\n# comments\n', 'has no rows'),
        ('a;b;c\n1;2;3\n', 'separated by commas, semicolons or tabs'),
        ('file,x,y\n"a.jpg,1,2\nsub/b.jpg,1,2\n', 'line 2 or later is no CSV'),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_locations(table(tmp_path, content), tmp_path, FILES)


def test_what_is_a_number() -> None:
    assert all(map(is_number, ('1', '-1.5', '+.5', '1.', '1e-05', 'NaN', '-inf', ' 2 ')))
    assert not any(map(is_number, ('', '1_0', '0x1', '\uff11', '1,5', 'one', '1 2', 'e5')))
