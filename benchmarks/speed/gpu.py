"""What is written for CUDA, checked and timed step by step.

    python -m benchmarks gpu [--steps parity forward ...] [--device cuda] [--small]

`benchmarks/gpu.sh` runs all steps, each in a process of its own with a limit of time. They are

- parity: network on the device in float32, bfloat16 and float16 against float32 on the CPU;
- forward: forward pass against eager float32 and the roofline, which is the longer one of the time
  of the operations at the rate of a large product and of the time to read the weights;
- graphs: CUDA graphs are recorded, replayed, and give what eager kernels give;
- reranking: re-ranking of 100 candidates against the released algorithm on the same device;
- search: exact search among 100,000 places;
- node: the node answers a bag, by `fol_vpr demo`; needs ROS 2 and an installed workspace.

Each line has its goal beside it. With --small, or on a CPU, the same code runs with sizes that a
CPU computes in seconds; goals of time are then not compared.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import logging
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.options import benchmark_parser, write_figures
from benchmarks.speed.latency import example_images
from benchmarks.speed.network import inputs, operations
from benchmarks.speed.reranking import THRESHOLD, features, released_scores
from fol_vpr.datatypes import Place
from fol_vpr.network import FoL
from fol_vpr.network.runtime.inference import InferenceNetwork
from fol_vpr.network.weights.registry import load
from fol_vpr.retrieval import match_scores
from fol_vpr.retrieval.index.gpu import GpuIndex

DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}
# Least cosine to the global descriptor in float32 on the CPU. Convolutions of CUDA round float32
# to TF32 unless torch is told otherwise.
LEAST_COSINE = {'float32': 0.99999, 'bfloat16': 0.9999, 'float16': 0.9999}
DIM, TOP = 8448, 10
# Bytes of a copy that measures the bandwidth of memory, and side of a product for its rate.
COPIED = {'cuda': 1 << 30, 'cpu': 1 << 26}
PRODUCT = {'cuda': 8192, 'cpu': 512}
BLOCK = 10_000


@dataclass(frozen=True)
class Line:
    """One result.

    Attributes:
        text: what was measured, with its figures.
        goal: what it should be; empty where there is no goal.
        good: whether it is; None where it was not compared, such as a time on a CPU.
    """

    text: str
    goal: str = ''
    good: bool | None = None

    def __str__(self) -> str:
        words = {True: 'reached', False: 'MISSED', None: 'not compared'}
        return self.text + (f'  [goal: {self.goal}: {words[self.good]}]' if self.goal else '')


@dataclass(frozen=True)
class Setup:
    """Where a step runs, and whether with small sizes."""

    device: torch.device
    small: bool

    def seconds(self, run: Callable[[], object], repetitions: int = 5, warm_up: int = 3) -> float:
        """Median seconds of a call, all work on the device included."""
        spent = []
        for repetition in range(-warm_up, repetitions):
            self.wait()
            started = time.perf_counter()
            run()
            self.wait()
            if repetition >= 0:
                spent.append(time.perf_counter() - started)
        return statistics.median(spent)

    def wait(self) -> None:
        """Wait until the device has done all work."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def judged(self, good: bool) -> bool | None:
        """A comparison of times, which says nothing of a GPU where the sizes are small."""
        return None if self.small else good


def parity(setup: Setup) -> list[Line]:
    """Global and local descriptors on the device against the CPU in float32."""
    weights, size = ('fol_tiny', 126) if setup.small else ('untrained-vits14', 322)
    net, _ = load(weights)
    images = inputs(size, 2)
    with torch.inference_mode():
        expected = net(images)
        lines = []
        for name, dtype in DTYPES.items():
            if setup.device.type == 'cpu' and dtype == torch.float16:
                lines.append(Line(f'{weights} in float16: left out, a CPU does not run it'))
                continue
            ours = InferenceNetwork(copy.deepcopy(net), setup.device, dtype, size)
            for _ in range(3):  # once more than it takes to record a graph
                found = ours(images.to(setup.device))
            cosine = (found.global_descriptor.cpu() * expected.global_descriptor).sum(1)
            least = float(cosine.min())
            counts = [(len(a.positions), len(b.positions)) for a, b in
                      zip(found.local, expected.local, strict=True)]  # fmt: skip
            off = max(abs(a - b) for a, b in counts)
            text = (
                f'{weights}, {size} px, {name}: cosine {least:.6f}, local descriptors '
                f'{", ".join(f"{a} of {b}" for a, b in counts)}'
            )
            good = least >= LEAST_COSINE[name] and (off == 0 or name != 'float32')
            lines.append(Line(text, f'cosine ≥ {LEAST_COSINE[name]}', good))
    return lines


