"""Names of weights, the folder where downloaded ones are kept, and how they get there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fol_vpr.errors import StorageError, WeightsError
from fol_vpr.network.model.fol import FoL
from fol_vpr.network.model.vit import ARCHITECTURES
from fol_vpr.network.weights.checkpoint import (
    WeightsInfo,
    is_file,
    open_weights,
    read_checkpoint,
    untrained_weights,
)
from fol_vpr.network.weights.download import Progress, discard, download

_UNTRAINED = 'untrained-'
_SUFFIXES = ('.pth', '.safetensors')


@dataclass(frozen=True)
class Release:
    """Weights that somebody publishes.

    Attributes:
        name: how this project calls them.
        file: name of the file, there and here.
        url: where it is.
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
"""Weights that come with the package, by name; beside each lies its model card."""


@dataclass(frozen=True)
class AvailableWeights:
    """A line of `fol_vpr weights list`.

    Attributes:
        name: what to give as `weights`.
        status: one of `shipped`, `built in`, `downloaded`, `not downloaded`, `file`, `damaged`.
        note: what else there is to say.
        path: where the file is or would be; None for built-in ones.
    """

    name: str
    status: str
    note: str
    path: Path | None = None


def weights_folder() -> Path:
    """$FOL_VPR_WEIGHTS, or fol_vpr/weights in the user's cache folder (XDG).

    Raises:
        WeightsError: there is no home folder to find it in.
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
    """All names that `load` takes: built-in, published, and files in the weights folder.

    Files with a recorded SHA-256 are compared with it, which takes seconds per gigabyte.

    Raises:
        WeightsError: the weights folder cannot be read.
    """
    found = [
        AvailableWeights(name, 'shipped', 'small, trained on synthetic towns and a building', path)
        for name, path in SHIPPED.items()
    ]
    found += [
        AvailableWeights(_UNTRAINED + name, 'built in', 'deterministic random numbers, untrained')
        for name in ARCHITECTURES
    ]
    folder = weights_folder()
    for release in RELEASES.values():
        path = folder / release.file
        if is_file(path):
            found.append(_entry(release.name, 'downloaded', path))
        else:
            note = f'`fol_vpr weights fetch {release.name}` brings {release.url}'
            found.append(AvailableWeights(release.name, 'not downloaded', note, path))
    return found + [_entry(path.name, 'file', path) for path in _own_files()]


def _own_files() -> list[Path]:
    """Files in the weights folder that nobody publishes."""
    published = {release.file for release in RELEASES.values()}
    folder = weights_folder()
    try:
        present = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise WeightsError(
            f'the weights folder {folder} cannot be read ({error.strerror}): check permissions, '
            'or set FOL_VPR_WEIGHTS to another'
        ) from error
    return [path for path in present if path.suffix in _SUFFIXES and path.name not in published]


def resolve_weights(name_or_path: str) -> Path | str:
    """The file that is meant, or the architecture where `untrained-<architecture>` is.

    A path wins over the same name in the weights folder.

    Raises:
        WeightsError: there is none, it is not downloaded, or it cannot be looked for.
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
    names = ', '.join(
        [*SHIPPED, *(_UNTRAINED + name for name in ARCHITECTURES), *RELEASES]
        + [path.name for path in _own_files()]
    )
    raise WeightsError(f'there are no weights {name_or_path!r}: neither a file nor one of {names}')


def find_weights(recorded: str, beside: Path) -> str:
    """What brings back, on this machine, the weights that a map records.

    A map may come from another machine. Where its weights are not at the recorded place, a file
    of that name is taken from the weights folder, or else from the folder `beside`. Whether its
    content is right is for the caller to see: `WeightsInfo.model_id`.

    Raises:
        WeightsError: they are nowhere.
    """
    try:
        resolve_weights(recorded)
    except WeightsError:
        file = RELEASES[recorded].file if recorded in RELEASES else Path(recorded).name
        found = _first_file((weights_folder() / file, beside.absolute() / file))
        if found is None:
            raise
        return str(found)
    return recorded


