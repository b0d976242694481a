"""A real Milvus server on loopback, which tests freeze, kill and start again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

PACKAGE = 'milvus==2.3.5'
"""The newest package on PyPI that carries the server, for Linux on x86_64."""
START_TIMEOUT = 180.0


class MilvusServerUnavailableError(Exception):
    """The server cannot run on this machine."""


class LocalMilvusServer:
    """The server of `PACKAGE`, in a process of its own.

    Args:
        folder: for its program and data.

    Raises:
        MilvusServerUnavailableError: the package is not installed, or the program does not start.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from milvus import MilvusServer, MilvusServerConfig
        except ImportError as error:
            raise MilvusServerUnavailableError(
                f'the Milvus server is not installed ({error}): pip install {PACKAGE}'
            ) from error
        config = MilvusServerConfig(data_dir=str(folder))
        names = [name for name in config.configurable_items if name.endswith('_port')]
        *ports, health = _free_ports(len(names) + 1)
        config.update(**dict(zip(names, ports, strict=True)))
        self._folder = folder
        self._server: Any = MilvusServer(config, wait_for_started=False)
        self._server.webservice_port = health
        self.start()

    @property
    def uri(self) -> str:
        return f'http://127.0.0.1:{self._server.listen_port}'

    def start(self) -> None:
        """Start the server, and wait until it serves."""
        until = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self._server.start()
                break
            except RuntimeError:  # the system still holds a port of the server that was killed
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)
        process = self._server.server_proc
        while not self._is_healthy():
            if process.poll() is not None or time.monotonic() > until:
                end = (self._folder / 'logs' / 'milvus-stderr.log').read_text()[-500:]
                self._server.stop()
                raise MilvusServerUnavailableError(
                    f'the Milvus server did not start (exit status {process.poll()}): {end}'
                )
            time.sleep(0.2)

    def _is_healthy(self) -> bool:
        try:
            address = f'http://127.0.0.1:{self._server.webservice_port}/healthz'
            with urllib.request.urlopen(address, timeout=5) as answer:
                return b'OK' in answer.read()
        except OSError:
            return False

    def freeze(self) -> None:
        """Stop the process where it is: it takes connections, and answers nothing."""
        self._server.server_proc.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._server.server_proc.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._server.server_proc.kill()
        self._server.server_proc.wait()

    def terminate(self) -> None:
        """Ask the process to end, and wait for it."""
        self._server.server_proc.terminate()
        try:
            self._server.server_proc.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def stop(self) -> None:
        self._server.stop()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
