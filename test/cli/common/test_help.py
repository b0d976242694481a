"""The help of the verbs: a usage that can be read, and examples that work."""

from __future__ import annotations

import shlex

import pytest

from fol_vpr.cli.common.output import MAX_USAGE
from fol_vpr.cli.examples import EXAMPLES
from fol_vpr.cli.main import VERBS, _parse, main

COMMANDS = [(name, command) for name, found in EXAMPLES.items() for command in found]
MANY = ['map build', 'query', 'evaluate', 'calibrate', 'loops', 'compare', 'map show']


def help_of(verb: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as end:
        main([*verb.split(), '--help'])
    assert end.value.code == 0
    return capsys.readouterr().out.splitlines()


def test_the_verbs_that_are_used_most_have_examples():
    assert {f'fol_vpr {verb}' for verb in MANY} == set(EXAMPLES)


@pytest.mark.parametrize(('name', 'command'), COMMANDS)
def test_an_example_is_understood(name, command):
    assert command.startswith(f'{name} ')
    _parse(shlex.split(command.replace('\\\n', ' '))[1:])


@pytest.mark.parametrize('verb', [*VERBS, 'map build', 'map show'])
def test_the_help_fits_80_columns_and_its_usage_is_short(verb, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    lines = help_of(verb, capsys)
    assert max(map(len, lines)) <= 80
    assert lines.index('') <= MAX_USAGE
    assert lines[0].startswith(f'usage: fol_vpr {verb} ')
    examples = EXAMPLES.get(f'fol_vpr {verb}', ())
    assert ('examples:' in lines) == bool(examples)
    for command in examples:
        assert command.splitlines()[0] in '\n'.join(lines)


@pytest.mark.parametrize('verb', [*VERBS, 'bag info', 'map prune', 'map show'])
def test_what_a_verb_does_is_said_in_sentences(verb, capsys):
    lines = help_of(verb, capsys)
    said = lines[lines.index('') + 1 :]
    said = said[: said.index('')]
    assert said[0][0].isupper() and said[-1].endswith('.')


def test_a_short_usage_names_what_is_required(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    lines = help_of('map build', capsys)
    usage = ' '.join(' '.join(lines[: lines.index('')]).split())
    assert usage == (
        'usage: fol_vpr map build (--images DIR | --dataset NAME FOLDER | --bag BAG) '
        '--output M.folmap [options]'
    )
    # An error shows the same one.
    with pytest.raises(SystemExit):
        main(['map', 'build'])
    assert capsys.readouterr().err.count('\n') <= MAX_USAGE + 1
