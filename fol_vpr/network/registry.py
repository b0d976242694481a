"""Names of weights, and the folder where downloaded ones are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fol_vpr.errors import WeightsError
from fol_vpr.network.fol import FoL
from fol_vpr.network.weights import WeightsInfo, open_weights, untrained_weights

_UNTRAINED = 'untrained-'


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


def weights_folder() -> Path:
    """$FOL_VPR_WEIGHTS, or fol_vpr/weights in the user's cache folder (XDG)."""
    chosen = os.environ.get('FOL_VPR_WEIGHTS')
    if chosen:
        return Path(chosen)
    cache = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(cache) / 'fol_vpr' / 'weights'


def resolve_weights(name_or_path: str) -> Path | str:
    """The file that is meant, or the architecture where `untrained-<architecture>` is.

    Raises:
        WeightsError: there is no such file and no such name, or it is not downloaded.
    """
    if name_or_path.startswith(_UNTRAINED):
        return name_or_path.removeprefix(_UNTRAINED)
    release = RELEASES.get(name_or_path)
    if release is None:
        return Path(name_or_path).expanduser()
    path = weights_folder() / release.file
    if not path.is_file():
        raise WeightsError(
            f'the weights {release.name} are not downloaded; run `fol_vpr weights fetch '
            f'{release.name}`, or put {release.url} at {path}'
        )
    return path


def load(name_or_path: str) -> tuple[FoL, WeightsInfo]:
    """The network that a name or a file stands for.

    Raises:
        WeightsError: there is none, or it cannot be used.
    """
    resolved = resolve_weights(name_or_path)
    if isinstance(resolved, str):
        return untrained_weights(resolved)
    return open_weights(resolved)


