"""FIFOs, sockets and devices in place of files: every verb and option refuses them, none waits."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.images.video_files import write_video

from fol_vpr.cli.main import VERBS, main

# {bad} is the special file; {map}, {images}, {queries}, {truth} and {out} are sound. In the order
# of the verbs; the first words that begin with a dash name the option, else the argument, that is
# tried.
TRIED = """
map build --images {bad} --output {out}
map build --bag {bad} --output {out}
map build --dataset {bad} --output {out}
map build --positions {bad} --images {images} --output {out}
map build --camera {bad} --images {images} --output {out}
map build --weights {bad} --images {images} --output {out}
map info map {bad}
map show map {bad} --output {out}.html
map check map {bad}
map merge maps {bad} {map} --output {out}
map merge maps {map} {bad} --output {out}
map split map {bad} --by-session {out}
map prune map {bad} --redundant --output {out}
map remove map {bad} --place a
map save map {bad}
map export map {bad} --output {out}
map import folder {bad} --output {out}
query image {bad} --map {map}
query --map {bad} {image}
query --camera {bad} --map {map} {image}
query --weights {bad} --map {map} {image}
explain image {bad}
explain --map {bad} {image}
explain --weights {bad} {image}
evaluate --map {bad} --queries {queries} --ground-truth {truth}
evaluate --queries {bad} --map {map} --ground-truth {truth}
evaluate --dataset {bad} --map {map} --ground-truth {truth}
evaluate --ground-truth {bad} --map {map} --queries {queries}
evaluate --positions {bad} --map {map} --queries {queries} --ground-truth {truth}
evaluate --recording {bad} --map {map} --queries {queries} --ground-truth {truth}
evaluate --camera {bad} --map {map} --queries {queries} --ground-truth {truth}
evaluate --weights {bad} --map {map} --queries {queries} --ground-truth {truth}
calibrate --map {bad} --images {queries} --ground-truth {truth}
calibrate --bag {bad} --map {map}
calibrate --images {bad} --map {map} --ground-truth {truth}
calibrate --dataset {bad} --map {map}
calibrate --positions {bad} --map {map} --images {queries}
calibrate --ground-truth {bad} --map {map} --images {queries}
calibrate --camera {bad} --map {map} --images {queries} --ground-truth {truth}
calibrate --weights {bad} --map {map} --images {queries} --ground-truth {truth}
loops --bag {bad} --output {out}
loops --images {bad} --output {out}
loops --dataset {bad} --output {out}
loops --positions {bad} --images {images} --output {out}
loops --map {bad} --images {images} --output {out}
loops --camera {bad} --images {images} --output {out}
loops --weights {bad} --images {images} --output {out}
weights info weights {bad}
export onnx --weights {bad} --output {out}.onnx
bag from-images images {bad} --output {out}
bag from-images --stamps {bad} --output {out} {images}
bag from-images --poses {bad} --output {out} {images}
bag from-images --camera {bad} --output {out} {images}
bag from-video video {bad} --output {out}
bag from-video --poses {bad} --output {out} {video}
bag from-video --camera {bad} --output {out} {video}
bag play bag {bad}
bag info bag {bad}
demo --images {bad} --queries {queries}
demo --queries {bad} --images {images}
demo --bag {bad}
doctor --map {bad} --offline
doctor --weights {bad} --offline
doctor --params-file {bad} --offline
doctor --image {bad} --offline
"""
CASES = [line for line in TRIED.splitlines() if line]

READ = {
    'DIR',
    'BAG',
    'CSV',
    'FILE',
    'MAP',
    'IMAGE',
    'VIDEO',
    'DIR_OR_BAG',
    'FILE_OR_NAME',
    'M.folmap',
}
NOT_TRIED = {
    # Written, not read.
    'map build --output', 'map merge --output', 'map split --output', 'map split --by-session',
    'map prune --output', 'map save --output', 'map export --output', 'map import --output',
    'bag from-images --output', 'bag from-video --output', 'bag record --output', 'demo --output',
    'loops --session-file', 'evaluate --pictures',
    # Read by the verbs that the demo runs, which are tried themselves.
    'demo --further', 'demo --ground-truth', 'demo --camera',
}  # fmt: skip


def arguments() -> Iterator[str]:
    """Every option and argument of the command line that takes a path."""
    for verb in VERBS:
        parser = argparse.ArgumentParser()
        importlib.import_module(f'fol_vpr.cli.{verb}').add_arguments(parser)
        yield from _arguments(parser, verb)


def _arguments(parser: argparse.ArgumentParser, words: str) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, each in action.choices.items():
                yield from _arguments(each, f'{words} {name}')
        name = action.option_strings[0] if action.option_strings else action.dest
        if action.metavar in READ or name in ('--weights', '--dataset'):
            yield f'{words} {name}'


def test_every_option_that_takes_a_path_is_tried():
    tried = {case.partition(' {bad}')[0] for case in CASES}
    tried = {' '.join(case.split(' {')[0].split()) for case in tried}
    assert set(arguments()) - NOT_TRIED - {'demo --weights'} == tried


@pytest.fixture(scope='module')
def special(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('special')
    fifo, link = folder / 'fifo.folmap', folder / 'link.folmap'
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    folder_of_fifos = folder / 'fifos'
    folder_of_fifos.mkdir()
    for name in ('metadata.yaml', 'map.json', '000001.jpg', 'rgb.txt', 'groundtruth.txt'):
        os.mkfifo(folder_of_fifos / name)
    return {'fifo': fifo, 'link': link, 'fifos': folder_of_fifos, 'device': Path('/dev/zero')}


@pytest.fixture
def must_end() -> Iterator[None]:
    """Ends a test that waits for good with an error, instead of the whole run."""

    def fail(*_: object) -> None:
        raise TimeoutError('it waits for a special file')

    previous = signal.signal(signal.SIGALRM, fail)
    signal.alarm(300)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def words_of(case: str, bad: Path, drive, out: Path) -> list[str]:
    known = {
        '{bad}': str(bad),
        '{map}': str(drive.map),
        '{images}': str(drive.references),
        '{image}': str(next(iter(sorted(drive.queries.iterdir())))),
        '{queries}': str(drive.queries),
        '{truth}': str(drive.ground_truth),
        '{out}': str(out / 'out.folmap') if case.startswith('map') else str(out / 'out'),
        '{out}.onnx': str(out / 'out.onnx'),
        '{out}.html': str(out / 'out.html'),
    }
    if '{video}' in case:
        pytest.importorskip('av', reason='PyAV is not installed')
        known['{video}'] = str(write_video(out / 'a.mp4'))
    words: list[str] = []
    before = case.split()
    for number, word in enumerate(before):
        # The name of a positional argument stands before it, and is left out.
        if number + 1 < len(before) and '{' in before[number + 1] and word in POSITIONAL:
            continue
        words += ['tum', known[word]] if words[-1:] == ['--dataset'] else [known.get(word, word)]
    return words


POSITIONAL = {'map', 'maps', 'folder', 'image', 'images', 'weights', 'bag', 'video'}


@pytest.mark.usefixtures('must_end')
@pytest.mark.parametrize('kind', ['fifo', 'fifos'])
@pytest.mark.parametrize('case', CASES)
def test_a_special_file_is_refused(case, kind, special, drive, tmp_path, capsys, monkeypatch):
    # Some verbs write where they are called, as the demo into its folder.
    monkeypatch.chdir(tmp_path)
    assert main(words_of(case, special[kind], drive, tmp_path)) in (1, 2)
    said = capsys.readouterr()
    assert (said.err or said.out) and 'Traceback' not in said.err


@pytest.mark.usefixtures('must_end')
@pytest.mark.parametrize('kind', ['link', 'device', 'socket'])
@pytest.mark.parametrize(
    'case',
    [
        case
        for case in CASES
        if case.startswith(('map info', 'query', 'weights', 'bag info', 'map build --bag'))
    ],
)
def test_links_devices_and_sockets_are_refused_too(case, kind, special, drive, tmp_path, capsys):
    with socket.socket(socket.AF_UNIX) as opened:
        bad = special.get(kind) or Path(tmp_path / 's.folmap')
        if kind == 'socket':
            opened.bind(str(bad))
        assert main(words_of(case, bad, drive, tmp_path)) == 2
    assert 'Traceback' not in capsys.readouterr().err
