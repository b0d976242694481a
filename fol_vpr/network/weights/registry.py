"""Finds weights by name or file, and downloads published ones into the weights folder.

Only loading a checkpoint, and checking a downloaded one, import torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from fol_vpr.errors import StorageError, WeightsError
from fol_vpr.files import check_regular_file
from fol_vpr.network.model.architectures import ARCHITECTURES
from fol_vpr.network.weights.info import WeightsInfo
from fol_vpr.network.weights.recorded_hash import (
    is_file,
    record_of,
    sha256_of_file,
    verify_recorded,
)

if TYPE_CHECKING:
    from fol_vpr.network.model.fol import FoL
    from fol_vpr.network.weights.download import Progress

_UNTRAINED = 'untrained-'
SUFFIXES = ('.pth', '.safetensors')


@dataclass(frozen=True)
class Release:
    """Published weights.

    Attributes:
        name: their name in this project.
        file: name of the file, at the publisher and in the weights folder.
        url: address of the file.
    """

    name: str
    file: str
    url: str


_AUTHORS = 'https://huggingface.co/shunpeng/FoL/resolve/main'
RELEASES = {
    release.name: release
    for release in (
        Release('vitl14', 'FoL_large.pth', f'{_AUTHORS}/FoL_large.pth'),
        Release('vitb14', 'FoL_base.pth', f'{_AUTHORS}/FoL_base.pth'),
    )
}


SHIPPED = {
    path.stem: path
    for path in sorted((Path(__file__).parents[1] / 'shipped').glob('*.safetensors'))
}
"""Weights that come with the package, by name; each has a model card beside it."""
_OF_SHIPPED = {
    'fol_tiny': 'the default: fast, trained on drawn towns, a building and photographs',
    'fol_small': 'fol_tiny and layers pretrained on ImageNet: recognises more, takes longer',
}


@dataclass(frozen=True)
class AvailableWeights:
    """A line of `fol_vpr weights list`.

    Attributes:
        name: value of the setting `weights`.
        status: one of `shipped`, `built in`, `downloaded`, `not downloaded`, `file`, `damaged`.
        note: further information for people.
        path: where the file is or would be; None for built-in weights.
    """

    name: str
    status: str
    note: str
    path: Path | None = None


def weights_folder() -> Path:
    """The folder of downloaded weights: $FOL_VPR_WEIGHTS, or fol_vpr/weights in the user's cache
    folder (XDG).

    Raises:
        WeightsError: there is no home folder.
    """
    chosen = os.environ.get('FOL_VPR_WEIGHTS')
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        cache = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
        return Path(cache).absolute() / 'fol_vpr' / 'weights'
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f'there is no folder for weights ({error}): set FOL_VPR_WEIGHTS to one'
        ) from error


def list_weights() -> list[AvailableWeights]:
    """All names for `load`: shipped, built in, published, and files in the weights folder.

    Files with a recorded SHA-256 are verified, which takes seconds per gigabyte.

    Raises:
        WeightsError: the weights folder cannot be read.
    """
    found = [
        AvailableWeights(name, 'shipped', _OF_SHIPPED.get(name, ''), path)
        for name, path in SHIPPED.items()
    ]
    found += [
        AvailableWeights(_UNTRAINED + name, 'built in', 'random parameters, untrained')
        for name in ARCHITECTURES
    ]
    folder = weights_folder()
    for release in RELEASES.values():
        path = folder / release.file
        if is_file(path):
            found.append(_entry(release.name, 'downloaded', path))
        else:
            note = f'`fol_vpr weights fetch {release.name}` downloads {release.url}'
            found.append(AvailableWeights(release.name, 'not downloaded', note, path))
    return found + [_entry(path.name, 'file', path) for path in _own_files()]


def _own_files() -> list[Path]:
    """Files in the weights folder that are not published ones."""
    published = {release.file for release in RELEASES.values()}
    folder = weights_folder()
    try:
        present = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise WeightsError(
            f'the weights folder {folder} cannot be read ({error.strerror}): check permissions, '
            'or set FOL_VPR_WEIGHTS to another folder'
        ) from error
    return [path for path in present if path.suffix in SUFFIXES and path.name not in published]


def resolve_weights(name_or_path: str) -> Path | str:
    """The file of weights, or the architecture for `untrained-<architecture>`.

    Where a path and a file in the weights folder have the same name, the path is taken.

    Args:
        name_or_path: a name of `list_weights`, or the path of a file.

    Raises:
        WeightsError: there are no such weights, they are not downloaded, or the file cannot be
            accessed.
    """
    if name_or_path.startswith(_UNTRAINED):
        return name_or_path.removeprefix(_UNTRAINED)
    if name_or_path in SHIPPED:
        return SHIPPED[name_or_path]
    if name_or_path in RELEASES:
        release = RELEASES[name_or_path]
        path = weights_folder() / release.file
        if not is_file(path):
            raise WeightsError(
                f'the weights {release.name} are not downloaded; run `fol_vpr weights fetch '
                f'{release.name}`, or put {release.url} at {path}'
            )
        return path
    try:
        given = Path(name_or_path).expanduser().absolute()
    except (OSError, RuntimeError) as error:
        raise WeightsError(f'there are no weights {name_or_path!r}: {error}') from error
    found = _first_file((given, weights_folder() / name_or_path))
    if found is not None:
        return found
    if given.exists():
        check_regular_file(given, 'weights (.pth or .safetensors)', WeightsError)
    names = ', '.join(
        [*SHIPPED, *(_UNTRAINED + name for name in ARCHITECTURES), *RELEASES]
        + [path.name for path in _own_files()]
    )
    raise WeightsError(f'there are no weights {name_or_path!r}: neither a file nor one of {names}')


def find_weights(recorded: str, beside: Path) -> str:
    """Find the weights that a map records, on this machine.

    A map may come from another machine, and from anybody. Of a recorded path only the name of the
    file counts: a file of that name is taken from the weights folder, or else from the folder
    `beside`. The caller has to compare `WeightsInfo.model_id`, because the file may be a different
    one.

    Args:
        recorded: name or path of the weights in the map.
        beside: folder of the map.

    Returns:
        Name or path for `load`.

    Raises:
        WeightsError: they are not found.
    """
    untrained = recorded.startswith(_UNTRAINED)
    if recorded in SHIPPED or (untrained and recorded[len(_UNTRAINED) :] in ARCHITECTURES):
        return recorded
    # A map from Windows has backslashes.
    file = PureWindowsPath(PurePosixPath(recorded).name).name
    if recorded in RELEASES:
        file = RELEASES[recorded].file
    if file in ('', '..') or '\0' in file:
        raise WeightsError(f'there are no weights {recorded[:100]!r}: the name is no file name')
    folder = weights_folder()
    found = _first_file((folder / file, beside.absolute() / file))
    if found is None:
        fetch = f', `fol_vpr weights fetch {recorded}`' if recorded in RELEASES else ''
        raise WeightsError(
            f'there are no weights {recorded[:200]!r}: no file {file} is in the weights folder '
            f'{folder}, nor beside the map in {beside.absolute()}: put '
            f'it there{fetch}, or give the path of the weights'
        )
    return recorded if recorded in RELEASES and found.parent == folder else str(found)


def _first_file(paths: Sequence[Path]) -> Path | None:
    """The first path that is a file, or None.

    Raises:
        WeightsError: none is a file, and one of them cannot be accessed.
    """
    failure = None
    for path in paths:
        try:
            if is_file(path):
                return path
        except WeightsError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return None


def load(name_or_path: str) -> tuple[FoL, WeightsInfo]:
    """Load the network of a name or a file.

    Loading `WeightsInfo.name` of the result gives the same weights again.

    Raises:
        WeightsError: there are no such weights, their SHA-256 is not the recorded one, or they do
            not fit the network.
    """
    resolved = resolve_weights(name_or_path)
    if isinstance(resolved, Path) and resolved.suffix == '.onnx':
        raise WeightsError(
            f'{resolved} is an exported network, which torch cannot run: set network.runtime to '
            'onnxruntime or openvino, or give the weights that it was exported from'
        )
    from fol_vpr.network.weights.checkpoint import open_weights, untrained_weights

    if isinstance(resolved, str):
        return untrained_weights(resolved)
    verify_recorded(resolved)
    net, info = open_weights(resolved)
    known = resolved in SHIPPED.values() or resolved.parent == weights_folder()
    named = name_or_path if known else str(resolved)
    return net, replace(info, name=named)


def fetch_weights(name: str, progress: Progress | None = None, *, url: str | None = None) -> Path:
    """Download published weights into the weights folder.

    The file appears there when it is complete; an interrupted download is continued by the next
    call. Its SHA-256 is written beside it, in the format of sha256sum.

    Args:
        name: a key of `RELEASES`.
        progress: called with the bytes that are present and the bytes in all.
        url: a mirror to use instead of the published address.

    Returns:
        Path of the file; without a download where it is present already.

    Raises:
        WeightsError: the name is unknown, the download failed, or its content is not a checkpoint.
        StorageError: there is no space or no permission.
    """
    if name not in RELEASES:
        raise WeightsError(
            f'unknown published weights {name!r}, expected one of {", ".join(RELEASES)}'
        )
    release = RELEASES[name]
    target = weights_folder() / release.file
    if is_file(target):
        verify_recorded(target)
        return target
    # urllib takes as long to import as one image to be answered.
    from fol_vpr.network.weights.download import discard, download_file

    partial = target.with_name(target.name + '.partial')
    try:
        download_file(url or release.url, partial, progress)
    except WeightsError as error:
        raise WeightsError(
            f'{error}; run the command again to continue, or download {release.url} by hand '
            f'and put it at {target}'
        ) from error
    from fol_vpr.network.weights.checkpoint_file import read_checkpoint

    try:
        read_checkpoint(partial)
    except WeightsError as error:
        discard(partial)
        raise WeightsError(
            f'the content of {url or release.url} cannot be used: {error}'
        ) from error
    _keep(partial, target)
    return target


def _entry(name: str, status: str, path: Path) -> AvailableWeights:
    try:
        verify_recorded(path)
        recorded = is_file(record_of(path))
    except WeightsError as error:
        return AvailableWeights(name, 'damaged', str(error), path)
    checked = 'SHA-256 as recorded' if recorded else 'no SHA-256 recorded'
    return AvailableWeights(name, status, f'{path.stat().st_size / 1e6:.0f} MB, {checked}', path)


def _keep(partial: Path, target: Path) -> None:
    """Flush a complete download to disk, record its hash, and move it into place."""
    from fol_vpr.network.weights.download import discard

    record = record_of(target)
    try:
        with open(partial, 'rb') as file:
            os.fsync(file.fileno())
        record.write_text(f'{sha256_of_file(partial)}  {target.name}\n')
        os.replace(partial, target)
    except OSError as error:
        raise StorageError(f'cannot write {target}: {error.strerror or error}') from error
    discard(partial)
