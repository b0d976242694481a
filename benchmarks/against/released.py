"""The network against the forward pass that its authors published, in turns.

    python -m benchmarks released --code FOLDER --dinov2 FOLDER [--networks vits14 vitb14 vitl14]

Both checkouts are fetched by whoever runs this, and are no part of this package:

    git clone https://github.com/chenshunpeng/FoL && git -C FoL checkout e930a76
    git clone https://github.com/facebookresearch/dinov2

Their network runs in float32 on the CPU as `test_FoL.py` runs it, with the same random parameters
as ours, on the same image. Ours runs at each precision of --precisions; `auto` is the default of
the package. xFormers is not needed: without it DINOv2 uses attention of torch. The cosine of both
global descriptors is printed beside the times.

Each has a process of its own, with threads that wait as they do by default: theirs as torch has
it, ours as the programs of the package set it (fol_vpr/openmp.py).
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.against.report import Section, as_markdown, as_text, machine, machine_in_words
from benchmarks.against.turns import Comparison
from benchmarks.options import benchmark_parser, write_figures
from benchmarks.speed.latency import example_images
from fol_vpr.config import NetworkConfig
from fol_vpr.network import FeatureExtractor
from fol_vpr.network.weights.registry import load
from fol_vpr.openmp import SETTINGS, wait_briefly
from fol_vpr.sources import decode_bytes

# Numbers of a patch token; times that ours should be faster than theirs.
WIDTHS = {'vits14': 384, 'vitb14': 768, 'vitl14': 1024}
GOALS = {'vits14': 5.0, 'vitb14': 6.0, 'vitl14': 7.0}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_WARM_UP = 2


class Released(nn.Module):
    """The network of the authors' code.

    Args:
        code: checkout of chenshunpeng/FoL.
        dinov2: checkout of facebookresearch/dinov2.
        name: vits14, vitb14 or vitl14.
    """

    def __init__(self, code: Path, dinov2: Path, name: str) -> None:
        super().__init__()

        def backbone(_repository: str, model: str, **_options: Any) -> nn.Module:
            """In place of a download of code and weights."""
            made = getattr(importlib.import_module('dinov2.hub.backbones'), model)
            found: nn.Module = made(pretrained=False)
            return found

        with _importable(code, dinov2), mock.patch.object(torch.hub, 'load', backbone):
            network = importlib.import_module('network_FoL')
            self.net = network.FoLNet(
                num_channels=WIDTHS[name], model_name=f'dinov2_{name}', num_trainable_blocks=4
            )
        # As the released evaluation, and never with gradients.
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Global descriptor [1, 8448] of a normalised image [1, 3, H, W]; local ones are made too.

        Dropout is off in evaluation.
        """
        found: Tensor = self.net(image, test=True)[0]
        return found


