"""Bags from folders of images: their content, and that there is a whole one or none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import SECOND, encode, image_folder, picture
from PIL import Image

from fol_vpr.config import CameraConfig
from fol_vpr.errors import InputError, StorageError
from fol_vpr.sources import Bag, ImageFolder, deserialize, open_source, write_bag_from_images

STORAGES = ['sqlite3', 'mcap']


@pytest.mark.parametrize('storage', STORAGES)
def test_original_bytes_at_an_even_rate(tmp_path: Path, storage: str) -> None:
    images = image_folder(tmp_path / 'images', 4)
    told: list[tuple[int, int]] = []
    summary = write_bag_from_images(
        images,
        tmp_path / 'drive',
        rate=3,
        frame_id='front',
        storage=storage,
        progress=lambda *args: told.append(args),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (summary.images, summary.poses) == (4, 0)
    written = Bag(summary.path)
    assert list(written.topics) == ['/camera/image/compressed']
    messages = [deserialize(each) for each in written.read(['/camera/image/compressed'])]
    assert [bytes(each.data) for each in messages] == [
        path.read_bytes() for path in sorted(images.iterdir())
    ]
    assert {each.format for each in messages} == {'jpeg'}
    stamps = [frame.stamp_ns for _, frame in open_source(summary.path).frames()]
    assert stamps == [SECOND, 1_333_333_333, 1_666_666_667, 2 * SECOND]
    assert (summary.first_ns, summary.last_ns) == (stamps[0], stamps[-1])
    assert messages[0].header.frame_id == 'front'
    assert summary.bytes > 4 * 500


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tiff'])
def test_other_formats_lose_nothing(tmp_path: Path, suffix: str) -> None:
    images = image_folder(tmp_path / 'images', 2, suffix)
    for compressed in (True, False):
        summary = write_bag_from_images(
            images, tmp_path / f'drive{compressed}', rate=1, compressed=compressed
        )
        found = list(open_source(summary.path).frames())
        assert len(found) == 2
        for position, frame in found:
            np.testing.assert_array_equal(frame.image, picture(position))


def test_the_range_of_16_bits_can_be_given(tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    dark = np.tile(np.arange(48, dtype=np.uint16), (32, 1))
    Image.fromarray(dark).save(tmp_path / 'images' / '1.png')
    camera = CameraConfig(image_range=(0, 94))
    arguments = (tmp_path / 'images', tmp_path / 'bag')
    with pytest.raises(InputError, match='add --no-compressed'):
        write_bag_from_images(*arguments, rate=1, camera=camera)
    write_bag_from_images(*arguments, rate=1, camera=camera, compressed=False)
    ((_, frame),) = open_source(tmp_path / 'bag').frames()
    assert frame.image[0, :, 0].tolist() == np.rint(np.arange(48) / 94 * 255).tolist()


def test_ending_that_lies_about_the_format(tmp_path: Path) -> None:
    images = tmp_path / 'images'
    images.mkdir()
    (images / 'a.jpg').write_bytes(encode(picture(), 'PNG'))
    summary = write_bag_from_images(images, tmp_path / 'drive', rate=1)
    message = deserialize(next(Bag(summary.path).read(['/camera/image/compressed'])))
    assert message.format == 'png'


def test_times_and_poses_from_a_table(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 3)
    csv = tmp_path / 'frames.csv'
    csv.write_text(
        'file,timestamp,tx,ty,tz,qx,qy,qz,qw\n'
        '000.jpg,12.5,1,2,3,0,0,0.6,0.8\n'
        '001.jpg,11.25,4,5,6,0,0,0,1\n'
        '002.jpg,13.000000001,7,8,9,0,0,0,1\n'
    )
    for pose_type in ('PoseStamped', 'PoseWithCovarianceStamped', 'Odometry'):
        summary = write_bag_from_images(
            images, tmp_path / pose_type, stamps_csv=csv, poses_csv=csv, pose_type=pose_type
        )
        assert summary.poses == 3
        source = open_source(summary.path, pose_topic='/pose')
        frames = [frame for _, frame in source.frames()]
        assert [frame.stamp_ns for frame in frames] == [
            11_250_000_000,
            12_500_000_000,
            13_000_000_001,
        ]
        assert all(frame.pose is not None for frame in frames)
        folder = ImageFolder(images, csv)
        for frame, index in zip(frames, (1, 0, 2), strict=True):
            expected = folder.frame(index)
            np.testing.assert_array_equal(frame.image, expected.image)
            np.testing.assert_allclose(frame.pose.position, expected.pose.position)
            np.testing.assert_allclose(frame.pose.orientation, expected.pose.orientation)
        assert source.warnings == []
        receptions = [each.receive_ns for each in Bag(summary.path).read(['/pose'])]
        assert receptions == sorted(receptions)


def test_positions_without_orientation_say_so_in_the_bag(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 2)
    csv = tmp_path / 'p.csv'
    for orientation, msgtype in (
        (('', '', ''), 'geometry_msgs/msg/PoseWithCovarianceStamped'),
        ((',qx,qy,qz,qw', ',0,0,0,1', ',0,0,1,0'), 'geometry_msgs/msg/PoseStamped'),
    ):
        rows = ('file,timestamp,x,y', '000.jpg,5,1,2', '001.jpg,6,3,4')
        csv.write_text('\n'.join(map(''.join, zip(rows, orientation, strict=True))))
        summary = write_bag_from_images(
            images, tmp_path / 'drive', stamps_csv=csv, poses_csv=csv, overwrite=True
        )
        assert Bag(summary.path).topics['/pose'].msgtype == msgtype
        poses = [c.pose for c in open_source(summary.path, pose_topic='/pose').captures()]
        assert [pose.has_orientation for pose in poses if pose] == [bool(orientation[0])] * 2


def test_geodetic_positions_become_fixes(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 1)
    csv = tmp_path / 'p.csv'
    csv.write_text('file,timestamp,lat,lon\n000.jpg,5,48.5,11.5\n')
    summary = write_bag_from_images(
        images, tmp_path / 'drive', stamps_csv=csv, poses_csv=csv, pose_topic='/fix'
    )
    _, frame = next(open_source(summary.path, pose_topic='/fix').frames())
    assert frame.geo is not None
    assert (frame.geo.latitude, frame.geo.longitude) == (48.5, 11.5)


@pytest.mark.parametrize('storage', STORAGES)
def test_same_input_same_bytes(tmp_path: Path, storage: str) -> None:
    images = image_folder(tmp_path / 'images', 3)
    contents = []
    for place in ('one', 'two'):
        path = write_bag_from_images(
            images, tmp_path / place / 'drive', rate=5, storage=storage
        ).path
        contents.append({file.name: file.read_bytes() for file in path.iterdir()})
    assert contents[0] == contents[1]


def test_real_trajectory_interpolates_to_the_published_one(data: Path, tmp_path: Path) -> None:
    """frames.csv holds the motion capture, 100 Hz, interpolated to the images by its makers."""
    desk = data / 'tum_fr1_desk'
    images, csv = tmp_path / 'rgb', tmp_path / 'frames.csv'
    images.mkdir()
    lines = (desk / 'frames.csv').read_text().splitlines()
    csv.write_text('\n'.join([lines[0], *lines[1:301:30]]))
    for line in lines[1:301:30]:
        name = line.split(',')[2]
        (tmp_path / name).symlink_to(desk / name)
    summary = write_bag_from_images(
        images, tmp_path / 'drive', stamps_csv=csv, poses_csv=desk / 'groundtruth.txt'
    )
    assert (summary.images, summary.poses) == (10, 2335)
    published = ImageFolder(images, csv)
    source = open_source(summary.path, pose_topic='/pose', max_pose_gap=0.1)
    for (_, ours), (_, theirs) in zip(source.frames(), published.frames(), strict=True):
        assert ours.stamp_ns == theirs.stamp_ns
        assert ours.pose is not None
        assert theirs.pose is not None
        np.testing.assert_allclose(ours.pose.position, theirs.pose.position, atol=2e-5)
        assert abs(ours.pose.orientation @ theirs.pose.orientation) > 1 - 1e-8


def test_bad_arguments(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 2)
    csv = tmp_path / 'times.csv'
    csv.write_text('file,timestamp\n000.jpg,1\n')
    output = tmp_path / 'drive'
    cases = [
        ({}, 'either a rate in images per second or a CSV'),
        ({'rate': 1, 'stamps_csv': csv}, 'expected either a rate'),
        ({'rate': 0}, 'the rate is 0'),
        ({'rate': float('nan')}, 'the rate is nan'),
        ({'stamps_csv': csv}, r'no time for 1 of 2 images, the first being 001\.jpg'),
        ({'rate': 1, 'topic': 'camera image'}, "'camera image' is no ROS topic"),
        ({'rate': 1, 'storage': 'leveldb'}, 'storage is .leveldb., expected one of sqlite3, mcap'),
        ({'rate': 1, 'pose_type': 'Pose'}, 'pose_type is'),
    ]
    for arguments, said in cases:
        with pytest.raises(InputError, match=said):
            write_bag_from_images(images, output, **arguments)
    csv.write_text('file,timestamp\n000.jpg,1\n001.jpg,1.0\n')
    with pytest.raises(InputError, match=r'000\.jpg and 001\.jpg have the same time'):
        write_bag_from_images(images, output, stamps_csv=csv)
    csv.write_text('file,timestamp\n000.jpg,1\n001.jpg,3000000000\n')
    with pytest.raises(InputError, match='after the year 2038'):
        write_bag_from_images(images, output, stamps_csv=csv)
    with pytest.raises(InputError, match='is to be a folder'):
        write_bag_from_images(images, tmp_path / 'drive.mcap', rate=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['images', 'times.csv']


def test_damaged_image_leaves_nothing(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 3)
    (images / '002.jpg').write_bytes(encode(picture())[:300])
    with pytest.raises(InputError, match=r'002\.jpg is damaged'):
        write_bag_from_images(images, tmp_path / 'drive', rate=1)
    assert [path.name for path in tmp_path.iterdir()] == ['images']


def test_existing_bag_is_kept_or_replaced_whole(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 3)
    output = write_bag_from_images(images, tmp_path / 'drive', rate=1).path
    with pytest.raises(InputError, match='exists already'):
        write_bag_from_images(images, output, rate=1)

    (images / '002.jpg').write_bytes(b'')
    with pytest.raises(InputError, match='is empty'):
        write_bag_from_images(images, output, rate=1, overwrite=True)
    assert len(open_source(output)) == 3

    (images / '002.jpg').unlink()
    write_bag_from_images(images, output, rate=1, overwrite=True)
    assert len(open_source(output)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ['drive', 'images']

    with pytest.raises(InputError, match='is no bag, so it is not overwritten'):
        write_bag_from_images(images, images, rate=1, overwrite=True)


FILL = """
import resource, sys
from fol_vpr.errors import StorageError
from fol_vpr.sources import write_bag_from_images
resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, 2**18))
try:
    write_bag_from_images(sys.argv[1], sys.argv[2], rate=1, compressed=False, storage=sys.argv[3])
