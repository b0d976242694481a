"""Resumable downloads of large files over HTTP."""

from __future__ import annotations

import fcntl
import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from fol_vpr.errors import InputError, StorageError, WeightsError
from fol_vpr.files import read_bytes
from fol_vpr.json_text import parse_json

Progress = Callable[[int, int], None]
# Bytes read at a time.
_CHUNK = 1 << 20
# Seconds.
_TIMEOUT = 30.0
_PARTIAL_CONTENT = 206
_RECORD_LIMIT = 65536


class _Version(NamedTuple):
    """Identifies a version of a remote file: its size, and its ETag or date."""

    size: int
    validator: str


def download_file(url: str, partial: Path, progress: Progress | None = None) -> None:
    """Download `url` to the file `partial`, continuing an earlier download.

    A small .json file beside it records which version of the remote file the bytes are of. Where
    the remote file has changed since, the download starts again.

    Args:
        url: http or https.
        partial: the file to write; its folder is created where it does not exist.
        progress: called with the bytes that are present and the bytes in all.

    Raises:
        WeightsError: the network or the server fails; the bytes received so far are kept.
        StorageError: the file cannot be written.
    """
    record = partial.with_name(partial.name + '.json')
    with _exclusive(partial) as file:
        known = _read_record(record)
        present = file.seek(0, 2) if known else 0
        if known and present == known.size:
            return
        try:
            with _request(url, present, known) as response:
                start, version = _range(response)
                with _storage_errors(partial):
                    # In this order, so that the record of a new version is never beside old bytes.
                    file.truncate(start)
                    record.write_text(json.dumps(version._asdict()))
                _receive(response, file, start, version.size, progress)
        except (OSError, http.client.HTTPException) as error:
            raise WeightsError(f'downloading {url} failed: {_reason(error)}') from error


def discard(partial: Path) -> None:
    """Remove a partial download and its record."""
    for path in (partial, partial.with_name(partial.name + '.json')):
        with _storage_errors(path):
            path.unlink(missing_ok=True)


def _request(url: str, present: int, known: _Version | None) -> http.client.HTTPResponse:
    """Request what follows the first `present` bytes of the known version, else the whole file."""
    if known and known.validator and 0 < present < known.size:
        headers = {'Range': f'bytes={present}-', 'If-Range': known.validator}
        with suppress(urllib.error.HTTPError):
            response = _open(url, headers)
            if response.status != _PARTIAL_CONTENT or _range(response) == (present, known):
                return response
            response.close()
    return _open(url, {})


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={'User-Agent': 'fol_vpr', **headers})
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)
    return response


def _range(response: http.client.HTTPResponse) -> tuple[int, _Version]:
    """Offset of the response's first byte, and the version of the whole file."""
    validator = response.headers.get('ETag') or response.headers.get('Last-Modified') or ''
    if response.status == _PARTIAL_CONTENT:
        content_range = response.headers.get('Content-Range', '')
        match = re.fullmatch(r'bytes (\d+)-\d+/(\d+)', content_range)
        if match is None:
            raise WeightsError(f'the server answered with the range {content_range!r}')
        return int(match[1]), _Version(int(match[2]), validator)
    length = response.headers.get('Content-Length', '')
    if not length.isdecimal():
        raise WeightsError(f'{response.url} sent no Content-Length: check the address')
    return 0, _Version(int(length), validator)


def _receive(
    response: http.client.HTTPResponse,
    file: FileIO,
    present: int,
    size: int,
    progress: Progress | None,
) -> None:
    while True:
        if progress:
            progress(present, size)
        chunk = response.read(min(_CHUNK, size - present)) if present < size else b''
        if not chunk:
            break
        with _storage_errors(Path(str(file.name))):
            file.write(chunk)
        present += len(chunk)
    if present < size:
        raise http.client.IncompleteRead(b'', size - present)


@contextmanager
def _exclusive(partial: Path) -> Iterator[FileIO]:
    """The file opened for appending, and locked against a second download at the same time."""
    with _storage_errors(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        file = open(partial, 'ab', buffering=0)  # noqa: SIM115
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WeightsError(f'{partial} is being downloaded by another process') from error
        try:
            yield file
        finally:
            if file.seek(0, 2) == 0:
                discard(partial)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f'cannot write {path}: {error.strerror or error}') from error


def _read_record(record: Path) -> _Version | None:
    try:
        content = parse_json(read_bytes(record, 'the record of a download', _RECORD_LIMIT))
        return _Version(int(content['size']), str(content['validator']))
    except (InputError, ValueError, KeyError, TypeError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return 'the connection was closed too early'
    if isinstance(error, urllib.error.HTTPError):
        return f'the server answers {error.code} {error.reason}'
    return str(getattr(error, 'reason', '') or error) or type(error).__name__
