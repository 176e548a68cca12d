"""A Redis server of a test's own: started on a free port with files of its own, killed, started again, stopped."""

from __future__ import annotations

import pathlib
import shutil
import signal
import socket
import subprocess
import time
import uuid
from typing import Any

import pytest
import redis

HOST = "127.0.0.1"
STARTING = 20.0  # seconds


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


class Server:
    """A server that writes down what it is told; with ``always``, before it answers."""

    def __init__(self, folder: pathlib.Path, sync: str = "everysec") -> None:
        command = shutil.which("redis-server")
        if command is None:
            pytest.skip("redis-server is not installed: apt-get install redis-server")
        self.port = free_port()
        self._command = [
            command, "--port", str(self.port), "--bind", HOST, "--dir", str(folder), "--save", "", "--appendonly",
            "yes", "--appendfsync", sync, "--logfile", str(folder / "log"), "--daemonize", "no",
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + STARTING
        while True:
            try:
                self.ask("PING")
            except redis.ConnectionError:
                assert time.monotonic() < end, "redis-server does not start"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def ask(self, *words: Any) -> Any:
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)

    def url(self, name: str | None = None, user: str = "") -> str:
        """That of an index of this name; of a new one where there is no name."""
        return f"redis://{user}{HOST}:{self.port}/0?name={name or uuid.uuid4().hex}"

    def keys(self, url: str) -> list[bytes]:
        """All keys of an index."""
        found: list[bytes] = self.ask("KEYS", url.rpartition("=")[2] + ":*")
        return found
