"""`python -m training export`: a checkpoint of a run as weights that fol_vpr loads."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from fol_vpr.cli.common.output import add_json, show_results
from fol_vpr.errors import WeightsError
from fol_vpr.network import WeightsInfo, open_weights, save_weights
from fol_vpr.network.weights.checkpoint_file import load_plain
from training.config import TrainingConfig
from training.module import FoLTraining
from training.settings import from_plain_values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Turn a checkpoint of a run into weights that fol_vpr loads. The best ones of a run are '
        'exported already, as best.safetensors in its folder.'
    )
    parser.add_argument(
        '--checkpoint',
        metavar='FILE',
        required=True,
        help='.ckpt of a run, or .safetensors to write in another precision',
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
    info = export(args.checkpoint, args.output, dtype, args.input_size)
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
    checkpoint: str | Path,
    output: str | Path,
    dtype: torch.dtype = torch.float32,
    input_size: int | None = None,
) -> WeightsInfo:
    """Write the averaged weights of a checkpoint where it has them, else those that trained.

    Args:
        checkpoint: of a run, or weights.
        output: the file to write.
        dtype: to round the weights to.
        input_size: side in pixels that they are made for, where it is not that of the run.

    Raises:
        WeightsError: it is missing, damaged, or no checkpoint of a run.
        StorageError: the output cannot be written.
    """
    if Path(checkpoint).suffix == '.safetensors':
        net, info = open_weights(checkpoint)
        size = input_size or info.input_size
        return save_weights(net, output, input_size=size, trained=info.trained, dtype=dtype)
    content = _read(checkpoint)
    config = from_plain_values(TrainingConfig, content['config'], f'{checkpoint}: ')
    begun_with_nothing = replace(config.model, weights='', backbone='')
    module = FoLTraining(replace(config, model=begun_with_nothing))
    try:
        module.load_state_dict(content['state_dict'])
    except RuntimeError as error:
        raise WeightsError(f'{checkpoint} does not fit its own settings: {error}') from error
    size = input_size or config.model.input_size
    return save_weights(module.exported_net, output, input_size=size, dtype=dtype)


def _read(path: str | Path) -> dict[str, Any]:
    content = load_plain(Path(path))
    if not isinstance(content, dict) or not {'config', 'state_dict'} <= content.keys():
        raise WeightsError(f'{path} is no checkpoint of `python -m training fit`')
    return content
