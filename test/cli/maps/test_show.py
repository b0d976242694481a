"""The page of a map, its sessions, and JSON that says what produced it."""

import html
import json
import re
import shlex

import numpy as np
import pytest
from helpers.small_maps import add_place, build, features, header

from fol_vpr.cli.main import main
from fol_vpr.cli.maps import show
from fol_vpr.config import PruningConfig
from fol_vpr.database import HitCounter, MapReader, MapWriter
from fol_vpr.datatypes import GeoPosition, Pose
from fol_vpr.recognizer import describe_map
from fol_vpr.reporting.maps.facts import MapFacts, thumbnails

NOON = 1_700_000_000 * 10**9


@pytest.fixture
def posed(tmp_path):
    """Two sessions side by side, with a gap of 30 m in the first."""
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(sources=(('a', 'bag <a>'),)), source_id='test') as writer:
        for index in range(20):
            session, number = ('a', index) if index < 10 else ('b', index - 10)
            x = 2.0 * number + (30.0 if index in (8, 9) else 0.0)
            pose = Pose(np.array([x, 3.0 * (session == 'b'), 0.0]), np.array([0.0, 0, 0, 1]))
            add_place(
                writer, features(index), session_id=session, stamp_ns=NOON + index * 10**9,
                uri='x', pose=pose, source_position=index,
            )  # fmt: skip
        writer.finish()
    return path


def body(page) -> str:
    return page.read_text().partition('<main')[2].partition('</main>')[0]


def test_the_page_tells_of_sessions_gaps_and_hits(posed, tmp_path, capsys):
    counter = HitCounter(posed)
    with MapReader(posed) as reader:
        counter.count(reader.places[3].place_id)
    counter.write()
    page = tmp_path / 'map.html'
    assert main(['map', 'show', str(posed), '--output', str(page)]) == 0
    assert str(page) in capsys.readouterr().out
    text = body(page)
    assert 'bag &lt;a&gt;' in text, 'what a map says is text'
    assert 'more than 10 m from one reference to the next' in text and '32.0' in text
    assert '19 of 20 places were never recognised' in text
    assert 'stores no images' in text
    assert main(['map', 'show', str(posed), '--output', str(page), '--gap', '50']) == 0
    assert 'There is no gap' in body(page)


def test_maps_without_positions_and_with_degrees_have_pages(drive, tmp_path):
    page = tmp_path / 'map.html'
    assert main(['map', 'show', str(drive.map), '--output', str(page)]) == 0
    assert 'The map has no positions' in body(page)
    assert page.read_text().count('data:image/jpeg') == 8
    path = tmp_path / 'geo.folmap'
    with MapWriter(path, header(), source_id='test') as writer:
        for index in range(5):
            add_place(
                writer, features(index), session_id='a', stamp_ns=index, uri='x',
                source_position=index,
                geo=GeoPosition(60.0, 24.0 + index / 10_000),
            )  # fmt: skip
        writer.finish()
    assert main(['map', 'show', str(path), '--output', str(page)]) == 0
    assert 'North is up' in body(page) and '24.000000 to 24.000400 E' in body(page)


def test_large_maps_say_what_was_left_out(posed, tmp_path, monkeypatch):
    monkeypatch.setattr(show, 'MAX_COMPARED', 10)
    monkeypatch.setattr('fol_vpr.reporting.maps.plan.MAX_MARKS', 7)
    page = tmp_path / 'map.html'
    assert main(['map', 'show', str(posed), '--output', str(page)]) == 0
    assert '20 references are more than the 10' in body(page)
    assert '7 of 20 references are drawn' in body(page)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['--output', 'map.png'], 'map.png.html'),
        (['--output', 'map.html', '--gap', '-1'], 'metres over 0'),
        (['--output', 'nowhere/map.html'], 'no folder nowhere'),
    ],
)
def test_wrong_names_and_values_are_refused(posed, options, words, capsys):
    assert main(['map', 'show', str(posed), *options]) != 0
    assert words in capsys.readouterr().err


def test_sessions_and_provenance(posed, capsys):
    assert main(['map', 'info', str(posed), '--sessions']) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1].split()[:5] == [
        'a',
        '10',
        '2023-11-14T22:13:20Z',
        '2023-11-14T22:13:29Z',
        '48.0',
    ]
    assert told[1].endswith('bag <a>') and told[2].endswith('not recorded')
    for verb in (['info'], ['info', '--sessions'], ['check']):
        assert main(['map', verb[0], str(posed), *verb[1:], '--json']) == 0
        found = json.loads(capsys.readouterr().out)['provenance']
        assert found['command'] == ' '.join(['fol_vpr', 'map', verb[0], str(posed), *verb[1:],
                                             '--json'])  # fmt: skip
        assert found['fol_vpr_version'] and found['date']


def test_a_page_does_not_change_the_map(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 6)
    before = path.read_bytes()
    assert main(['map', 'show', str(path), '--output', str(tmp_path / 'm.html')]) == 0
    assert path.read_bytes() == before


def test_the_command_that_prunes_is_one_for_a_shell(tmp_path):
    """With the values of the page, and a name that is a single word of it."""
    path = tmp_path / 'm; echo x.folmap'
    build(path, 6)
    page = tmp_path / 'm.html'
    assert main(['map', 'show', str(path), '--output', str(page), '--similarity', '0.01']) == 0
    command = re.search('made by: (fol_vpr map prune .*--redundant .*folmap)', body(page))[1]
    words = shlex.split(html.unescape(command))
    assert words[3:5] == ['m; echo x.folmap', '--redundant']
    assert '--similarity 0.01 --radius ' in command and '--angle ' in command


def test_large_images_are_left_out_all_over_the_map(drive, monkeypatch):
    described = describe_map(drive.map)
    with MapReader(drive.map) as reader:
        facts = MapFacts(reader.info, described, reader.image, (), None, PruningConfig())
        sizes = {index: len(jpeg) for index, jpeg in thumbnails(facts).items()}
        assert len(sizes) == 8
        monkeypatch.setattr('fol_vpr.reporting.maps.facts._ROUNDS', 2)
        limit = sum(sizes[index] for index in (0, 2, 4, 6))
        monkeypatch.setattr('fol_vpr.reporting.maps.facts.MAX_IMAGE_BYTES', limit)
        assert sorted(thumbnails(facts)) == [0, 2, 4, 6]
