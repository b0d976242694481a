"""The blocks of the transformer by tiles (AMX) against those of the plain network."""

from __future__ import annotations

import math
import threading
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.network.golden_parameters import fill
from helpers.processes.compiled_code import computed

from fol_vpr import compiled
from fol_vpr.network.cpu import tiled_blocks
from fol_vpr.network.cpu.transformer import CpuTransformer
from fol_vpr.network.model.vit import Architecture, VisionTransformer

WIDE = Architecture(width=128, depth=3, heads=2)
SMALL = Architecture(width=64, depth=2, heads=1, convolutions=True, positions=16)


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope='module')
def loops():
    """The compiled module."""
    with computed('compiled'):
        found = compiled.ready('fol_vpr.network.cpu.tiles.compiled_blocks')
    if found is None:
        pytest.skip('this processor has no AMX with bfloat16, or Linux does not allow it')
    return found


def transformer(architecture: Architecture) -> VisionTransformer:
    net = VisionTransformer(architecture)
    fill(net, prefix='backbone.model.')
    return net


def plain(net: VisionTransformer, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    attention = None
    for number, block in enumerate(net.blocks):
        x, attention = block(x, attend_from_cls=number == len(net.blocks) - 1)
    return x, attention


def tiled(loops, net: VisionTransformer, batch: int = 1) -> tiled_blocks.TiledBlocks:
    with mock.patch.dict(compiled._ready, clear=True):
        blocks = CpuTransformer(net, torch.bfloat16, batch)._blocks
    width = net.cls_token.shape[-1]
    parts = [block.parameters() for block in blocks]
    return tiled_blocks.TiledBlocks(loops, parts, len(parts), width, net.norm.eps)


def tokens(images: int, count: int, width: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(images, count, width, generator=torch.Generator().manual_seed(seed))


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(F.cosine_similarity(one.double().flatten(), other.double().flatten(), dim=0))


@pytest.mark.parametrize('architecture', [WIDE, SMALL], ids=['wide', 'small'])
@pytest.mark.parametrize('count', [1, 2, 15, 16, 17, 31, 32, 33, 82, 170, 530])
@pytest.mark.parametrize('images', [1, 3])
def test_equal_the_plain_blocks(loops, architecture, count, images):
    net = transformer(architecture)
    x = tokens(images, count, architecture.width)
    expected, attention = plain(net, x)
    run = tiled(loops, net)
    found, seen = run(x.clone(), 1)
    assert found.shape == expected.shape
    assert found.dtype == seen.dtype == torch.float32
    assert cosine(found, expected) > 0.99995
    assert float((found - expected).abs().max()) < 0.02 * float(expected.abs().max())
    torch.testing.assert_close(seen, attention, rtol=0.05, atol=2e-3)


def test_the_number_of_threads_does_not_change_a_bit(loops):
    run, x = tiled(loops, transformer(WIDE)), tokens(2, 170, WIDE.width)
    one = run(x, 1)
    for threads in (2, 3, 8):
        found = run(x, threads)
        assert torch.equal(found[0], one[0])
        assert torch.equal(found[1], one[1])


def test_an_image_is_the_same_alone_and_in_a_batch_after_any_other(loops):
    run, x = tiled(loops, transformer(WIDE)), tokens(3, 83, WIDE.width)
    together = run(x, 1)
    run(1e4 * tokens(2, 530, WIDE.width, seed=2), 1)
    for number in range(3):
        alone = run(x[number : number + 1], 1)
        assert torch.equal(alone[0][0], together[0][number])
        assert torch.equal(alone[1][0], together[1][number])


def test_what_is_returned_stays(loops):
    run, x = tiled(loops, transformer(WIDE)), tokens(1, 40, WIDE.width)
    found, attention = run(x, 1)
    kept = found.clone(), attention.clone()
    run(tokens(1, 40, WIDE.width, seed=2), 1)
    assert torch.equal(found, kept[0])
    assert torch.equal(attention, kept[1])


def test_not_a_number_stays_in_its_image(loops):
    run, x = tiled(loops, transformer(WIDE)), tokens(2, 50, WIDE.width)
    expected = run(x, 1)[0][1]
    x[0, 7, 3] = math.nan
    found, attention = run(x, 1)
    assert found[0].isnan().all()
    assert attention[0].isnan().all()
    assert torch.equal(found[1], expected)
    assert run(torch.nan_to_num(x), 1)[0].isfinite().all()


def test_logits_of_any_size(loops):
    """Queries and keys a hundred times as long: attention is then all on one token."""
    net = transformer(WIDE)
    for block in net.blocks:
        block.attn.qkv.weight[: 2 * WIDE.width] *= 100
    x = tokens(1, 90, WIDE.width)
    expected, _ = plain(net, x)
    found, attention = tiled(loops, net)(x, 2)
    assert found.isfinite().all()
    assert attention.isfinite().all()
    assert cosine(found, expected) > 0.99


def test_several_callers_take_turns(loops):
    run = tiled(loops, transformer(WIDE))
    inputs = [tokens(1, 40 + 16 * number, WIDE.width, seed=number) for number in range(4)]
    expected = [run(x, 1)[0] for x in inputs]
    wrong: list[torch.Tensor] = []

    def work(number: int) -> None:
        with torch.inference_mode():
            found = [run(inputs[number], 2)[0] for _ in range(10)]
            wrong.extend(each for each in found if not torch.equal(each, expected[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_transformer_changes_over_once_the_loops_are_compiled(loops):
    run = CpuTransformer(transformer(SMALL), torch.bfloat16, 82)
    images = torch.rand(1, 3, 126, 126, generator=torch.Generator().manual_seed(1))
    with mock.patch.dict(compiled._ready, clear=True):
        before = run(images)
        assert run._tiled is None
    after = run(images)
    assert run._tiled is not None
    assert not run._blocks
    assert cosine(after.patches, before.patches) > 0.9999
    assert cosine(after.cls_attention, before.cls_attention) > 0.999
    with mock.patch.dict(compiled._ready, clear=True):
        assert torch.equal(run(images).patches, after.patches)


@pytest.mark.parametrize(
    ('architecture', 'dtype', 'quantized'),
    [
        (WIDE, torch.float32, False),
        (WIDE, torch.float32, True),
        (Architecture(width=128, depth=2, heads=2, swiglu=True), torch.bfloat16, False),
        (Architecture(width=128, depth=2, heads=4), torch.bfloat16, False),
    ],
    ids=['float32', 'int8', 'gated', 'heads of 32'],
)
def test_other_blocks_stay_with_torch(loops, architecture, dtype, quantized):
    run = CpuTransformer(transformer(architecture), dtype, 82, quantized=quantized)
    run(torch.rand(1, 3, 126, 126))
    assert run._tiled is None
    assert run._blocks


def test_gelu_and_rounding_are_those_of_torch(loops):
    numba = pytest.importorskip('numba')
    from fol_vpr.network.cpu.tiles.compiled_numbers import store_gelu, store_row

    @numba.njit
    def written(numbers, active):
        out, nothing = np.empty(len(numbers), np.uint16), np.zeros(32, np.float32)
        for start in range(0, len(numbers), 32):
            source, to = numbers.ctypes.data + 4 * start, out.ctypes.data + 2 * start
            if active:
                store_gelu(source, np.float32(1), nothing.ctypes.data, to)
            else:
                store_row(source, np.float32(1), nothing.ctypes.data, to)
        return out

    numbers = np.concatenate(
        [
            np.linspace(-12, 12, 9600, dtype=np.float32),
            np.geomspace(1e-30, 1e30, 320, dtype=np.float32),
            -np.geomspace(1e-30, 1e4, 320, dtype=np.float32),
            np.array([0, -0.0, math.inf, math.nan] * 8, np.float32),
        ]
    )
    given = torch.from_numpy(numbers)

    def as_float(bits: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).float()

    rounded = as_float(written(numbers, False))
    assert torch.equal(rounded.nan_to_num(7), given.bfloat16().float().nan_to_num(7))
    found, expected = as_float(written(numbers, True)), F.gelu(given.double()).float()
    assert found[-1].isnan()
    # Half a unit of bfloat16, and the error of the polynomial.
    error = (found - expected).nan_to_num(0, 0, 0).abs()
    assert (error <= expected.nan_to_num(0, 0, 0).abs() * 2**-8 + 4e-6).all()
