"""Every raw encoding against pixels computed by hand, and messages that lie about themselves."""

from __future__ import annotations

import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fol_vpr.errors import InputError
from fol_vpr.sources import decode_image, typestore
from fol_vpr.sources.images import raw_image
from fol_vpr.sources.images.levels import Levels

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def message(
    encoding: str,
    rows: list[list[int]] | np.ndarray,
    *,
    dtype: str = 'u1',
    width: int,
    height: int | None = None,
    padding: int = 0,
    bigendian: int = 0,
) -> SimpleNamespace:
    """A message whose rows hold the given values, each row followed by bytes that are no image."""
    order = '>' if bigendian else '<'
    values = np.asarray(rows).astype(np.dtype(dtype).newbyteorder(order))
    packed = values.view(np.uint8).reshape(len(values), -1)
    padded = np.hstack([packed, np.full((len(values), padding), 0xAB, np.uint8)])
    return SimpleNamespace(
        header=None,
        height=len(values) if height is None else height,
        width=width,
        encoding=encoding,
        is_bigendian=bigendian,
        step=padded.shape[1],
        data=padded.tobytes(),
    )


COLOURS = [
    ('rgb8', [[10, 20, 30, 40, 50, 60]], [[10, 20, 30], [40, 50, 60]]),
    ('bgr8', [[10, 20, 30, 40, 50, 60]], [[30, 20, 10], [60, 50, 40]]),
    ('rgba8', [[10, 20, 30, 99, 40, 50, 60, 0]], [[10, 20, 30], [40, 50, 60]]),
    ('bgra8', [[10, 20, 30, 99, 40, 50, 60, 0]], [[30, 20, 10], [60, 50, 40]]),
    ('mono8', [[7, 200]], [[7, 7, 7], [200, 200, 200]]),
    ('8UC1', [[7, 200]], [[7, 7, 7], [200, 200, 200]]),
    ('8UC3', [[10, 20, 30, 40, 50, 60]], [[30, 20, 10], [60, 50, 40]]),
    ('8UC4', [[10, 20, 30, 99, 40, 50, 60, 0]], [[30, 20, 10], [60, 50, 40]]),
]


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(('encoding', 'row', 'expected'), COLOURS)
def test_eight_bit(encoding: str, row: Any, expected: Any, padding: int) -> None:
    image = decode_image(message(encoding, row * 2, width=2, padding=padding))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, [expected, expected])


# 65535 / 255 = 257: 128 rounds down to 0, 129 up to 1, 385 (1.498) to 1, 386 (1.502) to 2.
WORDS, BYTES = [0, 128, 129, 385, 386, 32896, 65535, 257], [0, 0, 1, 1, 2, 128, 255, 1]


