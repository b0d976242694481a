"""`python -m training export`: a checkpoint of a run as weights that fol_vpr loads."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from fol_vpr.cli.common.output import add_json, show_results
from fol_vpr.errors import InputError, WeightsError
from fol_vpr.network import FoL, WeightsInfo, open_weights, save_weights
from fol_vpr.network.weights.checkpoint_file import load_plain
from training.config import TrainingConfig
from training.module import FoLTraining
from training.settings import from_plain_values

# Of the sum of the shares, by which it may differ from 1.
TOLERANCE = 1e-6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Turn a checkpoint of a run into weights that fol_vpr loads. The best ones of a run are '
        'exported already, as best.safetensors in its folder. Of several files, the mean of their '
        'weights: of a run and of the one that it went on with, it can be better than both.'
    )
    parser.add_argument(
        '--checkpoint',
        metavar='FILE',
        required=True,
        nargs='+',
        help='.ckpt of a run, or .safetensors to write in another precision; of several, the mean',
    )
    parser.add_argument(
        '--shares',
        metavar='SHARE',
        type=float,
        nargs='+',
        help='of each file in the mean, such as 0.3 0.7; by default all alike',
    )
    parser.add_argument('--output', metavar='FILE.safetensors', required=True)
    add_json(parser, 'the description of the weights')
    parser.add_argument('--precision', choices=('float32', 'float16'), default='float32')
    parser.add_argument(
        '--input-size',
        type=int,
        metavar='PIXELS',
        help='that the weights are made for; by default what they were trained at',
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    dtype = getattr(torch, args.precision)
    info = export(args.checkpoint, args.output, dtype, args.input_size, args.shares)
    show_results(
        args,
        lambda: info,
        lambda: (
            f'{info.path}: {info.model_id[:19]}, {info.parameters} parameters, '
            f'{info.input_size} px'
        ),
    )
    return 0


def export(
    checkpoint: str | Path | Sequence[str | Path],
    output: str | Path,
    dtype: torch.dtype = torch.float32,
    input_size: int | None = None,
    shares: Sequence[float] | None = None,
) -> WeightsInfo:
    """Write the averaged weights of a checkpoint where it has them, else those that trained.

    Args:
        checkpoint: of a run, or weights; of several, the mean of their numbers is written, as in
            "Model soups" (Wortsman et al., ICML 2022).
        output: the file to write.
        dtype: to round the weights to.
        input_size: side in pixels that they are made for, where it is not that of the first.
        shares: of each checkpoint in the mean; all alike where they are not given.

    Raises:
        InputError: there are not as many shares as checkpoints, or they are not positive numbers
            whose sum is 1.
        WeightsError: one is missing, damaged, no checkpoint of a run, or of another network than
            the first.
        StorageError: the output cannot be written.
    """
    files = [checkpoint] if isinstance(checkpoint, str | Path) else checkpoint
    parts = _checked(shares, len(files))
    net, size, trained = _opened(files[0])
    if len(files) > 1:
        states: list[Mapping[str, torch.Tensor]] = [net.state_dict()]
        for file in files[1:]:
            other, _, also_trained = _opened(file)
            states.append(_of_the_same_network(other.state_dict(), states[0], file, files[0]))
            trained = trained and also_trained
        net.load_state_dict(_mean(states, parts))
    return save_weights(net, output, input_size=input_size or size, trained=trained, dtype=dtype)


def _checked(shares: Sequence[float] | None, files: int) -> Sequence[float]:
    if shares is None:
        return [1 / files] * files
    given = ' '.join(f'{share:g}' for share in shares)
    if len(shares) != files:
        raise InputError(f'the shares are {given}, expected one for each of {files} checkpoints')
    if not all(share > 0 for share in shares) or abs(sum(shares) - 1) > TOLERANCE:
        raise InputError(f'the shares are {given}, expected positive numbers whose sum is 1')
    return shares


def _opened(file: str | Path) -> tuple[FoL, int | None, bool]:
    """The network in a file, the side in pixels that it is made for, and whether it is trained."""
    if Path(file).suffix == '.safetensors':
        net, info = open_weights(file)
        return net, info.input_size, info.trained
    content = _read(file)
    config = from_plain_values(TrainingConfig, content['config'], f'{file}: ')
    begun_with_nothing = replace(config.model, weights='', backbone='')
    module = FoLTraining(replace(config, model=begun_with_nothing))
    try:
        module.load_state_dict(content['state_dict'])
    except RuntimeError as error:
        raise WeightsError(f'{file} does not fit its own settings: {error}') from error
    return module.exported_net, config.model.input_size, True


def _of_the_same_network(
    state: Mapping[str, torch.Tensor],
    first: Mapping[str, torch.Tensor],
    file: str | Path,
    first_file: str | Path,
) -> Mapping[str, torch.Tensor]:
    shapes, expected = ({k: v.shape for k, v in each.items()} for each in (state, first))
    if shapes != expected:
        odd = next(k for k in {**expected, **shapes} if shapes.get(k) != expected.get(k))
        raise WeightsError(
            f'{file} is of another network than {first_file}: {odd} is '
            f'{_shown(shapes.get(odd))} there and {_shown(expected.get(odd))} here; give weights '
            'of one architecture'
        )
    return state


def _shown(shape: torch.Size | None) -> str:
    return 'missing' if shape is None else str(list(shape))


def _mean(
    states: Sequence[Mapping[str, torch.Tensor]], shares: Sequence[float]
) -> dict[str, torch.Tensor]:
    """The mean of the numbers, and of what is not fractional what the first has."""
    parts = torch.tensor(shares)
    return {
        name: torch.tensordot(parts, torch.stack([state[name] for state in states]), dims=1)
        if first.is_floating_point()
        else first
        for name, first in states[0].items()
    }


def _read(path: str | Path) -> dict[str, Any]:
    content = load_plain(Path(path))
    if not isinstance(content, dict) or not {'config', 'state_dict'} <= content.keys():
        raise WeightsError(f'{path} is no checkpoint of `python -m training fit`')
    return content
