"""What the network looks at, as figures and as a picture."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from helpers.scenes import view

from fol_vpr.cli.main import main


@pytest.fixture(scope='module')
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp('explain') / 'photo.jpg'
    cv2.imwrite(str(path), cv2.cvtColor(view(3), cv2.COLOR_RGB2BGR))
    return path


def explained(capsys, *words: str) -> dict:
    assert main(['explain', *words, '--json']) == 0
    return json.loads(capsys.readouterr().out)


def test_figures_of_the_shipped_network(photo, capsys):
    facts = explained(capsys, str(photo), '--input-size', '322')
    assert (facts['weights'], facts['trained']) == ('fol_tiny', True)
    assert facts['patches'] == {'rows': 23, 'columns': 23}
    # The network keeps 225 patches, and 64 of 529 patches' worth of them in its descriptor.
    assert facts['regions']['chosen_patches'] == 225
    assert facts['aggregation']['share_to_dustbin'] == pytest.approx(1 - 64 / 529, abs=0.02)
    assert facts['clusters']['count'] == 64
    leading = facts['clusters']['largest']
    assert [each['patches'] for each in leading] == sorted(
        (each['patches'] for each in leading), reverse=True
    )
    assert 0 < facts['attention']['share_of_patches_attended'] <= 1


def test_a_small_input_keeps_all_its_patches(photo, tmp_path, capsys):
    picture = tmp_path / 'out.png'
    assert main(['explain', str(photo), '--picture', str(picture)]) == 0
    said = capsys.readouterr()
    assert 'clusters' in said.out and 'to the dustbin' in said.out and str(picture) in said.err
    assert cv2.imread(str(picture)).shape[1] == 1600
    facts = explained(capsys, str(photo))
    assert facts['regions']['chosen_patches'] == 169


def test_the_network_of_a_map(drive, capsys):
    facts = explained(capsys, str(drive.queries / 'view003.jpg'), '--map', str(drive.map))
    assert (facts['weights'], facts['trained']) == ('untrained-vits14', False)
    assert facts['input_size'] == [126, 126]


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (['/nowhere/photo.jpg'], '/nowhere/photo.jpg'),
        (['PHOTO', '--map', '/nowhere/m.folmap'], '/nowhere/m.folmap'),
        (['PHOTO', '--picture', 'out.xyz'], '.png'),
        (['PHOTO', '--weights', 'unknown'], 'unknown'),
    ],
)
def test_what_cannot_be_explained(photo, words, says, capsys):
    given = [str(photo) if word == 'PHOTO' else word for word in words]
    assert main(['explain', *given]) == 2
    assert says in capsys.readouterr().err


def test_the_word_of_an_image_without_any_content(tmp_path, capsys):
    path = tmp_path / 'grey.png'
    cv2.imwrite(str(path), np.full((5, 700), 127, np.uint8))
    assert main(['explain', str(path), '--picture', str(tmp_path / 'out.jpg')]) == 0
    assert (tmp_path / 'out.jpg').stat().st_size > 1000
