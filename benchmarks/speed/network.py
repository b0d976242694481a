"""The network's forward pass against the time that its arithmetic alone would take.

    python -m benchmarks network [--weights untrained-vits14 ...] [--sizes 322] [--batches 1 8]
        [--onnx] [--threads 2] [--cpu-time]

A line for each way to run the network: in float32 and bfloat16, in int8 where the processor is
fast at it, and the plain network in float32 (on a GPU, kernel by kernel); with --onnx through ONNX
Runtime, in float32 and with weights and activations rounded to int8. The floor is the number of
floating point operations over the rate of a large matrix product of the same precision on the same
device. All ways and the products take turns, so that other work on the machine meets them alike,
and the fastest repetition of each counts. With --cpu-time and one thread it is the time of the
process that counts, which other work touches less.
"""

from __future__ import annotations

import argparse
import copy
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.speed.latency import example_images
from fol_vpr.network.exported.file import INPUT
from fol_vpr.network.model.aggregation import CLUSTER_DIM, CLUSTERS, TOKEN_DIM
from fol_vpr.network.model.architectures import ARCHITECTURES, PATCH
from fol_vpr.network.model.fol import FoL
from fol_vpr.network.model.local_head import HIDDEN_DIM, LOCAL_DIM
from fol_vpr.network.model.trunk import STAGES, STEM_CHANNELS, STRIDE, TRUNK_CHANNELS
from fol_vpr.network.runtime.inference import InferenceNetwork
from fol_vpr.network.runtime.onnx_file import OUTPUTS, export_onnx
from fol_vpr.network.runtime.precision import has_fast_int8
from fol_vpr.network.tensors import to_input
from fol_vpr.network.weights.registry import load
from fol_vpr.sources import decode_bytes

TARGET = 1.2
_PRODUCTS = {'cpu': 2048, 'cuda': 8192}
_DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16}

Run = Callable[[], Tensor]


@dataclass(frozen=True)
class Row:
    """One way to run one network.

    Attributes:
        way: how it runs.
        ms: time of an image in the fastest repetition.
        floor_ms: time of its operations at the rate of the matrix product; NaN where no product
            of that precision was measured.
        cosine: smallest one to the global descriptors in float32.
    """

    weights: str
    size: int
    batch: int
    way: str
    ms: float
    floor_ms: float
    cosine: float


