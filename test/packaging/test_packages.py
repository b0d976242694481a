"""What colcon, rosdep and pip are told of the two packages."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import fol_vpr

ROOT = Path(__file__).resolve().parents[2]

# Module: key in package.xml. Whatever else is imported has the name of its ROS package.
KEYS = {
    'PIL': 'python3-pil',
    'argcomplete': 'python3-argcomplete',
    'cv2': 'python3-opencv',
    'faiss': 'python3-faiss',
    'jinja2': 'python3-jinja2',
    # rosdep has no key for mcap, which brings lz4 and zstandard, but one for what builds on it.
    'lz4': 'mcap-ros2-support',
    'matplotlib': 'python3-matplotlib',
    'mcap': 'mcap-ros2-support',
    'numpy': 'python3-numpy',
    'plotly': 'python3-plotly',
    'psutil': 'python3-psutil',
    'pyproj': 'python3-pyproj',
    'rich': 'python3-rich',
    'rosbags': 'python3-rosbags-pip',
    'scipy': 'python3-scipy',
    'sklearn': 'python3-sklearn',
    'tf2_ros': 'tf2_ros_py',
    # rosdep has no key for threadpoolctl, which scikit-learn brings.
    'threadpoolctl': 'python3-sklearn',
    'torch': 'python3-pytorch-pip',
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
    'zstandard': 'mcap-ros2-support',
}
# Extras of setup.py: pymilvus for a Milvus server, the others for network.runtime.
EXTRAS = {'pymilvus', 'onnxruntime', 'openvino'}
# rosdep has python3-numba for Ubuntu up to 20.04 only; without it NumPy computes the same.
WITHOUT_KEY = {'safetensors', 'numba', 'llvmlite', 'fol_vpr', *EXTRAS}  # llvmlite is numba's
DISTRIBUTIONS = {
    'PIL': 'pillow',
    'cv2': 'opencv-python-headless',
    'faiss': 'faiss-cpu',
    'sklearn': 'scikit-learn',
    'yaml': 'pyyaml',
}


def manifest(path: Path) -> ET.Element:
    return ET.parse(path / 'package.xml').getroot()


def third_party() -> set[str]:
    """Top-level names that the package and its launch files import from outside Python."""
    names = set()
    for path in [*ROOT.glob('fol_vpr/**/*.py'), *ROOT.glob('launch/*.py')]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or '').split('.')[0])
    return names - set(sys.stdlib_module_names) - {'__future__'}


def test_colcon_finds_both_packages_with_their_types():
    colcon = shutil.which('colcon')
    if colcon is None:
        pytest.skip('colcon is not on the PATH')
    listed = subprocess.run(
        [colcon, '--log-base', '/dev/null', 'list'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert sorted(tuple(line.split('\t')) for line in listed) == [
        ('fol_vpr', '.', '(ros.ament_python)'),
        ('fol_vpr_msgs', 'fol_vpr_msgs', '(ros.ament_cmake)'),
    ]


@pytest.mark.parametrize('folder', ['.', 'fol_vpr_msgs', 'underlay/geographic_msgs'])
def test_manifests_are_valid(folder):
    catkin_pkg = pytest.importorskip('catkin_pkg.package')
    warnings: list[str] = []
    package = catkin_pkg.parse_package(str(ROOT / folder), warnings=warnings)
    package.validate(warnings=warnings)
    assert warnings == []
    assert package.licenses == ['Apache-2.0']


def test_one_version_everywhere():
    setup = re.search(r"version='([^']+)'", (ROOT / 'setup.py').read_text())
    versions = {manifest(ROOT / folder).findtext('version') for folder in ('.', 'fol_vpr_msgs')}
    assert versions == {fol_vpr.__version__} == {setup and setup.group(1)}


def test_every_import_is_declared_for_rosdep():
    declared = {tag.text for tag in manifest(ROOT).iter('exec_depend')}
    needed = {KEYS.get(name, name) for name in third_party() - WITHOUT_KEY}
    assert needed - declared == set()


def test_every_python_dependency_is_pinned():
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    pinned = {match.group(1) for line in lines if (match := re.match(r'([a-z0-9-]+)==', line))}
    from_pip = {name for name in KEYS if KEYS[name].startswith(('python3-', 'mcap-'))}
    imported = (third_party() & from_pip) | (WITHOUT_KEY - {'fol_vpr'})
    assert {DISTRIBUTIONS.get(name, name) for name in imported} - pinned == set()


def test_every_message_definition_is_built():
    listed = set(re.findall(r'^\s+((?:msg|srv)/\S+)$', _cmake(), re.MULTILINE))
    there = {
        path.relative_to(ROOT / 'fol_vpr_msgs').as_posix()
        for kind in ('msg', 'srv')
        for path in (ROOT / 'fol_vpr_msgs' / kind).iterdir()
    }
    assert listed == there


def _cmake() -> str:
    return (ROOT / 'fol_vpr_msgs' / 'CMakeLists.txt').read_text()


@pytest.mark.ros
def test_programs_and_files_are_installed_where_ros_looks():
    from ament_index_python.packages import get_package_prefix, get_package_share_directory

    prefix = Path(get_package_prefix('fol_vpr'))
    assert {'fol_vpr', 'localizer'} <= {path.name for path in prefix.glob('lib/fol_vpr/*')}
    share = Path(get_package_share_directory('fol_vpr'))
    for folder, pattern in (('launch', '*.launch.py'), ('config', '*.*')):
        sources = {path.name for path in (ROOT / folder).glob(pattern)}
        assert sources and {path.name for path in (share / folder).iterdir()} == sources


@pytest.mark.ros
def test_the_installed_program_answers():
    from ament_index_python.packages import get_package_prefix

    program = Path(get_package_prefix('fol_vpr')) / 'lib' / 'fol_vpr' / 'fol_vpr'
    done = subprocess.run([program, '--help'], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and 'usage: fol_vpr' in done.stdout, done.stderr
