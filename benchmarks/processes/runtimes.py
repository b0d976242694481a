"""The runtimes of the network: forward pass, start, memory, size of the packages.

    python -m benchmarks runtimes [--weights fol_tiny] [--turns 5] [--map MAP --image IMAGE]

Every runtime that is installed runs the same weights in processes of its own, in turns. Each
process loads the network on the CPU and describes one image (start), compiles what makes the
network faster on this processor, as the node does, then describes the image again and again
(forward), and again with other work between two images, as a node has it: by then the caches
hold other things, and threads sleep (after other work). Seconds of the processor stand beside
those of the clock, because other programs on the machine change the latter more. Packages are what
pip installed for the runtime alone, without NumPy, which all need.

With --map and --image, `fol_vpr query` of one image is measured in fresh processes as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.against.builds import measured
from benchmarks.options import benchmark_parser, write_figures
from fol_vpr.network.runtime.onnx_file import export_onnx

# What pip installs for a runtime alone, without its packages for other accelerators.
PACKAGES = {
    'torch': ('torch', 'sympy', 'networkx', 'jinja2', 'fsspec', 'filelock', 'mpmath'),
    'onnxruntime': ('onnxruntime', 'flatbuffers', 'protobuf'),
    'openvino': ('openvino', 'openvino-telemetry'),
}
CHILD = """
import json, sys, time
started, cpu = time.perf_counter(), time.process_time()
import numpy as np
from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor
given = json.loads(sys.argv[1])
count, between = given.pop('count'), given.pop('between')
extractor = FeatureExtractor(NetworkConfig(device='cpu', **given))
side = extractor.config.input_size
image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
first = extractor.extract([image])[0]
out = {'start': time.perf_counter() - started, 'start_cpu': time.process_time() - cpu}
# ru_maxrss begins with the memory of the process that started this one.
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
out['memory'] = int(status['VmHWM'].split()[0]) * 1024
# As the node does, in a thread of its own.
extractor.compile()
extractor.extract([image])

