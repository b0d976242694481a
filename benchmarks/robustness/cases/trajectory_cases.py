"""Drives whose true way is known, written as files and topics of every kind, odd and damaged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from fol_vpr.datatypes.utm import UtmZone, geo_from_utm, utm_from_geo
from fol_vpr.sources import typestore

SECOND = 1_000_000_000
IMAGES = 12
TABLES = ('tum', 'csv poses', 'csv geodetic', 'csv utm', '@ names')
TOPICS = ('PoseStamped', 'Odometry', 'PoseWithCovarianceStamped', 'NavSatFix')
ODD: dict[str, tuple[str, ...]] = {
    'tum': ('comments', 'blanks', 'microseconds', 'four decimals', 'byte order mark'),
    'csv poses': ('semicolons', 'nanoseconds', 'microseconds', 'yaw_deg', 'shuffled'),
    'csv geodetic': ('0/0 at the start', 'no altitude', 'nan altitude', 'shuffled'),
    'csv utm': ('two zones', 'zone with letter', 'hemisphere', 'across the equator'),
    '@ names': ('two zones', 'no latitude', 'across the equator'),
    'PoseStamped': ('stamps 0', 'stamps equal', 'stamps in ms', 'stamps since boot', 'spike',
                    'nan', 'quaternion zero', '300 ns beside', 'frames unnamed', 'backwards',
                    'leading slash', '1e308 m', 'images in ticks'),
    'Odometry': ('frames unnamed', 'covariance asymmetric', 'covariance indefinite', 'backwards',
                 'covariance -1', 'covariance infinite', 'duplicates', 'leading slash', 'spike'),
    'PoseWithCovarianceStamped': ('covariance asymmetric', 'covariance nan', 'covariance zero',
                                  '300 ns beside', 'duplicates', 'images in ticks'),
    'NavSatFix': ('1 Hz', '1 Hz with one missing', '0/0 at the start', 'spike', 'status -2',
                  'status -1 at the start', 'no altitude', 'infinite altitude',
                  'vague at the start', 'GPS time', 'GPS epoch', 'date line', 'backwards',
                  'duplicates', 'latitude 91'),
}  # fmt: skip
"""Oddities by kind of trajectory; every one is found on robots or in data sets."""


@dataclass
class Drive:
    """A drive: a smooth way of a robot.

    Attributes:
        random: for all choices.
        origin: latitude and longitude in degrees.
        zone: UTM zone of the coordinates.
        start_ns: time of the first image.
    """

    random: Random
    origin: tuple[float, float]
    zone: UtmZone
    start_ns: int
    _phases: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, random: Random, odd: str) -> Drive:
        """A drive, at an edge where the oddity asks for it."""
        latitude = random.choice((48.1, 51.5, -33.9, 37.7, 1.3))
        longitude = random.uniform(-170, 170)
        if odd == 'two zones':
            longitude = 0.0
        if odd == 'across the equator':
            latitude, longitude = 0.0, 32.5
        if odd == 'date line':
            latitude, longitude = -16.8, 179.9999
        number = int((longitude + 180) // 6) % 60 + 1
        start = random.randrange(1_500_000_000, 1_790_000_000) * SECOND
        drive = cls(random, (latitude, longitude), UtmZone(number, latitude >= 0), start)
        drive._phases = [random.uniform(0, math.tau) for _ in range(2)]
        return drive

    def metres(self, stamp_ns: int) -> np.ndarray:
        """[2] metres east and north of the origin; at most 9 m/s and 2 m/s²."""
        t = (stamp_ns - self.start_ns) / SECOND
        first, second = self._phases
        around = 8 * math.sin(0.25 * t + first), 8 * math.cos(0.25 * t + second)
        return np.array([6 * t + around[0], 1.5 * t + around[1]])

    def yaw(self, stamp_ns: int) -> float:
        """Radians counterclockwise from east."""
        return 0.2 * math.sin((stamp_ns - self.start_ns) / SECOND / 3)

    def utm(self, stamp_ns: int) -> np.ndarray:
        """[2] easting and northing in `zone`."""
        origin = utm_from_geo(np.array([self.origin]), self.zone)[0]
        return np.asarray(origin + self.metres(stamp_ns))

    def geo(self, stamp_ns: int) -> np.ndarray:
        """[2] latitude and longitude in degrees."""
        return np.asarray(geo_from_utm(self.utm(stamp_ns)[None], self.zone)[0])

    def image_times(self) -> list[int]:
        """Times of the images in nanoseconds: one each second."""
        return [self.start_ns + number * SECOND for number in range(IMAGES)]


@dataclass(frozen=True)
class Case:
    """A trajectory as it was written.

    Attributes:
        kind, odd: of which kind, and what is odd; empty for a plain one.
        drive: the true way.
        path: the folder of images or the bag.
        table: the CSV or TUM file; None for topics and names.
        tolerance: metres by which a right position may differ from the truth.
    """

    kind: str
    odd: str
    drive: Drive
    path: Path
    table: Path | None
    tolerance: float


def make_case(folder: Path, seed: int, *, odd: bool) -> Case:
    """A trajectory by its seed."""
    random = Random(seed)
    kind = random.choice(TABLES + TOPICS + TOPICS)
    oddity = random.choice(ODD[kind]) if odd else ''
    drive = Drive.of(random, oddity)
    folder.mkdir(parents=True)
    if kind in TOPICS:
        _write_bag(folder / 'bag', kind, oddity, drive)
        return Case(kind, oddity, drive, folder / 'bag', None, 2.0 if '1 Hz' in oddity else 0.35)
    images = folder / 'images'
    images.mkdir()
    jpeg = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    for number, stamp_ns in enumerate(drive.image_times()):
        name = _name(drive, stamp_ns, oddity) if kind == '@ names' else f'{number}.jpg'
        (images / name).write_bytes(jpeg)
    if kind == '@ names':
        return Case(kind, oddity, drive, images, None, 0.05)
    table = folder / ('trajectory.txt' if kind == 'tum' else 'positions.csv')
    table.write_bytes(_table(kind, oddity, drive).encode())
    return Case(kind, oddity, drive, images, table, 0.05)


def _zone_at(drive: Drive, stamp_ns: int, odd: str) -> tuple[UtmZone, np.ndarray]:
    """Zone and coordinates, of the side of an edge where the place is."""
    latitude, longitude = drive.geo(stamp_ns)
    zone = drive.zone
    if odd == 'two zones':
        zone = UtmZone(31 if longitude >= 0 else 30, zone.north)
    if odd == 'across the equator':
        zone = UtmZone(zone.number, latitude >= 0)
    return zone, utm_from_geo(np.array([[latitude, longitude]]), zone)[0]


def _band(latitude: float) -> str:
    return 'CDEFGHJKLMNPQRSTUVWXX'[int((latitude + 80) // 8)]


def _name(drive: Drive, stamp_ns: int, odd: str) -> str:
    zone, (east, north) = _zone_at(drive, stamp_ns, odd)
    latitude, longitude = drive.geo(stamp_ns)
    where = '@' if odd == 'no latitude' else f'{latitude:.7f}@{longitude:.7f}'
    heading = 90 - math.degrees(drive.yaw(stamp_ns))
    return (
        f'@{east:.3f}@{north:.3f}@{zone.number}@{_band(latitude)}@{where}@@@{heading:.2f}@@@@'
        f'{stamp_ns}@.jpg'
    )


def _table(kind: str, odd: str, drive: Drive) -> str:
    times = drive.image_times()
    if kind == 'tum':
        decimals = {'microseconds': 6, 'four decimals': 4}.get(odd, 9)
        lines = [_tum_line(drive, each, decimals) for each in times]
        text = '\n'.join(lines) + '\n'
        head = '# timestamp tx ty tz qx qy qz qw\n' if odd == 'comments' else ''
        mark = '\ufeff' if odd == 'byte order mark' else ''
        return (
            mark
            + head
            + (text.replace(' ', '   ').replace('\n', '\n\n') if odd == 'blanks' else text)
        )
    rows = [_csv_cells(kind, odd, drive, number, each) for number, each in enumerate(times)]
    header = _HEADERS[kind](odd)
    if odd == 'shuffled':
        drive.random.shuffle(rows)
    separator = ';' if odd == 'semicolons' else ','
    return '\n'.join(separator.join(row) for row in [header.split(','), *rows]) + '\n'


_HEADERS: dict[str, Callable[[str], str]] = {
    'csv poses': lambda odd: (
        f'index,{"stamp_ns" if odd == "nanoseconds" else "timestamp"},x,y,z,'
        + ('yaw_deg' if odd == 'yaw_deg' else 'qx,qy,qz,qw')
    ),
    'csv geodetic': lambda odd: 'file,latitude,longitude,altitude',
    'csv utm': lambda odd: (
        'index,utm_east,utm_north,utm_zone,'
        + ('hemisphere' if odd == 'hemisphere' else 'utm_letter')
    ),
}


def _tum_line(drive: Drive, stamp_ns: int, decimals: int) -> str:
    x, y = drive.metres(stamp_ns)
    half = drive.yaw(stamp_ns) / 2
    stamp = f'{stamp_ns // SECOND}.{stamp_ns % SECOND:09d}'[: 11 + decimals]
    return f'{stamp} {x:.6f} {y:.6f} 0 0 0 {math.sin(half):.9f} {math.cos(half):.9f}'


def _csv_cells(kind: str, odd: str, drive: Drive, number: int, stamp_ns: int) -> list[str]:
    if kind == 'csv geodetic':
        latitude, longitude = drive.geo(stamp_ns)
        if odd == '0/0 at the start' and number < 3:
            latitude = longitude = 0.0
        altitude = {'no altitude': '', 'nan altitude': ''}.get(odd, '501.5')
        return [f'{number}.jpg', f'{latitude:.8f}', f'{longitude:.8f}', altitude]
    if kind == 'csv utm':
        zone, (east, north) = _zone_at(drive, stamp_ns, odd)
        band = _band(float(drive.geo(stamp_ns)[0]))
        last = ('N' if zone.north else 'S') if odd == 'hemisphere' else band
        number_text = f'{zone.number}{band}' if odd == 'zone with letter' else str(zone.number)
        return [str(number), f'{east:.4f}', f'{north:.4f}', number_text, last]
    x, y = drive.metres(stamp_ns)
    stamp = str(stamp_ns) if odd == 'nanoseconds' else f'{stamp_ns / SECOND:.6f}'
    if odd == 'microseconds':
        stamp = str(stamp_ns // 1000)
    yaw = drive.yaw(stamp_ns)
    turn = [f'{math.degrees(yaw):.6f}']
    if odd != 'yaw_deg':
        turn = ['0', '0', f'{math.sin(yaw / 2):.9f}', f'{math.cos(yaw / 2):.9f}']
    return [str(number), stamp, f'{x:.6f}', f'{y:.6f}', '0', *turn]


def _write_bag(path: Path, kind: str, odd: str, drive: Drive) -> None:
    """Images each second, and poses from half a second before to half a second after them."""
    storage = drive.random.choice((StoragePlugin.SQLITE3, StoragePlugin.MCAP))
    messages = _image_messages(drive, odd) + _pose_messages(kind, odd, drive)
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections: dict[str, Any] = {}
        for receive_ns, topic, message in sorted(messages, key=lambda each: each[0]):
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=typestore())
            data = typestore().serialize_cdr(message, name)
            writer.write(connections[topic], receive_ns, data)


def _types(name: str) -> Any:
    return typestore().types[name]


def _header(stamp_ns: int, frame_id: str) -> Any:
    stamp = _types('builtin_interfaces/msg/Time')(*divmod(max(0, stamp_ns), SECOND))
    return _types('std_msgs/msg/Header')(stamp, frame_id)


def _image_messages(drive: Drive, odd: str) -> list[tuple[int, str, Any]]:
    jpeg = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].reshape(-1)
    stamp = (lambda n, ns: 1 + 33 * n) if odd == 'images in ticks' else (lambda n, ns: ns)
    message = _types('sensor_msgs/msg/CompressedImage')
    return [
        (ns + 2_000_000, '/camera', message(_header(stamp(number, ns), 'camera'), 'jpeg', jpeg))
        for number, ns in enumerate(drive.image_times())
    ]


def _pose_messages(kind: str, odd: str, drive: Drive) -> list[tuple[int, str, Any]]:
    step = SECOND if '1 Hz' in odd or odd == '300 ns beside' else SECOND // 10
    shift = 300 if odd == '300 ns beside' else -SECOND // 2 if '1 Hz' not in odd else SECOND // 3
    first = drive.start_ns + shift - (SECOND if '1 Hz' in odd else 0)
    times = [first + n * step for n in range((IMAGES + 1) * SECOND // step)]
    if odd == '1 Hz with one missing':
        del times[drive.random.randrange(2, len(times) - 2)]
    stamps = {
        'stamps 0': lambda n, ns: 0,
        'stamps equal': lambda n, ns: drive.start_ns,
        'stamps in ms': lambda n, ns: ns // 1000,
        'stamps since boot': lambda n, ns: ns - drive.start_ns + 100 * SECOND,
        'GPS time': lambda n, ns: ns + 18 * SECOND,
        'GPS epoch': lambda n, ns: ns + (18 - 315_964_800) * SECOND,
    }
    stamp = stamps.get(odd, lambda n, ns: ns)
    build = _fix if kind == 'NavSatFix' else _pose
    found = [
        (ns + 3_000_000, f'/{kind}', build(kind, odd, drive, number, ns, stamp(number, ns)))
        for number, ns in enumerate(times)
    ]
    if odd == 'backwards':
        # Two neighbours are published in the wrong order.
        received = [each[0] for each in found]
        received[5], received[6] = received[6], received[5]
        found = [(ns, *each[1:]) for ns, each in zip(received, found, strict=True)]
    return [each for each in found for _ in range(2 if odd == 'duplicates' else 1)]


def _pose(kind: str, odd: str, drive: Drive, number: int, ns: int, stamp_ns: int) -> Any:
    x, y = drive.metres(ns)
    half = drive.yaw(ns) / 2
    turn = [0.0, 0.0, math.sin(half), math.cos(half)]
    once = number == 20
    x = {'nan': math.nan, '1e308 m': 1e308, 'spike': x + 1500.0}.get(odd, x) if once else x
    turn = [0.0] * 4 if once and odd == 'quaternion zero' else turn
    pose = _types('geometry_msgs/msg/Pose')(
        _types('geometry_msgs/msg/Point')(float(x), float(y), 0.0),
        _types('geometry_msgs/msg/Quaternion')(*turn),
    )
    unnamed = odd == 'frames unnamed' and number < 3
    frame = '' if unnamed else '/map' if odd == 'leading slash' else 'map'
    if kind == 'PoseStamped':
        return _types('geometry_msgs/msg/PoseStamped')(_header(stamp_ns, frame), pose)
    ones = np.ones((6, 6))
    numbers = {
        'covariance asymmetric': np.triu(ones),
        'covariance indefinite': 5 * ones - 4 * np.eye(6),
        'covariance nan': math.nan * ones,
        'covariance zero': 0 * ones,
        'covariance -1': np.diag([-1.0, 0, 0, 0, 0, 0]),
        'covariance infinite': np.diag([math.inf] * 6),
    }.get(odd, 0.01 * np.eye(6))
    located = _types('geometry_msgs/msg/PoseWithCovariance')(pose, numbers.reshape(36))
    if kind == 'PoseWithCovarianceStamped':
        name = 'geometry_msgs/msg/PoseWithCovarianceStamped'
        return _types(name)(_header(stamp_ns, frame), located)
    still = _types('geometry_msgs/msg/Vector3')(0.0, 0.0, 0.0)
    twist = _types('geometry_msgs/msg/TwistWithCovariance')(
        _types('geometry_msgs/msg/Twist')(still, still), np.zeros(36)
    )
    child = '' if unnamed else 'base_link'
    return _types('nav_msgs/msg/Odometry')(_header(stamp_ns, frame), child, located, twist)


def _fix(_kind: str, odd: str, drive: Drive, number: int, ns: int, stamp_ns: int) -> Any:
    latitude, longitude = (float(value) for value in drive.geo(ns))
    early = number < 20
    if odd == '0/0 at the start' and early:
        latitude = longitude = 0.0
    if odd == 'spike' and 40 <= number < 43:
        latitude += 0.01
    if odd == 'latitude 91' and early:
        latitude = 91.0
    vague = odd == 'vague at the start' and early
    if vague or (odd == 'status -1 at the start' and early):
        latitude += 0.2
    status = -2 if odd == 'status -2' else -1 if odd.startswith('status -1') and early else 0
    altitude = {'no altitude': math.nan, 'infinite altitude': math.inf}.get(odd, 501.5)
    return _types('sensor_msgs/msg/NavSatFix')(
        _header(stamp_ns, 'gps'),
        _types('sensor_msgs/msg/NavSatStatus')(status=status, service=1),
        latitude,
        longitude,
        altitude,
        (1e12 if vague else 2.0) * np.eye(3).reshape(9),
        2,
    )
