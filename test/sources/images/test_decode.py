"""Compressed images: equal to the released evaluation's, and errors instead of grey or a crash."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers.source_files import encode, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.robustness.image_transport import imencode
from fol_vpr.errors import InputError
from fol_vpr.sources import decode_bytes, decode_image

LOSSLESS = ['PNG', 'BMP', 'TIFF', 'PPM']
KINDS = ['JPEG', 'WEBP', *LOSSLESS]


@pytest.mark.parametrize('kind', LOSSLESS)
def test_lossless_formats_give_the_pixels_back(kind: str) -> None:
    np.testing.assert_array_equal(decode_bytes(encode(picture(), kind), 'x'), picture())


def test_real_images_equal_the_released_preprocessing_and_opencv(data: Path) -> None:
    files = [
        *sorted((data / 'gardens_point/day_right').glob('*.jpg'))[:3],
        *sorted((data / 'tum_fr1_desk/rgb').glob('*.jpg'))[:3],
        *sorted((data / 'corridor/ref').glob('*.jpg'))[:3],
    ]
    assert len(files) == 9
    for path in files:
        ours = decode_bytes(path.read_bytes(), path.name)
        with Image.open(path) as opened:
            np.testing.assert_array_equal(ours, np.asarray(opened.convert('RGB')))
        np.testing.assert_array_equal(ours, cv2.imread(str(path))[:, :, ::-1])


def test_result_is_a_writable_rgb_array() -> None:
    image = decode_bytes(encode(picture()), 'x')
    assert image.shape == (32, 48, 3)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    assert image.flags.c_contiguous


def test_grey_is_repeated_and_transparency_dropped() -> None:
    grey = picture()[:, :, 0]
    np.testing.assert_array_equal(
        decode_bytes(encode(grey, 'PNG'), 'x'), np.repeat(grey[:, :, None], 3, axis=2)
    )
    rgba = np.dstack([picture(), grey])
    np.testing.assert_array_equal(decode_bytes(encode(rgba, 'PNG'), 'x'), picture())


def test_palette_with_partial_transparency() -> None:
    paletted = Image.fromarray(picture()).quantize(16)
    buffer = io.BytesIO()
    paletted.save(buffer, 'PNG', transparency=bytes(range(16)))
    np.testing.assert_array_equal(
        decode_bytes(buffer.getvalue(), 'x'), np.asarray(paletted.convert('RGB'))
    )


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    words = np.array([[0, 128, 129, 32896, 65535]], np.uint16)
    image = decode_bytes(encode(words, 'PNG'), 'x')
    np.testing.assert_array_equal(image[0, :, 1], [0, 0, 1, 128, 255])


@pytest.mark.parametrize('share', [0.02, 0.3, 0.6, 0.9])
@pytest.mark.parametrize('kind', KINDS)
def test_truncated_file_is_an_error(kind: str, share: float) -> None:
    whole = encode(picture(width=320, height=240), kind)
    with pytest.raises(InputError, match='camera 7 '):
        decode_bytes(whole[: int(len(whole) * share)], 'camera 7')


@pytest.mark.parametrize(
    ('content', 'said'),
    [(b'', 'is empty'), (b'index,x,y\n0,1,2\n', "is no image .*starting with b'index,x,'")],
)
def test_what_is_no_image_is_an_error(content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode_bytes(content, 'notes.jpg')


def bomb(kind: str) -> bytes:
    """A few hundred bytes that claim 60000 x 60000 pixels."""
    if kind == 'JPEG':
        small = encode(picture())
        sof = small.index(b'\xff\xc0')
        return small[: sof + 5] + struct.pack('>HH', 60_000, 60_000) + small[sof + 9 :]
    body = b'IHDR' + struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0)
    rest = encode(picture(), 'PNG')[33:]
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + body + crc(body) + rest


def crc(body: bytes) -> bytes:
    return struct.pack('>I', zlib.crc32(body))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_bomb_is_refused_before_memory_is_taken(kind: str) -> None:
    small_claim = bomb(kind)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match='expected at most 50331648'):
            decode_bytes(small_claim, 'bomb')
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_size_just_over_the_limit_is_refused() -> None:
    # Below the size at which Pillow itself objects.
    huge = encode(np.zeros((6145, 8192), np.uint8), 'PNG')
    with pytest.raises(InputError, match='claims 8192 x 6145 pixels'):
        decode_bytes(huge, 'huge')


SAMPLES = {kind: encode(picture(), kind) for kind in KINDS}


@pytest.mark.filterwarnings('ignore::UserWarning')  # Pillow, of damaged TIFFs
@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    length=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
)
def test_damage_gives_an_image_or_an_input_error(
    kind: str, length: float, flips: list[tuple[float, int]]
) -> None:
    damaged = bytearray(SAMPLES[kind])
    for place, value in flips:
        damaged[int(place * len(damaged))] = value
    try:
        image = decode_bytes(bytes(damaged[: int(length * len(damaged)) + 1]), 'x')
    except InputError:
        return
    assert image.ndim == 3
    assert image.dtype == np.uint8


def compressed(described: str, content: bytes) -> SimpleNamespace:
    return SimpleNamespace(format=described, data=content)


@pytest.mark.parametrize(
    'described', ['jpeg', 'jpg', '', 'rgb8; jpeg compressed bgr8', 'mono8; jpeg compressed mono8']
)
def test_compressed_message_has_the_pixels_of_the_file(described: str) -> None:
    content = encode(picture())
    for message in (
        compressed(described, content),
        SimpleNamespace(format=described, data=np.frombuffer(content, np.uint8)),
    ):
        np.testing.assert_array_equal(decode_image(message), decode_bytes(content, 'x'))


def test_compressed_class_of_rclpy() -> None:
    msgs = pytest.importorskip('sensor_msgs.msg', reason='no ROS 2 messages here')
    content = encode(picture())
    message = msgs.CompressedImage(format='jpeg', data=content)
    np.testing.assert_array_equal(decode_image(message), decode_bytes(content, 'x'))


@pytest.mark.parametrize('depth', [8, 16])
@pytest.mark.parametrize('codec', ['png', 'tiff'])
@pytest.mark.parametrize('alpha', [False, True])
def test_sixteen_bit_colours_are_scaled_by_their_depth(
    codec: str, depth: int, alpha: bool
) -> None:
    bgr = picture()[:, :, ::-1].astype(np.uint16) * (257 if depth == 16 else 1)
    if alpha:
        bgr = np.dstack([bgr, np.full(bgr.shape[:2], 65_535, np.uint16)])
    image = decode_bytes(imencode(np.ascontiguousarray(bgr), codec), 'x')
    np.testing.assert_array_equal(image, picture())


def test_a_large_image_of_a_few_kilobytes_takes_little_more_than_its_pixels() -> None:
    large = Image.new('P', (4096, 3072), 1)
    large.putpalette([0, 0, 0, 9, 8, 7])
    buffer = io.BytesIO()
    large.save(buffer, 'PNG', bits=1)
    del large
    tracemalloc.start()
    try:
        image = decode_bytes(buffer.getvalue(), 'x')
        assert tracemalloc.get_traced_memory()[1] < 1.4 * image.nbytes
    finally:
        tracemalloc.stop()
    assert (image[::99, ::99] == (9, 8, 7)).all()


@pytest.mark.parametrize('kind', ['L', 'LA', '1', 'CMYK', 'RGBA'])
def test_other_modes(kind: str) -> None:
    source = Image.fromarray(picture()).convert(kind)
    buffer = io.BytesIO()
    source.save(buffer, 'TIFF')
    expected = np.asarray(source.convert('RGB'))
    np.testing.assert_array_equal(decode_bytes(buffer.getvalue(), 'x'), expected)


def test_a_pointer_of_git_lfs_is_named() -> None:
    with pytest.raises(InputError, match='git lfs pull'):
        decode_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n', 'x')


@pytest.mark.parametrize(
    ('described', 'said'),
    [
        ('16UC1; compressedDepth png', 'depth image'),
        ('h264', "'h264'.*not of one message alone"),
        ('jpeg', "format 'jpeg' is no image"),
    ],
)
def test_unusable_compressed_message_names_its_format(described: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode_image(compressed(described, b'\0\0\0\x01\x67 something else'))
