import json
import os
from pathlib import Path

import pytest

from benchmarks.against import released

CHECKOUTS = Path(os.environ.get('FOL_VPR_RELEASED', 'not set'))


def test_a_folder_without_the_released_code_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        released.main(['--code', str(tmp_path), '--dinov2', str(tmp_path)])
    assert f'{tmp_path} has no network_FoL.py' in capsys.readouterr().err


@pytest.mark.skipif(
    not CHECKOUTS.is_dir(), reason='FOL_VPR_RELEASED names no folder with FoL/ and dinov2/'
)
def test_both_networks_describe_the_image_alike(tmp_path, capsys):
    status = released.main(
        [
            '--code', str(CHECKOUTS / 'FoL'), '--dinov2', str(CHECKOUTS / 'dinov2'),
            '--networks', 'vits14', '--precisions', 'float32', '--rounds', '1', '--threads', '1',
            '--json', str(tmp_path / 'f.json'), '--markdown', str(tmp_path / 'f.md'),
        ]
    )  # fmt: skip
    assert status == 0
    time, processor = json.loads((tmp_path / 'f.json').read_text())['comparisons']
    assert time['before'][0] > 0 < time['after'][0]
    assert processor['unit'] == 'ms'
    assert 'cosine to the released descriptor 1.000000 in float32' in capsys.readouterr().out
    assert '| vits14, 322 px, ms (float32) |' in (tmp_path / 'f.md').read_text()
