"""Checkpoints are whole, whatever happens while one is written."""

from __future__ import annotations

import resource
import signal

import pytest
import torch

from fol_vpr.errors import StorageError
from training.checkpoints import WholeFiles, checkpoints
from training.config import RunConfig


@pytest.fixture
def little_room():
    """Files of at most 1 MB, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_the_old_checkpoint_is_kept_where_there_is_no_room_for_a_new_one(tmp_path, little_room):
    path = tmp_path / 'checkpoints' / 'last.ckpt'
    WholeFiles().save_checkpoint({'step': torch.tensor(1)}, path)
    with pytest.raises(StorageError, match=r'last\.ckpt cannot be written: .*--resume'):
        WholeFiles().save_checkpoint({'step': torch.zeros(2**20)}, path)
    assert torch.load(path, weights_only=True) == {'step': torch.tensor(1)}
    assert [each.name for each in path.parent.iterdir()] == ['last.ckpt']


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / '.last.ckpt.abc.partial').write_bytes(b'half')
    (tmp_path / 'last.ckpt').write_bytes(b'whole')
    assert len(checkpoints(tmp_path, RunConfig())) == 1
    assert [each.name for each in tmp_path.iterdir()] == ['last.ckpt']


def test_minutes_are_beside_epochs(tmp_path):
    keys = {each.state_key for each in checkpoints(tmp_path, RunConfig(checkpoint_minutes=3))}
    assert len(keys) == 2
