"""Images of bags as frames: topics, times, poses, and messages that are broken."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.scenes import select_keyframes
from helpers.source_files import (
    SECOND,
    Sent,
    bag,
    compressed,
    encode,
    fix,
    header,
    image_folder,
    odometry,
    picture,
    pose,
    storage_file,
    text,
    types,
)

from fol_vpr.config import MappingConfig
from fol_vpr.errors import FolVprError, InputError
from fol_vpr.mapping import KeyframeSelector
from fol_vpr.sources import BagImages, ImageFolder, open_source, write_bag_from_images

JPEG = encode(picture())


def raw(stamp_ns: int, pixels: np.ndarray, topic: str = '/camera/image') -> Sent:
    height, width = pixels.shape[:2]
    message = types('sensor_msgs/msg/Image')(
        header(stamp_ns, 'camera'), height, width, 'rgb8', 0, width * 3, pixels.reshape(-1)
    )
    return Sent(topic, 'sensor_msgs/msg/Image', stamp_ns, message)


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_frames_of_both_image_types(tmp_path: Path, storage: str) -> None:
    path = bag(
        tmp_path / 'drive',
        [compressed(1 * SECOND, JPEG), raw(2 * SECOND, picture(1)), compressed(3 * SECOND, JPEG)],
        storage,
    )
    source = BagImages(path, image_topic='/camera/compressed')
    frames = list(source.frames())
    assert [position for position, _ in frames] == [0, 1]
    assert [frame.stamp_ns for _, frame in frames] == [1 * SECOND, 3 * SECOND]
    assert frames[0][1].frame_id == 'camera'
    assert frames[0][1].uri == f'{path}:/camera/compressed'
    assert frames[0][1].pose is None
    assert source.session_id == 'drive'
    assert source.frame_id == ''
    assert [position for position, _ in source.frames(1)] == [1]

    _, frame = next(BagImages(path, image_topic='camera/image').frames())
    np.testing.assert_array_equal(frame.image, picture(1))


def test_the_only_image_topic_is_found(tmp_path: Path) -> None:
    path = bag(tmp_path / 'drive', [text(1), compressed(SECOND, JPEG), pose(SECOND, (0, 0, 0))])
    source = open_source(path)
    assert isinstance(source, BagImages)
    assert source.image_topic == '/camera/compressed'
    assert source.pose_topic == ''


def test_topics_that_do_not_fit(tmp_path: Path) -> None:
    two = bag(tmp_path / 'two', [compressed(1, JPEG), raw(2, picture()), text(3)])
    with pytest.raises(
        InputError, match=r'2 image topics, choose one of .*: /camera/compressed \('
    ):
        open_source(two)
    with pytest.raises(InputError, match=r'no topic /front; it has .*/camera/image \(sensor_msgs'):
        open_source(two, image_topic='/front')
    with pytest.raises(InputError, match='of type std_msgs/msg/String, expected sensor_msgs'):
        open_source(two, image_topic='/chatter')
    with pytest.raises(InputError, match='a CSV of positions goes with a folder'):
        open_source(two, positions_csv='p.csv')


def test_bag_without_images(tmp_path: Path) -> None:
    path = bag(tmp_path / 'drive', [text(1), text(2)])
    with pytest.raises(
        InputError, match=r'holds no images, .*/chatter \(std_msgs/msg/String, 2\)'
    ):
        open_source(path)
    with pytest.raises(InputError, match='holds no images'):
        open_source(bag(tmp_path / 'empty', []))


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_broken_messages_are_bad_items_and_the_others_go_on(tmp_path: Path, storage: str) -> None:
    msgtype = 'sensor_msgs/msg/CompressedImage'
    path = bag(
        tmp_path / 'drive',
        [
            compressed(1 * SECOND, JPEG),
            compressed(2 * SECOND, encode(picture(0, 320, 240))[:2000]),
            Sent('/camera/compressed', msgtype, 3 * SECOND, b'\0\1\0\0\xff\xff\xff\xff' * 3),
            compressed(4 * SECOND, b''),
            compressed(5 * SECOND, JPEG),
        ],
        storage,
    )
    source = open_source(path)
    bad: list[tuple[int, FolVprError]] = []
    found = [position for position, _ in source.frames(on_bad=lambda *item: bad.append(item))]
    assert found == [0, 4]
    assert [position for position, _ in bad] == [1, 2, 3]
    for (position, error), said in zip(bad, ['truncated', 'is damaged', 'is empty'], strict=True):
        assert f'image {position} of /camera/compressed' in str(error)
        assert said in str(error)
    with pytest.raises(InputError, match='image 1 of /camera/compressed'):
        list(source.frames())


def test_times_that_are_missing_or_run_backwards(tmp_path: Path) -> None:
    stamps = [0, 5 * SECOND, 4 * SECOND, 6 * SECOND]
    path = bag(
        tmp_path / 'drive',
        [
            compressed(stamp, JPEG, receive_ns=(10 + index) * SECOND)
            for index, stamp in enumerate(stamps)
        ],
    )
    source = open_source(path)
    found = [frame.stamp_ns for _, frame in source.frames()]
    assert found == [10 * SECOND, 5 * SECOND, 4 * SECOND, 6 * SECOND]
    assert len(source.warnings) == 2
    assert '1 of 4 images on /camera/compressed have a header stamp of 0' in source.warnings[0]
    assert '2 of 4 images on /camera/compressed have a stamp before' in source.warnings[1]
    list(source.frames())
    assert len(source.warnings) == 2


def test_poses_at_the_time_of_the_header(tmp_path: Path) -> None:
    """Images arrive half a second after they were taken, and poses are out of order."""
    late = SECOND // 2
    path = bag(
        tmp_path / 'drive',
        [
            pose(2 * SECOND, (20, 0, 0)),
            pose(1 * SECOND, (10, 0, 0), receive_ns=2 * SECOND + 1),
            *[
                compressed(stamp, JPEG, receive_ns=stamp + late)
                for stamp in (SECOND // 2, SECOND + SECOND // 4, 2 * SECOND, 3 * SECOND)
            ],
        ],
    )
    source = open_source(path, pose_topic='/pose', max_pose_gap=1.0)
    poses = [frame.pose for _, frame in source.frames()]
    assert poses[0] is None
    assert poses[3] is None
    assert poses[1] is not None
    assert poses[2] is not None
    np.testing.assert_allclose(poses[1].position, [12.5, 0, 0])
    np.testing.assert_allclose(poses[2].position, [20, 0, 0])
    assert source.frame_id == 'map'
    assert any('before that of their predecessor' in warning for warning in source.warnings)
    assert any(
        '2 of 4 images' in warning and 'from 1.000 to 2.000 s' in warning
        for warning in source.warnings
    )


def test_positions_of_a_receiver(tmp_path: Path) -> None:
    path = bag(
        tmp_path / 'drive',
        [fix(SECOND, 48, 11), compressed(SECOND, JPEG), fix(2 * SECOND, 48, 11)],
    )
    source = open_source(path, pose_topic='fix')
    _, frame = next(source.frames())
    assert frame.pose is None
    assert frame.geo is not None
    assert source.frame_id == ''


def test_images_without_a_pose_are_no_keyframes_where_there_are_poses(tmp_path: Path) -> None:
    path = bag(
        tmp_path / 'drive',
        [
            *[pose(t * SECOND, (10 * t, 0, 0)) for t in (2, 3, 6, 7)],
            *[compressed(t * SECOND, JPEG) for t in range(1, 9)],
        ],
    )
    source = open_source(path, pose_topic='/pose', max_pose_gap=1.0)
    bad: list[int] = []
    kept = source.keyframes(
        KeyframeSelector(MappingConfig()), on_bad=lambda position, _: bad.append(position)
    )
    assert [position for position, _ in kept] == [1, 2, 5, 6]
    assert bad == []
    assert any('2 of 8 images' in w and 'left out: they lie outside' in w for w in source.warnings)
    assert any('2 of 8 images' in w and '--max-pose-gap' in w for w in source.warnings)
    assert len(list(source.frames())) == 8
    assert [position for position, _ in source.frames(2, stop=4)] == [2, 3]


def test_what_is_known_of_images_does_not_depend_on_their_pixels(tmp_path: Path) -> None:
    msgtype = 'sensor_msgs/msg/CompressedImage'
    path = bag(
        tmp_path / 'drive',
        [
            pose(1 * SECOND, (0, 0, 0)),
            pose(9 * SECOND, (8, 0, 0)),
            compressed(2 * SECOND, JPEG, receive_ns=3 * SECOND),
            compressed(4 * SECOND, b'no JPEG'),
            Sent('/camera/compressed', msgtype, 5 * SECOND, b'cut'),
        ],
    )
    source = open_source(path, pose_topic='/pose', max_pose_gap=10)
    known = list(source.captures())
    assert [each.stamp_ns // SECOND for each in known] == [2, 4, 5]
    assert [each.pose.position[0] for each in known if each.pose] == [1, 3, 4]
    assert {each.uri for each in known} == {f'{path}:/camera/compressed'}


@pytest.mark.parametrize(
    ('frame_id', 'message', 'own'),
    [
        ('odom', odometry(SECOND, (0, 0, 0), np.eye(6)), True),
        ('robot1/odom', pose(SECOND, (0, 0, 0), frame_id='robot1/odom'), True),
        ('camera_init', odometry(SECOND, (0, 0, 0), np.eye(6)), True),
        ('map', odometry(SECOND, (0, 0, 0), np.eye(6)), False),
        ('world', pose(SECOND, (0, 0, 0), frame_id='world'), False),
    ],
)
def test_the_frame_of_odometry_is_that_of_its_drive_alone(
    tmp_path: Path, frame_id: str, message: Sent, own: bool
) -> None:
    message.message.header.frame_id = frame_id
    path = bag(tmp_path / 'drive', [message, compressed(SECOND, JPEG)])
    source = open_source(path, pose_topic=message.topic)
    assert (source.own_origin, source.frame_id) == (own, 'map' if own else frame_id)
    assert any('is the start of the drive' in warning for warning in source.warnings) == own
    named = open_source(path, pose_topic=message.topic, frame_id='site')
    assert (named.own_origin, named.frame_id, named.warnings) == (False, 'site', [])


def test_odometry_goes_with_the_images_beside_their_poses(tmp_path: Path) -> None:
    unknown = np.zeros((6, 6))
    sent = [compressed(t * SECOND, encode(picture(t))) for t in (1, 2, 9)]
    sent += [odometry(t * SECOND, (10 * t, 0, 0), unknown) for t in (0, 1, 3)]
    sent += [pose(t * SECOND, (0, t, 0)) for t in (0, 4)]
    path = bag(tmp_path / 'drive', sorted(sent, key=lambda each: each.receive_ns))
    source = BagImages(path, pose_topic='/pose', odom_topic='/odom', max_pose_gap=5)
    frames = [frame for _, frame in source.frames()]
    assert frames[0].odometry.position.tolist() == [10, 0, 0]
    assert frames[1].odometry.position.tolist() == [20, 0, 0]
    assert frames[1].pose.position.tolist() == [0, 2, 0]
    assert frames[2].odometry is None and frames[2].pose is None
    assert [frame.odometry for _, frame in BagImages(path).frames()] == [None] * 3
    with pytest.raises(InputError, match='/nowhere'):
        BagImages(path, odom_topic='/nowhere')


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_reading_goes_on_in_another_thread(tmp_path: Path, storage: str) -> None:
    """As in a build that goes on after an interruption, whose first image is left out."""
    sent = [compressed(at * SECOND, JPEG) for at in (1, 2, 3)]
    frames = BagImages(bag(tmp_path / 'drive', sent, storage)).frames()
    next(frames)
    rest: list[int] = []
    thread = threading.Thread(target=lambda: rest.extend(position for position, _ in frames))
    thread.start()
    thread.join()
    assert rest == [1, 2]


def test_fingerprint_changes_with_what_is_read(tmp_path: Path) -> None:
    path = bag(tmp_path / 'a', [compressed(SECOND, JPEG), pose(SECOND, (0, 0, 0))])
    seen = [
        open_source(path).fingerprint,
        open_source(path, pose_topic='/pose').fingerprint,
        open_source(path, pose_topic='/pose', max_pose_gap=0.1).fingerprint,
    ]
    assert open_source(path).fingerprint == seen[0]
    (path / 'map.folmap.partial').touch()
    assert open_source(path).fingerprint == seen[0]
    storage_file(path).touch()
    seen.append(open_source(path).fingerprint)
    assert len(set(seen)) == len(seen)


def test_keyframes_before_and_after_decoding_are_the_same(tmp_path: Path) -> None:
    images = [compressed(t * SECOND // 2, JPEG) for t in range(2, 13)]
    images[4] = compressed(6 * SECOND // 2, JPEG[:300])
    poses = [pose(t * SECOND, (0.4 * t * t, 0, 0)) for t in range(1, 7)]
    path = bag(tmp_path / 'drive', [*poses, *images])
    config = MappingConfig(keyframe_distance=1.0, keyframe_interval=0.9)
    source = BagImages(path, pose_topic='/pose', max_pose_gap=1)
    bad: list[int] = []
    before = list(
        source.keyframes(KeyframeSelector(config), on_bad=lambda position, _: bad.append(position))
    )
    decoded = source.frames(on_bad=lambda *_: None)
    after = list(select_keyframes(decoded, KeyframeSelector(config)))
    assert [position for position, _ in before] == [position for position, _ in after]
    assert 3 < len(before) < len(images)
    assert bad == [4]
    resumed = source.keyframes(KeyframeSelector(config), before[2][0], lambda *_: None)
    assert next(resumed)[0] == before[2][0]
    assert next(resumed)[0] == before[3][0]


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('as_files', [True, False])
def test_real_images_are_the_same_from_a_folder_and_from_a_bag(
    data: Path, tmp_path: Path, storage: str, as_files: bool
) -> None:
    images = image_folder(tmp_path / 'images', 0)
    for name in ('Image000.jpg', 'Image100.jpg'):
        (images / name).symlink_to(data / 'gardens_point' / 'day_left' / name)
    written = write_bag_from_images(
        images, tmp_path / 'drive', rate=10, compressed=as_files, storage=storage
    )
    folder, source = ImageFolder(images), open_source(written.path)
    pairs = list(zip(folder.frames(), source.frames(), strict=True))
    assert len(pairs) == 2
    for (_, ours), (_, theirs) in pairs:
        np.testing.assert_array_equal(ours.image, theirs.image)
