"""Bad input, end to end: what people meet when something is wrong with what they gave.

Each case goes through the command line as users would. It ends with exit code 2 and one message
that names the culprit and what to do, and what was there before is there afterwards, byte by byte.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.cli.sound_input import COUNT, SMALL
from helpers.scenes import view

from fol_vpr.cli.main import main
from fol_vpr.database import MapReader

# ---- images


def corrupt_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def corrupt_empty(path: Path) -> None:
    path.write_bytes(b'')


def corrupt_text(path: Path) -> None:
    path.write_text('this is no image')


@pytest.mark.parametrize('corrupt', [corrupt_truncated, corrupt_empty, corrupt_text])
def test_a_bad_image_among_good_ones(sound, existing, tmp_path, complaint, corrupt):
    images = shutil.copytree(sound / 'images', tmp_path / 'images')
    corrupt(images / 'view002.jpg')
    output = tmp_path / 'm.folmap'
    build = ['map', 'build', '--images', images, *SMALL]
    assert 'view002.jpg' in complaint(*build, '--output', output)
    assert 'view002.jpg' in complaint(*build, '--output', existing, '--overwrite')
    assert 'view002.jpg' in complaint('query', images / 'view002.jpg', '--map', existing)
    said = complaint('evaluate', '--map', existing, '--queries', images, '--ground-truth',
                     sound / 'truth.csv')  # fmt: skip
    assert 'view002.jpg' in said
    # The references before the bad one were kept, and the mended folder's map is like the sound
    # one, whether it goes on from them or begins anew.
    assert not output.exists()
    shutil.copy(sound / 'images' / 'view002.jpg', images)
    assert main([str(word) for word in [*build, '--output', output, '--overwrite']]) == 0
    with MapReader(output) as mended, MapReader(sound / 'm.folmap') as whole:
        np.testing.assert_array_equal(mended.global_descriptors(), whole.global_descriptors())


def test_a_text_file_among_images_is_left_out(sound, tmp_path):
    images = shutil.copytree(sound / 'images', tmp_path / 'images')
    (images / 'notes.txt').write_text('taken on a Monday')
    (images / '.hidden.jpg').write_text('by a file manager')
    output = tmp_path / 'm.folmap'
    build = ['map', 'build', '--images', str(images), '--output', str(output), *SMALL]
    assert main(build) == 0
    with MapReader(output) as reader:
        assert reader.info.places == COUNT


@pytest.mark.parametrize('option', ['--images', '--bag'])
def test_sources_that_are_none(tmp_path, complaint, option):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'file').write_text('')
    for name in ('empty', 'file', 'missing'):
        said = complaint(
            'map', 'build', option, tmp_path / name, '--output', tmp_path / 'm.folmap'
        )
        assert str(tmp_path / name) in said
    assert not list(tmp_path.glob('m.folmap*'))


def test_a_folder_as_a_bag_and_a_bag_as_a_folder(sound, tmp_path, complaint):
    output = tmp_path / 'm.folmap'
    said = complaint('map', 'build', '--bag', sound / 'images', '--output', output)
    assert 'is an image folder' in said
    assert 'is a bag' in complaint('map', 'build', '--images', sound / 'bag', '--output', output)


# ---- cameras


def test_calibrations_that_are_none(sound, existing, tmp_path, complaint):
    path, image = tmp_path / 'camera.yaml', sound / 'images' / 'view000.jpg'
    build = ['map', 'build', '--images', sound / 'images', '--output', existing, '--overwrite']
    query = ['query', image, '--map', existing]
    for text in (None, '', 'width: 3', '{', 'image_width: 640\nimage_height: [1]'):
        if text is not None:
            path.write_text(text)
        for command in (build, query):
            said = complaint(*command, '--camera', path)
            assert str(path) in said
            assert 'camera_calibration' in said or 'missing' in said or 'expected' in said


def test_a_calibration_of_another_camera(sound, existing, tmp_path, complaint):
    path, image = tmp_path / 'camera.yaml', sound / 'images' / 'view000.jpg'
    path.write_text(
        'image_width: 1920\nimage_height: 1080\ndistortion_model: plumb_bob\n'
        'camera_matrix: {data: [900, 0, 960, 0, 900, 540, 0, 0, 1]}\n'
        'distortion_coefficients: {data: [0, 0, 0, 0, 0]}\n'
    )
    said = complaint('query', image, '--map', existing, '--camera', path)
    assert 'for 1920x1080 pixels, but the images have 320x240' in said


def test_mounts_that_are_none(sound, existing, tmp_path, complaint):
    build = ['map', 'build', '--images', sound / 'images', '--output', existing, '--overwrite']
    said = complaint(*build, '--camera-mount', *'1230000')
    assert 'camera_mount is 1 2 3 0 0 0 0' in said
    ahead = ['0', '0', '1', '-0.5', '0.5', '-0.5', '0.5']
    assert '--camera FILE' in complaint(*build, '--camera-mount', *ahead)
    said = complaint('query', sound / 'images' / 'view000.jpg', '--map', existing,
                     '--camera-mount', *ahead)  # fmt: skip
    assert '--camera FILE' in said


def test_topics_and_frames_of_cameras_that_are_not_there(sound, tmp_path, complaint):
    output = ['--output', tmp_path / 'm.folmap']
    images = ['map', 'build', '--images', sound / 'images', *output]
    assert 'no topics' in complaint(*images, '--camera-info-topic', '/camera_info')
    bag = ['map', 'build', '--bag', sound / 'bag', *output]
    assert '/elsewhere' in complaint(*bag, '--camera-info-topic', '/elsewhere')
    said = complaint(*bag, '--camera-info-topic', '/camera/image/compressed')
    assert 'expected sensor_msgs/msg/CameraInfo' in said


# ---- bags


def test_a_bag_without_images(sound, tmp_path, complaint):
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(tmp_path / 'talk', version=9) as writer:
        connection = writer.add_connection('/chatter', 'std_msgs/msg/String', typestore=store)
        message = store.types['std_msgs/msg/String']('hello')
        data = store.serialize_cdr(message, 'std_msgs/msg/String')
        writer.write(connection, 1, data)
    said = complaint('map', 'build', '--bag', tmp_path / 'talk', '--output', tmp_path / 'm.folmap')
    assert '/chatter' in said
    evaluate = ['evaluate', '--map', sound / 'm.folmap', '--queries', sound / 'bag']
    said = complaint(*evaluate, '--recording', tmp_path / 'talk', '--without-ground-truth')
    assert '/chatter' in said


def test_topics_that_are_not_there(sound, tmp_path, complaint):
    build = ['map', 'build', '--bag', sound / 'bag', '--output', tmp_path / 'm.folmap']
    said = complaint(*build, '--image-topic', '/elsewhere')
    assert '/elsewhere' in said
    assert '/camera/image/compressed' in said
    assert '/odom' in complaint(*build, '--pose-topic', '/odom')


@pytest.mark.parametrize('share', [0.1, 0.6])
def test_a_truncated_bag(sound, existing, tmp_path, complaint, share):
    bag = shutil.copytree(sound / 'bag', tmp_path / 'bag')
    (storage,) = bag.glob('*.db3')
    os.truncate(storage, int(storage.stat().st_size * share))
    build = ['map', 'build', '--bag', bag, *SMALL]
    assert 'bag' in complaint(*build, '--output', tmp_path / 'm.folmap')
    assert 'bag' in complaint(*build, '--output', existing, '--overwrite')
    assert not (tmp_path / 'm.folmap').exists()


# ---- maps


def test_a_map_of_another_model(sound, existing, complaint):
    said = complaint('query', sound / 'images' / 'view000.jpg', '--map', existing,
                     '--weights', 'untrained-vitb14')  # fmt: skip
    assert 'untrained-vits14' in said
    assert 'untrained-vitb14' in said


@pytest.mark.parametrize('share', [0, 0.001, 0.5, 0.98])
def test_a_map_that_was_cut(sound, tmp_path, complaint, share, capfd):
    cut = tmp_path / 'cut.folmap'
    data = (sound / 'm.folmap').read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    query = sound / 'images' / 'view000.jpg'
    assert str(cut) in complaint('query', query, '--map', cut)
    assert str(cut) in complaint('evaluate', '--map', cut, '--queries', sound / 'images',
                                 '--ground-truth', sound / 'truth.csv')  # fmt: skip
    assert main(['map', 'check', str(cut)]) in (1, 2)
    assert 'Traceback' not in capfd.readouterr().err


def test_what_is_no_map(sound, tmp_path, complaint):
    image = sound / 'images' / 'view000.jpg'
    for path in (tmp_path / 'missing.folmap', image, sound / 'images'):
        assert str(path) in complaint('map', 'info', path)
        assert str(path) in complaint('query', image, '--map', path)


# ---- tables


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('', 'query_index'),
        ('query_index\n0\n', 'ref_indices'),
        ('query_index,ref_indices\n0,zero\n', 'line 2'),
        (f'query_index,ref_indices\n0,0\n1,{COUNT}\n', 'line 3'),
        (f'query_index,ref_indices\n{COUNT},0\n', 'line 2'),
        ('\x00\x01\x02', 'truth.csv'),
    ],
)
def test_a_wrong_ground_truth(sound, existing, tmp_path, complaint, text, named):
    truth, report = tmp_path / 'truth.csv', tmp_path / 'report.json'
    truth.write_text(text)
    report.write_text('of last week')
    said = complaint('evaluate', '--map', existing, '--queries', sound / 'images',
                     '--ground-truth', truth, '--json', report)  # fmt: skip
    assert named in said
    assert str(truth) in said
    assert report.read_text() == 'of last week'


@pytest.mark.parametrize(
    'text', ['', 'file,x\n', 'file,x,y\nview000.jpg,1,two\n', 'file,x,y\nview000.jpg,nan,2\n']
)
def test_wrong_positions(sound, tmp_path, complaint, text):
    positions = tmp_path / 'positions.csv'
    positions.write_text(text)
    said = complaint('map', 'build', '--images', sound / 'images', '--positions', positions,
                     '--output', tmp_path / 'm.folmap', *SMALL)  # fmt: skip
    assert str(positions) in said
    assert not list(tmp_path.glob('m.folmap*'))


# ---- settings


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (['--input-size', '127'], 'multiple of 14'),
        (['--input-size', '14'], '14x14 px'),
        (['--device', 'warp'], 'warp'),
        (['--device', 'cuda:99'], 'cuda:99'),
        (['--threads', '-1'], '--threads'),
        (['--keyframe-distance', '1'], 'it needs --bag'),
        (['--max-pose-gap', '2'], 'it needs --bag'),
    ],
)
def test_settings_that_cannot_be(sound, tmp_path, complaint, options, named):
    output = tmp_path / 'm.folmap'
    build = ['map', 'build', '--images', sound / 'images', '--output', output]
    assert named in complaint(*build, *options)
    assert not list(tmp_path.glob('m.folmap*'))


# ---- where things are written


def test_no_permission(sound, tmp_path, complaint):
    """Root may write into any folder, but not into the kernel's."""
    locked = Path('/sys') if os.geteuid() == 0 else tmp_path / 'locked'
    if os.geteuid():
        locked.mkdir(mode=0o555)
    images = sound / 'images'
    for words in (
        ['map', 'build', '--images', images, '--output', locked / 'm.folmap', *SMALL],
        ['bag', 'from-images', images, '--output', locked / 'bag', '--rate', '5'],
        ['evaluate', '--map', sound / 'm.folmap', '--queries', images, '--ground-truth',
         sound / 'truth.csv', '--json', locked / 'out.json'],
        ['query', images / 'view000.jpg', '--map', sound / 'm.folmap', '--picture',
         locked / 'out.png'],
    ):  # fmt: skip
        assert str(locked) in complaint(*words)


