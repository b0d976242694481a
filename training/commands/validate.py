"""`python -m training validate`: the recall of weights, on any set with ground truth."""

from __future__ import annotations

import argparse

from fol_vpr.cli.common.output import STDOUT, add_json, write_json
from fol_vpr.config import NetworkConfig, RetrievalConfig
from fol_vpr.errors import InputError
from fol_vpr.network import resolve_weights
from fol_vpr.network.weights.checkpoint_file import read_checkpoint
from training.data import ValidationSet, open_validation, open_validation_sets
from training.data.config import PairSource
from training.recall import evaluate
from training.settings import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Measure Recall@1/5/10 of weights, before and after re-ranking, as `fol_vpr evaluate` '
        'does: on a folder of references and one of queries, or on the validation sets of a '
        'configuration.'
    )
    parser.add_argument('--weights', metavar='FILE', required=True)
    parser.add_argument('--config', metavar='FILE.yaml', help='measure on its validation sets')
    parser.add_argument(
        '--set',
        dest='changes',
        metavar='NAME=VALUE',
        nargs='+',
        default=[],
        help='in place of what the configuration says: validation.together=true',
    )
    parser.add_argument('--reference', metavar='DIR')
    parser.add_argument('--query', metavar='DIR')
    parser.add_argument('--ground-truth', metavar='CSV', help='columns query_index,ref_indices')
    parser.add_argument(
        '--queries', metavar='N', type=int, help='at most so many; by default as the file says'
    )
    parser.add_argument(
        '--rerank', metavar='N', type=int, help='candidates; by default as the file says'
    )
    parser.add_argument(
        '--input-size', metavar='N', type=int, help='in place of the one that the weights name'
    )
    parser.add_argument('--device', default=NetworkConfig.device)
    add_json(parser, 'the figures of each set')


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    sets, rerank = _sets(args)
    network = NetworkConfig(weights=args.weights, input_size=_input_size(args), device=args.device)
    evaluations = []
    for each in sets:
        evaluation = evaluate(
            network, each.references, each.queries, each.positives, rerank=rerank
        )
        if args.json != STDOUT:
            print(f'== {each.name}\n{evaluation.as_table()}\n', flush=True)
        evaluations.append(evaluation)
    write_json(args, lambda: [each.as_json() for each in evaluations])
    return 0


def _sets(args: argparse.Namespace) -> tuple[list[ValidationSet], int]:
    """What to measure on, and how many candidates to re-rank."""
    pair = (args.reference, args.query, args.ground_truth)
    if args.config is not None and not any(pair):
        validation = read_config(args.config, args.changes).validation
        if not validation.sets:
            raise InputError(f'{args.config} has no validation.sets')
        queries = validation.queries if args.queries is None else args.queries
        rerank = validation.rerank if args.rerank is None else args.rerank
        return open_validation_sets(validation, queries), rerank
    if args.config is None and all(pair):
        source = PairSource(args.reference, args.query, args.ground_truth)
        rerank = RetrievalConfig.rerank if args.rerank is None else args.rerank
        return [open_validation(source, args.queries or 0)], rerank
    raise InputError('give --config, or --reference, --query and --ground-truth')


def _input_size(args: argparse.Namespace) -> int:
    if args.input_size is not None:
        return int(args.input_size)
    path = resolve_weights(args.weights)
    size = '' if isinstance(path, str) else read_checkpoint(path).metadata.get('input_size', '')
    return int(size) if size.isdecimal() else NetworkConfig.input_size
