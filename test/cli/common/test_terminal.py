"""Names of a stranger do not drive the terminal, in whatever line they are printed."""

import sys
from pathlib import Path

import pytest
from helpers.foreign_maps import change
from helpers.small_maps import build

from fol_vpr.cli.common.terminal import printable_output
from fol_vpr.cli.main import main
from fol_vpr.errors import FolVprError, InputError, escape_controls, is_control

EVIL = '\x1b[2J\x1b]0;x\x07name\x9b31m\u202e\u2028\r'


def assert_harmless(text: str) -> None:
    assert not any(is_control(each) for each in text.replace('\n', '')), repr(text)
    assert '\\x1b' in text


@pytest.fixture
def foreign(tmp_path) -> Path:
    path = tmp_path / 'm.folmap'
    build(path, 2)
    change(
        path,
        ("UPDATE meta SET value = ? WHERE key IN ('name', 'weights_name', 'frame_id')", EVIL),
        ('UPDATE sessions SET session_id = ?', EVIL),
        ('UPDATE places SET place_id = place_id || ?, image_uri = ?', EVIL, EVIL),
    )
    return path


@pytest.mark.parametrize('words', [['info'], ['info', '--sessions'], ['info', '--json']])
def test_map_info_escapes_names(foreign, words, capsys):
    assert main(['map', words[0], str(foreign), *words[1:]]) == 0
    said = capsys.readouterr()
    assert not any(is_control(each) for each in said.out.replace('\n', ''))
    assert 'x1b' in said.out or 'u001b' in said.out


def test_problems_and_errors_escape_names(foreign, capsys):
    change(foreign, ("UPDATE meta SET value = ? WHERE key = 'codec'", EVIL))
    assert main(['map', 'info', str(foreign)]) == 2
    assert_harmless(capsys.readouterr().err)
    assert main(['map', 'check', str(foreign)]) == 1
    assert_harmless(capsys.readouterr().out)


def test_a_name_on_the_command_line_is_escaped(capsys):
    assert main(['map', 'info', f'{EVIL}.folmap']) == 2
    assert_harmless(capsys.readouterr().err)


def test_an_error_escapes_what_it_quotes_and_keeps_its_lines():
    assert str(InputError('two\nlines \x1b[31m')) == 'two\nlines \\x1b[31m'
    assert str(FolVprError('plain ü 日本')) == 'plain ü 日本'


def test_what_people_write_stays():
    for text in ('Straße', '日本 駅', 'a\u00a0b', 'e\u0301', '👩\u200d🔬', 'שלום'):
        assert escape_controls(text) == text
    assert escape_controls('half \udcff') == 'half \\udcff'


def test_progress_and_tables_keep_their_control_characters(capsys):
    with printable_output():
        sys.stderr.write('\r50 %\t\n')
        assert not sys.stderr.isatty()
    assert capsys.readouterr().err == '\r50 %\t\n'
