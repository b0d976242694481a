"""How much of an image positions cover."""

import numpy as np
import pytest

from fol_vpr.geometry.two_view.coverage import min_spread


@pytest.mark.parametrize('angle', [0.0, 0.4, np.pi / 2, 2.0])
def test_the_spread_is_along_the_narrowest_direction(angle):
    rng = np.random.default_rng(0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xy = rng.normal(0, [120, 15], (300, 2)) @ turn.T + [320, 240]
    expected = np.sqrt(np.linalg.eigvalsh(np.cov(xy, rowvar=False))[0])
    assert min_spread(xy) == pytest.approx(expected)


def test_points_on_a_line_have_no_spread():
    xy = np.stack([np.linspace(0, 639, 50), np.linspace(100, 300, 50)], axis=1)
    assert min_spread(xy) == pytest.approx(0, abs=1e-4)
    assert min_spread(xy[:1]) == 0 == min_spread(np.tile(xy[:1], (5, 1)))
