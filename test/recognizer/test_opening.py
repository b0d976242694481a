"""What a map says of itself without a network."""

from helpers.small_maps import add, header

from fol_vpr.database import MapWriter
from fol_vpr.recognizer import describe_map


def test_extent_dates_and_sources_are_described(tmp_path):
    path = tmp_path / 'm.folmap'
    with MapWriter(path, header(sources=(('drive-0', 'bag 0'),)), source_id='test') as writer:
        for index in range(12):
            add(writer, index)
        writer.finish()
    described = describe_map(path, gap=0.1)
    rows = dict(described.rows())
    assert rows['built from'] == 'bag 0'
    assert 'm along x and y' in rows['extent']
    assert rows['images taken'].startswith('2011-05-10T')
    assert rows['created'] == described.created
    told = described.as_json()
    assert [each['places'] for each in told['session_list']] == [10, 2]
    assert [each['source'] for each in told['session_list']] == ['bag 0', '']
    assert described.overview.gaps
