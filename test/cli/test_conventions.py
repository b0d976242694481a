"""What holds for every verb: --json, --quiet, and where results and remarks go."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator

import pytest
from helpers.images.video_files import write_video
from helpers.scenes import write_folder

from fol_vpr.cli.common.output import STDOUT, Parser
from fol_vpr.cli.main import VERBS, main
from training.__main__ import VERBS as TRAINING

# It prints a script, and nothing that a program would read as JSON.
WITHOUT_JSON = {'completion'}


def leaves(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, Parser]]:
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        assert isinstance(parser, Parser)
        yield name, parser
    for action in below:
        for word, each in action.choices.items():
            yield from leaves(each, f'{name} {word}')


def all_leaves() -> dict[str, Parser]:
    found: dict[str, Parser] = {}
    for verb in VERBS:
        parser = Parser(prog=f'fol_vpr {verb}')
        importlib.import_module(f'fol_vpr.cli.{verb}').add_arguments(parser)
        found.update(leaves(parser, verb))
    return found


LEAVES = all_leaves()


@pytest.mark.parametrize('verb', LEAVES)
def test_every_verb_has_quiet_and_json(verb):
    options = LEAVES[verb]._option_string_actions
    assert options['-q'] is options['--quiet']
    assert options['--quiet'].default == argparse.SUPPRESS
    assert ('--json' in options) == (verb not in WITHOUT_JSON)
    if '--json' in options:
        action = options['--json']
        assert (action.nargs, action.const, action.default) == ('?', STDOUT, None)


@pytest.mark.parametrize('verb', sorted(set(TRAINING) - {'town'}))
def test_training_has_them_too(verb):
    parser = Parser(prog='p')
    importlib.import_module(f'training.commands.{verb}').add_arguments(parser)
    options = parser._option_string_actions
    assert {'-q', '--quiet', '--json'} <= set(options)
    assert options['--json'].const == STDOUT


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with images, the map of them, and a bag of them."""
    made = tmp_path_factory.mktemp('conventions')
    write_folder(made / 'images', 4)
    images, bag = str(made / 'images'), str(made / 'bag')
    build = ['map', 'build', '--images', images, '--output', str(made / 'm.folmap')]
    assert main([*build, '--input-size', '126', '--threads', '1', '-q']) == 0
    assert main(['bag', 'from-images', images, '--output', bag, '--rate', '1', '-q']) == 0
    return made


# Each with what the map and the folders are called in `folder`, and with outputs in `out`.
CHEAP = [
    'map info {map}',
    'map info {map} --sessions',
    'map show {map} --output {out}/m.html',
    'map check {map}',
    'map split {map} --by-session {out}/sessions',
    'map prune {map} --redundant --output {out}/p.folmap',
    'map save {map} --output {out}/s.folmap',
    'map export {map} --output {out}/x',
    'bag info {folder}/bag',
    'bag from-images {folder}/images --output {out}/bag --rate 1',
    'bag from-video {video} --output {out}/bag',
    'weights list',
    'weights info fol_tiny',
    'query {folder}/images/{image} --map {map} --threads 1',
]


@pytest.mark.parametrize('command', CHEAP)
def test_stdout_holds_results_alone(folder, tmp_path, capsys, command):
    image = sorted((folder / 'images').iterdir())[0].name
    places = {'map': folder / 'm.folmap', 'folder': folder, 'image': image}
    if '{video}' in command:
        pytest.importorskip('av', reason='PyAV is not installed')
        places['video'] = write_video(tmp_path / 'a.mp4')
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()

    def words(out: str) -> list[str]:
        return command.format(**places, out=tmp_path / out).split()

    capsys.readouterr()
    assert main([*words('a'), '--json', '--quiet']) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert all(line.startswith('WARNING: ') for line in err.splitlines())
    file = tmp_path / 'document.json'
    assert main(['-q', *words('b'), '--json', str(file)]) == 0
    text = capsys.readouterr().out
    assert text
    assert not text.startswith(('{', '['))
    assert type(json.loads(file.read_text())) is type(document)
