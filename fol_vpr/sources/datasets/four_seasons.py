"""4Seasons: times.txt, GNSSPoses.txt, Transformations.txt, undistorted_images/cam0.

GNSSPoses.txt holds the pose of the left camera in the world of the visual odometry, and a scale
for each; Transformations.txt leads from there to the local GNSS world (east, north, up) and to
ECEF (Wenzel et al., "4Seasons", GCPR 2020; github.com/pmwenzel/4seasons-dataset).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fol_vpr.datatypes import Camera, Pose
from fol_vpr.errors import InputError
from fol_vpr.geometry.rigid import rotation_matrix
from fol_vpr.sources.datasets.axes import OPTICAL, base_of_camera, mount, rotations_of
from fol_vpr.sources.datasets.contents import (
    Contents,
    geo_or_none,
    located,
    number_table,
    required,
    those_there,
    track_of,
    unit_quaternions,
    with_poses_note,
)
from fol_vpr.sources.tables import is_number, table_text
from fol_vpr.sources.trajectories import matrix_of, number_lines
from fol_vpr.sources.utm_positions import Location

TITLE = '4Seasons'
_SITE = '4seasons-dataset.com'
IMAGES = ('undistorted_images', 'distorted_images')
_TRANSFORMS = ('transform_S_AS', 'transform_w_gpsw', 'transform_e_gpsw')
# WGS 84
_SEMI_MAJOR = 6_378_137.0
_FLATTENING = 1 / 298.257223563


def find(folder: Path) -> tuple[Path, str, str] | None:
    """The recording, kind of images and camera that a path means, None where it means none."""
    if folder.parent.name in IMAGES and folder.name in ('cam0', 'cam1'):
        return folder.parents[1], folder.parent.name, folder.name
    kind = next((name for name in IMAGES if (folder / name).is_dir()), None)
    return None if kind is None else (folder, kind, 'cam0')


def read(folder: Path, max_gap: float, variant: str) -> Contents:
    """Read a recording.

    Args:
        folder: of the recording, or of a camera in it, undistorted_images/cam1.
        max_gap: seconds between two poses that are interpolated; 0 takes the usual.
        variant: none.

    Raises:
        InputError: a file is missing or damaged.
    """
    del variant
    found = find(folder)
    if found is None:
        raise InputError(
            f'{folder / IMAGES[0]} is missing: the images of {TITLE}, in '
            f'stereo_images_undistorted.zip of {_SITE}'
        )
    root, kind, name = found
    archive = f'in the archive of reference poses of the recording, {_SITE}'
    table = required(root / 'times.txt', TITLE, f'the times, in the archive of images, {_SITE}')
    truth = required(root / 'GNSSPoses.txt', TITLE, f'the poses, {archive}')
    transforms = required(root / 'Transformations.txt', TITLE, f'the frames, {archive}')
    frames = number_table(table, 2, 'frame_id, timestamp, exposure')
    images = root / kind / name
    names = [f'{stamp}.png' for stamp in frames.stamps]
    there, notes = those_there(names, images, table, TITLE, f'in the archive of images, {_SITE}')
    poses = number_table(truth, 9, 'frame_id, t_x, t_y, t_z, q_x, q_y, q_z, w, scale')
    chain = _transforms(transforms)
    turns, positions = _in_enu(poses.values, chain, truth)
    track = track_of(poses.stamps, positions, base_of_camera(turns), max_gap)
    stamps = [frames.stamps[index] for index in there]
    locations = _with_geo(located(stamps, track), chain['transform_e_gpsw'])
    notes += with_poses_note(locations, len(there), truth.name)
    notes.append('poses are of the left camera, east, north and up of the origin of the recording')
    camera, mounted, calibration = _camera(root, kind, name)
    if camera is None:
        notes.append('no undistorted_calib_0.txt beside or above it: the camera is uncalibrated')
    return Contents(
        title=TITLE,
        root=images,
        files=[names[index] for index in there],
        locations=locations,
        session_id=root.resolve().name,
        frame_id=_frame_name(chain['transform_e_gpsw']),
        is_drive=True,
        camera=camera,
        mount=mounted,
        tables=(table, truth, transforms, *calibration),
        notes=notes,
    )


def _transforms(path: Path) -> dict[str, np.ndarray]:
    """The motions [4, 4] of Transformations.txt by their names."""
    found: dict[str, np.ndarray] = {}
    name = ''
    for number, line in enumerate(table_text(path).splitlines(), start=1):
        if line.startswith('#'):
            name = line.lstrip('# ').partition(':')[0].strip()
        elif line.strip() and name in _TRANSFORMS:
            fields = [field.strip() for field in line.strip().rstrip(',').split(',')]
            if len(fields) != 7 or not all(map(is_number, fields)):
                raise InputError(
                    f'{path}, line {number}, {name}: expected a translation and a quaternion, '
                    'seven numbers separated by commas'
                )
            values = np.array([float(field) for field in fields])
            motion = np.eye(4)
            motion[:3, :3] = rotation_matrix(unit_quaternions(values[None, 3:], path)[0])
            motion[:3, 3] = values[:3]
            found[name] = motion
    missing = [each for each in _TRANSFORMS if each not in found]
    if missing:
        raise InputError(f'{path} has no {", ".join(missing)}, expected a comment and its numbers')
    return found


def _in_enu(
    values: np.ndarray, chain: dict[str, np.ndarray], path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Axes [N, 3, 3] and positions [N, 3] of the left camera in the local GNSS world."""
    scale = values[:, 7]
    if not (scale > 0).all():
        raise InputError(f'{path} holds a scale of {scale.min():g}, expected more than 0')
    motion = np.linalg.inv(chain['transform_w_gpsw']) @ chain['transform_S_AS']
    turns = motion[:3, :3] @ rotations_of(unit_quaternions(values[:, 3:7], path))
    positions = (values[:, :3] * scale[:, None]) @ motion[:3, :3].T + motion[:3, 3]
    return turns, positions


