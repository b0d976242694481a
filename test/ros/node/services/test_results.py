"""Each kind of error as the `result` of a service, the nearer kind before the wider one."""

from __future__ import annotations

import pytest

from fol_vpr import errors
from fol_vpr.ros.node.services.common import NoMap, NotReady, result_of
from fol_vpr.ros.node.services.load_map import readable_map_path
from fol_vpr.ros.node.services.map_changes import map_change_result, writable_map_path
from fol_vpr_msgs.srv import AddPlace, LoadMap, SaveMap

KINDS = {
    NotReady: 'NOT_READY',
    NoMap: 'NOT_FOUND',
    errors.NotInMapError: 'NOT_FOUND',
    errors.InputError: 'BAD_REQUEST',
    errors.MapMismatchError: 'MODEL_MISMATCH',
    errors.MapBusyError: 'FAILED',
    errors.MapError: 'CORRUPT',
    errors.DeviceError: 'OUT_OF_MEMORY',
    MemoryError: 'OUT_OF_MEMORY',
    errors.WeightsError: 'FAILED',
    errors.FolVprError: 'FAILED',
}


@pytest.mark.parametrize(('kind', 'name'), KINDS.items())
def test_each_error_has_its_result(kind, name):
    assert result_of(kind('x'), LoadMap.Response) == getattr(LoadMap.Response, name)
    assert map_change_result(kind('x'), SaveMap.Response()) == getattr(SaveMap.Response, name)


def test_what_is_in_the_way_of_writing_is_told_apart_where_the_service_can():
    full, forbidden = errors.StorageError('full'), errors.AccessError('forbidden')
    assert map_change_result(full, SaveMap.Response()) == SaveMap.Response.NO_SPACE
    assert map_change_result(forbidden, SaveMap.Response()) == SaveMap.Response.NO_PERMISSION
    for error in (full, forbidden):
        assert map_change_result(error, AddPlace.Response()) == AddPlace.Response.FAILED


def test_paths_that_cannot_be_meant(tmp_path):
    there = tmp_path / 'm.folmap'
    there.touch()
    assert readable_map_path(str(there)) == there == writable_map_path(str(there), True)
    for given in ('', 'm.db', str(tmp_path)):
        with pytest.raises(errors.InputError, match='folmap'):
            readable_map_path(given)
    for given in (str(tmp_path / 'other.folmap'), f'{"x" * 300}.folmap'):
        with pytest.raises(NoMap, match='not there'):
            readable_map_path(given)
    with pytest.raises(errors.InputError, match='overwrite'):
        writable_map_path(str(there), False)
    with pytest.raises(errors.InputError, match='folmap'):
        writable_map_path(str(tmp_path / 'm.db'), True)
    with pytest.raises(NoMap, match='create it'):
        writable_map_path(str(tmp_path / 'none' / 'm.folmap'), True)
    with pytest.raises(errors.AccessError, match='cannot be written'):
        writable_map_path(str(tmp_path / f'{"x" * 300}.folmap'), True)
    with pytest.raises(errors.InputError, match='no path'):
        readable_map_path('~nobody-of-that-name/m.folmap')
