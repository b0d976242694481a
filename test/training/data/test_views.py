"""Where patches of an image are seen in another photograph of the place, by depth."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers.training.datasets import grouped, pixels, with_depth
from torch.utils.data import DataLoader

from fol_vpr.errors import InputError
from training.data.batches import Batches, prepare_worker
from training.data.config import AugmentationConfig, DataConfig, FoldersSource
from training.data.folders import GroupedFolders
from training.data.images.augmentation import Augmentation
from training.data.images.camera_config import HandheldConfig
from training.data.loading import PlacesData
from training.data.opening import open_places
from training.data.places import Places
from training.data.sampling import Draw, PlaceSampler
from training.data.views import View, read_view, seen_at

EYE = np.eye(3, dtype=np.float32)
WALL = View(np.full((60, 80), 10.0, np.float32), (80, 80, 40, 30), 0.0, np.eye(3), np.zeros(3))
CENTRES = np.stack(np.meshgrid(*2 * [(np.arange(9) + 0.5) / 9]), axis=-1).reshape(-1, 2)


def test_a_known_point_is_where_one_finds_it_by_hand():
    """The camera 1 m to the right and 2 m nearer to a wall that is 10 m away."""
    nearer = replace(WALL, depth=WALL.depth - 2, position=np.array([1.0, 0.0, 2.0]))
    found = seen_at(WALL, nearer, (EYE, EYE), 9)
    # x on the wall is (80 u - 40) · 10 / 80 m, then (x - 1) · 80 / 8 + 40 pixels of 80.
    by_hand = np.stack(
        [((80 * CENTRES[:, 0] - 40) / 8 - 1) / 8 + 0.5, (CENTRES[:, 1] - 0.5) * 1.25 + 0.5], axis=1
    )
    inside = ((by_hand >= 0) & (by_hand <= 1)).all(axis=1)
    assert 0.4 < inside.mean() < 0.8
    assert found[inside] == pytest.approx(by_hand[inside], abs=1e-6)
    assert (found[~inside] == -1).all()


def test_frames_of_both_images_count():
    half = np.array([[0.5, 0, 0.25], [0, 0.5, 0.25], [0, 0, 1]], np.float32)
    mirror = np.array([[-1, 0, 1], [0, 1, 0], [0, 0, 1]], np.float32)
    assert seen_at(WALL, WALL, (half, half), 9) == pytest.approx(CENTRES, abs=1e-6)
    assert seen_at(WALL, WALL, (half, EYE), 9) == pytest.approx(CENTRES / 2 + 0.25, abs=1e-6)
    found = seen_at(WALL, WALL, (EYE, mirror), 9)
    assert found == pytest.approx(np.array([1, 0]) + CENTRES * [-1, 1], abs=1e-6)


def test_what_is_hidden_or_unknown_is_left_out():
    """In the second photograph a board stands before the left half, and the right end is sky."""
    depth = WALL.depth.copy()
    depth[:, :40], depth[:, 70:] = 5.0, 0.0
    hidden = seen_at(WALL, replace(WALL, depth=depth), (EYE, EYE), 9)
    shown = (CENTRES[:, 0] > 0.52) & (CENTRES[:, 0] < 0.85)
    assert hidden[shown] == pytest.approx(CENTRES[shown], abs=1e-6) and shown.sum() == 27
    assert (hidden[~shown] == -1).all()
    # Of the board itself the wall's photograph knows nothing either, nor of the sky.
    other_way = seen_at(replace(WALL, depth=depth), WALL, (EYE, EYE), 9)
    assert (other_way[~shown] == -1).all() and other_way[shown] == pytest.approx(CENTRES[shown])
    # A wall that is 3 % nearer than it should be is the same wall.
    assert (seen_at(WALL, replace(WALL, depth=WALL.depth * 0.97), (EYE, EYE), 9) >= 0).all()


@pytest.fixture(scope='module')
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Places by day, every second view through a wide lens."""
    pytest.importorskip('panda3d', reason='training/requirements.txt is not installed')
    from training.town.places import PlacesConfig, write_places

    config = PlacesConfig(
        seed=21, places=3, views=3, indoor=0.0, blocks=(2, 1), storeys=1, depth=True,
        conditions=('day', 'day,distortion=0.3'), in_turn=True,
    )  # fmt: skip
    output = tmp_path_factory.mktemp('town')
    write_places(config, output)
    return output


