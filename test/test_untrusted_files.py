"""Everything that is read from a path goes through the readers that have limits.

A FIFO in place of a file blocks a plain `open` for good; `json.load` ends in a RecursionError, and
`numpy.load` takes the memory that a header claims. So the sources are searched for such calls.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'fol_vpr'

# Call: files of the package that may use it, each with the reason.
ALLOWED = {
    'json.load': set(),
    'json.loads': {
        'json_text.py',
        'cli/calibrate.py',  # what the package has just written
        'reporting/page.py',  # a chart of its own
        'sources/cameras/documents.py',  # tells JSON from YAML, with limits of its own
        # What one process of the doctor writes to another.
        'cli/doctor/gathering/probe.py',
        'cli/doctor/gathering/recognition.py',
        'cli/doctor/gathering/ros.py',
    },
    'np.load': {'cli/doctor/gathering/probe.py'},  # bytes of the doctor's own process
    'numpy.load': set(),
    'np.fromfile': set(),
    'np.loadtxt': set(),
    'np.genfromtxt': set(),
    'torch.load': {'network/weights/checkpoint_file.py'},
    'safe_open': {'network/weights/checkpoint_file.py', 'network/weights/checkpoint_header.py'},
    'sqlite3.connect': {
        'database/format/allowed_schema.py',  # in memory
        'database/storage/hits.py',
        'database/storage/opening.py',
        'database/storage/sqlite_files.py',
        'sources/bags/storage/sqlite_file.py',  # with a limit of steps of its own
    },
    'read_text': {
        'network/runtime/precision.py',  # /proc/cpuinfo
        'evaluation/results/provenance.py',  # /proc
        'reporting/page.py',  # files of the package
        'cli/common/processes.py',  # logs of its own processes
        # /proc and /sys
        'cli/doctor/gathering/gpu.py',
        'cli/doctor/gathering/machine.py',
        'cli/doctor/gathering/transport.py',
        'ros/bags/recorder.py',  # definitions of installed messages
        'ros/watching/types.py',  # their hashes
        'files.py',
    },
    'read_bytes': {'files.py'},
}
READERS = {'read_text', 'read_bytes'}


def name_of(function: ast.expr) -> str:
    """The dotted name of what is called, as far as it is one."""
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        before = name_of(function.value)
        return f'{before}.{function.attr}' if before else function.attr
    return ''


def calls(path: Path) -> list[tuple[int, str]]:
    """Line and name of the calls in `ALLOWED`."""
    found = []
    tree = ast.parse(path.read_text(), str(path))
    own = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == 'fol_vpr.files'
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        last = name.rpartition('.')[2]
        if name in ALLOWED and name not in own and name not in READERS:
            found.append((node.lineno, name))
        elif isinstance(node.func, ast.Attribute) and last in READERS:
            found.append((node.lineno, last))
    return found


def test_files_are_read_by_the_readers_with_limits():
    offences = [
        f'{path.relative_to(ROOT)}:{line} calls {name}'
        for path in sorted(PACKAGE.rglob('*.py'))
        for line, name in calls(path)
        if path.relative_to(PACKAGE).as_posix() not in ALLOWED[name]
    ]
    assert offences == []


def test_the_list_of_exceptions_is_true():
    for name, files in ALLOWED.items():
        for file in files:
            known = {each for _, each in calls(PACKAGE / file)}
            assert name in known or file == 'files.py', f'{file} no longer calls {name}'


def opens(path: Path) -> list[int]:
    """Lines that open a path for reading with Python's own `open`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        if name != 'open' and not (name.endswith('.open') and name not in ('os.open',)):
            continue
        values = [*node.args, *(word.value for word in node.keywords if word.arg == 'mode')]
        texts = [value.value for value in values if isinstance(value, ast.Constant)]
        modes = [text for text in texts if isinstance(text, str)]
        if not any(set(mode) <= set('rwabx+t') and set(mode) & set('wax') for mode in modes):
            found.append(node.lineno)
    return found


MAY_OPEN = {
    'files.py',
    'network/weights/registry.py',  # its own download, to wait for the disk
    # Not paths: a part of an archive, and bytes that have been read.
    'database/tools/folder_arrays.py',
    'sources/images/decode.py',
    'sources/images/orientation.py',
    'sources/images/exif_position.py',
    # FFmpeg, of what was found to be a regular file.
    'sources/bags/writing/from_video.py',
}


def test_nothing_else_opens_a_path_for_reading():
    offences = {
        path.relative_to(PACKAGE).as_posix(): lines
        for path in sorted(PACKAGE.rglob('*.py'))
        if (lines := opens(path)) and path.relative_to(PACKAGE).as_posix() not in MAY_OPEN
    }
    assert offences == {}
