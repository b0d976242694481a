"""A network that is small enough for what does not depend on its size."""

from collections.abc import Iterator

import pytest

from fol_vpr.network.vit import ARCHITECTURES, Architecture


@pytest.fixture(scope='session')
def tiny() -> Iterator[str]:
    """The name of an architecture whose files take a few megabytes."""
    ARCHITECTURES['tiny14'] = Architecture(width=64, depth=4, heads=1)
    yield 'tiny14'
    del ARCHITECTURES['tiny14']
