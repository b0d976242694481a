"""Image folders as they come: nested, with other files in them, with damaged images."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.images.photographs import MALAGA, photograph
from helpers.source_files import encode, image_folder, picture
from PIL import Image
from PIL.ExifTags import GPS

from fol_vpr.errors import FolVprError, InputError
from fol_vpr.sources import Bag, ImageFolder, open_source


def save(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(picture(seed)))
    return path


def test_order_is_that_of_the_paths(tmp_path: Path) -> None:
    names = ['b.jpg', 'a/10.jpeg', 'a/2.JPG', 'a-b.jpg', 'c/d/e.jpg']
    for seed, name in enumerate(names):
        save(tmp_path / name, seed)
    source = ImageFolder(tmp_path)
    assert source.files == ['a-b.jpg', 'a/2.JPG', 'a/10.jpeg', 'b.jpg', 'c/d/e.jpg']
    assert len(source) == 5
    for position, frame in source.frames():
        seed = names.index(source.files[position])
        np.testing.assert_array_equal(frame.image, np.asarray(Image.open(tmp_path / names[seed])))
        assert frame.uri == str(tmp_path / names[seed])
        assert frame.pose is None
    assert source.session_id == tmp_path.name
    assert source.frame_id == ''


def test_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    (tmp_path / '1.jpg').write_bytes(
        b'version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12345\n'
    )
    with pytest.raises(InputError, match=r'1\.jpg is a pointer of Git LFS.*git lfs pull'):
        next(ImageFolder(tmp_path).frames())


def test_what_is_no_regular_file_is_skipped(tmp_path: Path) -> None:
    image_folder(tmp_path, 1)
    os.mkfifo(tmp_path / '001.jpg')
    (tmp_path / '002.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    source = ImageFolder(tmp_path)
    assert source.files == ['000.jpg']
    assert source.skipped == ['001.jpg', '002.jpg']


def test_other_files_are_skipped_and_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image_folder(tmp_path, 2)
    for name in ('README.txt', '._000.jpg', 'sub/notes.md', '.thumbs/000.jpg'):
        save(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        source = ImageFolder(tmp_path)
        assert len(list(source.frames())) == 2
    assert source.skipped == ['._000.jpg', 'README.txt', 'sub/notes.md']
    assert len(caplog.records) == 1
    assert 'README.txt' in caplog.text
    assert source.warnings == [record.getMessage() for record in caplog.records]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'elsewhere', 1)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'linked').symlink_to(images)
    (tmp_path / 'data' / 'circle').symlink_to(tmp_path / 'data')
    assert ImageFolder(tmp_path / 'data').files == ['linked/000.jpg']


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (encode(picture(width=320, height=240))[:2000], 'is damaged'),
        (b'<html>404</html>', 'is no image'),
        (b'', 'is empty'),
    ],
)
def test_bad_image_is_named_and_can_be_left_out(tmp_path: Path, content: bytes, said: str) -> None:
    image_folder(tmp_path, 3)
    (tmp_path / '001.jpg').write_bytes(content)
    source = ImageFolder(tmp_path)
    with pytest.raises(InputError, match=rf'001\.jpg {said}'):
        list(source.frames())
    bad: list[tuple[int, FolVprError]] = []
    found = [position for position, _ in source.frames(on_bad=lambda *item: bad.append(item))]
    assert found == [0, 2]
    assert [position for position, _ in bad] == [1]


def test_image_that_vanished_is_a_bad_image(tmp_path: Path) -> None:
    source = ImageFolder(image_folder(tmp_path, 2))
    (tmp_path / '000.jpg').unlink()
    with pytest.raises(InputError, match=r'000\.jpg does not exist'):
        next(source.frames())


def test_going_on_from_an_item(tmp_path: Path) -> None:
    source = ImageFolder(image_folder(tmp_path, 4))
    assert [position for position, _ in source.frames(2)] == [2, 3]
    assert list(source.frames(4)) == []


def test_positions_from_a_table(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 3)
    csv = tmp_path / 'positions.csv'
    csv.write_text('file,x,y,timestamp\n002.jpg,5,6,2.5\n000.jpg,1,2,0.5\n')
    source = ImageFolder(images, csv)
    frames = dict(source.frames())
    assert frames[2].pose is not None
    np.testing.assert_array_equal(frames[2].pose.position, [5, 6, 0])
    assert frames[2].stamp_ns == 2_500_000_000
    assert frames[1].pose is None
    assert source.frame_id == 'map'
    assert source.stamps() == [500_000_000, None, 2_500_000_000]
    assert '1 of 3 images have no row' in source.warnings[0]


def test_positions_from_file_names(tmp_path: Path) -> None:
    save(tmp_path / '@100@200@10@S@48@11@@@90@.jpg')
    source = ImageFolder(tmp_path)
    _, frame = next(source.frames())
    assert frame.pose is not None
    assert frame.geo is not None
    np.testing.assert_array_equal(frame.pose.position, [100, 200, 0])
    assert source.frame_id == 'utm'


def test_fingerprint_changes_with_the_content(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 2)
    csv = tmp_path / 'p.csv'
    csv.write_text('file,x,y\n000.jpg,1,2\n001.jpg,3,4\n')
    seen = [ImageFolder(images, csv).fingerprint]
    assert ImageFolder(images, csv).fingerprint == seen[0]
    seen.append(ImageFolder(images).fingerprint)
    csv.write_text('file,x,y\n000.jpg,1,2\n001.jpg,3,5\n')
    seen.append(ImageFolder(images, csv).fingerprint)
    os.utime(images / '000.jpg', ns=(1, 1))
    seen.append(ImageFolder(images, csv).fingerprint)
    save(images / '002.jpg')
    seen.append(ImageFolder(images, csv).fingerprint)
    assert len(set(seen)) == len(seen)


def test_positions_of_exif_change_the_fingerprint(tmp_path: Path) -> None:
    photograph(tmp_path / '1.jpg', MALAGA)
    assert ImageFolder(tmp_path).fingerprint != ImageFolder(tmp_path, 'exif').fingerprint


def test_positions_of_exif(tmp_path: Path) -> None:
    for number in range(3):
        photograph(tmp_path / f'{number}.jpg', MALAGA | {GPS.GPSLatitude: (36, 43, number)})
    photograph(tmp_path / '3.jpg', {})
    photograph(tmp_path / '4.jpg', dict.fromkeys(MALAGA) | {GPS.GPSVersionID: b'\2\3\0\0'})
    zero = {GPS.GPSLatitude: (0, 0, 0), GPS.GPSLongitude: (0, 0, 0)}
    photograph(tmp_path / '5.jpg', MALAGA | zero)
    source = open_source(tmp_path, positions_csv='exif')
    captures = list(source.captures())
    assert [capture.geo is not None for capture in captures] == [True] * 3 + [False] * 3
    assert captures[2].geo.latitude == pytest.approx(36 + 43 / 60 + 2 / 3600)
    assert source.frame_id == ''
    assert source.stamps() == [None] * 6
    missing, at_zero = source.warnings
    assert missing == (
        '2 of 6 images have no satellite position in their EXIF data and get none: 3.jpg, 4.jpg'
    )
    assert '1 of 4 positions have latitude 0 and longitude 0' in at_zero


def test_positions_that_are_left_in_exif(tmp_path: Path) -> None:
    images = tmp_path / 'images'
    images.mkdir()
    photograph(images / '1.jpg', MALAGA)
    (tmp_path / 'p.csv').write_text('index,x,y\n0,1,2\n')
    assert ImageFolder(images).leaves_positions()
    assert not ImageFolder(images, 'exif').leaves_positions()
    assert not ImageFolder(images, tmp_path / 'p.csv').leaves_positions()
    photograph(images / '1.jpg', MALAGA | {GPS.GPSMapDatum: 'TOKYO'})
    assert not ImageFolder(images).leaves_positions()
    photograph(images / '1.jpg', {})
    assert not ImageFolder(images).leaves_positions()


def test_positions_of_exif_where_there_are_none(tmp_path: Path) -> None:
    image_folder(tmp_path, 2)
    with pytest.raises(InputError, match=r'none of the 2 images .* --positions CSV'):
        ImageFolder(tmp_path, 'exif')


def test_a_table_that_is_called_exif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = image_folder(tmp_path / 'images', 1)
    (tmp_path / 'exif').write_text('index,x,y\n0,1,2\n')
    monkeypatch.chdir(tmp_path)
    (capture,) = ImageFolder(images, './exif').captures()
    assert capture.pose is not None


def test_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='does not exist'):
        open_source(tmp_path / 'missing')
    with pytest.raises(InputError, match='holds no image'):
        open_source(tmp_path)
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(InputError, match='holds no image'):
        open_source(tmp_path)


def test_topics_do_not_go_with_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='has no topics'):
        open_source(image_folder(tmp_path), image_topic='/camera')


def test_real_folders(data: Path) -> None:
    source = open_source(data / 'gardens_point' / 'day_right')
    assert len(source) == 200
    assert next(source.frames(199))[1].image.shape == (540, 960, 3)
    tum = data / 'tum_fr1_desk'
    for folder in (tum, tum / 'rgb'):
        desk = ImageFolder(folder, tum / 'frames.csv')
        stamps = desk.stamps()
        assert len(stamps) == 307
        # The files are named by their time.
        assert stamps[5] == 1_305_031_453_123_633_000
        assert desk.files[5].endswith('1305031453.123633.jpg')
        assert all(frame is not None for frame in stamps)


def test_what_may_not_be_looked_at_is_said(tmp_path: Path, unprivileged) -> None:
    """A folder without permission to search it, below which everything is hidden."""
    locked = tmp_path / 'locked'
    image_folder(locked / 'images', 1)
    locked.chmod(0o000)
    try:
        for path in (locked, locked / 'images', locked / 'drive.db3', tmp_path / ('x' * 300)):
            for opening in (open_source, Bag, ImageFolder):
                with unprivileged(), pytest.raises(InputError, match=r'cannot be .*permissions'):
                    opening(path)
    finally:
        locked.chmod(0o700)


@pytest.mark.parametrize('name', ['a\udcff.jpg', 'sub\udce9/a.jpg'])
def test_a_name_that_is_not_in_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    save(tmp_path / name)
    with pytest.raises(InputError, match=r'is not in UTF-8.*rename'):
        ImageFolder(tmp_path)