def forward(setup: Setup) -> list[Line]:
    """Milliseconds of an image, against eager float32 and the roofline."""
    names = ('fol_tiny',) if setup.small else ('vits14', 'vitb14', 'vitl14')
    cases = [(126, 1), (126, 2)] if setup.small else [(322, 1), (322, 32), (504, 1), (504, 32)]
    rate, bandwidth = _product_rate(setup), _bandwidth(setup)
    lines = [Line(f'large product {rate:.0f} GFLOP/s, memory {bandwidth:.0f} GB/s')]
    for name in names:
        weights = name if name == 'fol_tiny' else f'untrained-{name}'
        net, _ = load(weights)
        nets = net, copy.deepcopy(net).to(setup.device)
        lines += [_forward(setup, nets, name, case, rate, bandwidth) for case in cases]
    return lines


def _forward(
    setup: Setup,
    nets: tuple[FoL, FoL],
    name: str,
    case: tuple[int, int],
    rate: float,
    bandwidth: float,
) -> Line:
    """The line of one network, size and batch.

    Args:
        nets: the network on the CPU, and another one on the device.
        case: pixels of the side, and images in a batch.
        rate: GFLOP/s of a large product.
        bandwidth: GB/s of memory.
    """
    (net, eager), (size, batch) = nets, case
    gflop = sum(operations(net.architecture, size).values())
    images = inputs(size, batch).to(setup.device)
    with torch.inference_mode():
        # Many CPUs emulate bfloat16.
        dtype = torch.float32 if setup.small else torch.bfloat16
        ours = InferenceNetwork(copy.deepcopy(net), setup.device, dtype, size)
        spent = setup.seconds(lambda: ours(images)) / batch
        plain = setup.seconds(lambda: eager(images), warm_up=2, repetitions=3) / batch
    read = ours.parameter_bytes / (1e9 * bandwidth) / batch
    floor = max(gflop / rate, read)
    text = (
        f'{name}, {size} px, batch {batch}: {1e3 * spent:.2f} ms an image; eager float32 '
        f'{1e3 * plain:.2f} ms, {plain / spent:.1f} times; roofline {1e3 * floor:.2f} ms, '
        f'{spent / floor:.1f} times'
    )
    if batch == 1 and (name, size) == ('vitl14', 322):
        return Line(text, '≥ 3 times faster than eager', setup.judged(plain >= 3 * spent))
    if batch == 32:
        return Line(text, '≤ 2 times the roofline', setup.judged(spent <= 2 * floor))
    return Line(text)


def _product_rate(setup: Setup) -> float:
    """GFLOP/s of a large product in bfloat16; of a small one in float32 where sizes are small."""
    side = PRODUCT[setup.device.type]
    left, right = torch.rand(2, side, side, device=setup.device)
    if not setup.small:
        left, right = left.bfloat16(), right.bfloat16()
    return 2e-9 * side**3 / setup.seconds(lambda: left @ right)


def _bandwidth(setup: Setup) -> float:
    """GB/s of reading and writing memory of the device."""
    source = torch.zeros(COPIED[setup.device.type], dtype=torch.uint8, device=setup.device)
    target = torch.empty_like(source)
    return 2e-9 * len(source) / setup.seconds(lambda: target.copy_(source))