@contextlib.contextmanager
def _importable(*folders: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = [str(folder.resolve()) for folder in folders]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that xFormers is not there
            yield
    finally:
        sys.path[:] = before


class _Way:
    """A network in a process of its own, which describes one image again and again.

    Args:
        options: of the command line.
        name: of the network.
        precision: of ours; empty for the authors' code.
    """

    def __init__(self, options: Any, name: str, precision: str) -> None:
        context = multiprocessing.get_context('spawn')
        self._pipe, other = context.Pipe()
        given = (other, name, precision, options.code, options.dinov2, options.size)
        with mock.patch.dict(os.environ):
            for setting in SETTINGS:
                os.environ.pop(setting, None)
            if precision:
                wait_briefly()
            self._process = context.Process(
                target=_serve, args=(*given, options.threads), daemon=True
            )
            self._process.start()
        other.close()
        self.precision: str = self._pipe.recv()

    def run(self) -> tuple[float, float, np.ndarray]:
        """Milliseconds, those of the processor, and the global descriptor."""
        self._pipe.send(True)
        found: tuple[float, float, np.ndarray] = self._pipe.recv()
        return found

    def close(self) -> None:
        """End the process."""
        self._pipe.send(False)
        self._process.join()


def _serve(
    pipe: Connection,
    name: str,
    precision: str,
    code: Path,
    dinov2: Path,
    size: int,
    threads: int | None,
) -> None:
    """What the process of a `_Way` does."""
    if threads:
        torch.set_num_threads(threads)
    image = cv2.resize(decode_bytes(example_images()[0][0], 'benchmark'), (size, size))
    run = _ours(name, precision, image) if precision else _theirs(name, code, dinov2, image)
    pipe.send(run.precision)
    while pipe.recv():
        started, used = time.perf_counter(), time.process_time()
        found = run.describe()
        spent = time.perf_counter() - started, time.process_time() - used
        pipe.send((1000 * spent[0], 1000 * spent[1], found))


class _Network(NamedTuple):
    """A network that is loaded.

    Attributes:
        precision: that it computes in.
        describe: gives the global descriptor [8448] of the image.
    """

    precision: str
    describe: Callable[[], np.ndarray]


def _theirs(name: str, code: Path, dinov2: Path, image: np.ndarray) -> _Network:
    scaled = (torch.from_numpy(image) / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    normalised = scaled.permute(2, 0, 1)[None].contiguous()
    theirs = Released(code, dinov2, name)
    theirs.net.load_state_dict(load(f'untrained-{name}')[0].state_dict())

    def describe() -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = theirs(normalised)[0].numpy()
        return found

    return _Network('float32', describe)


def _ours(name: str, precision: str, image: np.ndarray) -> _Network:
    size = image.shape[0]
    extractor = FeatureExtractor(
        NetworkConfig(weights=f'untrained-{name}', input_size=size, precision=precision)
    )
    extractor.compile()

    def describe() -> np.ndarray:
        # The image has the size of the input already: resizing it costs nothing to speak of.
        return extractor.extract([image])[0].global_descriptor

    return _Network(extractor.precision, describe)


def compare(options: Any, name: str) -> tuple[list[Comparison], list[str]]:
    """Milliseconds of both, and a note on whether they compute the same."""
    ways = {each: _Way(options, name, each) for each in ('', *options.precisions)}
    spent: dict[str, list[float]] = {way: [] for way in ways}
    processor: dict[str, list[float]] = {way: [] for way in ways}
    found = {}
    for turn in range(-_WARM_UP, options.rounds):
        for name_of_way, way in ways.items():
            passed, used, found[name_of_way] = way.run()
            if turn >= 0:
                spent[name_of_way].append(passed)
                processor[name_of_way].append(used)
    for way in ways.values():
        way.close()
    rows, cosines = [], []
    for precision in options.precisions:
        what = ways[precision].precision
        remark = f'{what}, the default' if precision == 'auto' else what
        rows.append(
            Comparison(
                f'{name}, {options.size} px', 'ms', spent[''], spent[precision],
                goal=GOALS[name] if precision == 'auto' else 0, remark=remark,
            )
        )  # fmt: skip
        rows.append(
            Comparison(
                f'{name}, processor time', 'ms', processor[''], processor[precision],
                remark=remark,
            )
        )  # fmt: skip
        cosines.append(f'{float(np.dot(found[""], found[precision])):.6f} in {what}')
    return rows, [f'{name}: cosine to the released descriptor {", ".join(cosines)}.']


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = benchmark_parser(__name__, __doc__)
    parser.add_argument('--code', type=Path, required=True, help='checkout of chenshunpeng/FoL')
    parser.add_argument(
        '--dinov2', type=Path, required=True, help='checkout of facebookresearch/dinov2'
    )
    parser.add_argument('--networks', nargs='+', choices=list(WIDTHS), default=['vits14'])
    parser.add_argument('--precisions', nargs='+', default=['auto', 'float32'])
    parser.add_argument('--size', type=int, default=322, help='pixels of the square image')
    parser.add_argument('--rounds', type=int, default=10, help='images that each describes')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='also write a table')
    options = parser.parse_args(arguments)
    for folder, file in ((options.code, 'network_FoL.py'), (options.dinov2, 'hubconf.py')):
        if not (folder / file).is_file():
            parser.error(f'{folder} has no {file}; `python -m benchmarks released` needs both '
                         'checkouts: see benchmarks/against/released.py')  # fmt: skip
    torch.set_num_threads(options.threads)
    where = machine_in_words(machine())
    print(where)
    section = Section('Forward pass, against the released network in float32')
    for name in options.networks:
        rows, notes = compare(options, name)
        section.comparisons += rows
        section.notes += notes
    print(as_text(section, 'released', 'fol_vpr'))
    if options.markdown is not None:
        command = ' '.join(['python -m benchmarks released', *(arguments or sys.argv[2:])])
        page = as_markdown(section, 'released', 'fol_vpr')
        options.markdown.write_text(f'```\n{command}\n```\n\n{where}\n\n{page}')
    write_figures(options.json, section.as_json())
    return 0
