"""Bags from video files: the pictures, their times, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.images.video_files import COUNT, EVEN, UNEVEN, write_video
from helpers.source_files import SECOND

from benchmarks.robustness.video_streams import HEIGHT, WIDTH, number_of, view
from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError
from fol_vpr.sources import Bag, deserialize, open_source, write_bag_from_video
from fol_vpr.sources.bags.writing import from_video

av = pytest.importorskip('av', reason='PyAV is not installed')


def copied(video: Path, output: Path, *, start: int, zero: int | None = None) -> Path:
    """Copy the packets from number `start` on; that with the number `zero` gets the time 0."""
    options = {'avoid_negative_ts': 'disabled'}
    with av.open(str(video)) as whole, av.open(str(output), 'w', options=options) as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        packets = [packet for packet in whole.demux(video=0) if packet.size]
        shift = 0 if zero is None else packets[zero].pts
        for packet in packets[start:]:
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
            part.mux(packet)
    return output


CASES = [
    ('a.mp4', 'libx264'),
    ('a.MOV', 'libx264'),
    ('a.mkv', 'libx264'),
    ('a.ts', 'libx264'),
    ('a.mp4', 'libx265'),
    ('a.mkv', 'libx265'),
    ('a.webm', 'libvpx-vp9'),
    ('a.webm', 'libvpx'),
    ('a.mp4', 'libsvtav1'),
    ('a.avi', 'mjpeg'),
]


@pytest.mark.parametrize(('name', 'encoder'), CASES)
def test_every_picture_has_its_own_time(tmp_path: Path, name: str, encoder: str) -> None:
    video = write_video(tmp_path / name, encoder, EVEN if name.endswith('.avi') else UNEVEN)
    told: list[tuple[int, int]] = []
    summary = write_bag_from_video(
        video,
        tmp_path / 'drive',
        first_stamp=1_700_000_000.0,
        progress=lambda *args: told.append(args),
    )
    assert told == [(number + 1, COUNT) for number in range(COUNT)]
    frames = [frame for _, frame in open_source(tmp_path / 'drive').frames()]
    assert [number_of(frame.image, COUNT) for frame in frames] == list(range(COUNT))
    stamps = np.array([frame.stamp_ns for frame in frames]) - 1_700_000_000 * SECOND
    times = EVEN if name.endswith('.avi') else UNEVEN
    assert np.abs(stamps / 1e9 - times).max() < 0.0015
    assert (summary.images, summary.poses) == (COUNT, 0)
    assert (summary.first_ns, summary.last_ns) == (frames[0].stamp_ns, frames[-1].stamp_ns)


def test_packets_are_those_of_the_file(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'a.mp4', b_frames=3)
    summary = write_bag_from_video(video, tmp_path / 'drive', storage='mcap')
    assert summary.bytes < 2 * video.stat().st_size + 20_000
    with av.open(str(video)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    messages = [deserialize(each) for each in Bag(summary.path).read(['/camera/image/ffmpeg'])]
    for packet, message in zip(packets, messages, strict=True):
        # The lengths before the units become start codes of the same size.
        assert bytes(message.data).endswith(packet[4:][-200:])
    assert sorted(message.pts for message in messages) == list(range(COUNT))
    assert [message.pts for message in messages] != list(range(COUNT))
    assert [message.flags for message in messages].count(1) == 3


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.ts'])
def test_a_file_that_begins_late_begins_at_the_first_stamp(tmp_path: Path, name: str) -> None:
    video = write_video(tmp_path / name, times=EVEN + 5)
    summary = write_bag_from_video(video, tmp_path / 'drive')
    assert (summary.first_ns, summary.last_ns) == (SECOND, SECOND + 19 * SECOND // 10)


def test_a_video_that_was_cut_between_keyframes(tmp_path: Path) -> None:
    """Three pictures before the cut at picture 11 are there, which players do not show."""
    video = write_video(tmp_path / 'a.mp4', b_frames=0)
    cut = copied(video, tmp_path / 'cut.mp4', start=8, zero=11)
    write_bag_from_video(cut, tmp_path / 'drive', first_stamp=100.0)
    frames = [frame for _, frame in open_source(tmp_path / 'drive').frames()]
    assert [number_of(frame.image, COUNT) for frame in frames] == list(range(8, COUNT))
    stamps = [frame.stamp_ns / SECOND for frame in frames]
    np.testing.assert_allclose(stamps, 100 + (np.arange(8, COUNT) - 11) / 10, atol=1e-6)
    assert write_bag_from_video(cut, tmp_path / 'default').first_ns == SECOND
    with pytest.raises(InputError, match=r'first stamp is 0\.2 s, expected more than 0\.3 s'):
        write_bag_from_video(cut, tmp_path / 'early', first_stamp=0.2)


def test_a_stream_that_begins_between_keyframes(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'a.ts', b_frames=0)
    later = copied(video, tmp_path / 'later.ts', start=3)
    summary = write_bag_from_video(later, tmp_path / 'drive')
    frames = [frame for _, frame in open_source(tmp_path / 'drive').frames()]
    assert [number_of(frame.image, COUNT) for frame in frames] == list(range(8, COUNT))
    assert (summary.images, summary.first_ns, frames[0].stamp_ns) == (12, SECOND, SECOND)


def test_times_below_zero(tmp_path: Path) -> None:
    video = copied(write_video(tmp_path / 'a.mp4'), tmp_path / 'b.ts', start=0, zero=11)
    with av.open(str(video)) as container:
        assert next(packet.pts for packet in container.demux(video=0)) < 0
    summary = write_bag_from_video(video, tmp_path / 'drive')
    assert (summary.images, summary.first_ns) == (COUNT, SECOND)


def test_a_film_behind_a_cover(tmp_path: Path) -> None:
    video = tmp_path / 'a.mkv'
    with av.open(str(video), 'w') as container:
        cover = container.add_stream('mjpeg', rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, 'yuvj420p'
        film = container.add_stream('libx264', rate=10)
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        blank = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), 'rgb24')
        container.mux(cover.encode(blank))
        container.mux(cover.encode())
        for number in range(COUNT):
            container.mux(film.encode(av.VideoFrame.from_ndarray(view(number), 'rgb24')))
        container.mux(film.encode())
    assert write_bag_from_video(video, tmp_path / 'drive').images == COUNT


def test_a_name_with_a_colon_and_a_title_in_latin_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = '2026-10-03T12:00:00.avi'
    write_video(tmp_path / name, 'mjpeg', title='M-------laga')
    data = (tmp_path / name).read_bytes()
    assert b'M-------laga' in data
    (tmp_path / name).write_bytes(data.replace(b'M-------laga', b'M\xe1------laga'))
    assert write_bag_from_video(name, 'drive').images == COUNT


def test_b_pictures_in_avi_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='has B pictures, and AVI does not tell'):
        write_bag_from_video(write_video(tmp_path / 'a.avi'), tmp_path / 'drive')
    video = write_video(tmp_path / 'b.avi', b_frames=0)
    write_bag_from_video(video, tmp_path / 'drive')
    frames = [frame for _, frame in open_source(tmp_path / 'drive').frames()]
    assert [number_of(frame.image, COUNT) for frame in frames] == list(range(COUNT))


def test_pictures_that_are_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / 'a.mp4')
    monkeypatch.setattr('fol_vpr.sources.images.stored_image.MAX_PIXELS', WIDTH * HEIGHT - 1)
    with pytest.raises(InputError, match=r'a\.mp4 claims 160 x 96 pixels'):
        write_bag_from_video(video, tmp_path / 'drive')


def test_an_older_pyav_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / 'a.mp4')
    monkeypatch.setattr(av, '__version__', '10.0.0')
    with pytest.raises(InputError, match=r'PyAV 14\.2 or newer, and 10\.0\.0 is installed'):
        write_bag_from_video(video, tmp_path / 'drive')


def test_poses_and_camera_beside_the_pictures(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'a.mp4')
    (tmp_path / 'poses.csv').write_text(
        'timestamp,x,y\n' + ''.join(f'{100 + n / 5},{n},0\n' for n in range(11))
    )
    (tmp_path / 'camera.yaml').write_text(
        f'image_width: {WIDTH}\nimage_height: {HEIGHT}\n'
        'camera_matrix: {rows: 3, cols: 3, data: [150, 0, 79.5, 0, 150, 47.5, 0, 0, 1]}\n'
        'distortion_model: plumb_bob\n'
        'distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n'
    )
    summary = write_bag_from_video(
        video,
        tmp_path / 'drive',
        first_stamp=100.0,
        poses_csv=tmp_path / 'poses.csv',
        camera=CameraConfig(camera=str(tmp_path / 'camera.yaml')),
    )
    assert summary.poses == 11
    frames = [f for _, f in open_source(tmp_path / 'drive', pose_topic='/pose').frames()]
    assert all(frame.camera is not None and frame.pose is not None for frame in frames)
    moved = np.diff([frame.pose.position[0] for frame in frames])
    np.testing.assert_allclose(moved, 0.5, atol=1e-6)


def test_a_video_that_is_turned_is_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'my video.mp4', turned=90)
    said = r"is turned by \d+ degrees .*`ffmpeg -i '.*my video\.mp4' -c:v libx264"
    with pytest.raises(InputError, match=said):
        write_bag_from_video(video, tmp_path / 'drive')
    assert not (tmp_path / 'drive').exists()


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        ('a.mp4', b'no video' * 100, 'cannot be read as a video'),
        ('a.mp4', b'', 'cannot be read as a video'),
        ('a.txt', b'', r'does not have the ending of a video file, expected \.3gp'),
        ('a.m3u8', b'#EXTM3U\nother.ts\n', 'does not have the ending of a video file'),
        ('list.mp4', b'ffconcat version 1.0\nfile other.mp4\n', 'cannot be read as a video'),
    ],
)
def test_what_is_no_video(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        write_bag_from_video(tmp_path / name, tmp_path / 'drive')


def test_what_is_not_there(tmp_path: Path) -> None:
    for name in ('missing.mp4', 'http://localhost/a.mp4'):
        with pytest.raises(InputError, match='is no file'):
            write_bag_from_video(name, tmp_path / 'drive')


@pytest.mark.parametrize('seen', [COUNT - 1, COUNT + 1])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    video = write_video(tmp_path / 'a.mp4')
    times = [number * SECOND for number in range(seen)]
    monkeypatch.setattr(from_video, '_survey', lambda _: (times, (160, 96)))
    with pytest.raises(InputError, match='changed while it was read'):
        write_bag_from_video(video, tmp_path / 'drive')
    assert not (tmp_path / 'drive').exists()


def test_a_codec_that_bags_do_not_have(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'a.avi', 'huffyuv')
    with pytest.raises(InputError, match=r'has the codec huffyuv, expected h264, hevc'):
        write_bag_from_video(video, tmp_path / 'drive')


def test_sound_alone(tmp_path: Path) -> None:
    with av.open(str(tmp_path / 'a.mkv'), 'w') as container:
        stream: Any = container.add_stream('pcm_s16le', rate=8000, layout='mono')
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), 's16', 'mono')
        frame.sample_rate = 8000
        container.mux(itertools.chain(stream.encode(frame), stream.encode()))
    with pytest.raises(InputError, match='holds no video'):
        write_bag_from_video(tmp_path / 'a.mkv', tmp_path / 'drive')


@pytest.mark.parametrize('first_stamp', [0.0, -1.0, 3e9, 1e300, float('nan'), float('inf')])
def test_times_that_messages_cannot_have(tmp_path: Path, first_stamp: float) -> None:
    video = write_video(tmp_path / 'a.mp4')
    with pytest.raises(InputError, match=r'first.stamp|2038'):
        write_bag_from_video(video, tmp_path / 'drive', first_stamp=first_stamp)