def graphs(setup: Setup) -> list[Line]:
    """Whether the graph of a shape is recorded and replayed, and what that brings."""
    weights, size = ('fol_tiny', 126) if setup.small else ('untrained-vits14', 322)
    net, _ = load(weights)
    eager = copy.deepcopy(net).to(setup.device)
    problems: list[str] = []
    listener = _Listener(problems)
    logging.getLogger('fol_vpr').addHandler(listener)
    try:
        with torch.inference_mode():
            ours = InferenceNetwork(net, setup.device, torch.float32, size)
            shapes = [inputs(size, 1), inputs(size, 2), inputs(size + 14, 1)]
            largest = 0.0
            for _ in range(3):
                for shape in shapes:
                    images = shape.to(setup.device)
                    found = ours(images).global_descriptor.clone()
                    wanted = eager(images).global_descriptor
                    largest = max(largest, float((found - wanted).abs().max()))
            images = shapes[0].to(setup.device)
            # A graph writes into the same memory in every run.
            places = {ours(images).global_descriptor.data_ptr() for _ in range(3)}
            replayed = setup.device.type == 'cuda' and len(places) == 1
            spent = setup.seconds(lambda: ours(images))
            plain = setup.seconds(lambda: eager(images))
    finally:
        logging.getLogger('fol_vpr').removeHandler(listener)
    what = 'replayed' if replayed else 'not used'
    times = f'{1e3 * spent:.2f} ms, kernel by kernel {1e3 * plain:.2f} ms'
    good = replayed and not problems if setup.device.type == 'cuda' else None
    return [
        Line(f'graph of {weights} {what}, {times}', 'recorded and replayed', good),
        Line(
            f'largest difference to eager kernels in three shapes {largest:.1e}',
            '≤ 1e-4',
            largest <= 1e-4,
        ),
        *(Line(f'warning: {problem}') for problem in problems),
    ]


