"""`fol_vpr explain`: shows what the network looks at in an image, and what it keeps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fol_vpr.cli.common.arguments import add_settings, network_of_map, settings
from fol_vpr.cli.common.console import table
from fol_vpr.cli.common.output import add_json, remark, show_results, warn
from fol_vpr.cli.common.pictures import check_picture
from fol_vpr.config import CameraConfig, NetworkConfig
from fol_vpr.evaluation.report import UNTRAINED

NETWORK = ('weights', 'resize', 'input_size', 'device', 'precision', 'threads')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = (
        'Show what the network looks at in an image: attention, aggregation mask, the regions '
        'that it chooses, and the clusters that it sorts them into.'
    )
    parser.add_argument(
        'image', metavar='IMAGE', help='image file: JPEG, PNG or another format of OpenCV'
    )
    parser.add_argument(
        '--map', metavar='M.folmap', help='map whose network and input size are taken'
    )
    parser.add_argument(
        '--picture', metavar='OUT.png', help='picture to draw; .png, .jpg or .webp'
    )
    add_json(parser, 'the figures')
    add_settings(parser, CameraConfig, only=('image_range',))
    usual = NetworkConfig()
    defaults = {
        'weights': f"the map's, else {usual.weights}",
        'resize': f"the map's, else {usual.resize}",
        'input_size': "the map's, else that of the weights",
    }
    add_settings(parser, NetworkConfig, only=NETWORK, defaults=defaults)


def run(args: argparse.Namespace) -> int:
    """Run the verb; the exit code."""
    if args.picture is not None:
        check_picture(args.picture)
    from fol_vpr.network import FeatureExtractor
    from fol_vpr.pictures import explanation_picture, mask_figures, write_picture
    from fol_vpr.sources import read_photograph

    camera = settings(args, CameraConfig())
    frame = read_photograph(args.image, camera, warn=warn, remark=remark)
    args.runtime = None
    network = (
        settings(args, NetworkConfig()) if args.map is None else network_of_map(args, args.map)
    )
    extractor = FeatureExtractor(network)
    try:
        masks = extractor.masks(frame.image)
    finally:
        extractor.close()
    facts = {
        'image': args.image,
        'weights': extractor.weights_name,
        'trained': extractor.trained,
        **mask_figures(masks),
    }
    show_results(args, lambda: facts, lambda: table(_rows(facts)))
    if not extractor.trained:
        warn(UNTRAINED)
    if args.picture is not None:
        name, weights = Path(args.image).name, extractor.weights_name
        write_picture(args.picture, explanation_picture(frame.image, masks, name, weights))
        remark(f'picture: {args.picture}')
    return 0


def _rows(facts: dict[str, Any]) -> list[list[str]]:
    """The figures in words."""
    patches, attention = facts['patches'], facts['attention']
    kept, regions, clusters = facts['aggregation'], facts['regions'], facts['clusters']
    largest = ', '.join(f'{each["cluster"]} ({each["patches"]})' for each in clusters['largest'])
    total = patches['rows'] * patches['columns']
    chosen = f'{regions["chosen_patches"]} patches ({regions["share_of_image"]:.1%})'
    return [
        ['image', f'{facts["image"]}, {_size(facts["image_size"])} pixels'],
        ['network', f'{facts["weights"]}, input of {_size(facts["input_size"])} pixels'],
        ['patches', f'{total}: {patches["columns"]} x {patches["rows"]}'],
        ['attended', f'{attention["share_of_patches_attended"]:.1%} of the patches'],
        ['largest attention', f'{attention["largest"]:.3f}'],
        ['to the dustbin', f'{kept["share_to_dustbin"]:.1%} of all'],
        ['mostly to the dustbin', f'{kept["patches_mostly_to_dustbin"]} patches'],
        ['chosen', f'{chosen}, connected regions: {regions["connected_regions"]}'],
        ['local features', str(regions['local_features'])],
        ['clusters', f'{clusters["leading_somewhere"]} of {clusters["count"]} lead in a patch'],
        ['largest clusters', f'{largest} (patches)'],
    ]


def _size(size: list[int]) -> str:
    return f'{size[0]} x {size[1]}'
