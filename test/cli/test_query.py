"""One image against a map."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from fol_vpr.cli.main import main


def test_the_same_place_comes_first(drive, tmp_path, capsys):
    picture = tmp_path / 'answer.png'
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(drive.map)]
    assert main([*command, '--json', '--hypotheses', '4', '--picture', str(picture)]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert [h['rank'] for h in answer['hypotheses']] == [0, 1, 2, 3]
    assert answer['hypotheses'][0]['ref_index'] == 3
    assert answer['hypotheses'][0]['image_uri'].endswith('view003.jpg')
    assert (answer['weights'], answer['trained']) == ('untrained-vits14', False)
    assert 'UNTRAINED WEIGHTS' in captured.err
    assert cv2.imread(str(picture)) is not None


def test_the_table_has_a_line_for_each_hypothesis(drive, capsys):
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(drive.map)]
    assert main([*command, '--hypotheses', '3', '--rerank', '0', '--verify', '0']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert lines[5].split()[:2] == ['0', 'ref/000003']


def test_images_of_a_bag_are_told_apart_by_their_time(drive, tmp_path, capsys):
    bag, built = tmp_path / 'bag', tmp_path / 'm.folmap'
    assert (
        main(['bag', 'from-images', str(drive.queries), '--output', str(bag), '--rate', '1']) == 0
    )
    build = ['map', 'build', '--bag', str(bag), '--output', str(built)]
    assert main([*build, '--keyframe-interval', '0', '--weights', 'untrained-vits14']) == 0
    capsys.readouterr()
    assert main(['query', str(drive.queries / 'view003.jpg'), '--map', str(built)]) == 0
    rows = capsys.readouterr().out.splitlines()[5:]
    times = [row.split()[-2:] for row in rows]
    assert {unit for _, unit in times} == {'s'}
    assert len({time for time, _ in times}) == len(rows) > 1


def test_a_second_image_is_refused_and_the_help_named(drive, capsys):
    with pytest.raises(SystemExit):
        main(['query', 'a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'e.jpg', '--map', str(drive.map)])
    said = capsys.readouterr().err
    assert 'unrecognized arguments: b.jpg c.jpg d.jpg and 1 more' in said
    assert '`fol_vpr query --help`' in said


def test_a_suffix_that_is_no_picture(drive, tmp_path, capsys):
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(drive.map)]
    assert main([*command, '--picture', str(tmp_path / 'answer.xyz')]) == 2
    assert '.png' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (['--weights', 'untrained-vitb14'], ['untrained-vits14', 'untrained-vitb14']),
        (['--input-size', '140'], ['fixed-126-imagenet', 'fixed-140-imagenet']),
        (['--resize', 'keep_aspect'], ['fixed-126-imagenet', 'keep_aspect-126-imagenet']),
    ],
)
def test_a_map_of_something_else_is_refused_naming_both(drive, options, named, capsys):
    image = str(drive.queries / 'view003.jpg')
    assert main(['query', image, '--map', str(drive.map), *options]) == 2
    errors = capsys.readouterr().err
    assert all(name in errors for name in named)


def test_the_depth_of_one_image_alone_is_a_guess_that_is_said(drive, tmp_path, capsys):
    path = tmp_path / 'dark.png'
    cv2.imwrite(str(path), np.tile(np.arange(60, dtype=np.uint16) * 3, (40, 1)))
    command = ['query', str(path), '--map', str(drive.map), '--rerank', '0', '--verify', '0']
    assert main(command) == 0
    said = capsys.readouterr().err
    assert '255 as white (8 bits)' in said and 'how many bits its camera uses' in said
    assert main([*command, '--image-range', '0', '4095']) == 0
    assert 'bits' not in capsys.readouterr().err


def test_a_grey_image_is_an_image(drive, tmp_path, capsys):
    path = tmp_path / 'grey.png'
    cv2.imwrite(str(path), np.full((40, 60), 127, np.uint8))
    assert main(['query', str(path), '--map', str(drive.map), '--verify', '0']) == 0
    assert 'image quality' in capsys.readouterr().out


def test_a_prior_from_the_command_line(drive, capsys):
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(drive.map)]
    fast = ['--rerank', '0', '--verify', '0', '--json']
    assert main([*command, *fast, '--session', 'another', '--session', 'ref']) == 2
    assert "the map has no session 'another'; it has 'ref'" in capsys.readouterr().err
    assert main([*command, *fast, '--session', 'ref']) == 0
    assert json.loads(capsys.readouterr().out)['hypotheses'][0]['ref_index'] == 3


@pytest.mark.parametrize(
    ('given', 'says'),
    [
        (['--radius', '5'], '--near X Y'),
        (['--near', '1', '2'], 'a radius or a stddev'),
        (['--near-geo', '91', '0', '--radius', '5'], 'latitude within'),
        (['--near', 'nan', '0', '--radius', '5'], 'metres within'),
        (['--near', '1', '2', '--radius', '-5'], 'radius of a prior is -5'),
    ],
)
def test_a_prior_that_makes_no_sense(drive, given, says, capsys):
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(drive.map)]
    assert main([*command, *given]) == 2
    assert says in capsys.readouterr().err


def test_a_position_is_of_no_use_to_a_map_without_any(drive, capsys):
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(drive.map)]
    for option in ('--near', '--near-geo'):
        assert main([*command, option, '1', '2', '--radius', '5']) == 2
        assert f'{option} cannot be used' in capsys.readouterr().err


def test_where_the_prior_leaves_no_place_that_is_said(drive, tmp_path, capsys):
    names = sorted(path.name for path in drive.references.iterdir())
    positions, made = tmp_path / 'positions.csv', tmp_path / 'm.folmap'
    rows = [f'{name},{10 * i},0' for i, name in enumerate(names)]
    positions.write_text('image,x,y\n' + '\n'.join(rows) + '\n')
    build = ['map', 'build', '--images', str(drive.references), '--positions', str(positions)]
    small = ['--input-size', '126', '--weights', 'untrained-vits14']
    assert main([*build, *small, '--output', str(made)]) == 0
    assert 'positions      8 poses of 8 places' in capsys.readouterr().out
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(made), '--radius', '5']
    assert main([*command, '--near', '30', '0']) == 0
    assert 'ref/000003' in capsys.readouterr().out
    assert main([*command, '--near', '900', '0']) == 0
    said = capsys.readouterr()
    assert 'nothing was searched' in said.out and 'not in the map' not in said.out
    assert 'no place of the map agrees with the prior' in said.out and '--near' in said.out


def test_why_one_image_is_unknown(drive, capsys):
    command = ['query', str(drive.queries / 'view003.jpg'), '--map', str(drive.map)]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert table.startswith('UNKNOWN') and 'why: the weights are not trained' in table
    assert 'what helps: `fol_vpr weights fetch' in table
    assert main([*command, '--json']) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer['cause'] == 'UNTRAINED' and answer['remedy'].startswith('`fol_vpr weights')
    assert answer['reason'].startswith('the weights are not trained')