def operations(architecture: str, size: int) -> dict[str, float]:
    """Floating point operations by stage in units of 10⁹; a multiply-add is two.

    Counted are the products of matrices and the convolutions. The dense local head is counted
    as it is defined, at all positions of the grid.
    """
    known = ARCHITECTURES[architecture]
    side = size // PATCH
    patches, width = side**2, known.width
    tokens = patches + 1
    hidden = 3 * ((4 * width * 2 // 3 + 7) // 8 * 8) if known.swiglu else 8 * width
    block = tokens * width * (4 * width + hidden) + 2 * tokens**2 * width
    embedding = patches * 3 * PATCH**2 * width
    if known.convolutions:
        # 5x5 from 3 to 32 channels at half the side, 3x3 from there, 9x9 with a stride of 7.
        embedding = (size // 2) ** 2 * 32 * (25 * 3 + 9 * 32) + patches * 81 * 32 * width
    if known.trunk:
        embedding += trunk_products(side) + patches * TRUNK_CHANNELS * width
    mlps = patches * 512 * (2 * width + CLUSTER_DIM + CLUSTERS) + 512 * (width + TOKEN_DIM)
    upsampling = 9 * (patches * width * HIDDEN_DIM + (2 * side - 1) ** 2 * HIDDEN_DIM * LOCAL_DIM)
    return {
        'backbone': 2e-9 * (embedding + known.depth * block),
        'aggregation': 2e-9 * (mlps + patches * CLUSTERS * CLUSTER_DIM),
        'local head': 2e-9 * upsampling,
    }


def trunk_products(side: int) -> int:
    """Multiply-adds of the trunk of fol_small for side x side patches."""
    pixels, channels = (side * STRIDE // 2) ** 2, STEM_CHANNELS
    found = pixels * 27 * channels
    for stage in STAGES:
        for number in range(stage.blocks):
            wide = channels * stage.expansion
            if stage.expansion > 1:
                found += pixels * channels * wide
            if number == 0:
                pixels //= stage.stride**2
            found += pixels * wide * (stage.kernel**2 + stage.channels)
            channels = stage.channels
    return found


def inputs(size: int, batch: int) -> Tensor:
    """Normalised example images [batch, 3, size, size]."""
    pictures = example_images()[0]
    cpu = torch.device('cpu')
    return torch.stack(
        [
            to_input(decode_bytes(pictures[i % len(pictures)], 'benchmark'), (size, size), cpu)
            for i in range(batch)
        ]
    )


def ways(net: FoL, images: Tensor) -> dict[str, Run]:
    """The ways of torch: ours in each precision, and the plain network in float32."""
    found: dict[str, Run] = {}
    for name, dtype in _DTYPES.items():
        ours = InferenceNetwork(copy.deepcopy(net), images.device, dtype, images.shape[2])
        found[name] = lambda ours=ours: ours(images).global_descriptor  # type: ignore[misc]
    if not images.is_cuda and has_fast_int8():
        quantized = InferenceNetwork(
            copy.deepcopy(net), images.device, torch.float32, images.shape[2], quantized=True
        )
        found['int8'] = lambda: quantized(images).global_descriptor
    found['float32, eager'] = lambda: net(images).global_descriptor
    return found


def onnx_ways(weights: str, images: Tensor, folder: str) -> dict[str, Run]:
    """The ways of ONNX Runtime on the CPU, with as many threads as torch has."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    files = {'onnx float32': Path(folder) / 'f.onnx', 'onnx int8': Path(folder) / 'i.onnx'}
    export_onnx(weights, files['onnx float32'], input_size=images.shape[2], batch=len(images))
    quantize_dynamic(
        files['onnx float32'],
        files['onnx int8'],
        op_types_to_quantize=['MatMul', 'Gemm'],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()

    def run(path: Path) -> Run:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
        given = {INPUT: images.numpy()}
        return lambda: torch.from_numpy(session.run(list(OUTPUTS), given)[0])

    return {name: run(path) for name, path in files.items()}


def products(device: torch.device) -> dict[str, Run]:
    """Large products of matrices in each precision."""
    side = _PRODUCTS[device.type]
    pairs = {
        name: torch.rand(2, side, side, device=device).to(dtype) for name, dtype in _DTYPES.items()
    }
    return {f'product {name}': lambda p=pair: p[0] @ p[1] for name, pair in pairs.items()}  # type: ignore[misc]


def fastest(
    runs: dict[str, Run], repetitions: int, device: torch.device, clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds of the fastest of the repetitions, after two that are not counted."""
    best = dict.fromkeys(runs, math.inf)
    for repetition in range(-2, repetitions):
        for name, run in runs.items():
            started = clock()
            run()
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            if repetition >= 0:
                best[name] = min(best[name], clock() - started)
    return best


def measure(
    weights: str, size: int, batch: int, options: argparse.Namespace
) -> tuple[dict[str, float], list[Row]]:
    """Rates of the matrix products in GFLOP/s by precision, and the lines of the table."""
    device = torch.device(options.device)
    clock = time.process_time if options.cpu_time else time.perf_counter
    net, info = load(weights)
    size = size or info.input_size or 322
    images = inputs(size, batch).to(device)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        runs = ways(net.to(device), images)
        if options.onnx and device.type == 'cpu':
            runs |= onnx_ways(weights, images, folder)
        exact = net.describe(images).global_descriptor
        cosine = {name: float((run() * exact).sum(dim=1).min()) for name, run in runs.items()}
        best = fastest({**runs, **products(device)}, options.repetitions, device, clock)
    work = 2e-9 * _PRODUCTS[device.type] ** 3
    rates = {name: work / best[f'product {name}'] for name in _DTYPES}
    gflop = sum(operations(info.architecture, size).values())
    rows = []
    for name in runs:
        precision = next((word for word in _DTYPES if word in name), '')
        floor = 1e3 * gflop / rates[precision] if precision else math.nan
        ms = 1e3 * best[name] / batch
        rows.append(Row(weights, size, batch, name, ms, floor, cosine[name]))
    return rates, rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    where = f'{options.threads} CPU threads'
    if options.device == 'cuda':
        where = torch.cuda.get_device_name()
    print(f'{where}, torch {torch.__version__}; ratio to the floor, target {TARGET} on the CPU')
    head = ('weights', 'px', 'batch', 'way', 'ms/image', 'floor', 'ratio', 'cosine')
    print('{:18}{:>5}{:>7}  {:16}{:>9}{:>9}{:>7}{:>10}  product'.format(*head))
    report: list[dict[str, Any]] = []
    for weights in options.weights:
        for size in options.sizes:
            for batch in options.batches:
                rates, rows = measure(weights, size, batch, options)
                _print(rows, rates)
                report += [{**asdict(row), 'gflops_per_second': rates} for row in rows]
    write_figures(options.json, report)
    return 0


def _print(rows: list[Row], rates: dict[str, float]) -> None:
    for row in rows:
        rate = next((f'{rates[word]:.0f} GFLOP/s' for word in rates if word in row.way), '')
        print(
            f'{row.weights:18}{row.size:5}{row.batch:7}  {row.way:16}{row.ms:9.1f}'
            f'{row.floor_ms:9.1f}{row.ms / row.floor_ms:7.2f}{row.cosine:10.6f}  {rate}',
            flush=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument(
        '--weights', nargs='+', default=['untrained-vits14', 'untrained-vitb14', 'fol_tiny']
    )
    parser.add_argument(
        '--sizes', type=int, nargs='+', default=[0], help='pixels; 0 is that of the weights'
    )
    parser.add_argument('--batches', type=int, nargs='+', default=[1])
    parser.add_argument('--repetitions', type=int, default=10)
    parser.add_argument('--onnx', action='store_true', help='ONNX Runtime as well')
    parser.add_argument('--cpu-time', action='store_true', help="the process's own time")
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    parser.add_argument('--device', choices=('cpu', 'cuda'), default=device)
    return parser
