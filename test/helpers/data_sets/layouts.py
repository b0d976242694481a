"""Small instances of public data sets, in the layout in which they are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers.source_files import picture
from PIL import Image


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def image(path: Path, seed: int = 0, pixels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed) if pixels is None else pixels).save(path)
    return path


def tum(root: Path, count: int = 3) -> Path:
    """The camera looks along the mocap's x, its image upright, and moves 1 m a second so."""
    names = [f'rgb/{1305031452 + number}.000000.png' for number in range(count)]
    for number, name in enumerate(names):
        image(root / name, number)
    image(root / 'depth' / '1305031452.100000.png', 9)
    listed = ''.join(f'{name[4:-4]} {name}\n' for name in names)
    write(root / 'rgb.txt', f"# color images\n# file: 'x.bag'\n# timestamp filename\n{listed}")
    poses = ''.join(
        f'{1305031450 + tenth / 10:.4f} {tenth / 10 - 2:.4f} 2.0 1.5 -0.5 0.5 -0.5 0.5\n'
        for tenth in range(10 * count + 30)
    )
    write(root / 'groundtruth.txt', f'# ground truth trajectory\n{poses}')
    return root


EUROC_SENSOR = """#Default imu0 to cam0 calibration.
sensor_type: camera
comment: VI-Sensor cam0 (MT9M034)

# Sensor extrinsics wrt. the body-frame.
T_BS:
  cols: 4
  rows: 4
  data: [0.0, -1.0, 0.0, -0.02,
         1.0, 0.0, 0.0, {y},
         0.0, 0.0, 1.0, 0.01,
         0.0, 0.0, 0.0, 1.0]

rate_hz: 20
resolution: [48, 32]
camera_model: pinhole
intrinsics: [45.8, 45.7, 23.5, 15.5] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05]
"""
EUROC_STATE = (
    '#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], '
    'q_RS_z [], v_RS_R_x [m s^-1], v_RS_R_y [m s^-1], v_RS_R_z [m s^-1], b_w_RS_S_x [rad s^-1], '
    'b_w_RS_S_y [rad s^-1], b_w_RS_S_z [rad s^-1], b_a_RS_S_x [m s^-2], b_a_RS_S_y [m s^-2], '
    'b_a_RS_S_z [m s^-2]\n'
)


def euroc(root: Path, count: int = 3) -> Path:
    """A body with x up, y right and z ahead, as EuRoC's, that flies 1 m a second along world x."""
    first = 1403715524912143104
    for name, y in (('cam0', -0.06), ('cam1', 0.05)):
        camera = root / 'mav0' / name
        stamps = [first + number * 10**9 for number in range(count)]
        for number, stamp in enumerate(stamps):
            image(camera / 'data' / f'{stamp}.png', number)
        listed = ''.join(f'{stamp},{stamp}.png\r\n' for stamp in stamps)
        write(camera / 'data.csv', f'#timestamp [ns],filename\r\n{listed}')
        write(camera / 'sensor.yaml', EUROC_SENSOR.format(y=y))
    # Columns of the rotation are the axes of the body in the world: x up, y right (-y), z ahead.
    rows = ''.join(
        f'{first + step * 5_000_000},{step * 0.005:.6f},2.000000,1.000000,0.000000,0.707107,'
        '0.000000,0.707107' + ',0.1' * 9 + '\n'
        for step in range(-100, 200 * count)
    )
    truth = root / 'mav0' / 'state_groundtruth_estimate0'
    write(truth / 'data.csv', EUROC_STATE + rows)
    identity = '[1.0, 0, 0, 0,\n 0, 1.0, 0, 0,\n 0, 0, 1.0, 0,\n 0, 0, 0, 1.0]'
    write(truth / 'sensor.yaml', f'%YAML:1.0\nT_BS:\n  cols: 4\n  rows: 4\n  data: {identity}\n')
    return root


