"""The camera of a bag's images: by its CameraInfo and its tf, or by what is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import (
    AHEAD,
    CALIBRATION,
    SECOND,
    Sent,
    bag,
    camera_info,
    compressed,
    encode,
    image_folder,
    odometry,
    picture,
    text,
    transforms,
)

from fol_vpr.config import CameraConfig
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.sources import BagImages, open_source
from fol_vpr.sources.bags.mounts import mount_between

JPEG = encode(picture())
# The camera on a mast that is turned to the left, 0.5 m behind the base and 2 m above it.
LEFT = np.sqrt(0.5)
MAST = ('base_link', 'mast', (-0.5, 0, 2, 0, 0, LEFT, LEFT))
OPTICAL = ('mast', 'camera', (0.1, 0, 0, -0.5, 0.5, -0.5, 0.5))


def film(path: Path, *messages: Sent, count: int = 2) -> Path:
    images = [compressed((2 + index) * SECOND, JPEG) for index in range(count)]
    return bag(path, [*messages, *images])


def first(source: BagImages):
    return next(source.frames())[1].camera


def axes(mount: Pose) -> np.ndarray:
    """Where right, down and forward of the camera point in the base; columns."""
    return rotation_matrix(mount.orientation)


def test_a_bag_without_calibration(tmp_path: Path) -> None:
    source = BagImages(film(tmp_path / 'drive'))
    assert [frame.camera for _, frame in source.frames()] == [None, None]
    assert source.warnings == []


def test_calibration_and_mount_from_the_bag(tmp_path: Path) -> None:
    source = BagImages(
        film(tmp_path / 'drive', transforms(1, MAST), transforms(1, OPTICAL), camera_info())
    )
    cameras = [frame.camera for _, frame in source.frames()]
    assert cameras[0] is cameras[1]
    camera = cameras[0]
    assert (camera.size, camera.model) == ((48, 32), 'plumb_bob')
    np.testing.assert_allclose(camera.mount.position, [-0.5, 0.1, 2], atol=1e-12)
    # It looks to the left, which is y; its right is where the robot goes.
    np.testing.assert_allclose(
        axes(camera.mount), np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]).T, atol=1e-9
    )
    assert source.warnings == []


def test_a_tf_that_stands_still_counts_and_one_that_moves_does_not(tmp_path: Path) -> None:
    still = [transforms(at, OPTICAL, MAST, topic='/tf') for at in (1, 2, 3)]
    source = BagImages(film(tmp_path / 'still', *still, camera_info()))
    np.testing.assert_allclose(first(source).mount.position, [-0.5, 0.1, 2], atol=1e-12)

    # A quaternion and its negative are one turn.
    negative = (*MAST[:2], (-0.5, 0, 2, 0, 0, -LEFT, -LEFT))
    signs = [transforms(1, OPTICAL), *(transforms(1, e, topic='/tf') for e in (MAST, negative))]
    source = BagImages(film(tmp_path / 'signs', *signs, camera_info()))
    np.testing.assert_allclose(first(source).mount.position, [-0.5, 0.1, 2], atol=1e-12)

    elsewhere = (*OPTICAL[:2], (7, 0, 0, *OPTICAL[2][3:]))
    both = [transforms(1, OPTICAL), transforms(1, MAST, elsewhere, topic='/tf')]
    source = BagImages(film(tmp_path / 'both', *both, camera_info()))
    np.testing.assert_allclose(first(source).mount.position, [-0.5, 0.1, 2], atol=1e-12)

    turned = (*MAST[:2], (-0.5, 0, 2, 0, 0, 0, 1))
    moving = [transforms(1, OPTICAL), *(transforms(1, e, topic='/tf') for e in (MAST, turned))]
    source = BagImages(film(tmp_path / 'moving', *moving, camera_info()))
    assert first(source).mount is None
    assert len(source.warnings) == 1
    assert 'no fixed transform from base_link to camera' in source.warnings[0]


def test_the_base_is_the_frame_whose_poses_the_topic_gives(tmp_path: Path) -> None:
    def posed(child: str) -> Sent:
        sent = odometry(SECOND, (0, 0, 0), np.zeros(36))
        sent.message.child_frame_id = child
        return sent

    for child, x in (('base_link', -0.5), ('mast', 0.1), ('camera', 0.0)):
        path = film(tmp_path / child, transforms(1, MAST, OPTICAL), camera_info(), posed(child))
        source = BagImages(path, pose_topic='/odom')
        assert first(source).mount.position[0] == pytest.approx(x)
        told = any('the poses of the camera, and not' in warning for warning in source.warnings)
        assert told == (child == 'camera')
    given = BagImages(path, pose_topic='/odom', camera=CameraConfig(base_frame='mast'))
    assert first(given).mount.position[0] == pytest.approx(0.1)
    assert any(
        'of the frame camera by its messages, and are taken as those of mast' in warning
        for warning in given.warnings
    )


def moving(child: str, topic: str = '/odom', far: float = 0.0) -> list[Sent]:
    """Odometry of a frame, before and after the images, which stands still; turned to the left."""
    sent = [odometry(at * SECOND, (far, 0, 0), np.zeros(36)) for at in (2, 3)]
    for each in sent:
        each.message.child_frame_id = child
        turn = each.message.pose.pose.orientation
        turn.z = turn.w = LEFT
    return [each._replace(topic=topic) for each in sent]


def test_frames_of_ros_1_with_a_leading_slash(tmp_path: Path) -> None:
    mast, optical = (f'/{MAST[0]}', '/mast', MAST[2]), ('mast', '/camera', OPTICAL[2])
    sent = [*moving('/mast', far=3), camera_info(frame_id='/camera')]
    for each in sent[:2]:
        each.message.header.frame_id = '/odom'
    tree = transforms(1, mast, optical)
    source = BagImages(
        film(tmp_path / 'drive', tree, *sent), pose_topic='/odom', odom_topic='/odom'
    )
    assert source.frame_id == 'odom' or source.own_origin
    frame = next(source.frames())[1]
    assert frame.camera.mount.position[0] == pytest.approx(0.1)
    assert frame.odometry.position[0] == 3
    based = BagImages(
        tmp_path / 'drive', odom_topic='/odom', camera=CameraConfig(base_frame='/base_link')
    )
    assert first(based).mount.position[0] == pytest.approx(-0.5)
    assert based.warnings == []


def test_odometry_alone_says_which_frame_is_the_base(tmp_path: Path) -> None:
    tree = transforms(1, MAST, OPTICAL)
    path = film(tmp_path / 'alone', tree, camera_info(), *moving('mast', far=3))
    source = BagImages(path, odom_topic='/odom')
    frame = next(source.frames())[1]
    assert frame.camera.mount.position[0] == pytest.approx(0.1)
    assert frame.odometry.position[0] == 3
    assert source.warnings == []


def test_odometry_of_another_frame_is_carried_over_to_the_base(tmp_path: Path) -> None:
    messages = [camera_info(), *moving('mast', far=3), *moving('base_link', '/slam')]
    path = film(tmp_path / 'both', transforms(1, MAST, OPTICAL), *messages)
    source = BagImages(path, pose_topic='/slam', odom_topic='/odom')
    frame = next(source.frames())[1]
    assert frame.camera.mount.position[0] == pytest.approx(-0.5)
    # On the base, which looks ahead of the odometry, the mast is 0.5 m behind, 2 m up and turned
    # to the left; so is the mast in the odometry.
    np.testing.assert_allclose(frame.odometry.position, [3.5, 0, -2], atol=1e-12)
    np.testing.assert_allclose(frame.odometry.orientation, [0, 0, 0, 1], atol=1e-12)
    path = film(tmp_path / 'unknown', *messages)
    lost = BagImages(path, pose_topic='/slam', odom_topic='/odom')
    assert next(lost.frames())[1].odometry is None
    (warning,) = (each for each in lost.warnings if 'the odometry is' in each)
    assert (
        'of the frame mast, and the bag has no fixed transform from mast to base_link' in warning
    )


def test_what_is_given_goes_before_what_the_bag_holds(tmp_path: Path) -> None:
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    path = film(tmp_path / 'drive', transforms(1, MAST, OPTICAL), camera_info())
    mounted = open_source(path, camera=CameraConfig(camera_mount=AHEAD))
    np.testing.assert_array_equal(first(mounted).mount.position, AHEAD[:3])
    assert first(mounted).matrix[0, 0] == 40
    given = open_source(path, camera=CameraConfig(camera=str(tmp_path / 'camera.yaml')))
    assert first(given).matrix[0, 0] == 40.5
    assert first(given).mount.position[2] == pytest.approx(2)
    plain = open_source(path)
    assert len({source.fingerprint for source in (mounted, given, plain)}) == 3


def test_the_pose_of_a_file_is_told_where_the_bag_has_no_mount(tmp_path: Path) -> None:
    turned = 'T_BS: {rows: 4, cols: 4, data: [0,0,1,0.5, -1,0,0,0, 0,-1,0,2, 0,0,0,1]}'
    (tmp_path / 'sensor.yaml').write_text(
        f'{turned}\nresolution: [48, 32]\nintrinsics: [40, 41, 23, 15]\n'
        'distortion_model: radial-tangential\ndistortion_coefficients: [0.1, 0, 0, 0]\n'
    )
    config = CameraConfig(camera=str(tmp_path / 'sensor.yaml'))
    unknown = open_source(film(tmp_path / 'unknown'), camera=config)
    assert first(unknown).mount is None
    read, missing = unknown.warnings
    assert 'is read as a sensor.yaml of EuRoC: 48x32 pixels, plumb_bob' in read
    assert '--camera-mount 0.5 0 2 -0.5 0.5 -0.5 0.5' in missing
    known = open_source(film(tmp_path / 'known', transforms(1, MAST, OPTICAL)), camera=config)
    assert first(known).mount is not None and len(known.warnings) == 1


def test_another_topic_of_camera_info(tmp_path: Path) -> None:
    infos = [camera_info(topic='/camera/info'), camera_info(k=np.zeros(9))]
    path = film(tmp_path / 'drive', *infos, text(SECOND))
    source = BagImages(path, camera=CameraConfig(camera_info_topic='camera/info'))
    assert first(source).matrix[0, 0] == 40
    with pytest.raises(InputError, match='has no topic /elsewhere'):
        BagImages(path, camera=CameraConfig(camera_info_topic='/elsewhere'))
    with pytest.raises(InputError, match=r'/chatter.*expected sensor_msgs/msg/CameraInfo'):
        BagImages(path, camera=CameraConfig(camera_info_topic='/chatter'))


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'k': np.zeros(9)}, 'not calibrated'),
        ({'width': 96}, 'for 96x32 pixels, but the images have 48x32'),
        ({'frame_id': 'rear'}, 'of the frame rear, but the images are of camera'),
        ({'distortion_model': 'odd'}, "distortion model is 'odd'"),
    ],
)
def test_a_camera_info_that_does_not_fit(tmp_path: Path, changes, said: str) -> None:
    source = BagImages(
        film(tmp_path / 'drive', transforms(1, MAST, OPTICAL), camera_info(**changes))
    )
    assert [frame.camera for _, frame in source.frames()] == [None, None]
    assert len(source.warnings) == 1
    assert said in source.warnings[0]
    assert '/camera_info' in source.warnings[0]
    assert 'uncalibrated' in source.warnings[0]


def at(seconds: float, **changes) -> Sent:
    return camera_info(**changes)._replace(receive_ns=round(seconds * SECOND))


def test_a_driver_that_begins_with_zeros(tmp_path: Path) -> None:
    zeros = [at(t, k=np.zeros(9), d=np.zeros(0), p=np.zeros(12)) for t in (1.0, 1.5, 2.7)]
    source = BagImages(film(tmp_path / 'drive', transforms(1, MAST, OPTICAL), *zeros, at(2.5)))
    assert [frame.camera.matrix[0, 0] for _, frame in source.frames()] == [40, 40]
    assert source.warnings == []


def test_a_calibration_that_changes_during_the_recording(tmp_path: Path) -> None:
    zoomed = np.array([80.0, 0, 23.5, 0, 82, 15.5, 0, 0, 1])
    infos = [at(1.5), at(2.2), at(2.5, k=zoomed), at(3.5), at(3.7, k=zoomed)]
    source = BagImages(film(tmp_path / 'drive', transforms(1, MAST, OPTICAL), *infos, count=3))
    for _ in range(2):
        found = [frame.camera.matrix[0, 0] for _, frame in source.frames()]
        assert found == [40, 80, 80]
    assert [frame.camera.matrix[0, 0] for _, frame in source.frames(2)] == [80]
    (warning,) = source.warnings
    assert 'changes during the recording' in warning
    assert 'the focal length 40 becomes 80' in warning and '--camera FILE' in warning


def test_rectified_images_of_a_driver_that_leaves_k_at_zero(tmp_path: Path) -> None:
    image = compressed(2 * SECOND, JPEG, topic='/camera/image_rect/compressed')
    source = BagImages(
        bag(tmp_path / 'drive', [at(1, k=np.zeros(9), topic='/camera/camera_info'), image]),
        camera=CameraConfig(camera_mount=AHEAD),
    )
    assert first(source).matrix[0, 0] == 38


def test_a_calibration_of_raw_images_for_rectified_ones_is_told(tmp_path: Path) -> None:
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    image = compressed(2 * SECOND, JPEG, topic='/camera/image_rect/compressed')
    config = CameraConfig(camera=str(tmp_path / 'camera.yaml'), camera_mount=AHEAD)
    source = BagImages(bag(tmp_path / 'drive', [image]), camera=config)
    assert first(source).model == 'plumb_bob'
    (warning,) = source.warnings
    assert 'is a name of rectified images' in warning and 'leave --camera out' in warning


def test_a_camera_info_that_lies_elsewhere_is_named(tmp_path: Path) -> None:
    source = BagImages(film(tmp_path / 'drive', at(1, topic='/driver/camera_info')))
    assert first(source) is None
    (warning,) = source.warnings
    assert '--camera-info-topic chooses one' in warning and '/driver/camera_info' in warning


def test_a_driver_that_has_binned_width_and_height_already(tmp_path: Path) -> None:
    source = BagImages(film(tmp_path / 'drive', at(1, binning_x=2, binning_y=2)))
    assert first(source) is None
    assert 'those before the binning' in source.warnings[-1]


def test_two_cameras_on_one_topic_are_told_apart_by_their_frames(tmp_path: Path) -> None:
    other = np.array([80.0, 0, 23.5, 0, 82, 15.5, 0, 0, 1])
    infos = [at(1.5, frame_id='rear', k=other), at(1.6), at(2.5, frame_id='rear', k=other)]
    source = BagImages(film(tmp_path / 'drive', transforms(1, MAST, OPTICAL), *infos))
    assert [frame.camera.matrix[0, 0] for _, frame in source.frames()] == [40, 40]
    assert source.warnings == []


def test_a_camera_info_that_is_damaged(tmp_path: Path) -> None:
    broken = camera_info()._replace(message=b'\0\1\0\0abc')
    source = BagImages(film(tmp_path / 'drive', broken))
    assert first(source) is None
    assert 'damaged' in source.warnings[0]
    path = film(tmp_path / 'first', broken, camera_info(), transforms(1, MAST, OPTICAL))
    source = BagImages(path)
    assert first(source).matrix[0, 0] == 40
    assert len(source.warnings) == 1


def test_folders_have_neither_topics_nor_frames(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / 'images')
    for config in (CameraConfig(camera_info_topic='/c'), CameraConfig(base_frame='base')):
        with pytest.raises(InputError, match='folder of images and has no topics or frames'):
            open_source(folder, camera=config)
    with pytest.raises(InputError, match='of no use without its calibration'):
        open_source(folder, camera=CameraConfig(camera_mount=AHEAD))


# ---- trees of transforms


def pose(x: float, y: float = 0.0) -> Pose:
    return Pose(np.array([x, y, 0.0]), np.array([0.0, 0.0, LEFT, LEFT]))


def test_a_tree_is_gone_up_and_down() -> None:
    edges = {'camera': ('head', pose(1)), 'head': ('body', pose(2)), 'base': ('body', pose(0, 3))}
    mount = mount_between(edges, 'base', 'camera')
    assert mount is not None
    # In the body the camera is at (2, 1), the base at (0, 3) and turned to the left.
    np.testing.assert_allclose(mount.position, [-2, -2, 0], atol=1e-12)
    back = mount_between(edges, 'camera', 'base')
    assert back is not None
    np.testing.assert_allclose(
        rotation_matrix(mount.orientation) @ back.position, -mount.position, atol=1e-12
    )
    above = mount_between(edges, 'body', 'head')
    assert above is not None and above.position[0] == 2
    below = mount_between(edges, 'head', 'body')
    assert below is not None
    np.testing.assert_allclose(
        rotation_matrix(above.orientation) @ below.position, -above.position, atol=1e-12
    )


def test_no_way_and_loops() -> None:
    edges = {'camera': ('head', pose(1)), 'head': ('camera', pose(2)), 'base': ('body', pose(1))}
    assert mount_between(edges, 'base', 'camera') is None
    assert mount_between(edges, 'base', '') is None
    assert mount_between({}, 'base', 'camera') is None
