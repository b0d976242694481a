"""What all verbs print alike: --json and --quiet."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pytest

from fol_vpr.cli.common.console import Progress
from fol_vpr.cli.common.output import (
    STDOUT,
    Parser,
    add_json,
    json_lines,
    plain,
    remark,
    say,
    show_results,
    warn,
)
from fol_vpr.cli.common.terminal import quietly
from fol_vpr.datatypes import LocalizationState


def parser(*positionals: str) -> Parser:
    made = Parser(prog='p')
    verb = made.add_subparsers(dest='verb').add_parser('v')
    for name in positionals:
        verb.add_argument('inputs', metavar=name, nargs='*')
    add_json(verb)
    return made


@pytest.mark.parametrize(
    ('positional', 'words', 'json_file', 'inputs'),
    [
        ('IMAGE', 'v a.jpg', None, ['a.jpg']),
        ('IMAGE', 'v a.jpg --json', STDOUT, ['a.jpg']),
        ('IMAGE', 'v --json a.jpg', STDOUT, ['a.jpg']),
        ('IMAGE', 'v --json o.json a.jpg', 'o.json', ['a.jpg']),
        ('IMAGE', 'v a.jpg --json o.json', 'o.json', ['a.jpg']),
        ('IMAGE', 'v --json -- a.json', STDOUT, ['a.json']),
        ('IMAGE', 'v --json=o.txt a.jpg', 'o.txt', ['a.jpg']),
        ('IMAGE', 'v --json -q a.jpg', STDOUT, ['a.jpg']),
        ('A.json', 'v --json a.json b.json', STDOUT, ['a.json', 'b.json']),
        ('A.json', 'v a.json b.json --json=o.json', 'o.json', ['a.json', 'b.json']),
        ('', 'v --json o.txt', 'o.txt', None),
        ('', 'v --json', STDOUT, None),
    ],
)
def test_the_file_of_json_is_told_from_other_words(positional, words, json_file, inputs):
    args = parser(*filter(None, [positional])).parse_args(words.split())
    assert args.json == json_file
    assert getattr(args, 'inputs', None) == inputs


@pytest.mark.parametrize('words', ['-q v', 'v -q', '--quiet v', 'v --quiet'])
def test_quiet_stands_before_or_behind_the_verb(words):
    assert parser().parse_args(words.split()).quiet
    assert not hasattr(parser().parse_args(['v']), 'quiet')


def test_results_are_text_or_json_or_both(tmp_path, capsys):
    def show(to: str | None) -> str:
        show_results(argparse.Namespace(json=to), lambda: {'a': math.nan}, lambda: 'text')
        return capsys.readouterr().out

    file = tmp_path / 'o.json'
    assert show(None) == 'text\n'
    assert json.loads(show(STDOUT)) == {'a': None}
    assert show(str(file)) == 'text\n'
    assert json.loads(file.read_text()) == {'a': None}


def test_a_further_line_never_mixes_with_json(capsys):
    say(argparse.Namespace(json=STDOUT), 'line')
    assert capsys.readouterr() == ('', 'line\n')
    say(argparse.Namespace(json=None), 'line')
    assert capsys.readouterr() == ('line\n', '')


def test_lines_of_json_go_to_a_file_as_they_come(tmp_path):
    file = tmp_path / 'o.json'
    with json_lines(argparse.Namespace(json=str(file))) as write:
        write({'n': 1})
        assert file.read_text() == '{"n": 1}\n'
        write({'n': 2})
    assert file.read_text() == '{"n": 1}\n{"n": 2}\n'


def test_values_become_those_of_json():
    values = {1: np.float32('inf'), 'b': [LocalizationState.LOCALIZED], 'c': Path('p')}
    assert plain(values) == {'1': None, 'b': ['LOCALIZED'], 'c': 'p'}


def test_quiet_keeps_warnings_alone(capsys):
    with quietly(True):
        remark('a remark')
        warn('a warning')
        with Progress('work') as progress:
            progress._printed = -math.inf  # as after ten seconds
            progress(1, 2)
            progress.warn('skipped one')
    assert capsys.readouterr() == ('', 'WARNING: a warning\nskipped one\n')
    remark('a remark')
    assert capsys.readouterr().err == 'a remark\n'
