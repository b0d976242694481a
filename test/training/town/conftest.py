from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip('panda3d', reason='training/requirements.txt is not installed')

from training.town.camera.renderer import Renderer
from training.town.world.town import Town, generate_town


@pytest.fixture(scope='session')
def town() -> Town:
    """A small one: two blocks, the second with a corridor through it, and one more storey."""
    return generate_town(7, columns=2, rows=1, storeys=1)


@pytest.fixture(scope='session')
def renderer(town: Town) -> Iterator[Renderer]:
    with Renderer(town.mesh, town.palette.pictures, (160, 120)) as made:
        yield made
