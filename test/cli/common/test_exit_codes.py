"""Each exit code that docs/reference/exit_codes.md names, provoked from the real program."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.processes.exit_codes import AFTER_SIGINT
from helpers.scenes import write_folder

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / 'docs' / 'reference' / 'exit_codes.md'
SMALL = ['--input-size', '126', '--threads', '1']
HERE = 'test/cli/common/test_exit_codes.py'

# Programs as the page heads them, what it says with a code, and the test that provokes it.
PROVOKED = {
    'fol_vpr': {
        '| 0 | done;': f'{HERE}::test_done',
        '| 1 | `fol_vpr map check` found problems': 'test/cli/test_map.py::'
        'test_check_tells_sound_from_damaged',
        '| 2 | something that the user can mend:': f'{HERE}::test_what_the_user_can_mend',
        '| 130 | interrupted by Ctrl-C (SIGINT)': 'test/cli/test_map.py::'
        'test_a_signal_says_what_is_kept_and_the_same_command_goes_on',
        '| 143 | ended by SIGTERM': 'test/cli/test_map.py::'
        'test_a_signal_says_what_is_kept_and_the_same_command_goes_on',
        '`fol_vpr watch` ends with 1 where': 'test/ros/watching/test_watcher.py::'
        'test_two_namespaces_and_a_killed_node',
        'with 2 where `--once` found no node': 'test/ros/watching/test_watcher.py::'
        'test_nobody_is_there',
        'they count as 0 (or 1, as before)': 'test/ros/watching/test_watcher.py::'
        'test_a_signal_is_the_ordinary_end_of_echo',
        '`fol_vpr echo` ends with 2 where nobody published in time':
        'test/ros/watching/test_watcher.py::'
        'test_echo_prints_what_was_kept_and_ends_after_the_count',
        '`fol_vpr evaluate` ends with 2 after it has reported': 'test/cli/test_evaluate.py::'
        'test_a_query_that_cannot_be_read_is_a_miss_and_costs_nothing_else',
        '`fol_vpr compare` ends with 0 whether results differ or not': 'test/cli/compare/'
        'test_compare.py::test_a_comparison_is_no_result',
        'with 2 where they cannot be compared': 'test/cli/compare/test_compare.py::'
        'test_what_cannot_be_is_said',
        'an error of code 2 shows its traceback and ends with 1': f'{HERE}::'
        'test_debug_shows_a_traceback',
    },
    'localizer': {
        '| 0 | ended by SIGINT or SIGTERM': 'test/ros/node/test_stop.py::'
        'test_at_any_moment_after_the_start',
        '| 1 | a map that the node built': 'test/ros/node/mapping/test_drive.py::'
        'test_a_map_that_is_not_merged_ends_the_node_with_1',
        '| 2 | arguments that cannot be read, or a parameter': 'test/ros/node/test_localizer.py::'
        'test_a_wrong_parameter_ends_the_node_with_2',
    },
    'python -m training': {
        '0 done, 2 for what the user can mend': f'{HERE}::test_training',
        '130 after Ctrl-C': f'{HERE}::test_training_after_ctrl_c',
        '`python -m training.town` ends with 2': 'test/training/town/test_output.py::'
        'test_the_command_of_before_names_the_one_of_now',
    },
    'python -m benchmarks': {
        '0 measured, 1 where': f'{HERE}::test_benchmarks',
        '2 for wrong options': f'{HERE}::test_benchmarks',
    },
}  # fmt: skip


def start(*words: str | Path, module: str = 'fol_vpr.cli.main', **options) -> subprocess.Popen:
    environment = {**os.environ, **options.pop('environment', {})}
    return subprocess.Popen(
        [sys.executable, '-m', module, *map(str, words)], cwd=ROOT, env=environment, text=True,
        **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **options},
    )  # fmt: skip


def ended(*words: str | Path, **options) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    with start(*words, **options) as process:
        out, errors = process.communicate()
    return process.returncode, out, errors


def sections() -> dict[str, str]:
    """What the page says of each program, without line breaks."""
    parts = re.split(r'^## `?(.+?)`?$', PAGE.read_text(encoding='utf-8'), flags=re.MULTILINE)
    return {
        name: ' '.join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.mark.parametrize('program', PROVOKED)
def test_no_code_is_documented_that_no_test_provokes(program):
    text = sections()[program]
    for phrase in PROVOKED[program]:
        assert text.count(phrase) == 1, f'{phrase!r} is not on the page'
        text = text.replace(phrase, '')
    # Within backticks stand options, not codes.
    left = re.findall(r'.{0,60}\b[0-9]{1,3}\b.{0,40}', re.sub(r'`[^`]*`', '', text))
    assert not left, f'name in PROVOKED the test of: {left}'


def test_every_program_of_the_page_is_looked_at():
    assert sections().keys() == PROVOKED.keys()


@pytest.mark.parametrize(
    'place', sorted({place for found in PROVOKED.values() for place in found.values()})
)
def test_the_tests_that_provoke_exist(place):
    path, name = place.split('::')
    tree = ast.parse((ROOT / path).read_text(encoding='utf-8'))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp('codes') / 'images', 3)


def test_done(images, tmp_path):
    path = tmp_path / 'm.folmap'
    build = ['map', 'build', '--images', images, '--output', path]
    code, _, errors = ended(*build, *SMALL)
    assert code == 0, errors
    assert ended('map', 'info', path)[0] == 0
    assert ended('--help')[0] == ended('map', 'build', '--help')[0] == 0
    # The reader of the output has gone.
    with start('map', 'info', path) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, '')


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['map'], 'VERB'),
        (['no-such-verb'], 'no-such-verb'),
        (['map', 'info', 'nowhere.folmap'], 'nowhere.folmap'),
        (['map', 'info', '{images}/view000.jpg'], 'view000.jpg'),
        (['map', 'build', '--images', '{images}', '--output', '{images}/none/m.folmap'], 'none'),
        (['weights', 'info', 'no-such-weights'], 'no-such-weights'),
    ],
)
def test_what_the_user_can_mend(images, words, said):
    code, out, errors = ended(*(word.format(images=images) for word in words))
    assert (code, out) == (2, ''), errors
    assert said in errors and 'Traceback' not in errors
    assert re.search(r'^fol_vpr.*: error: ', errors, re.MULTILINE)


@pytest.mark.parametrize('words', [[], ['--json']])
def test_no_space_for_the_output(words):
    with open('/dev/full', 'w') as full:
        code, _, errors = ended('weights', 'list', *words, stdout=full)
    assert code == 2, errors
    assert errors.startswith('fol_vpr: error: the output cannot be written: No space left')
    assert errors.count('\n') == 1


def test_debug_shows_a_traceback():
    code, out, errors = ended('--debug', 'map', 'info', 'nowhere.folmap')
    assert (code, out) == (1, '')
    assert errors.startswith('Traceback') and 'nowhere.folmap' in errors


def test_an_error_that_nobody_expected_ends_with_a_traceback(tmp_path):
    """A broken installation of a library."""
    (tmp_path / 'numpy').mkdir()
    (tmp_path / 'numpy' / '__init__.py').write_text("raise RuntimeError('half an update')\n")
    path = f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}'
    code, _, errors = ended('map', 'info', 'm.folmap', environment={'PYTHONPATH': path})
    assert code == 1
    assert errors.endswith('RuntimeError: half an update\n')


def test_doctor(tmp_path):
    """Without a profile of Fast DDS it warns."""
    profile = {'FASTRTPS_DEFAULT_PROFILES_FILE': '', 'FASTDDS_DEFAULT_PROFILES_FILE': ''}
    doctor = ['doctor', '--offline', '--no-trial', '--input-size', '126', '--json']
    code, out, errors = ended(*doctor, '--fail-on', 'warning', environment=profile)
    counts = json.loads(out)['counts']
    assert counts['warning'] > 0
    assert code == 1, errors
    code, out, _ = ended(*doctor, environment=profile)
    assert code == (json.loads(out)['counts']['error'] > 0)


def test_a_failed_verb_prints_no_json_and_keeps_the_file(tmp_path):
    path = tmp_path / 'before.json'
    path.write_text('[1]')
    assert ended('map', 'info', 'nowhere.folmap', '--json')[:2] == (2, '')
    assert ended('map', 'info', 'nowhere.folmap', f'--json={path}')[:2] == (2, '')
    assert path.read_text() == '[1]'


def test_training(tmp_path):
    assert ended('--help', module='training')[0] == 0
    missing = str(tmp_path / 'none.yaml')
    code, _, errors = ended('validate', '--weights', missing, module='training')
    assert code == 2, errors
    assert 'Traceback' not in errors


def test_training_after_ctrl_c(tmp_path):
    pytest.importorskip('panda3d', reason='training/requirements.txt is not installed')
    output = tmp_path / 'bag'
    words = ['town', 'drive', '--duration', '600', '--output', output]
    with start(*words, module='training', stderr=subprocess.DEVNULL) as process:
        while not any(tmp_path.iterdir()) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode in AFTER_SIGINT


def test_benchmarks(tmp_path):
    assert ended('--help', module='benchmarks')[0] == 0
    code, out, _ = ended('geometry', '--map', tmp_path / 'none', module='benchmarks')
    assert code == 1 and 'none is not there' in out
    assert ended('geometry', '--no-such-option', module='benchmarks')[0] == 2
    assert ended('no-such-benchmark', module='benchmarks')[0] == 2
