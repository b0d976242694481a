"""What all tests share: ROS 2 to themselves, and the shared data where it is there."""

from __future__ import annotations

import ast
import fcntl
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import IO

import pytest
from hypothesis import settings

from fol_vpr.openmp import wait_briefly

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534


def _reserve_ros_domain() -> tuple[int, IO[str]]:
    """A ROS domain that no other run of the tests uses, and its lock, which is held until the end.

    Raises:
        RuntimeError: the tests of others hold all domains.
    """
    for offset in range(100):
        domain = 1 + (os.getpid() + offset) % 100
        path = Path(tempfile.gettempdir(), f'fol_vpr_tests_in_ros_domain_{domain}.lock')
        # A file of another user cannot be opened: that domain is theirs.
        with suppress(OSError):
            lock = path.open('a')
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return domain, lock
    raise RuntimeError(f'the ROS domains 1 to 100 are taken: remove {path.parent}/fol_vpr_tests_*')


# Read when rclpy is first imported or initialised, here and in the processes that tests start:
# a domain of their own on this machine only, so that neither a robot nearby nor another run of the
# tests is heard or disturbed.
_ros_domain, _ros_domain_lock = _reserve_ros_domain()
_ros_logs = tempfile.TemporaryDirectory(prefix='fol_vpr_ros_logs_')
os.environ['ROS_LOG_DIR'] = _ros_logs.name
os.environ['ROS_DOMAIN_ID'] = str(_ros_domain)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
for _name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):  # Fast DDS 3, 2
    os.environ[_name] = str(ROOT / 'config' / 'fastdds_shm.xml')
os.environ.pop('ROS_DISCOVERY_SERVER', None)
# Tests may run beside anything; see openmp.py.
wait_briefly()
# A shell without job control starts what it puts into the background with SIGINT ignored, and
# processes that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Hypothesis draws the same examples in every run, so that a change is judged by what it changed;
# HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile('same', derandomize=True, deadline=None)
settings.register_profile('explore', deadline=None)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'same'))


# What a module of tests may import and a machine may lack. Where it is missing, the module is
# skipped with the reason.
ROS = {'rclpy', 'ament_index_python', 'builtin_interfaces', 'rcl_interfaces', 'std_srvs'}
OPTIONAL = {'gtsam', 'launch', 'launch_ros', 'ros2launch'}


class _SkippedModule(pytest.Module):
    """A module of tests that cannot be imported on this machine."""

    reason = ''

    def collect(self) -> list[pytest.Item]:
        pytest.skip(self.reason, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector):
    """Leave out a module of tests that imports what is not installed."""
    needed = {name for name in _imports(module_path) if _is_ros(name) or name in OPTIONAL}
    for name in sorted(needed):
        if reason := _reason_for_absence(name):
            skipped = _SkippedModule.from_parent(parent, path=module_path)
            skipped.reason = f'{module_path.relative_to(ROOT)}: {reason}'
            return skipped
    return None


def _is_ros(package: str) -> bool:
    """Whether a package comes with ROS 2, or with the messages that are built here."""
    return package in ROS or package.endswith('_msgs')


@cache
def _imports(path: Path) -> frozenset[str]:
    """Packages that a module imports at its top level.

    Imports of test/helpers/ and of fol_vpr/ros/ are followed: what these import counts.
    """
    names: list[str] = []
    for node in ast.parse(path.read_text(), str(path)).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f'{node.module}.{alias.name}' for alias in node.names]
    found: set[str] = set()
    for name in names:
        followed = _followed_file(name)
        found |= {name.partition('.')[0]} if followed is None else _imports(followed)
    return frozenset(found)


def _followed_file(name: str) -> Path | None:
    """The file of a helper or of a module of fol_vpr/ros/, or of what it defines; else None."""
    if not name.startswith(('helpers.', 'fol_vpr.ros.')):
        return None
    folder = ROOT / 'test' if name.startswith('helpers.') else ROOT
    # The last part may be a module, or a name that the module before it defines.
    for module in (name, name.rpartition('.')[0]):
        path = folder.joinpath(*module.split('.')).with_suffix('.py')
        if path.is_file():
            return path
    return None


@cache
def _reason_for_absence(library: str) -> str:
    """Why a library cannot be imported, empty where it can."""
    try:
        importlib.import_module(library)
    except ImportError as error:
        remedy = (
            'call make setup, or source install/setup.bash' if _is_ros(library) else 'install it'
        )
        return f'{error}; {remedy}'
    return ''


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need ROS; skip those that take long unless asked for."""
    for item in items:
        if any(map(_is_ros, _imports(item.path))):
            item.add_marker(pytest.mark.ros)
        if item.get_closest_marker('slow') and not os.environ.get('FOL_VPR_SLOW'):
            item.add_marker(pytest.mark.skip(reason='takes minutes; FOL_VPR_SLOW=1 runs it'))


@pytest.fixture(scope='module', autouse=True)
def _as_many_threads_as_before() -> Iterator[None]:
    """A network setting that counts for the whole process must not reach the next module."""
    before = torch.get_num_threads() if (torch := sys.modules.get('torch')) else None
    yield
    if before is not None:
        torch.set_num_threads(before)


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder with golden/ and data/ that FOL_VPR_SHARED names."""
    folder = os.environ.get('FOL_VPR_SHARED')
    if not folder:
        pytest.skip('FOL_VPR_SHARED does not name a folder with golden/ and data/')
    return Path(folder).resolve()


@pytest.fixture(scope='session')
def golden(shared: Path) -> Path:
    """What the authors' own code computed, for comparison."""
    return _subfolder(shared, 'golden')


@pytest.fixture(scope='session')
def data(shared: Path) -> Path:
    """Real images with ground truth, one folder for each data set."""
    return _subfolder(shared, 'data')


def _subfolder(folder: Path, name: str) -> Path:
    if not (folder / name).is_dir():
        pytest.skip(f'there is no {name}/ in {folder}, which FOL_VPR_SHARED names')
    return folder / name


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
