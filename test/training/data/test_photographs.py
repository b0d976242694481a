"""Places of photographs, from small clones of made-up repositories."""

from __future__ import annotations

import csv
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fol_vpr.errors import InputError
from training.__main__ import main
from training.data.config import FoldersSource
from training.data.folders import GroupedFolders
from training.data.photographs import commands, read_sources, write_photographs
from training.data.photographs.places import read_images

SIDE = 400
# What is seen at (a, b) on each face of a cube, to the right and down from its middle, -1 .. 1.
ON_FACE = {
    'f': lambda a, b: (a, b, 1),
    'r': lambda a, b: (1, b, -a),
    'b': lambda a, b: (-a, b, -1),
    'l': lambda a, b: (-1, b, a),
    'u': lambda a, b: (a, -1, b),
    'd': lambda a, b: (a, 1, -b),
}
VIEWS = [(0, 0, 60, 0), (45, -3, 70, 0), (130, 8, 60, 10), (225, 0, 80, 0), (315, 60, 60, -5)]
# The columns of images.csv after source and place, but for the view.
KINDS = {
    'cube': 'tour/pano_{face}.jpg',
    'tiled': 'tour/2/{face}/{row}/{column}.jpg',
    'sphere': 'tour/sphere.jpg',
}
IN_THE_LIGHT = [(0, 0, 60, 0, ''), (0, 0, 60, 0, 1), (90, 0, 60, 0, '')]
"""Views of a panorama in linear light, with the stops of their exposure."""


def coloured(directions) -> np.ndarray:
    """BGR: each direction has its colour."""
    x, y, z = np.broadcast_arrays(*directions)
    stacked = np.stack([z, y, x], -1)
    unit = stacked / np.linalg.norm(stacked, axis=-1, keepdims=True)
    return np.round(127.5 + 127.5 * unit).astype(np.uint8)


def direction(image: np.ndarray, x: int, y: int) -> np.ndarray:
    """The direction whose colour an image in BGR has there."""
    return image[y, x, ::-1] / 127.5 - 1


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 100])


