"""All images of a folder, of a bag and of a live topic are decoded alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.source_files import SECOND, Sent, bag, encode, header, picture, types

from benchmarks.robustness.image_transport import (
    compressed_message,
    imencode,
    message,
    raw_message,
    scene,
)
from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.sources import ImageFolder, StreamDecoder, open_source, read_photograph
from fol_vpr.sources.images.stream import spread

GREY = picture(3)[:, :, 1]
SHARES = (0.1, 0.5, 1.0)


def twelve_bits(share: float) -> np.ndarray:
    """A view of 12 bits, at a share of the full brightness."""
    return np.rint(GREY * 16.0 * share).astype(np.uint16)


def sent(stamp_ns: int, values: np.ndarray, encoding: str = 'mono16') -> Sent:
    fields = vars(raw_message(values, encoding))
    fields['data'] = np.frombuffer(fields['data'], np.uint8)
    image = types('sensor_msgs/msg/Image')(header=header(stamp_ns, 'camera'), **fields)
    return Sent('/camera/image', 'sensor_msgs/msg/Image', stamp_ns, image)


def check_brightness(images: list[np.ndarray], shares: tuple[float, ...] = SHARES) -> None:
    for image, share in zip(images, shares, strict=True):
        np.testing.assert_allclose(image[:, :, 0].astype(int), GREY * share, atol=1.5)


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('start', [0, 1, 2])
def test_brightness_in_a_bag_does_not_depend_on_where_reading_starts(
    tmp_path: Path, storage: str, start: int
) -> None:
    sends = [sent((1 + i) * SECOND, twelve_bits(share)) for i, share in enumerate(SHARES)]
    source = open_source(bag(tmp_path / 'drive', sends, storage))
    check_brightness([frame.image for _, frame in source.frames(start)], SHARES[start:])
    assert ['/camera/image have 16 bits' in w and '(12 bits)' in w for w in source.warnings] == [
        True
    ]


@pytest.mark.parametrize('encoding', ['bayer_rggb16', 'bayer_gbrg16'])
def test_a_mosaic_of_12_bits(tmp_path: Path, encoding: str) -> None:
    grey = np.full((24, 32), 2048, np.uint16)
    grey[:, 16:] = 4095
    frames = list(open_source(bag(tmp_path / 'drive', [sent(SECOND, grey, encoding)])).frames())
    image = frames[0][1].image
    assert (image[4:-4, 4:12] == 128).all()
    assert (image[4:-4, -8:-4] == 255).all()


def test_compressed_images_with_12_bits(tmp_path: Path) -> None:
    make = types('sensor_msgs/msg/CompressedImage')
    sends = [
        Sent(
            '/camera/image/compressed',
            'sensor_msgs/msg/CompressedImage',
            i * SECOND,
            make(
                header(i * SECOND, 'camera'),
                'mono16; png compressed ',
                np.frombuffer(imencode(twelve_bits(share), 'png'), np.uint8),
            ),
        )
        for i, share in enumerate(SHARES, 1)
    ]
    source = open_source(bag(tmp_path / 'drive', sends))
    check_brightness([frame.image for _, frame in source.frames()])


def test_a_folder_has_one_range_and_damaged_images_do_not_count(tmp_path: Path) -> None:
    for index, share in enumerate(SHARES):
        (tmp_path / f'{index}.png').write_bytes(imencode(twelve_bits(share), 'png'))
    (tmp_path / '3.png').write_bytes(imencode(twelve_bits(1), 'png')[:200])
    source = ImageFolder(tmp_path)
    bad: list[int] = []
    found = [f.image for _, f in source.frames(on_bad=lambda index, _: bad.append(index))]
    check_brightness(found)
    assert bad == [3]
    assert len(source.warnings) == 1
    # Read alone, and by another reader, an image is the same.
    np.testing.assert_array_equal(ImageFolder(tmp_path).frame(0).image, found[0])


def test_the_range_of_the_user_goes_before_that_of_the_images(tmp_path: Path) -> None:
    path = bag(tmp_path / 'drive', [sent(SECOND, twelve_bits(0.1))])
    camera = CameraConfig(image_range=(0.0, 4095.0))
    source = open_source(path, camera=camera)
    check_brightness([frame.image for _, frame in source.frames()], SHARES[:1])
    assert source.warnings == []
    assert source.fingerprint != open_source(path).fingerprint


@pytest.mark.parametrize('numbers', [(1.0,), (5.0, 5.0), (9.0, 1.0), (0.0, float('nan'))])
def test_a_range_that_is_none_is_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r'image_range is .*a camera with 12 bits has 0 4095'):
        CameraConfig(image_range=numbers)


def test_one_photograph_is_a_stream_of_its_own(
    tmp_path: Path,
) -> None:
    path = tmp_path / 'x.png'
    path.write_bytes(imencode(twelve_bits(1), 'png'))
    said: list[str] = []
    check_brightness([read_photograph(path, remark=said.append).image], (1.0,))
    assert '(12 bits)' in ' '.join(said)


def test_live_images_of_12_bits_after_the_first() -> None:
    said: list[str] = []
    decoder = StreamDecoder('the images', said.append)
    live = [decoder.decode(raw_message(twelve_bits(s), 'mono16')) for s in (1.0, 0.1, 0.5)]
    check_brightness(live, (1.0, 0.1, 0.5))
    assert len(said) == 1


def test_a_remark_is_made_once() -> None:
    said: list[str] = []
    decoder = StreamDecoder('/camera', said.append)
    for _ in range(3):
        decoder.decode(raw_message(np.full((4, 4), 900, np.uint16), '16UC1'))
    assert [each.startswith('/camera: ') for each in said if 'REP 118' in each] == [True]


def test_depth_images_in_files_are_told_by_their_holes(tmp_path: Path) -> None:
    depths = np.full((40, 50), 21_000, np.uint16)
    depths[:20] += np.arange(50, dtype=np.uint16) * 800
    depths[5:9, 10:40] = 0
    (tmp_path / 'depth.png').write_bytes(imencode(depths, 'png'))
    source = ImageFolder(tmp_path)
    source.frame(0)
    assert ['depth images are no photographs' in each for each in source.warnings] == [True]


def test_the_orientation_of_an_image_on_a_topic_is_named_and_not_applied() -> None:
    exif: Any = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    data = encode(picture(), exif=exif)
    said: list[str] = []
    image = StreamDecoder('/camera', said.append).decode(message('jpeg', data))
    assert image.shape == (32, 48, 3)
    assert ['EXIF orientation 6, which is not applied' in each for each in said] == [True]


def test_eight_bits_are_not_surveyed() -> None:
    decoder = StreamDecoder('/camera', print, survey=lambda: pytest.fail('surveyed'))
    assert decoder.decode(compressed_message(scene(), 'rgb8', 'png')).shape == (48, 64, 3)


@pytest.mark.parametrize('count', [0, 1, 2, 63, 64, 65, 1000])
def test_positions_are_spread_over_all_images(count: int) -> None:
    chosen = spread(count)
    assert len(chosen) == len(set(chosen)) == min(count, 64)
    if count:
        assert chosen[0] == 0
        assert chosen[-1] == (count - 1 if count > 1 else 0)