def kitti(root: Path, count: int = 3, number: str = '00') -> Path:
    """Drives 1 m a frame along the optical axis, and turns right by 90 degrees in the last."""
    sequence = root / 'sequences' / number
    for camera in ('image_0', 'image_2'):
        for frame in range(count):
            # Of the size that the calibration is for.
            image(sequence / camera / f'{frame:06d}.png', pixels=picture(frame, 1241, 376))
    write(sequence / 'times.txt', ''.join(f'{frame / 10:.6e}\n' for frame in range(count)))
    matrix = '718.856 0 607.1928 {} 0 718.856 185.2157 {} 0 0 1 {}'
    write(
        sequence / 'calib.txt',
        f'P0: {matrix.format(0, 0, 0)}\nP1: {matrix.format(-386.1448, 0, 0)}\n'
        f'P2: {matrix.format(45.38225, -0.1130887, 0.003779761)}\n'
        'Tr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n',
    )
    poses = [f'1 0 0 0 0 1 0 0 0 0 1 {frame}' for frame in range(count - 1)]
    poses.append(f'0 0 1 0 0 1 0 0 -1 0 0 {count - 1}')
    write(root / 'poses' / f'{number}.txt', '\n'.join(poses) + '\n')
    return sequence


def four_seasons(root: Path, count: int = 3) -> Path:
    """A left camera that looks along east of the local world, 10 m further in each frame."""
    first = 1588000000_000000000
    frames = [first + number * 10**9 for number in range(count)]
    for number, frame in enumerate(frames):
        for camera in ('cam0', 'cam1'):
            image(root / 'undistorted_images' / camera / f'{frame}.png', number)
    write(root / 'times.txt', ''.join(f'{frame} {frame / 1e9:.9f} 3.5\n' for frame in frames))
    # Half the size in the world of the odometry, whose scale is 2.
    poses = ''.join(
        f'{frame},{5.0 * number},1.0,0.5,-0.5,0.5,-0.5,0.5,2.0,4,0\n'
        for number, frame in enumerate(frames)
    )
    write(root / 'GNSSPoses.txt', f'# frame_id, translation, quaternion, scale, ...\n{poses}')
    write(root / 'result.txt', '')
    # East, north, up at 48 degrees north and 11 degrees east, from ECEF.
    write(
        root / 'Transformations.txt',
        '# transform_S_AS: translation vector, rotation quaternion\n0,0,0,0,0,0,1\n\n'
        '# TS_cam_imu: translation vector, rotation quaternion\n0.1,0,0,0,0,0,1\n\n'
        '# transform_w_gpsw: translation vector, rotation quaternion\n0,0,1,0,0,0,1\n\n'
        '# transform_gps_imu: translation vector, rotation quaternion\n0,0,0,0,0,0,1\n\n'
        '# transform_e_gpsw: translation vector, rotation quaternion\n'
        f'{",".join(map(str, enu_in_ecef(48.0, 11.0, 500.0)))}\n\n# GNSS scale\n1.04\n',
    )
    calibration = root.parent / 'calibration'
    for number in (0, 1):
        write(
            calibration / f'undistorted_calib_{number}.txt',
            'Pinhole 40.0 41.0 23.5 15.5 0\n48 32\ncrop\n48 32\n',
        )
    write(
        calibration / 'undistorted_calib_stereo.txt',
        '1 0 0 0.3\n0 1 0 0\n0 0 1 0\n0 0 0 1\n',
    )
    return root


