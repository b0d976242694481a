"""Products with prepared weights against torch's linear layers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fol_vpr.network.cpu.products import (
    HAS_ONEDNN,
    PackedProduct,
    Product,
    QuantizedProduct,
    packs,
    product,
)
from fol_vpr.network.runtime.precision import (
    has_fast_int8,
    processor_flags,
    torch_has_bfloat16,
)

INPUTS, OUTPUTS = 48, 96
ACTIVATIONS = {'none': lambda x: x, 'relu': F.relu, 'gelu': F.gelu}


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def layer() -> nn.Linear:
    layer = nn.Linear(INPUTS, OUTPUTS)
    with torch.no_grad():
        layer.weight.copy_(random(OUTPUTS, INPUTS, seed=2) / 7)
        layer.bias.copy_(random(OUTPUTS, seed=3))
    return layer


def kinds(dtype: torch.dtype) -> list[type[Product]]:
    """The classes that can multiply in a number format on this machine."""
    packed = HAS_ONEDNN and (dtype == torch.float32 or packs(dtype))
    return [Product, PackedProduct] if packed else [Product]


def make(kind: type[Product], layer: nn.Linear, dtype: torch.dtype) -> Product:
    rows = (82,) if kind is PackedProduct else ()
    return kind(layer.weight, layer.bias, dtype, *rows)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('activation', ACTIVATIONS)
@pytest.mark.parametrize('rows', [1, 82, 150])
def test_a_product_computes_what_the_layer_does(layer, dtype, activation, rows):
    x = random(rows, INPUTS)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    with torch.inference_mode():
        expected = ACTIVATIONS[activation](layer(x))
        for kind in kinds(dtype):
            found = make(kind, layer, dtype)(x, activation)
            assert found.dtype == dtype
            torch.testing.assert_close(found.float(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_a_product_is_added_to_the_residual_stream(layer, dtype):
    x, residual = random(82, INPUTS), random(82, OUTPUTS, seed=4)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    with torch.inference_mode():
        expected = residual + layer(x)
        for kind in kinds(dtype):
            found = make(kind, layer, dtype).add_to(residual.clone(), x)
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_a_column_of_a_wider_matrix_is_multiplied_too(layer):
    wide = random(82, 3 * INPUTS)
    part = wide[:, INPUTS : 2 * INPUTS]
    with torch.inference_mode():
        for kind in kinds(torch.float32):
            found = make(kind, layer, torch.float32)(part)
            torch.testing.assert_close(found, layer(part), rtol=1e-5, atol=1e-5)


def test_a_scale_becomes_part_of_the_weights(layer):
    x, scale = random(82, INPUTS), random(OUTPUTS, seed=5)
    with torch.inference_mode():
        found = product(layer.weight, layer.bias, torch.float32, 82, scale=scale)(x)
        torch.testing.assert_close(found, layer(x) * scale, rtol=1e-5, atol=1e-5)


def test_which_library_multiplies(layer):
    def of(dtype: torch.dtype, **options: bool) -> type[Product]:
        return type(product(layer.weight, layer.bias, dtype, 82, **options))

    fast = HAS_ONEDNN and 'avx512f' in processor_flags()
    assert (of(torch.float32) is PackedProduct) == fast
    assert (of(torch.bfloat16) is PackedProduct) == (HAS_ONEDNN and torch_has_bfloat16())
    assert of(torch.float16) is Product
    if has_fast_int8():
        assert of(torch.float32, quantized=True) is QuantizedProduct


@pytest.mark.parametrize(
    'engine', [e for e in ('x86', 'onednn') if e in torch.backends.quantized.supported_engines]
)
@pytest.mark.parametrize('activation', ACTIVATIONS)
def test_a_quantized_product_computes_nearly_what_the_layer_does(layer, activation, engine):
    # All of one sign, so that sums of 16 bits overflow where there are such.
    x, residual = random(82, INPUTS).abs() + 1, random(82, OUTPUTS, seed=4)
    with torch.no_grad():
        layer.weight.abs_()
    before = torch.backends.quantized.engine
    quantized = QuantizedProduct(layer.weight, layer.bias, engine)
    assert torch.backends.quantized.engine == before
    with torch.inference_mode():
        pairs = [
            (quantized(x, activation), ACTIVATIONS[activation](layer(x))),
            (quantized.add_to(residual.clone(), x), residual + layer(x)),
        ]
        for found, expected in pairs:
            cosine = torch.cosine_similarity(found.flatten(), expected.flatten(), dim=0)
            assert 0.9999 < cosine < 0.99999999
            assert (found - expected).abs().max() < 0.02 * expected.abs().max()
