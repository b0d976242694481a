"""`fol_vpr export onnx`: writes the network as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from fol_vpr.cli.common.arguments import add_settings, settings
from fol_vpr.cli.common.console import table, working
from fol_vpr.cli.common.output import add_json, show_results
from fol_vpr.config import NetworkConfig
from fol_vpr.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verbs = parser.add_subparsers(dest='export_verb', metavar='onnx', required=True)
    onnx = verbs.add_parser(
        'onnx',
        help='write the network with its weights as an ONNX file',
        description='Write the network, from normalised images to global and dense local '
        'descriptors, as an ONNX file: for the runtimes onnxruntime and openvino of this program, '
        'for TensorRT, and others. Needs torch and the packages onnx and onnxscript.',
    )
    onnx.add_argument(
        '--output',
        metavar='F.onnx',
        help='the file to write. Default: NAME-SIZE.onnx in the folder of downloaded weights, '
        'where the runtimes onnxruntime and openvino look for it.',
    )
    onnx.add_argument(
        '--batch',
        metavar='N',
        default='1',
        help='number of images per run; dynamic accepts any number. Default: 1.',
    )
    add_json(onnx, 'the description of the file')
    add_settings(onnx, NetworkConfig, only=('weights', 'input_size'))


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    network = settings(args, NetworkConfig())
    batch = _batch(args.batch)
    if args.output is not None:
        _check_output(Path(args.output))
    from fol_vpr.network.runtime.onnx_file import export_onnx

    with working('exporting'):
        output, metadata = export_onnx(
            network.weights, args.output, input_size=network.input_size, batch=batch
        )
    facts = {'file': str(output), 'batch': args.batch, **metadata}
    show_results(
        args, lambda: facts, lambda: table([[name, str(value)] for name, value in facts.items()])
    )
    return 0


def _check_output(output: Path) -> None:
    if output.suffix != '.onnx':
        raise InputError(f'--output is {output}, expected a file that ends in .onnx')
    if not output.absolute().parent.is_dir():
        raise InputError(f'there is no folder {output.absolute().parent} to write {output} into')


def _batch(given: str) -> int | None:
    if given == 'dynamic':
        return None
    if given.isdecimal() and 1 <= int(given) <= 1024:
        return int(given)
    raise InputError(f'--batch is {given}, expected a number from 1 to 1024, or dynamic')