@pytest.mark.parametrize('bigendian', [0, 1])
@pytest.mark.parametrize('padding', [0, 3, 6])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_sixteen_bit_grey(encoding: str, bigendian: int, padding: int) -> None:
    msg = message(encoding, [WORDS] * 3, dtype='u2', width=8, padding=padding, bigendian=bigendian)
    expected = np.repeat(np.array([BYTES] * 3)[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(decode_image(msg), expected)


@pytest.mark.parametrize('bigendian', [0, 1])
@pytest.mark.parametrize(
    ('encoding', 'expected'),
    [('rgb16', [1, 2, 3]), ('bgr16', [3, 2, 1]), ('rgba16', [1, 2, 3]), ('bgra16', [3, 2, 1])],
)
def test_sixteen_bit_colour(encoding: str, expected: list[int], bigendian: int) -> None:
    row = [257, 514, 771, 9999][: 4 if 'a' in encoding else 3]
    msg = message(encoding, [row], dtype='u2', width=1, padding=2, bigendian=bigendian)
    image = decode_image(msg, Levels((0, 65_535)))
    np.testing.assert_array_equal(image, [[expected]])


@pytest.mark.parametrize('encoding', ['rgb16', 'bgra16', 'rgba16'])
def test_transparency_does_not_count_as_a_value(encoding: str) -> None:
    row = [4000, 2000, 1000, 65_535][: 4 if 'a' in encoding else 3]
    image = decode_image(message(encoding, [row], dtype='u2', width=1))
    np.testing.assert_array_equal(np.sort(image[0, 0]), [62, 125, 249])


@pytest.mark.parametrize('bigendian', [0, 1])
def test_float_is_brightness_from_0_to_1(bigendian: int) -> None:
    rows = [[0.0, 0.5, 1.0]]
    msg = message('32FC1', np.array(rows), dtype='f4', width=3, padding=4, bigendian=bigendian)
    np.testing.assert_array_equal(decode_image(msg)[0, :, 0], [0, 128, 255])


@pytest.mark.parametrize(('bits', 'bigendian'), [(8, 0), (16, 0), (16, 1)])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_of_an_even_colour(pattern: str, bits: int, bigendian: int) -> None:
    value = {'r': 200, 'g': 100, 'b': 50}
    tile = np.array([[value[c] for c in pattern[:2]], [value[c] for c in pattern[2:]]])
    mosaic = np.tile(tile, (3, 4)) * (257 if bits == 16 else 1)
    msg = message(
        f'bayer_{pattern}{bits}',
        mosaic,
        dtype=f'u{bits // 8}',
        width=8,
        padding=10,
        bigendian=bigendian,
    )
    image = decode_image(msg)
    assert image.shape == (6, 8, 3)
    assert (image == (200, 100, 50)).all()


# ITU-R BT.601, limited range: what the primaries and white are as (Y, U, V).
YUV = {RED: (81, 90, 240), GREEN: (145, 54, 34), BLUE: (41, 240, 110), (255,) * 3: (235, 128, 128)}


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize('colour', list(YUV))
@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21'])
def test_yuv(encoding: str, colour: tuple[int, ...], padding: int) -> None:
    y, u, v = YUV[colour]
    if encoding in ('nv12', 'nv21'):
        chroma = [u, v] if encoding == 'nv12' else [v, u]
        rows = [[y] * 4] * 2 + [chroma * 2]
    else:
        rows = [([u, y, v, y] if encoding in ('yuv422', 'uyvy') else [y, u, y, v]) * 2] * 2
    image = decode_image(message(encoding, rows, width=4, height=2, padding=padding))
    assert image.shape == (2, 4, 3)
    assert np.abs(image.astype(int) - colour).max() <= 2


def test_brightness_of_each_yuv_pixel_is_its_own() -> None:
    image = decode_image(message('yuv422', [[128, 16, 128, 235]], width=2))
    np.testing.assert_array_equal(image, [[[0, 0, 0], [255, 255, 255]]])


@pytest.mark.parametrize('container', [bytes, bytearray, memoryview, 'array', 'ndarray'])
def test_data_of_any_class(container: Any) -> None:
    msg = message('bgr8', [[1, 2, 3]], width=1)
    if container == 'array':
        msg.data = array.array('B', msg.data)
    elif container == 'ndarray':
        msg.data = np.frombuffer(msg.data, np.uint8)
    else:
        msg.data = container(msg.data)
    np.testing.assert_array_equal(decode_image(msg), [[[3, 2, 1]]])


def test_class_of_rosbags() -> None:
    header = typestore().types['std_msgs/msg/Header'](
        typestore().types['builtin_interfaces/msg/Time'](1, 2), 'camera'
    )
    data = np.array([1, 2, 3, 0], np.uint8)
    msg = typestore().types['sensor_msgs/msg/Image'](header, 1, 1, 'bgr8', 0, 4, data)
    np.testing.assert_array_equal(decode_image(msg), [[[3, 2, 1]]])


def test_class_of_rclpy() -> None:
    msgs = pytest.importorskip('sensor_msgs.msg', reason='no ROS 2 messages here')
    msg = msgs.Image(height=1, width=1, encoding='bgr8', step=4, data=bytes([1, 2, 3, 0]))
    np.testing.assert_array_equal(decode_image(msg), [[[3, 2, 1]]])


def test_pixels_are_a_copy() -> None:
    msg = message('rgb8', [[1, 2, 3]], width=1)
    msg.data = bytearray(msg.data)
    image = decode_image(msg)
    msg.data[0] = 99
    assert image[0, 0, 0] == 1
    image[0, 0, 0] = 5


def test_cv_bridge_and_rosbags_image_agree() -> None:
    pytest.importorskip('cv_bridge', reason='cv_bridge is not installed; rosbags-image is used')
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    for name in ('mono8', 'bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8'):
        ours, other = raw_image._library()(pixels, name), raw_image._rosbags_image()(pixels, name)
        np.testing.assert_array_equal(ours, other, err_msg=name)
    for name, channels in (('bgr8', 3), ('bgra8', 4), ('yuv422', 2), ('yuv422_yuy2', 2)):
        pixels = np.random.default_rng(1).integers(0, 256, (8, 8, channels), np.uint8)
        ours, other = raw_image._library()(pixels, name), raw_image._rosbags_image()(pixels, name)
        np.testing.assert_array_equal(ours, other, err_msg=name)


def changed(**fields: Any) -> SimpleNamespace:
    msg = message('rgb8', [[1, 2, 3, 4, 5, 6]] * 2, width=2)
    msg.__dict__.update(fields)
    return msg


BAD = [
    (changed(encoding='rgb9'), "'rgb9', expected one of rgb8"),
    (changed(encoding=''), "encoding '', expected one of"),
    (changed(encoding='8UC2'), 'expected one of'),
    (changed(height=0), '2 x 0 pixels, expected at least 1 x 1'),
    (changed(width=0), '0 x 2 pixels'),
    (changed(step=0), 'step of 0 bytes, expected at least 6'),
    (changed(step=5), 'step of 5 bytes, expected at least 6'),
    (changed(step=7), '12 bytes of data, expected 14'),
    (changed(data=b'12345678901'), '11 bytes of data, expected 12'),
    (changed(data=b''), '0 bytes of data, expected 12'),
    (changed(data=b'1234567890123'), '13 bytes of data, expected 12'),
    (changed(width=60_000, height=60_000, step=180_000), 'claims 60000 x 60000 pixels'),
    (changed(encoding='mono16', width=1, step=2, height=6, is_bigendian=7), 'is_bigendian 7'),
    (changed(encoding='bayer_rggb8'), 'too small'),
    (changed(encoding='yuv422', width=3), 'odd width'),
    (changed(encoding='nv12', width=2, height=3, step=2), 'odd size'),
    (message('32FC1', np.array([[0.1, 7.5]]), dtype='f4', width=2), 'from 0.1 to 7.5'),
    (message('32FC1', np.array([[0.1, np.nan]]), dtype='f4', width=2), 'nan'),
]


@pytest.mark.parametrize(('msg', 'said'), BAD)
def test_a_bad_message_is_named(msg: SimpleNamespace, said: str) -> None:
    with pytest.raises(InputError) as raised:
        decode_image(msg)
    assert said in str(raised.value)
