"""One small map for all tests of the command line: building it takes the network a while."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from helpers.scenes import write_folder

from fol_vpr.cli.main import main

PLACES = 8


class Drive(NamedTuple):
    """Two passes of the same places, a ground truth, and a map of the first."""

    references: Path
    queries: Path
    ground_truth: Path
    map: Path


@pytest.fixture(scope='session')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    root = tmp_path_factory.mktemp('drive')
    truth = root / 'ground_truth.csv'
    # The last query has no positive.
    lines = [f'{i},{i}' for i in range(PLACES - 1)]
    truth.write_text('query_index,ref_indices\n' + '\n'.join(lines) + '\n')
    made = Drive(
        write_folder(root / 'ref', PLACES),
        write_folder(root / 'query', PLACES, shift=10),
        truth,
        root / 'm.folmap',
    )
    build = ['map', 'build', '--images', str(made.references), '--output', str(made.map)]
    assert main([*build, '--input-size', '126', '--weights', 'untrained-vits14']) == 0
    return made
