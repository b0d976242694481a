"""Drives of public data sets, in small instances of their layouts."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from helpers.data_sets import layouts
from PIL import Image

from fol_vpr.config import CameraConfig, MappingConfig
from fol_vpr.datatypes import Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.mapping import KeyframeSelector
from fol_vpr.sources import ImageFolder, open_source
from fol_vpr.sources.datasets import DatasetImages, open_dataset, recognise

AHEAD = [-0.5, 0.5, -0.5, 0.5]
MAKERS = {
    'tum': (layouts.tum, 'rgbd_dataset_freiburg1_xyz'),
    'euroc': (layouts.euroc, 'MH_01_easy'),
    'kitti': (layouts.kitti, 'dataset'),
    '4seasons': (layouts.four_seasons, 'recording_2020-03-24_17-36-22'),
    'nclt': (layouts.nclt, '2012-01-08'),
    'robotcar': (layouts.robotcar, '2014-05-14-13-46-12'),
}


def made(name: str, folder: Path) -> Path:
    maker, called = MAKERS[name]
    return maker(folder / called)


def poses(source: DatasetImages) -> list[Pose]:
    found = [capture.pose for capture in source.captures()]
    assert all(found)
    return [pose for pose in found if pose is not None]


def check(pose: Pose, position: list[float], forward: list[float], up: list[float]) -> None:
    rotation = rotation_matrix(pose.orientation)
    np.testing.assert_allclose(pose.position, position, atol=1e-6)
    np.testing.assert_allclose(rotation[:, 0], forward, atol=1e-6)
    np.testing.assert_allclose(rotation[:, 2], up, atol=1e-6)


X, Y, Z = [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]


@pytest.mark.parametrize('name', MAKERS)
def test_every_drive_is_recognised_and_has_keyframes(tmp_path: Path, name: str, caplog) -> None:
    folder = made(name, tmp_path)
    assert recognise(folder) == name
    source = open_dataset(name, folder)
    assert len(source) == 3
    assert source.selects_keyframes
    assert source.frame_id
    assert source.session_id in folder.parts
    # Two of three where the drive moves 1 m from image to image, and a map wants 1.5 m.
    if name in ('tum', 'euroc', 'nclt', 'robotcar'):
        selector = KeyframeSelector(MappingConfig(keyframe_distance=1.5, keyframe_angle=45))
        assert [position for position, _ in source.keyframes(selector)] == [0, 2]
    # As a plain folder it would be images without times and poses, of all its cameras.
    with caplog.at_level(logging.WARNING):
        plain = open_source(folder)
    assert isinstance(plain, ImageFolder)
    assert len(plain) > 3 or name == 'nclt'
    assert f'give --dataset {name} {folder} instead' in caplog.text
    assert isinstance(open_source(folder, dataset=name), DatasetImages)


def test_tum_looks_as_its_optical_frame_does(tmp_path: Path) -> None:
    source = open_dataset('TUM', layouts.tum(tmp_path / 'fr1'))
    assert [capture.stamp_ns for capture in source.captures()] == [
        1305031452 * 10**9, 1305031453 * 10**9, 1305031454 * 10**9
    ]  # fmt: skip
    check(poses(source)[1], [1, 2, 1.5], X, Z)
    assert source.files[0] == 'rgb/1305031452.000000.png'
    assert source.frame_id == 'map'
    # A calibration that the user gives gets the mount of such a camera.
    calibration = tmp_path / 'TUM1.yaml'
    calibration.write_text(
        'image_width: 48\nimage_height: 32\ncamera_matrix: {rows: 3, cols: 3, data: '
        '[40., 0., 23.5, 0., 40., 15.5, 0., 0., 1.]}\ndistortion_model: plumb_bob\n'
        'distortion_coefficients: {rows: 1, cols: 5, data: [0.2, -0.9, 0.0, 0.0, 1.1]}\n'
    )
    given = open_dataset('tum', tmp_path / 'fr1', camera=CameraConfig(camera=str(calibration)))
    camera = given.frame(0).camera
    assert camera is not None
    assert camera.mount is not None
    np.testing.assert_allclose(camera.mount.orientation, AHEAD)


@pytest.mark.parametrize(('camera', 'left'), [('cam0', 0.06), ('cam1', -0.05)])
def test_euroc_has_poses_of_the_body_and_turned_cameras(
    tmp_path: Path, camera: str, left: float
) -> None:
    folder = layouts.euroc(tmp_path / 'MH_01_easy')
    source = open_dataset('euroc', folder if camera == 'cam0' else folder / 'mav0' / camera)
    # x of the body is up: the base takes its z, which the camera looks along, for x.
    check(poses(source)[1], [1, 2, 1], X, Z)
    frame = source.frame(1)
    assert frame.stamp_ns == 1403715525912143104
    assert frame.camera is not None
    assert frame.camera.model == 'plumb_bob'
    assert frame.camera.distortion[3] == 1.76187114e-05
    assert frame.camera.mount is not None
    np.testing.assert_allclose(frame.camera.mount.orientation, AHEAD, atol=1e-9)
    np.testing.assert_allclose(frame.camera.mount.position, [0.01, left, -0.02], atol=1e-9)


def test_a_calibration_that_is_given_keeps_the_mount_of_the_data_set(tmp_path: Path) -> None:
    folder = layouts.euroc(tmp_path / 'MH_01_easy')
    given = CameraConfig(camera=str(folder / 'mav0/cam0/sensor.yaml'))
    source = open_dataset('euroc', folder, camera=given)
    (_, own), (_, other) = next(open_dataset('euroc', folder).frames()), next(source.frames())
    assert own.camera is not None and other.camera is not None
    assert own.camera.mount is not None and other.camera.mount is not None
    np.testing.assert_array_equal(own.camera.mount.position, other.camera.mount.position)
    assert not any('not taken for the mount' in warning for warning in source.warnings)


def test_euroc_ground_truth_of_a_sensor_apart_from_the_body(tmp_path: Path) -> None:
    folder = layouts.euroc(tmp_path / 'MH_01_easy')
    sensor = folder / 'mav0' / 'state_groundtruth_estimate0' / 'sensor.yaml'
    # 0.1 m along z of the body, which is world x.
    sensor.write_text(sensor.read_text().replace('0, 0, 1.0, 0,', '0, 0, 1.0, 0.1,'))
    check(poses(open_dataset('euroc', folder))[0], [-0.1, 2, 1], X, Z)


def test_kitti_counts_from_its_first_frame_with_z_up(tmp_path: Path) -> None:
    folder = layouts.kitti(tmp_path)
    source = open_dataset('kitti', folder)
    first, second, third = poses(source)
    check(first, [0, 0, 0], X, Z)
    check(second, [1, 0, 0], X, Z)
    check(third, [2, 0, 0], [0, -1, 0], Z)
    assert source.own_origin
    assert [capture.stamp_ns for capture in source.captures()] == [1, 10**8, 2 * 10**8]
    colour = open_dataset('kitti', folder / 'image_2').frame(0).camera
    assert colour is not None
    assert colour.mount is not None
    # Camera 2 is 6 cm left of camera 0: t of P2 is 45.38 / 718.9.
    np.testing.assert_allclose(colour.mount.position[1], 0.0599, atol=1e-4)
    np.testing.assert_array_equal(colour.matrix[0], [718.856, 0, 607.1928])


def test_kitti_frames_are_told_by_their_names(tmp_path: Path, caplog) -> None:
    folder = layouts.kitti(tmp_path)
    (folder / 'image_0' / '000000.png').unlink()
    with caplog.at_level(logging.WARNING):
        source = open_dataset('kitti', folder)
    check(poses(source)[0], [1, 0, 0], X, Z)
    assert '1 of the 3 frames have no image' in caplog.text


@pytest.mark.parametrize(('camera', 'right'), [('cam0', 0.0), ('cam1', 0.3)])
def test_four_seasons_is_scaled_and_georeferenced(
    tmp_path: Path, camera: str, right: float
) -> None:
    folder = layouts.four_seasons(tmp_path / 'recording')
    source = open_dataset('4Seasons', folder / 'undistorted_images' / camera)
    check(poses(source)[2], [20, 2, 0], X, Z)
    captures = list(source.captures())
    geo = captures[0].geo
    assert geo is not None
    # 2 m north of 48 degrees north, on the ellipsoid.
    np.testing.assert_allclose(
        [geo.latitude, geo.longitude, geo.altitude], [48.00001799, 11, 500], atol=1e-5
    )
    far = captures[2].geo
    assert far is not None
    assert abs(far.distance(geo) - 20) < 0.1
    assert captures[0].stamp_ns == 1588000000_000000000
    calibrated = source.frame(0).camera
    assert calibrated is not None
    assert calibrated.mount is not None
    assert calibrated.matrix[1, 1] == 41
    np.testing.assert_allclose(calibrated.mount.position, [0, -right, 0], atol=1e-12)
    assert source.frame_id.startswith('enu_48p0')


def test_nclt_images_stand_upright_and_east_is_x(tmp_path: Path) -> None:
    folder = layouts.nclt(tmp_path / '2012-01-08')
    source = open_dataset('nclt', folder)
    check(poses(source)[1], [1, 10, 2], X, Z)
    frame = source.frame(0)
    assert frame.stamp_ns == 1326030975726043000
    stored = np.asarray(Image.open(folder / 'lb3' / 'Cam5' / source.files[0]))
    # Clockwise: the upper left corner of the file comes to the upper right.
    np.testing.assert_array_equal(frame.image[0, -1], stored[0, 0])
    np.testing.assert_array_equal(frame.image[0, 0], stored[-1, 0])


@pytest.mark.parametrize('camera', ['stereo/centre', 'mono_left'])
def test_robotcar_mosaics_become_colours(tmp_path: Path, camera: str, caplog) -> None:
    folder = layouts.robotcar(tmp_path / '2014-05-14-13-46-12', colour=(200, 40, 90))
    with caplog.at_level(logging.WARNING):
        source = open_dataset('robotcar', folder / camera)
    frame = source.frame(1)
    np.testing.assert_array_equal(frame.image[4:-4, 4:-4].reshape(-1, 3) - [200, 40, 90], 0)
    assert frame.stamp_ns == 1400075177558421000
    assert frame.pose is not None
    assert frame.geo is not None
    assert frame.geo.latitude == 51.76
    # North is y of UTM; the INS lies 1.71 m behind the vehicle's origin, and is tilted.
    rotation = rotation_matrix(frame.pose.orientation)
    np.testing.assert_allclose(rotation[:, 0], Y, atol=0.05)
    np.testing.assert_allclose(rotation[:, 2], Z, atol=0.05)
    np.testing.assert_allclose(frame.pose.position, [620000, 5735002.7, 111], atol=0.25)
    assert source.frame_id == 'utm'
    assert '1 of 160 rows of ins.csv are not INS_SOLUTION_GOOD' in caplog.text


MISSING = [
    ('tum', 'groundtruth.txt', 'the ground truth, it is in the .tgz'),
    ('tum', 'rgb.txt', 'the list of the colour images'),
    ('tum', 'rgb', 'holds none of the 3 images that .*rgb.txt names'),
    ('euroc', 'mav0/cam0/sensor.yaml', 'the calibration, it is in the .zip'),
    ('euroc', 'mav0/cam0/data.csv', 'the list of images'),
    ('euroc', 'mav0/state_groundtruth_estimate0', 'the ground truth'),
    ('euroc', 'mav0/cam0/data', 'holds none of the 3 images'),
    ('kitti', '../../poses', 'data_odometry_poses.zip'),
    ('kitti', 'times.txt', 'data_odometry_calib.zip'),
    ('kitti', 'calib.txt', 'data_odometry_calib.zip'),
    ('4seasons', 'GNSSPoses.txt', 'the archive of reference poses'),
    ('4seasons', 'Transformations.txt', 'the archive of reference poses'),
    ('4seasons', 'times.txt', 'the archive of images'),
    ('4seasons', 'undistorted_images', 'stereo_images_undistorted.zip'),
    ('nclt', 'groundtruth_2012-01-08.csv', 'groundtruth_2012-01-08.csv of robots.engin.umich.edu'),
    ('nclt', 'lb3', '_lb3.tar.gz'),
    ('robotcar', 'gps', r'\*_gps.tar'),
    ('robotcar', 'stereo.timestamps', 'the times, in every archive'),
]


@pytest.mark.parametrize(('name', 'lost', 'said'), MISSING)
def test_what_is_missing_is_named_with_its_origin(
    tmp_path: Path, name: str, lost: str, said: str
) -> None:
    folder = made(name, tmp_path)
    (folder / lost).rename(tmp_path / 'elsewhere')
    with pytest.raises(InputError, match=said) as raised:
        open_dataset(name, folder)
    assert Path(lost).name in str(raised.value)


def test_half_a_download_is_counted(tmp_path: Path, caplog) -> None:
    folder = layouts.tum(tmp_path / 'fr1', count=4)
    for name in ('1305031453.000000.png', '1305031455.000000.png'):
        (folder / 'rgb' / name).unlink()
    with caplog.at_level(logging.WARNING):
        source = open_dataset('tum', folder)
    assert [pose.position[0] for pose in poses(source)] == [0, 2]
    assert '2 of the 4 images of rgb.txt are missing' in caplog.text


def test_poses_of_another_sequence_are_refused(tmp_path: Path) -> None:
    folder = layouts.tum(tmp_path / 'fr1')
    truth = folder / 'groundtruth.txt'
    truth.write_text(truth.read_text().replace('\n13050314', '\n13111314'))
    with pytest.raises(InputError, match='none of the 3 images has a pose: the times of ground'):
        open_dataset('tum', folder)


def test_names_outside_the_data_set_are_not_followed(tmp_path: Path) -> None:
    folder = layouts.tum(tmp_path / 'fr1')
    layouts.image(tmp_path / 'secret.png')
    (folder / 'rgb.txt').write_text('1305031452.0 ../secret.png\n')
    with pytest.raises(InputError, match='holds none of the 1 images'):
        open_dataset('tum', folder)


@pytest.mark.parametrize(
    ('name', 'file', 'content', 'said'),
    [
        ('tum', 'rgb.txt', '1305031452.0\n', 'line 1 has 1 fields, expected: timestamp filename'),
        ('tum', 'rgb.txt', '# none\n', 'names no image'),
        ('tum', 'groundtruth.txt', 'x y z\n', "holds 'x y z', expected lines of eight numbers"),
        ('tum', 'groundtruth.txt', '1 2 3\n', 'line 1 has 3 fields, expected 8'),
        ('euroc', 'mav0/cam0/data.csv', 'a,b\n1,2\n', "'a' is no time"),
        ('euroc', 'mav0/cam0/sensor.yaml', 'resolution: [1, 2]\n', 'sensor.yaml'),
        (
            'euroc',
            'mav0/state_groundtruth_estimate0/data.csv',
            '1403715524912143104,0,0,0,0,0,0,0\n',
            'no unit quaternion',
        ),
        ('kitti', 'times.txt', '0.0\n0.1\n', 'has 3 poses, but .* 2 times'),
        ('kitti', 'calib.txt', 'P1: 1 2 3\n', 'has no line P0'),
        ('kitti', 'calib.txt', 'P0: 1 2 3\n', 'line 1 is no projection matrix'),
        ('4seasons', 'Transformations.txt', '# transform_S_AS: x\n0,0,0,0,0,0,1\n', 'has no tr'),
        ('4seasons', 'GNSSPoses.txt', '1588000000000000000,1,2\n', 'line 1 has 3 fields'),
        ('nclt', 'groundtruth_2012-01-08.csv', '1,nan,nan,nan,nan,nan,nan\n', 'has no rows'),
        ('robotcar', 'gps/ins.csv', 'timestamp,northing\n1,2\n', 'has no column easting'),
        ('robotcar', 'stereo.timestamps', 'x 1\n', 'expected lines of a time in microseconds'),
    ],
)
def test_damaged_tables_are_named(
    tmp_path: Path, name: str, file: str, content: str, said: str
) -> None:
    folder = made(name, tmp_path)
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=said) as raised:
        open_dataset(name, folder)
    assert Path(file).name in str(raised.value)


INSIDE = [
    ('tum', 'depth'), ('euroc', 'mav0/state_groundtruth_estimate0'), ('kitti', '../..'),
    ('4seasons', 'undistorted_images'), ('robotcar', 'stereo'),
]  # fmt: skip


@pytest.mark.parametrize(('name', 'given'), INSIDE)
def test_a_folder_too_high_or_too_deep_is_told_the_right_one(
    tmp_path: Path, name: str, given: str
) -> None:
    folder = made(name, tmp_path)
    for wrong in (folder / given, tmp_path):
        with pytest.raises(InputError, match=rf'; {name} is in .*: give that folder') as raised:
            open_dataset(name, wrong.resolve())
        assert str(folder.parent if name == '4seasons' else folder) in str(raised.value)


def test_a_drive_of_another_data_set_is_named(tmp_path: Path) -> None:
    folder = made('euroc', tmp_path)
    with pytest.raises(InputError, match=f'it looks like euroc: --dataset euroc {folder}'):
        open_dataset('TUM RGB-D', folder)


def test_the_session_of_several_is_not_guessed(tmp_path: Path) -> None:
    layouts.nclt(tmp_path / '2012-01-08')
    assert open_dataset('nclt', tmp_path).session_id == '2012-01-08'
    layouts.nclt(tmp_path / '2012-02-04')
    with pytest.raises(InputError, match=r'nclt is in .*2012-01-08 or .*2012-02-04: give that'):
        open_dataset('nclt', tmp_path)


def test_kitti_images_of_another_size_have_no_calibration(tmp_path: Path, caplog) -> None:
    folder = layouts.kitti(tmp_path / 'dataset')
    assert open_dataset('kitti', folder).frame(0).camera is not None
    layouts.image(folder / 'image_0' / '000001.png', pixels=np.zeros((188, 620, 3), np.uint8))
    with caplog.at_level(logging.WARNING):
        assert open_dataset('kitti', folder).frame(1).camera is None
    assert 'not near the centre of images of 620x188 pixels' in caplog.text


def test_real_sequence_of_tum(data: Path, tmp_path: Path) -> None:
    real = data / 'tum_fr1_desk'
    names = [path.name for path in (real / 'rgb').iterdir()]
    folder = tmp_path / 'rgbd_dataset_freiburg1_desk'
    folder.mkdir()
    (folder / 'rgb').symlink_to(real / 'rgb')
    (folder / 'groundtruth.txt').write_bytes((real / 'groundtruth.txt').read_bytes())
    (folder / 'rgb.txt').write_text(''.join(f'{name[:-4]} rgb/{name}\n' for name in names))
    known = {
        Path(capture.uri).name: capture.pose
        for capture in ImageFolder(real / 'rgb', real / 'frames.csv').captures()
    }
    source = open_dataset('tum', folder)
    for name, pose in zip(source.files, poses(source), strict=True):
        other = known[Path(name).name]
        assert other is not None
        np.testing.assert_allclose(pose.position, other.position, atol=1e-4)
    # A camera in the hand over a desk is held upright: the mocap's z is up.
    up = np.mean([rotation_matrix(pose.orientation)[2, 2] for pose in poses(source)])
    assert up > 0.5
