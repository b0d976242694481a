"""The verb: what it prints, its JSON, its exit codes, and its parameter file."""

from __future__ import annotations

import ast
import io
import json
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from fol_vpr.checks import Finding, Severity, ok, skipped
from fol_vpr.cli.doctor.report import print_report
from fol_vpr.cli.main import main
from fol_vpr.sources.node_parameters import matches

ROOT = Path(__file__).resolve().parents[3]
QUICK = ['doctor', '--offline', '--no-trial', '--input-size', '126']


def run(capsys, *words: str) -> tuple[int, dict]:
    code = main([*QUICK, *words, '--json'])
    return code, json.loads(capsys.readouterr().out)


def test_a_map_of_other_weights(drive, capsys):
    code, report = run(capsys, '--map', str(drive.map), '--weights', 'untrained-fol_tiny')
    assert code == report['exit_code'] == 1
    (found,) = [each for each in report['findings'] if each['key'] == 'map.other_weights']
    assert (found['severity'], found['group']) == ('error', 'map')
    assert 'made with the weights untrained-vits14' in found['seen']
    assert report['first'][0] == 'map.other_weights'
    assert report['counts']['error'] == 1
    assert report['facts']['recognition']['map']['places'] == 8


def test_a_parameter_file_and_an_option_over_it(drive, capsys, tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_text(
        f'/**:\n  ros__parameters:\n    map: {drive.map}\n'
        '    network:\n      weights: untrained-fol_tiny\n'
    )
    code, report = run(capsys, '--params-file', str(path))
    keys = {each['key'] for each in report['findings']}
    assert (code, 'map.other_weights' in keys) == (1, True)
    code, report = run(
        capsys, '--params-file', str(path), '--weights', 'untrained-vits14', '--fail-on', 'never'
    )
    keys = {each['key'] for each in report['findings']}
    assert (code, 'map.other_weights' in keys) == (0, False)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('a: [', 'is no YAML'),
        ('map: m.folmap\n', 'holds no parameters'),
        ('camera:\n  ros__parameters: {map: m}\n', 'gives parameters to /camera, and none to'),
        (
            '/**:\n  ros__parameters: {replay: 1}\n',
            'replay is 1, expected true or false',
        ),
        ('/**:\n  ros__parameters: {odom_gap: 99.0}\n', 'odom_gap is 99.0'),
    ],
)
def test_a_parameter_file_that_cannot_be_used(text, said, capsys, tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_text(text)
    assert main([*QUICK, '--params-file', str(path)]) == 2
    assert said in capsys.readouterr().err


def test_without_ros_the_rest_is_examined(capsys, tmp_path, monkeypatch: pytest.MonkeyPatch):
    # The process that tries to import rclpy finds this one first.
    (tmp_path / 'rclpy.py').write_text('raise ImportError("no ROS here")\n')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path), prepend=os.pathsep)
    code = main(['doctor', '--no-trial', '--input-size', '126', '--json'])
    report = json.loads(capsys.readouterr().out)
    by_key = {each['key']: each for each in report['findings']}
    assert code == 0
    assert by_key['ros.missing']['severity'] == 'skipped'
    assert 'setup.bash' in by_key['ros.missing']['command']
    assert by_key['weights.load']['seen'].startswith('fol_tiny')
    assert report['facts']['graph'] is None


def test_wrong_options(capsys):
    assert main([*QUICK, '--params-file', '/none.yaml']) == 2
    assert main([*QUICK, '--seconds', '0']) == 2
    assert main([*QUICK, '--input-size', '-1']) == 2
    assert capsys.readouterr().err.count('fol_vpr: error:') == 3


@pytest.mark.parametrize(
    ('pattern', 'node', 'fits'),
    [
        ('/**', '/localizer', True),
        ('/**', '/a/b/localizer', True),
        ('localizer', '/localizer', True),
        ('/localizer', '/robot1/localizer', False),
        ('/robot1/localizer', '/robot1/localizer', True),
        ('/*/localizer', '/robot1/localizer', True),
        ('/*/localizer', '/localizer', False),
        ('/**/localizer', '/a/b/localizer', True),
        ('/robot*/localizer', '/robot1/localizer', True),
        ('/camera', '/localizer', False),
    ],
)
def test_which_sections_of_a_parameter_file_count(pattern, node, fits):
    assert matches(pattern, node) is fits


FINDINGS = [
    ok('machine.cores', '8 cores'),
    Finding(
        'images.missing', Severity.ERROR, 'nobody publishes on /\x1b[2Jimage', 'no image',
        'remap it', 'ros2 topic list --a-long-option ' + 'x' * 120,
    ),
    Finding('map.uncalibrated', Severity.WARNING, 'no calibration', 'no probability', 'calibrate'),
    skipped('trial.rate', 'not measured'),
]  # fmt: skip


def printed(findings: list[Finding], **console) -> str:
    file = io.StringIO()
    print_report(findings, Console(file=file, width=80, highlight=False, **console))
    return file.getvalue()


def test_the_report_of_a_pipe_has_no_colours_and_no_control_characters():
    text = printed(FINDINGS)
    assert '\x1b' not in text
    assert r'nobody publishes on /\x1b[2Jimage' in text
    assert '1 error, 1 warning, 1 as it should be, 1 not examined' in text
    steps = text.partition('What to do first')[2]
    assert steps.index('1. nobody publishes') < steps.index('2. no calibration')
    assert 'Remap it.' in steps
    # A command can be copied as one line, whatever the width.
    assert FINDINGS[1].command in text
    assert all(len(line) <= 80 for line in text.splitlines() if '$ ' not in line)
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert 'Nothing to mend.' in printed(FINDINGS[:1])


def test_the_report_of_a_terminal_has_colours():
    text = printed(FINDINGS, force_terminal=True, color_system='standard')
    assert '\x1b[1;31m' in text
    assert '\x1b[2J' not in text


def test_a_terminal_that_knows_no_unicode():
    file = io.TextIOWrapper(io.BytesIO(), encoding='ascii', errors='replace')
    print_report(FINDINGS, Console(file=file, width=80))
    file.flush()
    text = file.buffer.getvalue().decode()
    assert 'ERROR nobody publishes' in text
    assert '?' not in text


def test_every_key_is_documented():
    page = (ROOT / 'docs' / 'reference' / 'doctor.md').read_text(encoding='utf-8')
    documented = set(re.findall(r'`([a-z]+\.[a-z_]+)`', page))
    used = set()
    for path in [
        *(ROOT / 'fol_vpr' / 'checks').rglob('*.py'), ROOT / 'fol_vpr/cli/doctor/command.py'
    ]:  # fmt: skip
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args:
                name = ast.unparse(node.func).rpartition('.')[2]
                key = node.args[0]
                if name in ('Finding', 'ok', 'skipped') and isinstance(key, ast.Constant):
                    used.add(key.value)
    assert len(used) > 70
    assert used <= documented
