"""Message packages of other projects, built from a description of their fields.

Names and types of fields are what two programs have to agree on to exchange a message. Nothing
else of the other project is needed to test that ours does.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

BUILT = Path(__file__).resolve().parents[3] / 'build' / 'test_messages'
MODULES = 'rosidl_generator_py'
# What Python needs of a package: C structures, their type support for Fast DDS, and the bindings.
GENERATORS = (
    'rosidl_adapter',
    'rosidl_generator_type_description',
    'rosidl_generator_c',
    'rosidl_typesupport_introspection_c',
    'rosidl_typesupport_fastrtps_c',
    'rosidl_typesupport_c',
    'rosidl_generator_py',
)
TARGETS = ('{}__rosidl_typesupport_fastrtps_c', '{}_s__rosidl_typesupport_c')
CMAKE = """\
cmake_minimum_required(VERSION 3.8)
project({name})
foreach(package ament_cmake rosidl_cmake {generators} {dependencies})
  find_package(${{package}} REQUIRED)
endforeach()
rosidl_generate_interfaces({name} {files} DEPENDENCIES {dependencies})
"""
PACKAGE = """\
<package format="3">
  <name>{name}</name>
  <version>0.0.0</version>
  <description>Built by a test, of a description of the fields.</description>
  <maintainer email="fol-vpr@users.noreply.github.com">The fol_vpr authors</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  {dependencies}
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
</package>
"""


@dataclass(frozen=True)
class MessagePackage:
    """A built package.

    Attributes:
        name: of the package.
        folder: where cmake built it; None where it is installed.
    """

    name: str
    folder: Path | None

    def environment(self) -> dict[str, str]:
        """Of a process that is to use the package."""
        if self.folder is None:
            return dict(os.environ)
        paths = {'PYTHONPATH': self.folder / MODULES, 'LD_LIBRARY_PATH': self.folder}
        return os.environ | {
            name: f'{path}:{os.environ.get(name, "")}' for name, path in paths.items()
        }

    def load(self) -> None:
        """Make it importable in this process."""
        if self.folder is None or str(self.folder / MODULES) in sys.path:
            return
        # The loader reads LD_LIBRARY_PATH when a process starts; a library that is loaded already
        # is found by its name.
        for library in sorted(self.folder.glob(f'lib{self.name}__rosidl_typesupport_*.so')):
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
        sys.path.append(str(self.folder / MODULES))


def installed(name: str) -> MessagePackage | None:
    """The package where the project itself is installed here, else None."""
    spec = importlib.util.find_spec(name)
    if spec is None or str(BUILT) in str(spec.origin):
        return None
    return MessagePackage(name, None)


def missing_generators() -> str:
    """Why no package can be built here, empty where one can."""
    prefixes = [Path(path) for path in os.environ.get('AMENT_PREFIX_PATH', '').split(':') if path]
    for name in ('ament_cmake', *GENERATORS):
        if not any((prefix / 'share' / name / 'cmake').is_dir() for prefix in prefixes):
            return f'{name} is not installed, without which no message package can be built'
    return ''


def build_package(
    name: str, definitions: Mapping[str, str], dependencies: Iterable[str]
) -> MessagePackage:
    """Build a package, unless this version of it lies in build/ already.

    Args:
        name: of the package.
        definitions: what each file, such as msg/Link.msg, holds.
        dependencies: packages that the definitions refer to.
    """
    described = repr((name, sorted(definitions.items()), sorted(dependencies), CMAKE, GENERATORS))
    made_with = f'{described} {sys.prefix} {sys.version}'
    key = hashlib.sha256(made_with.encode()).hexdigest()[:16]
    folder = BUILT / f'{name}-{key}'
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / 'built'
    with (folder / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _write_sources(folder / 'source', name, definitions, dependencies)
            _run_cmake(folder, name)
            done.touch()
    return MessagePackage(name, folder / 'build')


def _write_sources(
    folder: Path, name: str, definitions: Mapping[str, str], dependencies: Iterable[str]
) -> None:
    for path, text in definitions.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    depends = ''.join(f'<depend>{each}</depend>' for each in dependencies)
    (folder / 'package.xml').write_text(PACKAGE.format(name=name, dependencies=depends))
    (folder / 'CMakeLists.txt').write_text(
        CMAKE.format(
            name=name,
            files=' '.join(definitions),
            generators=' '.join(GENERATORS),
            dependencies=' '.join(dependencies),
        )
    )


def _run_cmake(folder: Path, name: str) -> None:
    unoptimised = ['-DCMAKE_C_FLAGS=-O0', '-DCMAKE_CXX_FLAGS=-O0', '-DBUILD_TESTING=OFF']
    configure = ['cmake', '-S', 'source', '-B', 'build', '-Wno-dev', *unoptimised]
    targets = [target.format(name) for target in TARGETS]
    build = ['cmake', '--build', 'build', '--parallel', '--target', *targets]
    for command in (configure, build):
        ran = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout[-5000:]