def _first_file(paths: Sequence[Path]) -> Path | None:
    """The first that is a file; a path that cannot be looked for counts only where none is."""
    trouble = None
    for path in paths:
        try:
            if is_file(path):
                return path
        except WeightsError as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    return None


def load(name_or_path: str) -> tuple[FoL, WeightsInfo]:
    """The network that a name or a file stands for.

    `WeightsInfo.name` of the result brings the same weights back.

    Raises:
        WeightsError: there is none, its SHA-256 is not the recorded one, or it cannot be used.
    """
    resolved = resolve_weights(name_or_path)
    if isinstance(resolved, str):
        return untrained_weights(resolved)
    verify_recorded(resolved)
    net, info = open_weights(resolved)
    known = resolved in SHIPPED.values() or resolved.parent == weights_folder()
    named = name_or_path if known else str(resolved)
    return net, replace(info, name=named)


def fetch(name: str, progress: Progress | None = None, *, url: str | None = None) -> Path:
    """Download published weights into the weights folder, whole or not at all.

    An interrupted download is continued by the next call. The SHA-256 of what came is written
    beside it, in the format of sha256sum.

    Args:
        name: a key of `RELEASES`.
        progress: is told the bytes that are there, and those that there will be.
        url: a mirror, in place of the published address.

    Returns:
        Where the file is; at once where it was there already.

    Raises:
        WeightsError: the name is unknown, the download failed, or no checkpoint came.
        StorageError: there is no space or no permission.
    """
    if name not in RELEASES:
        raise WeightsError(f'nobody publishes weights {name!r}; there are {", ".join(RELEASES)}')
    release = RELEASES[name]
    target = weights_folder() / release.file
    if is_file(target):
        verify_recorded(target)
        return target
    partial = target.with_name(target.name + '.partial')
    try:
        download(url or release.url, partial, progress)
    except WeightsError as error:
        raise WeightsError(
            f'{error}; run the command again to go on, or download {release.url} by hand '
            f'and put it at {target}'
        ) from error
    try:
        read_checkpoint(partial)
    except WeightsError as error:
        discard(partial)
        raise WeightsError(f'what {url or release.url} sent is not used: {error}') from error
    _keep(partial, target)
    return target


def verify_recorded(path: Path) -> None:
    """Compare a file with the SHA-256 recorded beside it, if there is one.

    Raises:
        WeightsError: they differ.
    """
    record = _record_of(path)
    if not is_file(record):
        return
    try:
        recorded = record.read_text(errors='replace').split()[:1]
        actual = _sha256(path)
    except OSError as error:
        raise WeightsError(f'cannot read {error.filename}: {error.strerror}') from error
    if recorded != [actual]:
        raise WeightsError(
            f'{path} is damaged: its SHA-256 is {actual}, {record.name} says '
            f'{" ".join(recorded)}; remove both and fetch it again'
        )


def _entry(name: str, status: str, path: Path) -> AvailableWeights:
    try:
        verify_recorded(path)
        recorded = is_file(_record_of(path))
    except WeightsError as error:
        return AvailableWeights(name, 'damaged', str(error), path)
    checked = 'its SHA-256 is the recorded one' if recorded else 'not recorded'
    return AvailableWeights(name, status, f'{path.stat().st_size / 1e6:.0f} MB, {checked}', path)


def _keep(partial: Path, target: Path) -> None:
    """Make a complete download durable, record its hash, and move it into place."""
    record = _record_of(target)
    try:
        with open(partial, 'rb') as file:
            os.fsync(file.fileno())
        record.write_text(f'{_sha256(partial)}  {target.name}\n')
        os.replace(partial, target)
    except OSError as error:
        raise StorageError(f'cannot write {target}: {error.strerror or error}') from error
    discard(partial)


def _record_of(path: Path) -> Path:
    return path.with_name(path.name + '.sha256')


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
