"""Names of images in tables: paths of other machines, other endings."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fol_vpr.errors import InputError
from fol_vpr.sources.image_names import ImageNames
from fol_vpr.sources.tables import TableRow

FILES = ['1.jpg', '2.jpg', 'sub/3.jpg']


def indices(folder: Path, *names: str) -> list[int | None]:
    (folder / 'drive').mkdir(exist_ok=True)
    rows = [
        TableRow(f't.csv, line {line}', {'file': name}) for line, name in enumerate(names, start=2)
    ]
    return ImageNames(folder / 't.csv', folder / 'drive', FILES).indices_of(rows)


@pytest.mark.parametrize('names', [
    ('/home/me/drive/2.jpg', '/home/me/drive/sub/3.jpg'),
    ('C:\\data\\drive\\2.jpg', 'C:\\data\\drive\\sub\\3.jpg'),
    ('2.png', 'sub/3.png'),
    ('2.JPG', 'sub/3.JPG'),
    ('/home/me/drive/2.png', '/home/me/drive/sub/3'),
])  # fmt: skip
def test_foreign_paths_and_endings_where_no_row_fits(
    tmp_path: Path, names: tuple[str, str], caplog
) -> None:
    with caplog.at_level(logging.WARNING):
        assert indices(tmp_path, *names) == [1, 2]
    assert 'is taken as 2.jpg, and others likewise' in caplog.text


def test_other_endings_are_left_out_where_rows_fit(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        assert indices(tmp_path, '1.jpg', '1.png', '/home/me/drive/2.jpg') == [0, None, None]
    assert '2 of 3 rows' in caplog.text


@pytest.mark.parametrize('name', ['/home/me/query/2.jpg', 'query/2.jpg', '2.csv', '../drive2/2'])
def test_another_folder_is_not_this_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match='is it the table of these images'):
        indices(tmp_path, name)


def test_images_that_are_elsewhere_are_not_those_here(tmp_path: Path) -> None:
    other = tmp_path / 'right' / 'drive'
    other.mkdir(parents=True)
    (other / '1.jpg').touch()
    with pytest.raises(InputError, match=r'there is no image .*right/drive/1\.jpg'):
        indices(tmp_path, 'right/drive/1.jpg')
