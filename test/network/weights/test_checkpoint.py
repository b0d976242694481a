from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fol_vpr.errors import StorageError, WeightsError
from fol_vpr.network import build_fol, load_weights, open_weights, save_weights
from fol_vpr.network.weights.checkpoint import hash_tensors, untrained_weights

UNTRAINED_VITS14 = 'dde0abe9e38f3c0b5adef503ed90209206d0b1c01e22d496e85552f5bda8e640'


@pytest.fixture(scope='module')
def net(tiny):
    return build_fol(tiny)


def released(net, **beside):
    """A checkpoint in the form that the authors' training code writes."""
    state = {f'module.{name}': tensor.clone() for name, tensor in net.state_dict().items()}
    return {
        'epoch_num': 7,
        'model_state_dict': state,
        'optimizer_state_dict': {'state': {}, 'param_groups': [{'lr': 6e-5}]},
        'recalls': np.array([92.5, 96.1]),
        'best_r5': np.float64(96.1),
        **beside,
    }


def blank():
    return build_fol('tiny14', initialised=False)


def same(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def test_released_checkpoint_is_loaded(net, tmp_path):
    path = tmp_path / 'FoL_small.pth'
    torch.save(released(net), path)
    found = blank()
    info = load_weights(found, path)
    assert same(found, net)
    assert (info.name, info.architecture, info.input_size) == ('FoL_small.pth', 'tiny14', None)
    assert info.sha256 == hash_tensors(net.state_dict())
    assert info.parameters == sum(p.numel() for p in net.parameters())


def test_bare_state_dict_in_half_precision_is_loaded(net, tmp_path):
    path = tmp_path / 'bare.pth'
    torch.save({name: tensor.half() for name, tensor in net.state_dict().items()}, path)
    found, info = open_weights(path)
    assert info.architecture == 'tiny14'
    assert found.upconv.weight.dtype == torch.float32
    assert torch.equal(found.upconv.weight, net.upconv.weight.half().float())


def test_safetensors_keep_their_metadata(net, tmp_path):
    path = tmp_path / 'mine.safetensors'
    written = save_weights(net, path, input_size=322)
    found, read = open_weights(path)
    assert same(found, net)
    assert read == written
    assert (read.architecture, read.input_size, read.preprocessing, read.trained) == (
        'tiny14',
        322,
        'imagenet',
        True,
    )
    assert read.sha256 == hash_tensors(net.state_dict())
    assert [file.name for file in tmp_path.iterdir()] == ['mine.safetensors']


def test_hash_is_that_of_the_values_in_any_order(net):
    tensors = dict(net.state_dict())
    backwards = dict(reversed(tensors.items()))
    assert hash_tensors(tensors) == hash_tensors(backwards)
    backwards['upconv.bias'] = backwards['upconv.bias'] + 1e-6
    assert hash_tensors(tensors) != hash_tensors(backwards)


def test_untrained_weights_are_marked():
    _, info = untrained_weights('vits14')
    assert (info.name, info.trained, info.path) == ('untrained-vits14', False, None)
    assert info.model_id == f'vits14:{UNTRAINED_VITS14}'


def test_everything_that_does_not_fit_is_named_at_once(net, tmp_path):
    checkpoint = released(net)
    state = checkpoint['model_state_dict']
    del state['module.upconv.bias']
    del state['module.backbone.model.blocks.3.ls1.gamma']
    state['module.aggregator.dust_bin'] = torch.zeros(1)
    state['module.upconv2.weight'] = torch.zeros(256, 64, 3, 3)
    state['module.backbone.model.norm.bias'][5] = torch.nan
    path = tmp_path / 'odd.pth'
    torch.save(checkpoint, path)
    found = build_fol('tiny14')
    with pytest.raises(WeightsError) as raised:
        load_weights(found, path)
    words = str(raised.value)
    assert '5 problems' in words
    assert 'missing: upconv.bias' in words
    assert 'missing: backbone.model.blocks.3.ls1.gamma' in words
    assert 'unexpected: aggregator.dust_bin' in words
    assert 'upconv2.weight is [256, 64, 3, 3], expected [256, 128, 3, 3]' in words
    assert 'backbone.model.norm.bias holds values that are not finite' in words
    assert same(found, net), 'a failed load must leave the network as it was'


def test_checkpoint_of_another_architecture(net, tmp_path):
    path = tmp_path / 'small.safetensors'
    save_weights(net, path)
    with pytest.raises(
        WeightsError, match=r'does not fit vits14(.|\n)*expected \[512, 384, 1, 1\]'
    ):
        load_weights(build_fol('vits14', initialised=False), path)


def test_unknown_backbone(net, tmp_path):
    state = dict(net.state_dict())
    path = tmp_path / 'shallow.pth'
    torch.save({n: t for n, t in state.items() if 'blocks.3.' not in n}, path)
    with pytest.raises(WeightsError, match=r'width 64 and depth 3.*vits14'):
        open_weights(path)
    torch.save({'weight': torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match='not a FoL checkpoint'):
        open_weights(path)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_truncated_file(net, tmp_path, suffix):
    path = tmp_path / f'cut{suffix}'
    if suffix == '.pth':
        torch.save(released(net), path)
    else:
        save_weights(net, path)
    whole = path.stat().st_size
    for size in (whole - 1, whole // 2, 1000, 3, 0):
        os.truncate(path, size)
        with pytest.raises(WeightsError, match='incomplete, damaged'):
            open_weights(path)


@pytest.mark.parametrize('name', ['page.pth', 'page.safetensors'])
def test_files_that_are_not_checkpoints(tmp_path, name):
    path = tmp_path / name
    path.write_text('<html>Log in to the network of this airport</html>' * 100)
    with pytest.raises(WeightsError, match='not a checkpoint'):
        open_weights(path)
    with pytest.raises(WeightsError, match='no weights file'):
        open_weights(tmp_path / 'absent.pth')
    with pytest.raises(WeightsError, match='is a folder, expected weights'):
        open_weights(tmp_path)
    with pytest.raises(WeightsError, match='too long'):
        open_weights(tmp_path / ('x' * 300))


def test_pth_that_holds_other_things(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save([1, 2, 3], path)
    with pytest.raises(WeightsError, match='contains a list'):
        open_weights(path)
    torch.save({'lr': 0.1, 'weight': torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match='not tensors: lr'):
        open_weights(path)


def test_pth_that_would_run_code_is_refused(net, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'owned'),)

    path = tmp_path / 'evil.pth'
    torch.save(released(net, note=Evil()), path)
    with pytest.raises(WeightsError, match='cannot be read as weights'):
        open_weights(path)
    assert not (tmp_path / 'owned').exists()


def test_changed_values_do_not_fit_the_recorded_hash(net, tmp_path):
    path = tmp_path / 'changed.safetensors'
    save_weights(net, path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r'damaged.*SHA-256'):
        load_weights(build_fol('tiny14'), path)


def test_foreign_safetensors_without_metadata(net, tmp_path):
    path = tmp_path / 'foreign.safetensors'
    save_file(dict(net.state_dict()), path)
    assert open_weights(path)[1].architecture == 'tiny14'
    save_file(load_file(path), path, {'preprocessing': 'grey'})
    with pytest.raises(WeightsError, match='unknown preprocessing grey'):
        open_weights(path)


def test_saving_where_nothing_can_be_written(net, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(StorageError, match='cannot write weights'):
        save_weights(net, tmp_path / 'file' / 'mine.safetensors')
    with pytest.raises(WeightsError, match='safetensors'):
        save_weights(net, tmp_path / 'mine.pth')
    assert not (tmp_path / 'mine.pth').exists()


def test_numpy_1_pickles_are_read(net, tmp_path):
    """NumPy 1 has other module names, which are in checkpoints written with it."""
    buffer = io.BytesIO()
    torch.save(released(net), buffer)
    path = tmp_path / 'old.pth'
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, 'w') as target:
        for item in source.infolist():
            content = source.read(item)
            if item.filename.endswith('data.pkl'):
                content = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
            target.writestr(item.filename, content)
    assert open_weights(path)[1].architecture == 'tiny14'


class Other:
    """An object that a checkpoint must not hold."""


def test_a_checkpoint_with_objects_is_refused_in_our_words(net, tmp_path):
    path = tmp_path / 'objects.pth'
    torch.save(released(net, model=Other()), path)
    with pytest.raises(WeightsError) as caught:
        open_weights(path)
    said = str(caught.value)
    assert 'it holds Python objects besides tensors, such as' in said
    assert 'Other' in said
    assert 'safetensors.torch.save_file(model.state_dict()' in said
    for advice in ('weights_only', 'trust', 'two options', 'allowlist'):
        assert advice not in said
    assert caught.value.__cause__ is None


def repacked(path, compression, extra=b''):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        if extra:
            archive.writestr('archive/data/extra', extra)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_archives_that_torch_would_load_by_running_code_are_refused_in_our_words(tmp_path):
    program, archive = tmp_path / 'program.pth', tmp_path / 'archive.pth'
    torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(str(program))
    with tarfile.open(archive, 'w') as file:
        for name in ('storages', 'tensors', 'pickle'):
            (tmp_path / name).write_bytes(b'x')
            file.add(tmp_path / name, name)
    for path, expected in ((program, 'TorchScript.*save_file'), (archive, 'tar archive; unpack')):
        with pytest.raises(WeightsError, match=expected) as caught:
            open_weights(path)
        assert 'weights_only' not in str(caught.value)
    text = tmp_path / 'text.pth'
    text.write_text('hello')
    with pytest.raises(WeightsError, match='no file of torch'):
        open_weights(text)


def test_a_compressed_checkpoint_is_refused(net, tmp_path):
    path = tmp_path / 'packed.pth'
    torch.save(released(net), path)
    repacked(path, zipfile.ZIP_DEFLATED, bytes(1_000_000))
    with pytest.raises(WeightsError, match='is compressed, or claims to hold more than it has'):
        open_weights(path)


def test_a_fifo_does_not_block(tmp_path):
    for name in ('w.pth', 'w.safetensors'):
        os.mkfifo(tmp_path / name)
        with pytest.raises(WeightsError, match=r'is a FIFO, expected weights'):
            open_weights(tmp_path / name)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    path = tmp_path / 'w.safetensors'
    path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')
    with pytest.raises(WeightsError, match='git lfs pull'):
        open_weights(path)


def with_header(path, header: bytes, size: int | None = None):
    length = len(header) if size is None else size
    path.write_bytes(length.to_bytes(8, 'little') + header)


ABSURD = {
    'a header without end': (b'{}', 2**63),
    'a header of nothing': (b'', 0),
    'a deep header': (b'{"a":' * 20_000, None),
    'a shape of a trillion': (
        b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}', None,
    ),
    'a shape that overflows': (
        b'{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}', None,
    ),
    'a type that is none': (b'{"a":{"dtype":"X9","shape":[0],"data_offsets":[0,0]}}', None),
    'a negative shape': (b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}', None),
}  # fmt: skip


@pytest.mark.parametrize('kind', ABSURD)
def test_an_absurd_header_is_refused(tmp_path, kind):
    path = tmp_path / 'w.safetensors'
    with_header(path, *ABSURD[kind])
    with pytest.raises(WeightsError, match='cannot be read as weights') as caught:
        open_weights(path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize('dtype', [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_numbers_of_another_kind_are_refused(net, tmp_path, dtype):
    tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    name = next(iter(tensors))
    tensors[name] = tensors[name].to(dtype)
    path = tmp_path / 'w.pth'
    torch.save(tensors, path)
    with pytest.raises(WeightsError, match='expected floating-point numbers'):
        load_weights(blank(), path)


def test_many_unexpected_tensors_with_long_names_are_listed_in_part(net, tmp_path):
    tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tensors |= {f'{"x" * 5000}{number}': torch.zeros(1) for number in range(200)}
    path = tmp_path / 'w.safetensors'
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=r'200 problems:(.|\n)*and 150 more') as caught:
        open_weights(path)
    assert len(str(caught.value)) < 20_000


def test_a_block_number_of_thousands_of_digits_is_no_architecture(net, tmp_path):
    tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tensors[f'backbone.model.blocks.{"9" * 5000}.x'] = torch.zeros(1)
    path = tmp_path / 'w.pth'
    torch.save(tensors, path)
    with pytest.raises(WeightsError, match='does not fit'):
        open_weights(path)


def test_saving_leaves_a_file_named_partial_alone(net, tmp_path):
    mine = tmp_path / 'w.safetensors.partial'
    mine.write_text('mine')
    save_weights(net, tmp_path / 'w.safetensors')
    assert mine.read_text() == 'mine'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['w.safetensors', mine.name]


def test_loading_imports_no_computer_algebra():
    """torch imports sympy for `to_empty`, which takes longer than the weights to load."""
    script = (
        'import sys; from fol_vpr.network import open_weights, resolve_weights\n'
        "net, _ = open_weights(resolve_weights('fol_tiny'))\n"
        'assert not any(parameter.is_meta for parameter in net.parameters())\n'
        "assert not {'sympy', 'torch.fx.experimental.symbolic_shapes'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
