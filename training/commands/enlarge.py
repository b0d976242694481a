"""`python -m training enlarge`: what fol_small begins to learn with."""

from __future__ import annotations

import argparse

from fol_vpr.cli.common.output import add_json, show_results
from fol_vpr.network import WeightsInfo, save_weights
from fol_vpr.network.weights.registry import load
from training.trunk import PACKAGE, installed_efficientnet, with_trunk


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Write weights of the architecture fol_small: those of fol_tiny, and the first layers of '
        'EfficientNet-Lite2 as they were learned on ImageNet. What these add to the embedding of '
        'a patch is 0 until it is learned: before that, both networks describe images alike.'
    )
    parser.add_argument(
        '--weights', metavar='FILE', default='fol_tiny', help='of the architecture fol_tiny'
    )
    parser.add_argument(
        '--efficientnet',
        metavar='FILE.pth',
        help=f'weights of EfficientNet-Lite2; by default those of the package {PACKAGE}',
    )
    parser.add_argument('--output', metavar='FILE.safetensors', required=True)
    add_json(parser, 'the description of the weights')


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    info = enlarge(args.weights, args.efficientnet or installed_efficientnet(), args.output)
    show_results(
        args,
        lambda: info,
        lambda: f'{info.path}: {info.model_id[:19]}, {info.parameters} parameters',
    )
    return 0


def enlarge(weights: str, efficientnet: str, output: str) -> WeightsInfo:
    """Write the weights of a network with a trunk.

    Args:
        weights: name or file of weights of the architecture fol_tiny.
        efficientnet: file of weights of EfficientNet-Lite2.
        output: file to write, .safetensors.

    Raises:
        WeightsError: a file is missing, damaged, or of another network.
        StorageError: the file cannot be written.
    """
    tiny, info = load(weights)
    net = with_trunk(tiny, efficientnet)
    return save_weights(net, output, input_size=info.input_size, trained=info.trained)
