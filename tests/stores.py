"""Stores for tests: one of Amazon's kind in this process, and one in memory. Without the extra, tests are skipped."""

from __future__ import annotations

import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KEYS = {
    "AWS_ACCESS_KEY_ID": "key-of-tests",
    "AWS_SECRET_ACCESS_KEY": "word-of-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server, tell of it in the environment, and yield its address."""
    pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
    moto = pytest.importorskip("moto.server", reason="the extra `test` is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    # whoever looks for other credentials would ask the network
    told = {**KEYS, "AWS_ENDPOINT_URL": address, "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        forget_stores()
        yield address
        forget_stores()
    server.stop()


def forget_stores() -> None:
    """Let those who come next connect anew."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def check_rights(address: str, *, on: bool) -> None:
    """Let the server check who asks, or not."""
    data = b"0" if on else b"1000000"
    asked = urllib.request.Request(f"{address}/moto-api/reset-auth", data, {"Content-Type": "text/plain"})  # noqa: S310
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - our own server
        assert answer.status == 200


class Store:
    """A prefix of a store that is a test's own.

    Attributes:
        url: the prefix, without a slash at its end.
        fs: its file system.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        self.fs: Any = fsspec.filesystem(url.partition("://")[0])
        self._root = url.partition("://")[2]

    def put(self, name: str, data: bytes) -> str:
        """Write an object; return its URL."""
        self.fs.pipe_file(f"{self._root}/{name}", data)
        return f"{self.url}/{name}"

    def put_all(self, folder: Path) -> None:
        """Write the files of a directory."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(path.relative_to(folder).as_posix(), path.read_bytes())

    def get(self, name: str) -> bytes:
        """Read an object."""
        self.fs.invalidate_cache()
        data: bytes = self.fs.cat_file(f"{self._root}/{name}")
        return data

    def delete(self, name: str) -> None:
        """Delete an object."""
        self.fs.rm_file(f"{self._root}/{name}")

    def files(self, below: str = "") -> dict[str, bytes]:
        """Read all objects below a prefix."""
        top = f"{self._root}/{below}".rstrip("/")
        self.fs.invalidate_cache()
        return {full.lstrip("/")[len(top) + 1 :]: self.fs.cat_file(full) for full in self.fs.find(top)}

    def uploads(self) -> list[Any]:
        """Return the uploads that are not complete."""
        found: list[Any] = self.fs.list_multipart_uploads(self._root.partition("/")[0])
        return found