class _Listener(logging.Handler):
    """Keeps what is warned of."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(record.getMessage())


def reranking(setup: Setup) -> list[Line]:
    """Scores of candidates in host memory, by the released algorithm and by ours."""
    rows, candidates = (300, 5) if setup.small else (3600, 100)
    query, others = features(rows, candidates, 'subspace')
    as_list = list(others)

    def released() -> np.ndarray:
        # As the released code, which uploads the candidates of every query.
        return released_scores(
            torch.from_numpy(query).to(setup.device), torch.from_numpy(others).to(setup.device)
        )

    def ours() -> np.ndarray:
        return match_scores(query, as_list, THRESHOLD, device=str(setup.device))

    equal = int(np.abs(released() - ours()).max())
    theirs, mine = (setup.seconds(run, repetitions=3, warm_up=1) for run in (released, ours))
    text = (
        f'{candidates} candidates of {rows} rows: {1e3 * mine:.1f} ms, released algorithm '
        f'{1e3 * theirs:.1f} ms, {theirs / mine:.1f} times'
    )
    return [
        Line(text, '≥ 10 times faster', setup.judged(theirs >= 10 * mine)),
        Line(f'largest difference of a score {equal}', '≤ 1 % of the rows', equal <= rows // 100),
    ]


class RandomSource:
    """Unit vectors [rows, DIM] in float16, drawn block by block."""

    dim = DIM

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def read(self, ids: np.ndarray) -> np.ndarray:
        """[len(ids), DIM] float32; a row is always the same."""
        blocks = {}
        for number in np.unique(ids // BLOCK).tolist():
            generator = torch.Generator().manual_seed(number)
            drawn = torch.randn(min(BLOCK, self.rows), DIM, generator=generator)
            blocks[number] = torch.nn.functional.normalize(drawn, dim=1).half()
        if len(blocks) == 1:
            ((number, block),) = blocks.items()
            return block[torch.from_numpy(ids - number * BLOCK)].float().numpy()
        return np.stack([blocks[i // BLOCK][i % BLOCK].float().numpy() for i in ids.tolist()])


def search(setup: Setup) -> list[Line]:
    """Exact search on the device, against all products in float32 on the CPU."""
    count = 2000 if setup.small else 100_000
    source = RandomSource(count)
    places = [Place(number, str(number), '', 0, '', (1, 1)) for number in range(count)]
    started = time.perf_counter()
    index = GpuIndex(source, places, setup.device)
    built = time.perf_counter() - started
    known = source.read(np.arange(0, min(count, BLOCK), min(count, BLOCK) // 20))
    noise = np.random.default_rng(0).standard_normal(known.shape, dtype=np.float32)
    queries = known + 0.5 * noise / np.sqrt(DIM, dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    expected = _exact(source, queries)
    found = [[each.index for each in index.search(query, TOP)] for query in queries]
    share = np.mean([a == b for a, b in zip(found, expected, strict=True)])
    spent = []
    for query in list(queries) * 5:
        setup.wait()
        started = time.perf_counter()
        index.search(query, 100)
        spent.append(1e3 * (time.perf_counter() - started))
    p50, p99 = np.percentile(spent, (50, 99))
    return [
        Line(
            f'{count} places, 100 candidates: median {p50:.2f} ms, 99 % {p99:.2f} ms; uploaded in '
            f'{built:.1f} s',
            '≤ 1 ms',
            setup.judged(bool(p50 <= 1)),
        ),
        Line(f'{100 * share:.0f} % of the first {TOP} as exact', 'all', bool(share == 1)),
    ]


def _exact(source: RandomSource, queries: np.ndarray) -> list[list[int]]:
    """The best TOP references of each query by products in float32."""
    products = [
        queries @ source.read(np.arange(first, min(first + BLOCK, source.rows))).T
        for first in range(0, source.rows, BLOCK)
    ]
    order = np.argsort(-np.concatenate(products, axis=1), axis=1, kind='stable')
    found: list[list[int]] = order[:, :TOP].tolist()
    return found


def node(setup: Setup) -> list[Line]:
    """`fol_vpr demo` with its node on the device: answered images and their latency."""
    program = shutil.which('fol_vpr')
    if program is None or importlib.util.find_spec('rclpy') is None:
        return [Line('left out: no ROS 2 with an installed fol_vpr is sourced')]
    images = example_images()[0][: 6 if setup.small else 24]
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / 'images', Path(folder) / 'demo'
        source.mkdir()
        for number, data in enumerate(images):
            (source / f'{number:03d}.jpg').write_bytes(data)
        words = [program, 'demo', '--images', str(source), '--output', str(output)]
        words += ['--every', '1', '--device', str(setup.device)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 ours
        if done.returncode:
            tail = ' | '.join((done.stdout + done.stderr).splitlines()[-3:])
            return [Line(f'fol_vpr demo ended with {done.returncode}: {tail}', 'answers', False)]
        report = json.loads((output / 'report.json').read_text())
    answered = report['queries'] - report['unanswered']
    # The bag is played as fast as it is answered: the wait for earlier images says nothing.
    median = report['latency_ms']['processing']['p50']
    text = f'{answered} of {len(images)} images answered, median {median:.1f} ms'
    return [Line(text, 'all', answered == len(images))]


STEPS: dict[str, Callable[[Setup], list[Line]]] = {
    'parity': parity,
    'forward': forward,
    'graphs': graphs,
    'reranking': reranking,
    'search': search,
    'node': node,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run steps and print their lines; 1 where one missed its goal."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--steps', nargs='+', choices=list(STEPS), default=list(STEPS))
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu', help='cuda or cpu'
    )
    parser.add_argument('--small', action='store_true', help='sizes for a CPU')
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    setup = Setup(device, options.small or device.type == 'cpu')
    what = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU, small sizes'
    found: dict[str, list[Line]] = {}
    for name in options.steps:
        print(f'{name} on {what}, torch {torch.__version__}', flush=True)
        found[name] = STEPS[name](setup)
        for line in found[name]:
            print(f'  {line}', flush=True)
    write_figures(options.json, {name: [vars(x) for x in lines] for name, lines in found.items()})
    return int(any(line.good is False for lines in found.values() for line in lines))


if __name__ == '__main__':
    sys.exit(main())
