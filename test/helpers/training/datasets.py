"""Small data sets on disk, each in the layout that training reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
from helpers.scenes import view

from fol_vpr.sources import write_bag_from_images


def write(path: Path, place: int, shift: int = 0) -> Path:
    """A JPEG of a made-up place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(view(place, shift), cv2.COLOR_RGB2BGR)
    assert cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return path


def grouped(root: Path, places: int, images: int = 4) -> Path:
    """ROOT/<place>/<view>.jpg."""
    for place in range(places):
        for number in range(images):
            write(root / f'place{place:03d}' / f'{number}.jpg', place, 5 * number)
    return root


def with_depth(root: Path, metres: float = 10.0) -> Path:
    """Depth and cameras beside the images of `grouped`: a wall, along which the camera moves.

    The world is that of the first image: x to the right, y down, z forward.
    """
    for place in root.iterdir():
        folder = place / '.depth'
        folder.mkdir()
        cameras = {}
        for path in sorted(place.glob('*.jpg')):
            depth = np.full((120, 160), round(256 * metres), np.uint16)
            assert cv2.imwrite(str(folder / f'{path.stem}.png'), depth)
            cameras[path.name] = {
                'depth': f'{path.stem}.png',
                'size': [160, 120],
                'intrinsics': [150.0, 150.0, 80.0, 60.0],
                'distortion': 0.0,
                'rotation': np.eye(3).tolist(),
                # Five pixels of 320 each time.
                'position': [int(path.stem) * 2.5 * metres / 150, 0.0, 0.0],
            }
        text = json.dumps({'unit': 1 / 256, 'views': cameras})
        (folder / 'cameras.json').write_text(text)
    return root


def video(root: Path, name: str, frames: int, first: int = 1) -> Path:
    """ROOT/<name>_frame_NNNNNN.jpg; three frames in a row show much the same."""
    for number in range(first, first + frames):
        write(root / f'{name}_frame_{number:06d}.jpg', 100 + number // 3, 5 * (number % 3))
    return root


def gsv_cities(root: Path, cities: dict[str, int], images: int = 4) -> Path:
    """GSV-Cities as published, with so many places in each city."""
    for number, (city, places) in enumerate(cities.items()):
        (root / 'Dataframes').mkdir(parents=True, exist_ok=True)
        with open(root / 'Dataframes' / f'{city}.csv', 'w', newline='') as file:
            writer = csv.writer(file)
            writer.writerow(
                ['place_id', 'year', 'month', 'northdeg', 'city_id', 'lat', 'lon', 'panoid']
            )
            for place in range(places):
                for k in range(images):
                    numbers = [number * 10**5 + place, 2007 + k, 1 + k, 5 * k]
                    writer.writerow([*numbers, city, 13.5, -7.25, f'p{k}'])
                    when = f'{2007 + k}_{1 + k:02d}_{5 * k:03d}'
                    name = f'{city}_{place:07d}_{when}_13.5_-7.25_p{k}.jpg'
                    write(root / 'Images' / city / name, 10 * number + place, 5 * k)
    return root


def benchmark(root: Path, places: int, apart: float = 100.0) -> Path:
    """The VPR layout: database/ and queries/, @utm_east@utm_north@..., queries 10 m aside."""
    for place in range(places):
        east = 500_000 + apart * place
        write(root / 'database' / f'@{east:.2f}@4000000.00@.jpg', place)
        write(root / 'queries' / f'@{east + 10:.2f}@4000000.00@.jpg', place, 8)
    return root


def drive(folder: Path, name: str, metres: int, aside: float = 0.0, back: bool = False) -> Path:
    """A bag of a drive along the x axis, an image each metre; one way or the other."""
    images = folder / f'{name}_images'
    rows = []
    for x in range(metres):
        write(images / f'{x:04d}.jpg', x // 4 + (500 if back else 0), 5 * (x % 4))
        turn = (0, 0, 1, 0) if back else (0, 0, 0, 1)
        rows.append([f'{x:04d}.jpg', f'{1 + x}', x, aside, 0, *turn])
    poses = folder / f'{name}.csv'
    with open(poses, 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['file', 'timestamp', 'x', 'y', 'z', 'qx', 'qy', 'qz', 'qw'])
        writer.writerows(rows)
    write_bag_from_images(images, folder / name, stamps_csv=poses, poses_csv=poses)
    return folder / name


def pixels(path: Path) -> np.ndarray:
    """RGB pixels of a file."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