def test_a_folder_that_is_not_there(sound, tmp_path, complaint):
    output = tmp_path / 'nowhere' / 'm.folmap'
    build = ['map', 'build', '--images', sound / 'images', '--output', output, *SMALL]
    assert 'nowhere' in complaint(*build)


def test_a_full_disk(sound, existing, tmp_path):
    """Files may not grow beyond the map's size, which the log of its writing does before it."""
    room = existing.stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    def build(output: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        images = str(sound / 'images')
        words = ['map', 'build', '--images', images, '--output', str(output), '--overwrite']
        command = [sys.executable, '-m', 'fol_vpr.cli.main', *words, *SMALL]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)

    full = build(existing, preexec_fn=limit)
    assert full.returncode == 2, full.stderr
    assert 'free some space' in full.stderr
    assert 'Traceback' not in full.stderr
    # Beside the untouched map lie the references that did fit. With space the same command goes on
    # from them; that is tried on copies, since it replaces the map.
    partial = existing.with_name(existing.name + '.partial')
    assert partial.exists()
    for each in existing.parent.glob('existing.folmap*'):
        shutil.copy(each, tmp_path / each.name.replace('existing', 'later'))
    later = build(tmp_path / 'later.folmap')
    assert later.returncode == 0, later.stderr
    with MapReader(tmp_path / 'later.folmap') as mended, MapReader(sound / 'm.folmap') as whole:
        # Another process may add in another order, which moves the last digit of a float16.
        np.testing.assert_allclose(
            mended.global_descriptors(), whole.global_descriptors(), rtol=0, atol=5e-5
        )


# ---- real images


def test_a_truncated_photograph(data, existing, tmp_path, complaint):
    photograph = data / 'gardens_point' / 'day_left' / 'Image000.jpg'
    cut = tmp_path / 'cut.jpg'
    for share in (0.01, 0.5, 0.95):
        cut.write_bytes(photograph.read_bytes()[: int(photograph.stat().st_size * share)])
        assert 'cut.jpg' in complaint('query', cut, '--map', existing)


def test_images_of_odd_kinds_are_answered(existing, tmp_path, capfd):
    """Not bad at all, though rare: 16 bit, transparent, tiny, very wide."""
    colour = view(0)
    kinds = {
        'deep.png': (colour.astype(np.uint16) * 257),
        'transparent.png': np.dstack([colour, np.full(colour.shape[:2], 128, np.uint8)]),
        'tiny.png': colour[:1, :1],
        'wide.png': np.hstack([colour[:8]] * 6),
    }
    for name, pixels in kinds.items():
        cv2.imwrite(str(tmp_path / name), pixels)
        assert main(['query', str(tmp_path / name), '--map', str(existing), '--json']) == 0, name
    assert 'Traceback' not in capfd.readouterr().err
