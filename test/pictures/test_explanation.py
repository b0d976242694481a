"""Panels of masks: colours where the values are, and words that can be read at any size."""

from __future__ import annotations

import numpy as np
import pytest

from fol_vpr.datatypes import Masks
from fol_vpr.pictures import explanation_picture, mask_figures, mask_panel
from fol_vpr.pictures.regions import heat


def masks(rows: int = 6, columns: int = 8) -> Masks:
    rng = np.random.default_rng(5)
    assignment = rng.dirichlet(np.ones(65), (rows, columns)).transpose(2, 0, 1)[:64]
    chosen = np.zeros((rows, columns), bool)
    chosen[:2, :3] = True
    chosen[3, 5] = True
    attention = rng.random((rows, columns)).astype(np.float32)
    return Masks(attention, assignment.astype(np.float32), chosen, 77, (320, 240), (112, 84))


def test_figures_are_counted():
    facts = mask_figures(masks())
    assert facts['regions'] == {
        'chosen_patches': 7, 'share_of_image': 7 / 48, 'connected_regions': 2,
        'local_features': 77,
    }  # fmt: skip
    given = masks()
    counts = np.bincount(given.leading.ravel(), minlength=64)
    assert facts['clusters']['leading_somewhere'] == (counts > 0).sum()
    assert facts['clusters']['largest'][0]['patches'] == counts.max()
    assert facts['aggregation']['share_to_dustbin'] == pytest.approx(1 - given.kept.mean())
    np.testing.assert_allclose(given.aggregation * 64, given.kept, rtol=1e-5)


def test_high_values_are_yellow_and_low_ones_dark_blue():
    image = np.full((60, 80, 3), 128, np.uint8)
    values = np.zeros((6, 8))
    values[2, 3] = 1
    drawn = heat(image, values, 0, 1).astype(int)
    inside, outside = drawn[25, 35], drawn[5, 5]
    assert inside[0] > 170 and inside[1] > 170 and inside[2] < 120
    assert outside[2] > outside[1]


def test_a_mask_that_does_not_differ_is_no_error():
    image = np.full((60, 80, 3), 128, np.uint8)
    assert mask_panel(image, np.full((6, 8), 0.25), 'x', 80).shape[0] > 60


@pytest.mark.parametrize('shape', [(240, 320), (20, 900), (900, 20), (1, 1)])
@pytest.mark.parametrize('grid', [(6, 8), (4, 60)])
def test_any_image_and_grid(shape, grid):
    image = np.full((*shape, 3), 90, np.uint8)
    picture = explanation_picture(image, masks(*grid), 'name ' * 60, 'fol_tiny', width=1000)
    assert picture.shape[1] == 1000 and picture.dtype == np.uint8
    assert (picture[:, -20:] == 255).all()