def git(folder: Path, *words: str) -> str:
    who = ['-c', 'user.name=n', '-c', 'user.email=e', '-c', 'commit.gpgsign=false']
    command = ['git', '-C', str(folder), *who, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def tables(folder: Path, repository: Path, commit: str) -> Path:
    """sources.csv and images.csv of one source, called tour."""
    rows = [['tour', 'door', f'{k}.jpg', f'{k}.jpg', *[''] * 5] for k in range(3)]
    for kind, file in KINDS.items():
        rows += [['tour', kind, f'{k}.jpg', file, *view, ''] for k, view in enumerate(VIEWS)]
    light = enumerate(IN_THE_LIGHT)
    rows += [['tour', 'light', f'{k}.jpg', 'tour/light.hdr', *view] for k, view in light]
    for name, content in (
        (
            'sources',
            [
                ['name', 'repository', 'commit', 'width', 'licence', 'shows'],
                ['tour', f'file://{repository}', commit, 300, 'MIT', 'colours'],
            ],
        ),
        (
            'images',
            [['source', 'place', 'image', 'file', 'yaw', 'pitch', 'fov', 'roll', 'stops'], *rows],
        ),
    ):
        with open(folder / f'{name}.csv', 'w', newline='') as file:
            csv.writer(file).writerows(content)
    return folder


@pytest.fixture(scope='module')
def tour(tmp_path_factory) -> tuple[Path, Path]:
    """A folder with the clone `tour`, and one with its tables."""
    clones, described = tmp_path_factory.mktemp('clones'), tmp_path_factory.mktemp('tables')
    repository = clones / 'tour'
    for k in range(3):
        save(repository / f'{k}.jpg', np.full((600, 900, 3), 60 * k, np.uint8))
    steps = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    a, b = np.meshgrid(steps, steps)
    half = SIDE // 2
    for face, seen_at in ON_FACE.items():
        image = coloured(seen_at(a, b))
        save(repository / f'tour/pano_{face}.jpg', image)
        for row in (0, 1):
            for column in (0, 1):
                part = image[row * half :, column * half :][:half, :half]
                save(repository / f'tour/2/{face}/{row}/{column}.jpg', part)
    # The whole circle, without the 20 degrees next to the poles.
    turn, below = np.meshgrid(np.radians(np.arange(720) / 2 - 180), np.radians(np.arange(-70, 70)))
    below = cv2.resize(below, (720, 280))
    turn = cv2.resize(turn, (720, 280))
    level = np.cos(below)
    save(
        repository / 'tour/sphere.jpg',
        coloured((level * np.sin(turn), np.sin(below), level * np.cos(turn))),
    )
    # Ahead and to the left a reddish wall, to the right a white one that is four times as bright.
    light = np.empty((100, 200, 3), np.float32)
    light[:, :100] = np.array([0.5, 1, 2]) / (0.0722 * 0.5 + 0.7152 + 0.2126 * 2)
    light[:, 100:] = 4
    assert cv2.imwrite(str(repository / 'tour/light.hdr'), light * 3e5)
    git(clones, 'init', '--quiet', 'tour')
    git(repository, 'add', '.')
    git(repository, 'commit', '--quiet', '-m', 'photographs')
    tables(described, repository, git(repository, 'rev-parse', 'HEAD'))
    # What came later does not matter.
    git(repository, 'rm', '--quiet', '-r', '.')
    git(repository, 'commit', '--quiet', '-m', 'gone')
    return clones, described


@pytest.fixture(scope='module')
def written(tour, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp('places')
    told = []
    count = write_photographs(
        tour[0], output, progress=lambda *numbers: told.append(numbers), tables=tour[1]
    )
    assert count == 3 + 3 * len(VIEWS) + len(IN_THE_LIGHT)
    assert told[-1] == (count, count)
    return output


def test_places_can_be_learned_from(written, tour):
    data = GroupedFolders(FoldersSource(str(written), min_images=3))
    assert [len(data.images(place)) for place in range(len(data))] == [5, 3, 3, 5, 5]
    assert [data.load(1, k).mean() for k in range(3)] == pytest.approx([0, 60, 120], abs=1)
    assert data.load(1, 0).shape == (341, 512, 3)
    assert (written / 'sources.csv').read_bytes() == (tour[1] / 'sources.csv').read_bytes()


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('number', range(len(VIEWS)))
def test_a_view_shows_what_lies_in_its_direction(written, kind, number):
    image = cv2.imread(str(written / 'tour' / kind / f'{number}.jpg'))
    assert image.shape == (384, 512, 3)
    yaw, pitch, fov, roll = np.radians(VIEWS[number])
    ahead = [np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)]
    assert direction(image, 256, 192) == pytest.approx(ahead, abs=0.03)
    # Half the field of view to the right, and rolled.
    right = np.array([np.cos(yaw), 0, -np.sin(yaw)])
    down = np.cross(ahead, right)
    edge = np.cos(fov / 2) * np.array(ahead)
    edge += np.sin(fov / 2) * (np.cos(roll) * right + np.sin(roll) * down)
    assert direction(image, 511, 192) == pytest.approx(edge, abs=0.04)


def test_a_view_of_light_is_exposed_by_its_mean(written):
    # Half of the first view is at 0.09 and half at 0.36 of white, the mean 0.18, encoded as sRGB.
    red, right, ahead = ((120, 192), (392, 192), (256, 192))
    first, brighter, turned = (
        cv2.imread(str(written / 'tour' / 'light' / f'{k}.jpg'))[..., ::-1].astype(int)
        for k in range(3)
    )
    assert first[red[::-1]] == pytest.approx([109, 78, 55], abs=4)
    assert first[right[::-1]] == pytest.approx([162, 162, 162], abs=4)
    assert brighter[right[::-1]] == pytest.approx([221, 221, 221], abs=4)
    assert turned[ahead[::-1]] == pytest.approx([118, 118, 118], abs=4)


def test_the_commands_make_a_clone(tour, tmp_path):
    source = read_sources(tables=tour[1])[0]
    script = '\n'.join(['set -e', *commands(source, tmp_path / 'my clones' / 'tour')])
    subprocess.run(['bash', '-c', script], check=True, capture_output=True)
    write_photographs(tmp_path / 'my clones', tmp_path / 'places', tables=tour[1])
    assert len(list(tmp_path.rglob('places/tour/*/*.jpg'))) == 21


def test_what_is_missing_is_named_with_the_remedy(tour, tmp_path):
    clones, described = tour
    with pytest.raises(InputError, match=r'(?s)no clone .*/tour; .*fetch --depth 1 file://'):
        write_photographs(tmp_path, tmp_path / 'places', tables=described)
    commit = read_sources(tables=described)[0].commit
    other = tables(tmp_path, clones / 'tour', 'a' * 40)
    with pytest.raises(InputError, match=rf'(?s)no commit {"a" * 40} of .*git -C .* fetch'):
        write_photographs(clones, tmp_path / 'places', tables=other)
    tables(tmp_path, clones / 'tour', commit)
    table = tmp_path / 'images.csv'
    table.write_text(table.read_text().replace('2.jpg,2.jpg', '2.jpg,absent.jpg'))
    with pytest.raises(InputError, match=r'(?s)no file absent\.jpg at commit .* make it again'):
        write_photographs(clones, tmp_path / 'places', tables=other)
    with pytest.raises(InputError, match='no source is called town; there are tour'):
        write_photographs(clones, tmp_path / 'places', ['town'], tables=described)


def test_the_tables_of_the_repository_fit_each_other():
    sources, images = read_sources(), read_images()
    assert {each.source for each in images} == {source.name for source in sources}
    assert all(len(source.commit) == 40 and source.licence for source in sources)
    assert len({replace(each, file='', view=()) for each in images}) == len(images) == 1231
    places = Counter((each.source, each.place) for each in images)
    assert len(places) == 392
    assert set(places.values()) <= set(range(3, 9))
    assert {len(each.view) for each in images} == {0, 4}
    assert all(each.view for each in images if '{face}' in each.file)
    assert all(each.view for each in images if each.file.endswith('.hdr'))
    assert not any(each.stops for each in images if not each.file.endswith('.hdr'))


def test_the_command_line(tmp_path, capsys):
    assert main(['photographs', '--clones', str(tmp_path), '--show-commands']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * len(read_sources())
    assert all(line.startswith('git ') for line in lines)
    output = ['--output', str(tmp_path / 'places')]
    assert main(['photographs', '--clones', str(tmp_path), *output]) == 2
    assert lines[1] in capsys.readouterr().err
    assert not (tmp_path / 'places').exists()
