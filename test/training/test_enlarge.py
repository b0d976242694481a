"""From fol_tiny and EfficientNet-Lite2 to what fol_small begins with."""

from __future__ import annotations

import importlib.util

import pytest
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet

from fol_vpr.errors import InputError
from fol_vpr.network import build_fol, open_weights, save_weights
from fol_vpr.network.model.trunk import Trunk
from fol_vpr.network.preprocessing import DEVIATION, MEAN
from fol_vpr.network.weights.registry import load
from training.__main__ import main
from training.config import ModelConfig
from training.module import initial_network
from training.trunk import PACKAGE, installed_efficientnet, load_trunk

# The blocks from this one on have learned on places.
LEARNED_FROM = 7


def test_the_trunk_is_the_published_network():
    """The layers of the package, on pixels as it takes them, against the trunk on FoL's input."""
    whole = EfficientNet.from_name('efficientnet-lite2', image_size=208)
    whole.load_state_dict(torch.load(installed_efficientnet(), weights_only=True))
    expected: list[torch.Tensor] = []
    whole.eval()._blocks[14].register_forward_hook(lambda *call: expected.append(call[2]))
    trunk = Trunk()
    load_trunk(trunk, installed_efficientnet())

    coarse = torch.rand((1, 3, 12, 12), generator=torch.Generator().manual_seed(3))
    pixels = 255 * F.interpolate(coarse, size=(182, 182), mode='bicubic').clamp(0, 1)
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (MEAN, DEVIATION))
    with torch.inference_mode():
        whole(F.interpolate(pixels, size=(208, 208), mode='bilinear').sub(127).div(128))
        found = trunk((pixels / 255 - mean) / deviation)
    # Beyond its right and lower edge an image is the mean colour for one and grey for the other.
    inside = (slice(None), slice(None), slice(0, 6), slice(0, 6))
    error = (found - expected[0])[inside].norm() / expected[0][inside].norm()
    assert error < 1e-3


def test_what_it_writes_describes_images_as_fol_tiny_does(tmp_path, capsys):
    tiny, output = tmp_path / 'tiny.safetensors', tmp_path / 'small.safetensors'
    save_weights(build_fol('fol_tiny'), tiny, input_size=182)
    assert main(['enlarge', '--weights', str(tiny), '--output', str(output)]) == 0
    assert '5667560 parameters' in capsys.readouterr().out
    small, info = open_weights(output)
    assert (info.architecture, info.input_size) == ('fol_small', 182)
    images = torch.randn((1, 3, 126, 126), generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        expected, found = open_weights(tiny)[0](images), small(images)
    torch.testing.assert_close(found.global_descriptor, expected.global_descriptor)


def test_the_first_layers_of_the_shipped_trunk_are_the_published_ones():
    published = Trunk()
    load_trunk(published, installed_efficientnet())
    shipped = load('fol_small')[0].backbone.model.patch_embed.trunk.state_dict()
    for name, tensor in published.state_dict().items():
        first = name.startswith('stem') or int(name.split('.')[1]) < LEARNED_FROM
        assert torch.equal(shipped[name], tensor.half().float()) == first, name
        if not first:  # learned on, from where it was
            alike = F.cosine_similarity(shipped[name].flatten(), tensor.flatten(), dim=0)
            assert alike > 0.9, name


def test_a_random_trunk_trains():
    embedding = initial_network(ModelConfig(architecture='fol_small')).backbone.model.patch_embed
    assert all(each.requires_grad for each in embedding.trunk.parameters())


@pytest.mark.parametrize(('blocks', 'expected'), [(0, 0), (1, 1), (8, 8), (15, 15), (-1, 15)])
@pytest.mark.parametrize('of_transformer', [-1, 1])
def test_as_many_blocks_of_the_trunk_train_as_are_named(blocks, expected, of_transformer):
    embedding = initial_network(
        ModelConfig(
            architecture='fol_small',
            weights='fol_small',
            trainable_blocks=of_transformer,
            trainable_trunk_blocks=blocks,
        )
    ).backbone.model.patch_embed
    trunk = embedding.trunk
    trains = [{each.requires_grad for each in block.parameters()} for block in trunk.blocks]
    assert trains == [{False}] * (15 - expected) + [{True}] * expected
    assert {each.requires_grad for each in trunk.stem.parameters()} == {blocks < 0}
    assert embedding.trunk_proj.weight.requires_grad == (of_transformer < 0)


def test_a_random_trunk_trains_whatever_is_named():
    config = ModelConfig(architecture='fol_small', weights='', trainable_blocks=1)
    trunk = initial_network(config).backbone.model.patch_embed.trunk
    assert {each.requires_grad for each in trunk.parameters()} == {True}


def test_more_blocks_of_the_trunk_than_it_has_are_refused():
    config = ModelConfig(architecture='fol_small', weights='fol_small', trainable_trunk_blocks=16)
    with pytest.raises(InputError, match='trainable_trunk_blocks is 16, the trunk of fol_small'):
        initial_network(config)


def test_weights_of_another_network_are_refused(tmp_path, capsys):
    other, output = tmp_path / 'vits.safetensors', tmp_path / 'small.safetensors'
    save_weights(build_fol('vits14'), other)
    assert main(['enlarge', '--weights', str(other), '--output', str(output)]) == 2
    assert 'expected weights of fol_tiny, got those of vits14' in capsys.readouterr().err
    assert main(['enlarge', '--efficientnet', str(other), '--output', str(output)]) == 2
    assert f'{other} is no EfficientNet-Lite2' in capsys.readouterr().err
    assert not output.exists()


def test_without_the_package_it_says_how_to_get_the_weights(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert main(['enlarge', '--output', str(tmp_path / 'small.safetensors')]) == 2
    assert f'pip install {PACKAGE}' in capsys.readouterr().err