except StorageError as error:
    print(error)
"""


@pytest.mark.parametrize('storage', STORAGES)
def test_no_space(tmp_path: Path, storage: str) -> None:
    images = image_folder(tmp_path / 'images', 100)  # 4.6 kB each, 460 kB in all
    output = tmp_path / 'drive'
    done = subprocess.run(
        [sys.executable, '-c', FILL, str(images), str(output), storage],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert f'{output} cannot be written' in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ['images']


def test_no_permission(tmp_path: Path) -> None:
    images = image_folder(tmp_path / 'images', 1)
    (tmp_path / 'file').touch()
    for folder in (Path('/proc'), tmp_path / 'file'):
        with pytest.raises(StorageError, match=r'cannot be written: .*make space or choose'):
            write_bag_from_images(images, folder / 'drive', rate=1)


STREAM = """
import sys
from pathlib import Path
from fol_vpr.sources import open_source, write_bag_from_images

def peak():
    # Not getrusage, whose peak a process inherits from the one that started it.
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) // 1024

images, output, storage = sys.argv[1:]
next(open_source(images).frames())
before = peak()
path = write_bag_from_images(images, output, rate=1, compressed=False, storage=storage).path
assert sum(1 for _ in open_source(path).frames()) == 150
print(peak() - before)
"""


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads its memory from /proc')
@pytest.mark.parametrize('storage', STORAGES)
def test_memory_does_not_grow_with_the_bag(tmp_path: Path, storage: str) -> None:
    """150 raw images of 0.9 MB, 138 MB in all, go in and out again."""
    images = tmp_path / 'images'
    images.mkdir()
    content = encode(picture(0, 640, 480))
    for index in range(150):
        (images / f'{index:03d}.jpg').write_bytes(content)
    done = subprocess.run(
        [sys.executable, '-c', STREAM, str(images), str(tmp_path / 'drive'), storage],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40, done.stdout


def test_poses_of_other_times_than_the_images_are_told(tmp_path: Path, caplog) -> None:
    images = image_folder(tmp_path / 'images', 2)
    track = tmp_path / 'track.txt'
    track.write_text('1305031102.1 1 2 3 0 0 0 1\n1305031103.1 1 2 3 0 0 0 1\n')
    write_bag_from_images(images, tmp_path / 'bag', rate=1, poses_csv=track)
    assert 'images are from 1.000 to 2.000 s, poses from 1305031102.100' in caplog.text