def enu_in_ecef(latitude: float, longitude: float, height: float) -> list[float]:
    """Origin and quaternion x, y, z, w of east, north and up of a place, in ECEF (WGS 84)."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    squared = 6.69437999014e-3
    radius = 6378137.0 / np.sqrt(1 - squared * np.sin(lat) ** 2)
    origin = [
        (radius + height) * np.cos(lat) * np.cos(lon),
        (radius + height) * np.cos(lat) * np.sin(lon),
        (radius * (1 - squared) + height) * np.sin(lat),
    ]
    # Rz(lon + 90 degrees), then Rx(90 degrees - lat).
    a, b = (lon + np.pi / 2) / 2, (np.pi / 2 - lat) / 2
    turn = [
        np.cos(a) * np.sin(b), np.sin(a) * np.sin(b), np.sin(a) * np.cos(b),
        np.cos(a) * np.cos(b),
    ]  # fmt: skip
    return [*map(float, origin), *map(float, turn)]


def nclt(root: Path, count: int = 3) -> Path:
    """Drives 1 m a second to the east, 10 m north of the origin."""
    first = 1326030975726043
    for number in range(count):
        image(root / 'lb3' / 'Cam5' / f'{first + number * 10**6}.tiff', number)
    rows = ''.join(
        f'{first + step * 10_000},10.0,{step / 100:.3f},-2.0,0.0,0.0,1.5707963267948966\n'
        for step in range(-10, 100 * count)
    )
    nan = f'{first - 10**6}' + ',nan' * 6 + '\n'
    write(root / f'groundtruth_{root.name}.csv', nan + rows)
    return root


INS_HEADER = (
    'timestamp,ins_status,latitude,longitude,altitude,northing,easting,down,utm_zone,'
    'velocity_north,velocity_east,velocity_down,roll,pitch,yaw\n'
)


def robotcar(root: Path, count: int = 3, colour: tuple[int, int, int] = (200, 40, 90)) -> Path:
    """Drives north; the pixels of its mosaics are those of one colour."""
    first = 1400075176558421
    red, green, blue = colour
    gbrg = np.empty((32, 48), np.uint8)
    gbrg[0::2, 0::2], gbrg[0::2, 1::2], gbrg[1::2, 0::2], gbrg[1::2, 1::2] = (
        green,
        blue,
        red,
        green,
    )
    rggb = np.empty((32, 48), np.uint8)
    rggb[0::2, 0::2], rggb[0::2, 1::2], rggb[1::2, 0::2], rggb[1::2, 1::2] = (
        red,
        green,
        green,
        blue,
    )
    for number in range(count):
        name = f'{first + number * 10**6}.png'
        image(root / 'stereo' / 'centre' / name, pixels=gbrg)
        image(root / 'mono_left' / name, pixels=rggb)
    for device in ('stereo', 'mono_left'):
        write(
            root / f'{device}.timestamps',
            ''.join(f'{first + number * 10**6} 1\n' for number in range(count)),
        )
    rows = ''.join(
        f'{first + step * 20_000},{"INS_SOLUTION_GOOD" if step else "INS_BAD_GPS_AGREEMENT"},'
        f'51.76,-1.26,110.0,{5735000 + step * 0.02:.3f},620000.000,-110.0,30U,1,0,0,0.0,0.0,0.0\n'
        for step in range(-10, 50 * count)
    )
    write(root / 'gps' / 'ins.csv', INS_HEADER + rows)
    return root


def msls(root: Path, part: str = 'query', city: str = 'cph') -> Path:
    """Four images, one of them a panorama; two are of the subtask all."""
    folder = root / 'train_val' / city / part
    keys = ['2Nmwh-w', 'aB_9x', 'pano00', 'zZzzz']
    for number, key in enumerate(keys):
        image(folder / 'images' / f'{key}.jpg', number)
    write(
        folder / 'postprocessed.csv',
        ',key,easting,northing,unique_cluster,control_panel,night,view_direction\n'
        + ''.join(
            f'{number},{key},{342491.5 + number},{6164398.25},{number},False,False,Forward\n'
            for number, key in enumerate(keys)
        ),
    )
    write(
        folder / 'raw.csv',
        ',key,lon,lat,ca,captured_at,pano\n'
        + ''.join(
            f'{number},{key},12.5,55.6,{90 * number}.0,2017-05-01,{key == "pano00"}\n'
            for number, key in enumerate(keys)
        ),
    )
    write(
        folder / 'subtask_index.csv',
        ',key,all,s2w,w2s,o2n,n2o,d2n,n2d\n'
        + ''.join(
            f'{number},{key},{number in (0, 3)},False,{number == 3},False,False,False,False\n'
            for number, key in enumerate(keys)
        ),
    )
    return folder


def named(root: Path, part: str = 'database') -> Path:
    """As VPR-datasets-downloader names the images of Tokyo 24/7, Pitts30k and SF-XL."""
    folder = root / 'images' / 'test' / part
    names = [
        '@0584517.24@4477084.89@17@T@040.44012@-080.00345@pano_1@03@@@@@@@.jpg',
        '@0584685.61@4477197.80@17@T@040.44112@-080.00145@aa@05@090@@@@201311@@.jpg',
    ]
    for number, name in enumerate(names):
        image(folder / name, number)
    return folder


def nordland(root: Path, season: str, frames: list[int]) -> Path:
    for frame in frames:
        image(root / season / f'images-{frame:05d}.png', frame)
    return root / season