def colours(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[N] grey at points, a little blurred."""
    height, width = image.shape[:2]
    grey = cv2.GaussianBlur(image.mean(axis=2).astype(np.float32), (0, 0), width / 160)
    at = (points * [width, height] - 0.5).astype(np.float32)
    return cv2.remap(grey, at[None, :, 0], at[None, :, 1], cv2.INTER_LINEAR)[0]


@pytest.mark.parametrize('changed', [False, True], ids=['as they are', 'augmented, mirrored'])
def test_by_day_both_photographs_have_the_same_colours_there(town: Path, changed: bool):
    colourless = dict.fromkeys(('grey', 'shade', 'blur', 'noise', 'jpeg', 'occluder'), 0.0)
    still = {'gamma': 0.0, 'contrast': 0.0, 'brightness': 0.0, 'tint': 0.0, 'saturation': 0.0}
    hand = HandheldConfig(probability=0.5, near_object=0.0)
    augment = Augmentation(AugmentationConfig(**colourless, **still), 252, handheld=hand)
    centres = (np.stack(np.meshgrid(*2 * [np.arange(36)]), axis=-1).reshape(-1, 2) + 0.5) / 36
    right, wrong, shares = [], [], []
    for number, place in enumerate(sorted((town / 'places').iterdir())):
        for pair in permutations(sorted(place.glob('*.jpg')), 2):
            images, frames = [pixels(path) for path in pair], [EYE, EYE]
            if changed:
                done = [augment(i, np.random.default_rng([number, k]), bool(number % 2))
                        for k, i in enumerate(images)]  # fmt: skip
                images, frames = [each[0] for each in done], [each[1] for each in done]
            first, second = (read_view(path) for path in pair)
            points = seen_at(first, second, tuple(frames), 36)
            seen = (points >= 0.05).all(axis=1) & (points <= 0.95).all(axis=1)
            shares.append(seen.mean())
            here = colours(images[0], centres[seen])
            right.append(np.corrcoef(here, colours(images[1], points[seen]))[0, 1])
            aside = points[seen] + [0.05, 0.03]
            wrong.append(np.corrcoef(here, colours(images[1], aside))[0, 1])
    assert np.mean(shares) > 0.25
    assert np.mean(right) > 0.85
    assert np.mean(wrong) < np.mean(right) - 0.2


@pytest.fixture(scope='module')
def walls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_depth(grouped(tmp_path_factory.mktemp('walls'), 6))


def test_depth_is_no_image(walls: Path, tmp_path: Path):
    plain, deep = (
        GroupedFolders(FoldersSource(str(root))) for root in (grouped(tmp_path, 6), walls)
    )
    assert plain.places == deep.places
    assert plain.view(0, 0) is None and deep.view(0, 0).depth.shape == (120, 160)


def test_a_batch_says_where_patches_are_in_the_next_photograph(walls: Path):
    places = Places([GroupedFolders(FoldersSource(str(walls)))])
    still = Augmentation(AugmentationConfig(strength=0), 126)
    # The first two are twins.
    draws = [Draw(p, n, (0, i), False) for p in (4, 1) for i, n in enumerate((2, 2, 0))]
    batch = Batches(places, still, 9)[draws]
    assert batch.partners.tolist() == [2, 1, -2] * 2
    assert batch.points.shape == (6, 81, 2) and batch.points.dtype == torch.float32
    moved = torch.tensor([10 / 320, 0])
    centres = torch.from_numpy(CENTRES).float()
    for row, sign in enumerate((1, 1, -1)):
        inside = (batch.points[row] >= 0).all(dim=1)
        assert inside.all()
        torch.testing.assert_close(batch.points[row], centres + sign * moved, rtol=0, atol=1e-5)
    plain = Batches(places, still)[draws]
    assert plain.partners is None is plain.points
    assert torch.equal(plain.images, batch.images)


def test_without_depth_there_is_nothing_to_say(tmp_path: Path):
    mixed = with_depth(grouped(tmp_path / 'deep', 1))
    grouped(tmp_path / 'plain', 1)
    data = open_places((FoldersSource(str(mixed)), FoldersSource(str(tmp_path / 'plain'))))
    draws = [Draw(p, n, (0, n), False) for p in (0, 1) for n in (0, 1)]
    batch = Batches(data, Augmentation(AugmentationConfig(), 126), 9)[draws]
    assert batch.partners.tolist() == [1, -1, 0, 0]
    assert (batch.points[2:] == -1).all() and (batch.points[:2] >= 0).any()


def test_batches_are_the_same_for_any_number_of_workers_and_from_the_cache(
    walls: Path, tmp_path: Path
):
    source = (FoldersSource(str(walls)),)
    augmentation = Augmentation(AugmentationConfig(), 126, handheld=HandheldConfig(0.5))

    def epoch(places, workers):
        sampler = PlaceSampler(places, 3, 3, batches=3, mirror=0.5, twins=True)
        loader = DataLoader(
            Batches(places, augmentation, 9), batch_size=None, sampler=sampler,
            num_workers=workers, worker_init_fn=prepare_worker if workers else None,
        )  # fmt: skip
        return list(loader)

    alone = epoch(open_places(source), 0)
    for others in (epoch(open_places(source), 2), epoch(open_places(source, str(tmp_path), 1), 2)):
        for one, other in zip(alone, others, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(alone[0].points, alone[1].points)
    assert all(batch.partners.tolist() == [2, 1, -2] * 3 for batch in alone)


def test_a_run_without_any_depth_does_not_begin(tmp_path: Path):
    deep, plain = with_depth(grouped(tmp_path / 'deep', 1)), grouped(tmp_path / 'plain', 2)
    wanted = {True: (str(plain), str(deep)), False: (str(plain),)}

    def opened(known: bool, views: bool) -> None:
        config = DataConfig(train=tuple(map(FoldersSource, wanted[known])))
        PlacesData(config, AugmentationConfig(), 126, 0, views=views).setup('fit')

    opened(known=True, views=True)
    opened(known=False, views=False)
    with pytest.raises(InputError, match=r'no place of data.train has depth: draw them with'):
        opened(known=False, views=True)


def spoil(folder: Path, how: str) -> None:
    """Damage what is known of image 1."""
    path, cameras = folder / '1.png', folder / 'cameras.json'
    if how == 'missing':
        path.unlink()
    elif how == 'truncated':
        path.write_bytes(path.read_bytes()[:60])
    elif how == 'empty':
        path.write_bytes(b'')
    elif how == '8 bits':
        cv2.imwrite(str(path), np.zeros((120, 160), np.uint8))
    elif how == 'size':
        cv2.imwrite(str(path), np.zeros((60, 80), np.uint16))
    elif how == 'no JSON':
        cameras.write_text('{"unit": ')
    else:
        known = json.loads(cameras.read_text())
        if how == 'list':
            known = [known]
        elif how == 'unit':
            known['unit'] = 0
        elif how == 'flat':
            known['views']['1.jpg']['position'] = [1.0, 2.0]
        else:
            del known['views']['1.jpg'][how]
        cameras.write_text(json.dumps(known))


@pytest.mark.parametrize(
    ('how', 'file', 'expected'),
    [
        ('missing', '1.png', 'does not exist'),
        ('truncated', '1.png', '16 bits with 160 x 120 pixels'),
        ('empty', '1.png', '16 bits with 160 x 120 pixels'),
        ('8 bits', '1.png', '16 bits with 160 x 120 pixels'),
        ('size', '1.png', '16 bits with 160 x 120 pixels'),
        ('no JSON', 'cameras.json', 'expected unit and, for 1.jpg, depth, size'),
        ('list', 'cameras.json', 'expected unit and, for 1.jpg, depth, size'),
        ('unit', 'cameras.json', 'unit 0.0'),
        ('flat', 'cameras.json', 'is not of the shape'),
        ('rotation', 'cameras.json', "KeyError('rotation')"),
    ],
)
def test_a_broken_depth_file_is_named_with_what_to_do(
    tmp_path: Path, how: str, file: str, expected: str
):
    place = with_depth(grouped(tmp_path, 1)) / 'place000'
    assert read_view(place / '1.jpg') is not None
    spoil(place / '.depth', how)
    with pytest.raises(InputError) as caught:
        read_view(place / '1.jpg')
    said = str(caught.value)
    assert said.startswith(str(place / '.depth' / file)) and expected in said
    assert 'draw the places again' in said and '\n' not in said
    if how not in ('no JSON', 'list', 'unit'):
        assert read_view(place / '2.jpg') is not None
        assert read_view(place / 'another.jpg') is None
