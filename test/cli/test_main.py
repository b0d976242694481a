"""Dispatch, exit codes, and what is loaded when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.bags.mcap_files import mcap_file
from helpers.source_files import SECOND, Sent, compressed, encode, picture

import fol_vpr.cli.weights
from fol_vpr import __version__
from fol_vpr.cli.main import VERBS, main
from fol_vpr.errors import MapError


def test_help_loads_nothing_heavy():
    code = (
        'import sys\n'
        'from fol_vpr.cli.main import main\n'
        f'for args in ([], {", ".join(repr([verb]) for verb in VERBS)}):\n'
        '    try:\n'
        '        main([*args, "--help"])\n'
        '    except SystemExit as exit:\n'
        '        assert exit.code == 0\n'
        '    heavy = {"torch", "rclpy", "faiss", "matplotlib", "rosbags"} & set(sys.modules)\n'
        '    assert not heavy, (args, heavy)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('usage: fol_vpr') == 1 + len(VERBS)


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(['--version'])
    assert exit_info.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize('args', [[], ['dance'], ['map'], ['map', 'build'], ['query', '--maap']])
def test_wrong_usage_is_exit_code_2(args, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(args)
    assert exit_info.value.code == 2
    assert 'usage: fol_vpr' in capsys.readouterr().err


def test_an_error_is_one_message_and_no_traceback(capsys):
    assert main(['map', 'info', 'nowhere.folmap']) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.startswith('fol_vpr: error: ')
    assert 'nowhere.folmap' in captured.err
    assert 'Traceback' not in captured.err


def test_a_file_that_nobody_foresaw_is_a_user_error(monkeypatch, capsys):
    def run(_args):
        Path('/nowhere/forgotten.txt').read_bytes()

    monkeypatch.setattr(fol_vpr.cli.weights, 'run', run)
    assert main(['weights', 'list']) == 2
    assert '/nowhere/forgotten.txt: No such file' in capsys.readouterr().err
    monkeypatch.setattr(fol_vpr.cli.weights, 'run', lambda _args: os.close(-1))
    with pytest.raises(OSError, match='Bad file descriptor'):
        main(['weights', 'list'])


def test_debug_shows_the_traceback():
    with pytest.raises(MapError):
        main(['--debug', 'map', 'info', 'nowhere.folmap'])


def test_a_reader_that_has_gone_is_no_error(drive):
    command = [sys.executable, '-m', 'fol_vpr.cli.main', 'map', 'info', str(drive.map)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait(60) == 0, errors
    assert errors == ''


def test_bag_info_lists_what_cannot_be_read_too(tmp_path, capsys):
    note = Sent('/note\x1b', 'Note', SECOND, b'{}')
    path = mcap_file(
        tmp_path / 'a.mcap', [note, compressed(SECOND, encode(picture()))],
        schema_encodings={'Note': 'jsonschema'}, encodings={'/note\x1b': 'json'},
    )  # fmt: skip
    assert main(['bag', 'info', str(path)]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ['/camera/compressed', 'sensor_msgs/msg/CompressedImage', '1', '-'] in rows
    assert [
        '/note\\x1b',
        *['Note,', 'encoded', 'as', 'json,', 'cannot', 'be', 'read'],
        '1',
        '-',
    ] in rows
    assert main(['bag', 'info', str(path), '--json']) == 0
    topics = json.loads(capsys.readouterr().out)['topics']
    assert [each['encoding'] for each in topics] == ['cdr', 'json']
