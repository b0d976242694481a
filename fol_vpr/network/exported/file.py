"""Finds exported networks by the name of their weights, and reads what they say of themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from fol_vpr.errors import InputError, WeightsError
from fol_vpr.files import check_regular_file
from fol_vpr.network.preprocessing import preprocessing_of
from fol_vpr.network.weights import registry
from fol_vpr.network.weights.checkpoint_header import recorded_sha256
from fol_vpr.network.weights.info import WeightsInfo
from fol_vpr.network.weights.recorded_hash import is_file

SUFFIX = '.onnx'
INPUT = 'images'
OUTPUTS = ('global_descriptor', 'local_descriptors', 'kept', 'weights')
"""Names of the input, and of the outputs that features are made of."""
_SIZES = re.compile(r'[0-9]{1,4}')


class Exported(NamedTuple):
    """What the metadata of an exported network says.

    Attributes:
        info: of the weights.
        input_size: side in pixels of the input.
    """

    info: WeightsInfo
    input_size: int


def exported_path(weights: str, input_size: int) -> Path:
    """Where `fol_vpr export onnx` writes the network without --output, in the weights folder.

    Args:
        weights: registered name or file of the weights.
        input_size: side in pixels of the input.

    Raises:
        WeightsError: there is no weights folder, or the name is no file name.
    """
    return registry.weights_folder() / f'{_stem(weights)}-{input_size}{SUFFIX}'


def find_exported(weights: str, input_size: int = 0, beside: Path | None = None) -> Path:
    """Find the exported file of weights on this machine.

    It is looked for in the weights folder, beside the checkpoint, and in the folder `beside`.

    Args:
        weights: the exported file, or the registered name or file that it was exported from.
        input_size: side in pixels of the input; 0 takes the only one that there is.
        beside: folder of the map that names the weights, if they are of a map.

    Raises:
        WeightsError: there is none, or the checkpoint has changed since.
        InputError: `input_size` is 0, and there are several.
    """
    if weights.endswith(SUFFIX):
        path = registry.resolve_weights(weights)
        assert isinstance(path, Path)
        return path
    stem = _stem(weights)
    folders = [registry.weights_folder()]
    # Of the path in a map, which may come from anybody, only the name of the file counts.
    checkpoint = _checkpoint(weights) if beside is None else None
    folders += [folder for folder in (checkpoint and checkpoint.parent, beside) if folder]
    found = _candidates(folders, stem, input_size)
    if not found:
        at = f' for an input of {input_size} px' if input_size else ''
        size = f' --input-size {input_size}' if input_size else ''
        target = folders[0] / f'{stem}-{input_size or "SIZE"}{SUFFIX}'
        raise WeightsError(
            f'there is no exported file of the weights {weights[:200]!r}{at}: run `fol_vpr export '
            f'onnx --weights {weights[:200]}{size}` where torch is installed, which writes '
            f'{target}, and copy that to the same folder here'
        )
    if len({path.name for path in found}) > 1:
        names = ', '.join(sorted({path.name for path in found}))
        raise InputError(
            f'the weights {weights!r} are exported for several sizes of the input ({names}): set '
            'network.input_size'
        )
    return found[0]


def read_metadata(path: Path, metadata: Mapping[str, str]) -> Exported:
    """What the metadata of the file `path` says.

    Raises:
        WeightsError: the file was not written by `fol_vpr export onnx`.
    """
    model = re.fullmatch(r'(\w{1,32}):([0-9a-f]{64})', metadata.get('model_id', ''))
    size = metadata.get('input_size', '')
    recorded = metadata.get('preprocessing_id', '')
    known = _SIZES.fullmatch(size) and recorded == preprocessing_of('fixed', int(size))
    if model is None or not known:
        raise WeightsError(
            f'{path} is no network of `fol_vpr export onnx`: its metadata has the model_id '
            f'{metadata.get("model_id", "")[:80]!r} and the preprocessing_id {recorded[:80]!r}; '
            'export it again with this version'
        )
    name = metadata.get('weights') or path.name
    parameters = metadata.get('parameters', '')
    info = WeightsInfo(
        name=name,
        architecture=model[1],
        sha256=model[2],
        parameters=int(parameters) if parameters.isdecimal() else 0,
        trained=metadata.get('trained', str(not name.startswith('untrained-'))).lower() == 'true',
        input_size=int(size),
        path=path,
    )
    return Exported(info, int(size))


def check_not_outdated(weights: str, exported: Exported) -> None:
    """Check an exported file against the checkpoint, where that is here and records its SHA-256.

    Raises:
        WeightsError: the file was exported from other tensors.
    """
    if weights.endswith(SUFFIX):
        return
    checkpoint = _checkpoint(weights)
    recorded = None if checkpoint is None else recorded_sha256(checkpoint)
    if recorded is not None and recorded != exported.info.sha256:
        raise WeightsError(
            f'{exported.info.path} was exported from other weights (SHA-256 '
            f'{exported.info.sha256[:8]}) than {checkpoint} holds ({recorded[:8]}): run `fol_vpr '
            f'export onnx --weights {weights} --input-size {exported.input_size}` again'
        )


def check_readable(path: Path) -> None:
    """Raise WeightsError where `path` is no regular file, such as a folder or a FIFO."""
    check_regular_file(path, f'an exported network ({SUFFIX})', WeightsError)


def _stem(weights: str) -> str:
    if weights in registry.SHIPPED or weights in registry.RELEASES:
        return weights
    # A map from Windows has backslashes.
    name = PureWindowsPath(PurePosixPath(weights).name).name
    for suffix in registry.SUFFIXES:
        name = name.removesuffix(suffix)
    if name in ('', '..') or '\0' in name:
        raise WeightsError(f'there are no weights {weights[:100]!r}: the name is no file name')
    return name


def _checkpoint(weights: str) -> Path | None:
    """The checkpoint of a name or path; None where it is not on this machine, or has no file."""
    try:
        found = registry.resolve_weights(weights)
    except WeightsError:
        return None
    return found if isinstance(found, Path) else None


def _candidates(folders: Sequence[Path], stem: str, input_size: int) -> list[Path]:
    """Files in the order of the folders."""
    if input_size:
        paths = [folder / f'{stem}-{input_size}{SUFFIX}' for folder in folders]
    else:
        paths = [path for folder in folders for path in _of_any_size(folder, stem)]
    return [path for path in paths if is_file(path)]


def _of_any_size(folder: Path, stem: str) -> list[Path]:
    try:
        present = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise WeightsError(f'{folder} cannot be read ({error.strerror})') from error
    pattern = re.compile(rf'{re.escape(stem)}-{_SIZES.pattern}{re.escape(SUFFIX)}')
    return [path for path in present if pattern.fullmatch(path.name)]
