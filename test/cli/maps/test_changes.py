"""Maps from maps, and changes to one, from the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from helpers.small_maps import add, build, header, jpeg

from fol_vpr.cli.main import main
from fol_vpr.database import MapEditor, MapReader, MapWriter, check_map
from fol_vpr.database.storage.changes import changes_path

COUNT = 25


@pytest.fixture
def path(tmp_path) -> Path:
    made = tmp_path / 'whole.folmap'
    build(made, COUNT)
    return made


def run(*arguments: str | Path) -> int:
    return main(['map', *(str(argument) for argument in arguments)])


def names(path: Path) -> list[str]:
    with MapReader(path) as reader:
        return [place.place_id for place in reader.places]


def test_split_by_session_and_merged_again(path, tmp_path, capsys):
    folder = tmp_path / 'new' / 'parts'
    assert run('split', path, '--by-session', folder) == 0
    parts = sorted(folder.iterdir())
    assert len(capsys.readouterr().out.splitlines()) == len(parts) == 3
    again = tmp_path / 'again.folmap'
    assert run('merge', *parts, '--output', again, '--name', 'campus') == 0
    assert 'campus' in capsys.readouterr().out
    assert sorted(names(again)) == sorted(names(path))
    # What both have is taken once; other places of the same name clash.
    assert run('merge', path, parts[0], '--output', tmp_path / 'once.folmap') == 0
    assert sorted(names(tmp_path / 'once.folmap')) == sorted(names(path))
    other = tmp_path / 'other.folmap'
    with MapWriter(other, header()) as writer:
        add(writer, 10, session_id='drive-0')
        writer.finish()
    capsys.readouterr()
    assert run('merge', path, other, '--output', tmp_path / 'both.folmap') == 2
    assert '--qualify' in capsys.readouterr().err


def test_split_by_region_leaves_the_rest(path, tmp_path, capsys):
    with MapReader(path) as reader:
        x = sorted(place.pose.position[0] for place in reader.places)
    inside, rest = tmp_path / 'inside.folmap', tmp_path / 'rest.folmap'
    bounds = (x[0], -1e6, x[4], 1e6)
    assert run('split', path, '--region', *bounds, '--output', inside, '--rest', rest) == 0
    assert 'references' in capsys.readouterr().out
    assert len(names(inside)) + len(names(rest)) == COUNT and 0 < len(names(inside)) < COUNT
    assert run('split', path, '--region', *bounds) == 2
    assert '--output is missing' in capsys.readouterr().err


def test_places_and_sessions_are_removed(path, capsys):
    with MapReader(path) as reader:
        first, last = reader.places[0], reader.places[-1]
        gone = {p.place_id for p in reader.places if p.session_id == last.session_id}
    assert first.place_id not in gone
    assert run('remove', path, '--place', first.place_id, '--session', last.session_id) == 0
    assert f'{len(gone) + 1} references were removed' in capsys.readouterr().out
    assert set(names(path)).isdisjoint(gone | {first.place_id})
    assert run('remove', path) == 2
    assert '--place' in capsys.readouterr().err
    assert run('remove', path, '--place', 'nobody') == 2
    assert "'nobody'" in capsys.readouterr().err


def test_what_was_changed_is_told_and_saved(path, capsys):
    with MapEditor(path) as editor:
        editor.remove([names(path)[3]])
    assert run('info', path) == 0
    assert '1 removed' in capsys.readouterr().out
    assert changes_path(path).exists()
    assert run('save', path) == 0
    assert f'{COUNT - 1} from 3 session(s)' in capsys.readouterr().out
    assert not changes_path(path).exists()
    assert len(names(path)) == COUNT - 1 and check_map(path) == []


def test_export_can_be_read_without_us_and_brought_back(path, tmp_path, capsys):
    folder, again = tmp_path / 'plain', tmp_path / 'again.folmap'
    assert run('export', path, '--output', folder) == 0
    assert f'holds {COUNT} references' in capsys.readouterr().out
    tables = list(folder.glob('*.csv'))
    assert tables
    with tables[0].open() as file:
        assert len(list(csv.reader(file))) > 1
    assert run('import', folder, '--output', again) == 0
    assert names(again) == names(path)
    assert run('import', tmp_path / 'nowhere', '--output', tmp_path / 'x.folmap') == 2
    assert 'nowhere' in capsys.readouterr().err


def test_prune_needs_to_know_what_is_not_needed(path, tmp_path, capsys):
    lean = tmp_path / 'lean.folmap'
    assert run('prune', path, '--output', lean) == 2
    assert '--never-hit, --redundant' in capsys.readouterr().err
    alike = ('--similarity', '-1', '--radius', '1e6', '--angle', '180')
    assert run('prune', path, '--redundant', *alike, '--output', lean) == 0
    assert f'of {COUNT} references are kept' in capsys.readouterr().out
    assert 0 < len(names(lean)) < COUNT


def test_repair_keeps_what_is_sound_and_says_what_it_dropped(path, capsys):
    data = bytearray(path.read_bytes())
    data[data.index(jpeg(7)) + 100] ^= 0xFF
    path.write_bytes(data)
    assert run('check', path) == 1
    assert run('check', path, '--repair') == 0
    assert capsys.readouterr().out.strip()
    assert path.with_name(path.name + '.damaged').read_bytes() == bytes(data)
    assert check_map(path) == [] and len(names(path)) in (COUNT - 1, COUNT)


def test_a_map_beyond_repair_is_not_sent_in_a_circle(path, capsys):
    path.write_bytes(path.read_bytes()[:20_000])
    assert run('check', path) == 1
    said = capsys.readouterr()
    assert 'was cut' in said.out and 'map check' not in said.out and '--repair' not in said.err
    assert run('check', path, '--repair') == 2
    said = capsys.readouterr()
    assert 'cannot be repaired' in said.err and 'map check' not in said.err


def test_a_file_that_is_not_there_is_no_damaged_map(tmp_path, capsys):
    for repair in ([], ['--repair']):
        assert run('check', tmp_path / 'nowhere.folmap', *repair) == 2
        said = capsys.readouterr()
        assert 'nowhere.folmap does not exist' in said.err and 'problem' not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_map_gets_a_name_that_the_node_takes(path, tmp_path, capsys):
    region = ('--region', '0', '-1', '9', '1')
    inside = tmp_path / 'in.folmap'
    for command in (
        ('merge', path, path, '--output', 'x'),
        ('prune', path, '--redundant', '--output', 'x'),
        ('save', path, '--output', 'x'),
        ('import', tmp_path, '--output', 'x'),
        ('split', path, *region, '--output', 'x'),
        ('build', '--images', tmp_path, '--output', 'x'),
    ):
        assert run(*command) == 2
        assert '--output is x, expected a name that ends in .folmap' in capsys.readouterr().err
    assert run('split', path, *region, '--output', inside, '--rest', 'r.map') == 2
    assert '--rest r.map.folmap' in capsys.readouterr().err
    assert not inside.exists()


def test_what_is_there_stays_unless_replaced_by_the_option(path, capsys):
    assert run('prune', path, '--redundant', '--output', path) == 2
    assert '(--overwrite)' in capsys.readouterr().err


def test_merging_what_has_no_poses_warns(path, tmp_path, capsys, caplog):
    bare = tmp_path / 'bare.folmap'
    with MapWriter(bare, header(), source_id='t') as writer:
        add(writer, 90, session_id='other', pose=None)
        writer.finish()
    assert run('merge', path, bare, '--output', tmp_path / 'both.folmap') == 0
    assert 'bare.folmap: no poses, unlike the other maps' in caplog.text
    assert f'{COUNT} poses of {COUNT + 1} places' in capsys.readouterr().out
    assert run('info', bare) == 0
    assert 'positions      not known' in capsys.readouterr().out


def test_odometry_of_two_drives_is_not_merged(path, tmp_path, capsys):
    """Both call their frame map, and count from where each began."""
    made = [tmp_path / f'{name}.folmap' for name in ('day', 'night')]
    for number, drive in enumerate(made):
        with MapWriter(drive, header(origin=drive.stem), source_id='t') as writer:
            for index in (90, 91):
                add(writer, 10 * number + index, session_id=f'{drive.stem}-{index}')
            writer.finish()
    target = tmp_path / 'both.folmap'
    for maps in (made, [made[0], path]):
        assert run('merge', *maps, '--output', target) == 2
        said = capsys.readouterr().err
        assert 'odometry' in said and "'day'" in said and '--frame-id' in said
    assert run('split', made[0], '--by-session', tmp_path / 'parts') == 0
    assert run('merge', *(tmp_path / 'parts').iterdir(), '--output', target) == 0