def other_work(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        image.sum()

for name, pause in (('forward', 0), ('after_work', between)):
    out[name], busy = [], []
    for _ in range(count):
        other_work(pause)
        timings, cpu = {}, time.process_time()
        extractor.extract([image], timings)
        out[name].append(timings['forward'])
        busy.append(time.process_time() - cpu)
    if not pause:
        out['forward_cpu'] = busy
out['precision'] = extractor.precision
out['descriptor'] = first.global_descriptor.tolist()
print(json.dumps(out))
"""


class Figures(NamedTuple):
    """Figures of a runtime.

    Attributes:
        version: of the package.
        precision: that it computed in.
        forward, forward_best, forward_cpu: median, least, and least seconds of the processor.
        after_work: median with other work between two images.
        start, start_cpu: least seconds until the first image is described, without Python's own.
        memory: largest memory of a process that described one image, in bytes.
        package: bytes on disk.
        cosine: of the global descriptor with torch's.
    """

    version: str
    precision: str
    forward: float
    forward_best: float
    forward_cpu: float
    after_work: float
    start: float
    start_cpu: float
    memory: int
    package: int
    cosine: float


def package_bytes(names: Sequence[str]) -> int:
    """Bytes on disk of installed distributions; those that are not installed count nothing."""
    total = 0
    for name in names:
        try:
            files = metadata.distribution(name).files or []
        except metadata.PackageNotFoundError:
            continue
        paths = {Path(str(file.locate())) for file in files}
        total += sum(path.stat().st_size for path in paths if path.is_file())
    return total


def run_once(runtime: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What one process measured."""
    given = {
        'runtime': runtime,
        'weights': args.weights,
        'input_size': args.input_size,
        'precision': args.precision,
        'threads': args.threads,
        'count': args.images,
        'between': args.between / 1e3,
    }
    environment = {**os.environ, 'FOL_VPR_WEIGHTS': str(folder)}
    done = subprocess.run(  # noqa: S603
        [sys.executable, '-c', CHILD, json.dumps(given)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f'{runtime} failed: {done.stderr.strip()[-1000:]}')
    return dict(json.loads(done.stdout))


def summarise(runtime: str, runs: Sequence[dict[str, Any]], reference: Sequence[float]) -> Figures:
    """Figures of all processes of one runtime."""
    forward = [seconds for run in runs for seconds in run['forward']]
    return Figures(
        metadata.version(runtime),
        runs[0]['precision'],
        statistics.median(forward),
        min(forward),
        min(seconds for run in runs for seconds in run['forward_cpu']),
        statistics.median(seconds for run in runs for seconds in run['after_work']),
        min(run['start'] for run in runs),
        min(run['start_cpu'] for run in runs),
        max(run['memory'] for run in runs),
        package_bytes(PACKAGES[runtime]),
        sum(a * b for a, b in zip(runs[0]['descriptor'], reference, strict=True)),
    )


def query_once(runtime: str, args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Seconds and MB of a fresh process of `fol_vpr query`."""
    words = [sys.executable, '-m', 'fol_vpr.cli.main', 'query', args.image.resolve()]
    words += ['--map', args.map.resolve(), '--runtime', runtime, '--weights', args.weights]
    return measured(words, {**os.environ, 'FOL_VPR_WEIGHTS': str(folder)}, folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--weights', default='fol_tiny')
    parser.add_argument('--input-size', type=int, default=0)
    parser.add_argument('--precision', default='float32')
    parser.add_argument('--turns', type=int, default=5, help='processes of each runtime')
    parser.add_argument('--images', type=int, default=20, help='forward passes of each process')
    parser.add_argument(
        '--between', type=float, default=60.0, metavar='MS',
        help='milliseconds of other work between two images (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument('--map', type=Path, help='measure `fol_vpr query` in this map, too')
    parser.add_argument('--image', type=Path, help='that is asked')
    args = parser.parse_args(arguments)
    if (args.map is None) != (args.image is None):
        parser.error('--map and --image belong together: give both or none')
    installed = [name for name in PACKAGES if importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['FOL_VPR_WEIGHTS'], before = name, os.environ.get('FOL_VPR_WEIGHTS')
        try:
            path, _ = export_onnx(args.weights, input_size=args.input_size)
        finally:
            os.environ.pop('FOL_VPR_WEIGHTS')
            if before is not None:
                os.environ['FOL_VPR_WEIGHTS'] = before
        runs: dict[str, list[dict[str, Any]]] = {runtime: [] for runtime in installed}
        for _ in range(args.turns):
            for runtime in installed:
                runs[runtime].append(run_once(runtime, args, folder))
        queries: dict[str, list[dict[str, float]]] = {runtime: [] for runtime in installed}
        for _ in range(args.turns if args.map else 0):
            for runtime in installed:
                queries[runtime].append(query_once(runtime, args, folder))
        size = path.stat().st_size
    found = {
        runtime: summarise(runtime, each, runs['torch'][0]['descriptor'])
        for runtime, each in runs.items()
    }
    load = os.getloadavg()[0]
    print(f'{args.weights}, {args.threads} threads, file of {size / 1e6:.0f} MB, load {load:.1f}')
    print(
        'runtime, precision, forward ms (best; cpu), after other work ms, start s (cpu), MB RSS, '
        'MB disk, cosine'
    )
    for runtime, f in found.items():
        print(
            f'{runtime + " " + f.version:26}{f.precision:9}'
            f'{f.forward * 1e3:7.1f} ({f.forward_best * 1e3:.1f}; {f.forward_cpu * 1e3:.1f})'
            f'{f.after_work * 1e3:8.1f}'
            f'{f.start:9.2f} ({f.start_cpu:.2f}){f.memory / 1e6:8.0f}{f.package / 1e6:8.0f}'
            f'  {f.cosine:.6f}'
        )
    for runtime, each in queries.items():
        if each:
            middle = {key: statistics.median(one[key] for one in each) for key in each[0]}
            print(
                f'fol_vpr query, {runtime}: {middle["wall_s"]:.2f} s ({middle["cpu_s"]:.2f} s of '
                f'the processor), {middle["peak_mb"]:.0f} MB'
            )
    figures = {
        runtime: {**each._asdict(), 'query': queries[runtime]} for runtime, each in found.items()
    }
    write_figures(args.json, figures)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
