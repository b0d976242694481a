"""Embedding, aggregation and local head by tiles (AMX) against those of the plain network."""

from __future__ import annotations

import math
import threading
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from helpers.network.golden_parameters import fill
from helpers.processes.compiled_code import computed
from torch import Tensor, nn

from fol_vpr import compiled
from fol_vpr.network.cpu.aggregation import CpuAggregator
from fol_vpr.network.cpu.embedding import EmbeddingWithTrunk, OverlappingEmbedding
from fol_vpr.network.cpu.local_head import CpuLocalHead
from fol_vpr.network.model.aggregation import Aggregator, AggregatorOutput
from fol_vpr.network.model.local_head import (
    HIDDEN_DIM,
    LOCAL_DIM,
    LocalDescriptors,
    select_descriptors,
    upsample,
)
from fol_vpr.network.model.vit import ConvolutionalEmbedding, Tokens

PARTS = ('embedding', 'aggregation', 'upsampling')
# Rows and columns of patches; the last ones have more than are selected.
GRIDS = [(9, 9), (13, 13), (9, 17), (16, 9), (1, 70), (70, 1), (23, 23), (17, 31)]
WIDTH = 64


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        threads = torch.get_num_threads()
        yield
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope='module')
def _loops():
    with computed('compiled'):
        found = [compiled.ready(f'fol_vpr.network.cpu.tiles.compiled_{part}') for part in PARTS]
    if None in found:
        pytest.skip('this processor has no AMX with bfloat16, or Linux does not allow it')


def numbers(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cosine(one: Tensor, other: Tensor) -> float:
    return float(F.cosine_similarity(one.double().flatten(), other.double().flatten(), dim=0))


# ---- embedding


def embedding() -> ConvolutionalEmbedding:
    net = ConvolutionalEmbedding(WIDTH)
    fill(net, prefix='backbone.model.patch_embed.')
    return net


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('grid', GRIDS)
def test_embedding_equals_the_plain_one(grid, batch):
    images = numbers(batch, 3, 14 * grid[0], 14 * grid[1])
    expected = embedding()(images).flatten(0, 1)
    run = OverlappingEmbedding(embedding(), torch.bfloat16, 100)
    with mock.patch.dict(compiled._ready, clear=True):
        by_torch = run(images).float()
        assert run._tiled is None
    found = run(images)
    assert run._tiled is not None
    assert found.shape == expected.shape
    assert cosine(found, expected) > 0.99998
    assert (found - expected).norm() <= (by_torch - expected).norm()


def test_embedding_of_an_image_is_the_same_alone_and_after_any_other():
    run = OverlappingEmbedding(embedding(), torch.bfloat16, 100)
    images = numbers(3, 3, 126, 154)
    together = run(images).unflatten(0, (3, -1)).clone()
    run(1e4 * numbers(1, 3, 322, 126))
    spoilt = images[:1].clone()
    spoilt[0, 1, 5, 5] = math.nan
    assert run(spoilt).isnan().any()
    for number in range(3):
        assert torch.equal(run(images[number : number + 1]), together[number])


def test_embedding_with_a_trunk_equals_the_plain_one():
    def net() -> ConvolutionalEmbedding:
        found = ConvolutionalEmbedding(WIDTH, trunk=True)
        fill(found, prefix='backbone.model.patch_embed.')
        return found

    images = numbers(2, 3, 126, 182)
    expected = net()(images).flatten(0, 1)
    run = EmbeddingWithTrunk(net(), torch.bfloat16, 118)
    found = run(images)
    assert run._convolutions._tiled is not None
    assert found.shape == expected.shape
    assert cosine(found, expected) > 0.99
    assert cosine(OverlappingEmbedding(net(), torch.bfloat16, 118)(images), expected) < 0.9


def test_embedding_of_images_in_another_layout():
    run = OverlappingEmbedding(embedding(), torch.bfloat16, 100)
    images = numbers(2, 3, 126, 126)
    expected = run(images)
    assert torch.equal(run(images.to(memory_format=torch.channels_last)), expected)
    assert torch.equal(run(images.flip(3).flip(3)), expected)


# ---- aggregation


def aggregator() -> Aggregator:
    net = Aggregator(WIDTH).eval()
    fill(net, prefix='aggregator.')
    return net


def tokens(batch: int, patches: int, seed: int = 1) -> Tokens:
    attention = numbers(batch, patches, seed=seed + 1).softmax(dim=1) * 6
    rows = numbers(batch, 1 + patches, WIDTH, seed=seed)
    return Tokens(rows[:, 0], rows[:, 1:], attention, (1, patches))


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('patches', [65, 96, 97, 169, 530])
def test_aggregation_equals_the_plain_one(patches, batch):
    given = tokens(batch, patches)
    expected = aggregator()(given)
    run = CpuAggregator(aggregator(), torch.bfloat16, patches)
    with mock.patch.dict(compiled._ready, clear=True):
        by_torch = run(given)
        assert run._tiled is None
    found = run(given)
    assert run._tiled is not None
    for name in AggregatorOutput._fields:
        assert getattr(found, name).shape == getattr(expected, name).shape, name
    assert torch.equal(found.attention, expected.attention)
    assert cosine(found.descriptor, expected.descriptor) > 0.9999
    assert cosine(found.descriptor, by_torch.descriptor) > 0.9999
    torch.testing.assert_close(found.assignment, expected.assignment, rtol=0.05, atol=2e-3)
    lengths = found.descriptor.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(batch), rtol=1e-5, atol=0)


