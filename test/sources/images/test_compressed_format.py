"""Every format that compressed_image_transport writes, and those of other nodes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.robustness.image_transport import (
    BAYER,
    COLOURS,
    GREYS,
    HUMBLE,
    JAZZY,
    NOETIC,
    PATTERNS,
    compressed_message,
    imencode,
    message,
    mosaic,
    raw_message,
    raw_values,
    scene,
)
from fol_vpr.errors import InputError
from fol_vpr.sources import StreamDecoder, decode_image
from fol_vpr.sources.images.compressed_format import parse_format

SCENE = scene()
GREY = np.repeat(cv2.cvtColor(SCENE, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
CODECS = [(NOETIC, 'jpeg'), (NOETIC, 'png'), *[(HUMBLE, c) for c in ('jpeg', 'png', 'tiff')]]


def difference(ours: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(ours.astype(int) - expected.astype(int)).mean())


@pytest.mark.parametrize(('version', 'codec'), CODECS)
@pytest.mark.parametrize('encoding', COLOURS)
def test_colours_of_the_plugin(encoding: str, version: str, codec: str) -> None:
    image = decode_image(compressed_message(SCENE, encoding, codec, version))
    assert difference(image, SCENE) <= (2 if codec == 'jpeg' else 0)


@pytest.mark.parametrize(('version', 'codec'), CODECS)
@pytest.mark.parametrize('encoding', GREYS)
def test_greys_of_the_plugin(encoding: str, version: str, codec: str) -> None:
    if (encoding, version, codec) == ('mono16', NOETIC, 'jpeg'):
        pytest.skip('ROS 1 cuts these values off; see below')
    image = decode_image(compressed_message(SCENE, encoding, codec, version))
    assert difference(image, GREY) <= (1 if codec == 'jpeg' else 0)


@pytest.mark.parametrize('codec', ['png', 'tiff'])
@pytest.mark.parametrize('encoding', BAYER)
def test_a_mosaic_is_that_of_the_raw_topic(encoding: str, codec: str) -> None:
    raw = decode_image(raw_message(raw_values(SCENE, encoding), encoding))
    image = decode_image(compressed_message(SCENE, encoding, codec))
    np.testing.assert_array_equal(image, raw)
    assert difference(image, SCENE) < 3


@pytest.mark.parametrize('pattern', PATTERNS)
def test_a_mosaic_that_jpeg_blurred_is_demosaiced_with_a_warning(pattern: str) -> None:
    said: list[str] = []
    decoder = StreamDecoder('/camera', said.append)
    for _ in range(2):
        sent = compressed_message(SCENE, f'bayer_{pattern}8', 'jpeg', NOETIC)
        image = decoder.decode(sent)
    assert difference(image, SCENE) < 8
    assert len(said) == 1
    assert said[0].startswith('/camera: JPEG compressed the Bayer mosaic')


@pytest.mark.parametrize('encoding', BAYER)
@pytest.mark.parametrize('version', [HUMBLE, JAZZY])
def test_a_mosaic_as_jpeg_since_humble_is_grey(encoding: str, version: str) -> None:
    sent = compressed_message(SCENE, encoding, 'jpeg', version)
    assert sent.format.endswith('compressed mono8')
    said: list[str] = []
    image = StreamDecoder('/camera', said.append).decode(sent)
    assert (image[:, :, 0] == image[:, :, 2]).all()
    assert difference(image, GREY) < 4
    assert said == []


def test_sixteen_bits_that_ros_1_cut_off_are_named() -> None:
    said: list[str] = []
    StreamDecoder('/camera', said.append).decode(
        compressed_message(SCENE, 'mono16', 'jpeg', NOETIC)
    )
    assert ['cut 16-bit values off at 255' in each for each in said] == [True]


def test_a_depth_that_jpeg_left_nearly_black_is_named() -> None:
    said: list[str] = []
    twelve_bits = message('mono16; jpeg compressed mono8', imencode(GREY[:, :, 0] // 16, 'jpeg'))
    StreamDecoder('/camera', said.append).decode(twelve_bits)
    assert ['let the driver publish mono8' in each for each in said] == [True]


MOSAIC = imencode(mosaic(SCENE, 'gbrg'), 'png')
MOSAIC_16 = imencode(mosaic(SCENE, 'gbrg').astype(np.uint16) * 257, 'png')
OF_MOSAIC = decode_image(raw_message(mosaic(SCENE, 'gbrg'), 'bayer_gbrg8'))
COLOUR = imencode(SCENE[:, :, ::-1], 'png')
GREY_FILE = imencode(GREY[:, :, 0], 'png')
SWAPPED_TIFF = imencode(SCENE, 'tiff')
TIFF = imencode(SCENE[:, :, ::-1], 'tiff')


@pytest.mark.parametrize(
    ('described', 'data', 'expected'),
    [
        ('bayer_gbrg8; png compressed ', MOSAIC, OF_MOSAIC),
        ('bayer_gbrg8; png compressed', MOSAIC, OF_MOSAIC),
        ('bayer_gbrg8;png compressed', MOSAIC, OF_MOSAIC),
        ('  BAYER_GBRG8 ;  PNG  Compressed  ', MOSAIC, OF_MOSAIC),
        ('bayer_gbrg8; png', MOSAIC, OF_MOSAIC),
        ('bayer_gbrg8', MOSAIC, OF_MOSAIC),
        ('png; bayer_gbrg8', MOSAIC, OF_MOSAIC),
        ('bayer_gbrg8; png compressed bayer_gbrg8', MOSAIC, OF_MOSAIC),
        ('bayer_gbrg16; png compressed ', MOSAIC_16, OF_MOSAIC),
        ('bayer_gbrg8; png compressed mono8', GREY_FILE, GREY),
        ('bayer_gbrg8; png compressed bgr8', COLOUR, SCENE),
        ('bayer_gbrg8; png compressed ', COLOUR, SCENE),
        ('mono8; png compressed ', GREY_FILE, GREY),
        ('mono8', GREY_FILE, GREY),
        ('8UC1; png compressed ', GREY_FILE, GREY),
        ('8UC3; png compressed ', COLOUR, SCENE),
        ('', COLOUR, SCENE),
        ('png', COLOUR, SCENE),
        ('PNG', COLOUR, SCENE),
        ('png; compressed bgr8', COLOUR, SCENE),
        ('; png compressed bgr8', COLOUR, SCENE),
        ('rgb8', COLOUR, SCENE),
        ('rgb8; png compressed bgr8', COLOUR, SCENE),
        ('rgb8; png compressed rgb8', COLOUR, SCENE),
        ('rgb8; png compressed ', COLOUR, SCENE),
        ('rgb8; png compressed', COLOUR, SCENE),
        ('bgr8; png compressed rgb8', COLOUR, SCENE),
        ('rgba8; png compressed bgr8', COLOUR, SCENE),
        ('yuv422_yuy2; png compressed bgr8', COLOUR, SCENE),
        ('nv12; png compressed bgr8', COLOUR, SCENE),
        ('rgb8; tiff compressed ', SWAPPED_TIFF, SCENE),
        ('RGB8;tiff compressed', SWAPPED_TIFF, SCENE),
        ('rgb8; tiff compressed bgr8', TIFF, SCENE),
        ('bgr8; tiff compressed ', TIFF, SCENE),
        ('tiff', TIFF, SCENE),
    ],
)
def test_formats_in_each_spelling(described: str, data: bytes, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_image(message(described, data)), expected)


@pytest.mark.parametrize(
    'described', ['rgb8; jpeg compressed rgb8', 'rgb8; jpeg compressed ', 'rgb8;jpeg']
)
def test_jpeg_has_true_colours_whatever_the_format_says(described: str) -> None:
    image = decode_image(message(described, imencode(SCENE[:, :, ::-1], 'jpeg')))
    assert difference(image, SCENE) <= 2


@pytest.mark.parametrize('unit', [('16UC1', 'millimetres'), ('32FC1', 'metres')])
def test_depth_images_are_named(unit: tuple[str, str]) -> None:
    encoding, word = unit
    depths: Any = np.full((8, 8), 2500, np.uint16)
    if encoding == '32FC1':
        depths = np.full((8, 8), 0.5, np.float32)
    for sent in (
        raw_message(depths, encoding),
        message(f'{encoding}; tiff compressed ', imencode(depths, 'tiff')),
    ):
        said: list[str] = []
        StreamDecoder('/depth/image', said.append).decode(sent)
        assert any(
            f'depth images in {word} (REP 118), which are no photographs' in s for s in said
        )


@pytest.mark.parametrize(
    'described',
    ['16UC1; compressedDepth', '16UC1; compressedDepth png', '32FC1; compressedDepth rvl',
     '16UC1; compressed_depth', '16uc1; COMPRESSEDDEPTH'],
)  # fmt: skip
def test_compressed_depth_is_refused_by_name(described: str) -> None:
    with pytest.raises(InputError, match='is a depth image; expected a colour or grey camera'):
        decode_image(message(described, b'\0' * 12 + MOSAIC))


def test_what_opencv_could_not_compress_arrives_empty() -> None:
    with pytest.raises(InputError, match=r'is empty .*could not compress yuv422: let the camera'):
        decode_image(message('yuv422; jpeg compressed ', b''))


def test_control_characters_of_a_format_are_escaped() -> None:
    with pytest.raises(InputError) as caught:
        decode_image(message('\x1b[31mh264', b'no image'))
    assert '\x1b' not in str(caught.value)
    assert 'not of one message alone' in str(caught.value)


def test_parts_of_a_format() -> None:
    parts = parse_format(' Bayer_RGGB8;  JPEG   compressed  mono8 ')
    assert (parts.encoding, parts.codec, parts.stored) == ('bayer_rggb8', 'jpeg', 'mono8')
