"""Being somebody who may not do everything."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def unprivileged(tmp_path: Path) -> Callable[[], AbstractContextManager[None]]:
    """A context in which permissions count: as root, by being nobody for a while."""
    if os.geteuid() != 0:
        return nullcontext
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return _as_nobody


@contextmanager
def _as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
