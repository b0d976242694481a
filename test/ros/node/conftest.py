"""What tests of the running node share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from helpers import live


@pytest.fixture
def watch(node) -> Iterator[live.Observer]:
    """An observer of the node that the module's fixture `node` started, once that is active."""
    from helpers import live

    with live.observer() as watcher:
        watcher.until(lambda: watcher.status('node')[1] == 'active')
        yield watcher
