"""Counts of hits in the file beside a map."""

import pytest
from helpers.small_maps import build, place_ids

from fol_vpr.config import PruningConfig
from fol_vpr.database import HitCounter, prune_map, read_hits
from fol_vpr.errors import MapError


def test_hits_add_up_over_counters(tmp_path):
    path = tmp_path / 'm.folmap'
    build(path, 4)
    assert read_hits(path) == {}
    first, second = HitCounter(path, interval=1000), HitCounter(path, interval=0)
    for name in ('drive-0/000001', 'drive-0/000001', 'drive-0/000003'):
        first.count(name)
    second.count('drive-0/000003')
    first.write()
    first.write()
    assert read_hits(path) == {'drive-0/000001': 2, 'drive-0/000003': 2}
    info = prune_map(path, tmp_path / 'p.folmap', PruningConfig(never_hit=True))
    assert info.places == 2
    assert place_ids(tmp_path / 'p.folmap') == ['drive-0/000001', 'drive-0/000003']
    (tmp_path / 'm.folmap.hits').write_bytes(b'something else' * 100)
    with pytest.raises(MapError, match='delete it'):
        read_hits(path)
