"""A small network for tests that do not depend on its size."""

from collections.abc import Iterator

import pytest
import torch

from fol_vpr.network.model.architectures import ARCHITECTURES, Architecture


@pytest.fixture(scope='session')
def tiny() -> Iterator[str]:
    """The name of an architecture whose files take a few megabytes."""
    ARCHITECTURES['tiny14'] = Architecture(width=64, depth=4, heads=1)
    yield 'tiny14'
    del ARCHITECTURES['tiny14']


@pytest.fixture(scope='module', autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread: on a busy machine several threads take three times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