def test_aggregation_is_the_same_on_any_number_of_threads_and_in_a_batch():
    run, given = CpuAggregator(aggregator(), torch.bfloat16, 169), tokens(2, 169)
    torch.set_num_threads(1)
    expected = run(given)
    for threads in (2, 5):
        torch.set_num_threads(threads)
        for found, one in zip(run(given), expected, strict=True):
            assert torch.equal(found, one)
    run(tokens(1, 530, seed=7))
    for number in range(2):
        alone = run(Tokens(*(part[number : number + 1] for part in given[:3]), given.grid))
        # torch computes what comes of the CLS token, whose sums depend on the batch.
        torch.testing.assert_close(alone.descriptor[0], expected.descriptor[number])
        assert torch.equal(alone.assignment[0], expected.assignment[number])


@pytest.mark.parametrize('where', ['scores', 'dustbin'])
def test_aggregation_of_logits_far_apart(where):
    """Their exponentials would leave float32."""
    net, given = aggregator(), tokens(1, 100)
    if where == 'scores':
        net.score.get_parameter('3.weight').mul_(1000)
    else:
        given = given._replace(cls_attention=given.cls_attention * 1000)
    expected = net(given)
    found = CpuAggregator(net, torch.bfloat16, 100)(given)
    assert found.assignment.isfinite().all()
    assert cosine(found.assignment, expected.assignment) > 0.98
    assert cosine(found.descriptor, expected.descriptor) > 0.98


@pytest.mark.parametrize('where', ['patches', 'cls_attention'])
def test_what_is_no_number_is_not_hidden(where):
    given = tokens(2, 100)
    spoilt = getattr(given, where).clone()
    spoilt[0].view(-1)[7] = math.nan
    run = CpuAggregator(aggregator(), torch.bfloat16, 100)
    expected = run(given)
    found = run(given._replace(**{where: spoilt}))
    if where == 'patches':
        assert found.descriptor[0].isnan().all()
    assert torch.equal(found.descriptor[1], expected.descriptor[1])
    assert torch.equal(found.assignment[1], expected.assignment[1])


# ---- local head


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        options = {'kernel_size': 3, 'stride': 2, 'padding': 1}
        self.upconv = nn.ConvTranspose2d(WIDTH, HIDDEN_DIM, **options)
        self.upconv2 = nn.ConvTranspose2d(HIDDEN_DIM, LOCAL_DIM, **options)
        fill(self)


def head(rows: int = 100) -> CpuLocalHead:
    net = Head()
    return CpuLocalHead(net.upconv, net.upconv2, torch.bfloat16, rows)


def plain(patches: Tensor, mask: Tensor, grid: tuple[int, int]) -> list[LocalDescriptors]:
    net = Head()
    dense = upsample(patches.unflatten(1, grid).permute(0, 3, 1, 2), net.upconv, net.upconv2)
    return select_descriptors(dense, mask, grid)


@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('grid', GRIDS)
def test_local_head_equals_the_plain_one(grid, batch):
    patches = numbers(batch, grid[0] * grid[1], WIDTH)
    mask = numbers(batch, grid[0] * grid[1], seed=2).abs()
    run = head()
    with mock.patch.dict(compiled._ready, clear=True):
        by_torch = run(patches, mask, grid)
        assert run._tiled is None
    found = run(patches, mask, grid)
    assert run._tiled is not None
    for one, other, expected in zip(found, by_torch, plain(patches, mask, grid), strict=True):
        assert torch.equal(one.positions, expected.positions)
        assert torch.equal(one.weights, expected.weights)
        assert one.descriptors.dtype == torch.float32
        error = (one.descriptors - expected.descriptors).norm(dim=1)
        assert error.max() < 0.02
        assert error.mean() <= (other.descriptors - expected.descriptors).norm(dim=1).mean()


@pytest.mark.parametrize('grid', [(13, 13), (23, 23)])
def test_local_head_is_the_same_on_any_number_of_threads_and_after_any_image(grid):
    patches = numbers(2, grid[0] * grid[1], WIDTH)
    mask = numbers(2, grid[0] * grid[1], seed=2).abs()
    run = head()
    torch.set_num_threads(1)
    expected = run(patches, mask, grid)
    for threads in (2, 5):
        torch.set_num_threads(threads)
        for found, one in zip(run(patches, mask, grid), expected, strict=True):
            assert torch.equal(found.descriptors, one.descriptors)
    spoilt = patches.clone()
    spoilt[0, 5] = math.nan
    assert run(spoilt, mask.flip(1), grid)[0].descriptors.isnan().any()
    for number in range(2):
        alone = run(patches[number : number + 1], mask[number : number + 1], grid)[0]
        assert torch.equal(alone.descriptors, expected[number].descriptors)


# ---- all of them


def test_several_callers_take_turns():
    embed, aggregate, local = (
        OverlappingEmbedding(embedding(), torch.bfloat16, 100),
        CpuAggregator(aggregator(), torch.bfloat16, 100),
        head(),
    )
    grids = [(9, 9), (9, 11), (13, 13), (9, 9)]

    def all_of(number: int) -> list[Tensor]:
        grid = grids[number]
        images = numbers(1, 3, 14 * grid[0], 14 * grid[1], seed=number)
        given = tokens(1, grid[0] * grid[1], seed=number)
        found = aggregate(given)
        mask = found.assignment.mean(dim=1)
        return [embed(images), found.descriptor, local(given.patches, mask, grid)[0].descriptors]

    expected = [all_of(number) for number in range(len(grids))]
    wrong: list[int] = []

    def work(number: int) -> None:
        with torch.inference_mode():
            for _ in range(8):
                pairs = zip(all_of(number), expected[number], strict=True)
                if not all(torch.equal(*pair) for pair in pairs):
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(grids))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_float32_stays_with_torch():
    run = CpuAggregator(aggregator(), torch.float32, 100)
    run(tokens(1, 100))
    assert run._tiled is None