def _with_geo(locations: dict[int, Location], to_ecef: np.ndarray) -> dict[int, Location]:
    """The locations with geodetic positions."""
    found = {}
    for index, location in locations.items():
        geo = None
        if location.pose is not None:
            x, y, z = to_ecef[:3, :3] @ location.pose.position + to_ecef[:3, 3]
            geo = geo_or_none(*geodetic(x, y, z))
        found[index] = Location(location.pose, geo, location.stamp_ns)
    return found


def geodetic(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Latitude and longitude in degrees and height in metres (WGS 84) of a point in ECEF.

    Bowring's formula (Survey Review 23, 1976), exact to micrometres near the ground.
    """
    squared = _FLATTENING * (2 - _FLATTENING)
    minor = _SEMI_MAJOR * (1 - _FLATTENING)
    across = float(np.hypot(x, y))
    angle = np.arctan2(z * _SEMI_MAJOR, across * minor)
    latitude = np.arctan2(
        z + squared / (1 - squared) * minor * np.sin(angle) ** 3,
        across - squared * _SEMI_MAJOR * np.cos(angle) ** 3,
    )
    radius = _SEMI_MAJOR / np.sqrt(1 - squared * np.sin(latitude) ** 2)
    # Along the normal, which holds at the poles too.
    height = across * np.cos(latitude) + z * np.sin(latitude) - _SEMI_MAJOR**2 / radius
    return float(np.degrees(latitude)), float(np.degrees(np.arctan2(y, x))), float(height)


def _frame_name(to_ecef: np.ndarray) -> str:
    """A name for the local world: recordings with other origins are not in the same frame."""
    latitude, longitude, _ = geodetic(*to_ecef[:3, 3])
    return f'enu_{latitude:.6f}_{longitude:.6f}'.replace('-', 'm').replace('.', 'p')


def _camera(
    root: Path, kind: str, name: str
) -> tuple[Camera | None, Pose | None, tuple[Path, ...]]:
    """The calibration of undistorted images where it is there, the mount, and the files read."""
    ahead = mount(OPTICAL, np.zeros(3))
    folders = [each / sub for each in (root, *root.resolve().parents[:2])
               for sub in ('calibration', 'Calibration', 'calibration/calibration')]  # fmt: skip
    number = name[-1]
    file = next(
        (each for folder in folders
         if (each := folder / f'undistorted_calib_{number}.txt').is_file()), None
    )  # fmt: skip
    stereo = None if file is None else file.with_name('undistorted_calib_stereo.txt')
    if file is None or kind != IMAGES[0] or stereo is None:
        return None, ahead if name == 'cam0' else None, ()
    used: tuple[Path, ...] = (file,)
    mounted = ahead
    if name != 'cam0':
        required(stereo, TITLE, f'the stereo calibration, in calibration.zip of {_SITE}')
        fields = [field for _, line in number_lines(stereo, 'four numbers') for field in line]
        right_in_left = matrix_of(str(stereo), fields, (4, 4))
        mounted = mount(OPTICAL @ right_in_left[:3, :3], OPTICAL @ right_in_left[:3, 3])
        used = (file, stereo)
    lines = [line.split() for line in table_text(file).splitlines() if line.strip()]
    if len(lines) < 2 or lines[0][0].lower() != 'pinhole' or len(lines[0]) < 5:
        raise InputError(f'{file} has no lines "Pinhole fx fy cx cy 0" and "width height"')
    try:
        fx, fy, cx, cy = (float(field) for field in lines[0][1:5])
        size = int(lines[1][0]), int(lines[1][1])
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        return Camera(size, matrix, mount=mounted), mounted, used
    except (ValueError, IndexError, InputError) as error:
        raise InputError(f'{file} is no calibration of a pinhole camera: {error}') from error
