"""Networks that the tests share: a small one, and one with a trunk."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from fol_vpr.network import FoL
from fol_vpr.network.model.architectures import ARCHITECTURES, Architecture
from fol_vpr.network.weights.registry import load


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


@pytest.fixture
def fol_small() -> FoL:
    """The shipped network with a trunk."""
    return load('fol_small')[0]


@pytest.fixture(scope='session')
def wide_images() -> Tensor:
    """Two images of 8 x 11 patches, as the network takes them."""
    return torch.randn((2, 3, 112, 154), generator=torch.Generator().manual_seed(5))
