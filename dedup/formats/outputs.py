"""Pieces of cleaned files in, one file behind the other; the files, compressed as their inputs were, out."""

from __future__ import annotations

import contextlib
import os
import pathlib
import zlib
from typing import BinaryIO, cast

from dedup.errors import StoreError
from dedup.formats.compression import Codec, compress_to


class Checksum:
    """Size and CRC-32 of bytes given piece by piece."""

    def __init__(self) -> None:
        self.size = self.crc = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def as_dict(self) -> dict[str, int]:
        """Return both, for JSON."""
        return {"bytes": self.size, "crc32": self.crc}


class Outputs:
    """Files of a cleaned corpus, written one behind the other, each compressed as its input was.

    Attributes:
        written: size and checksum of each, before compression.
    """

    def __init__(self, root: pathlib.Path | None, single: BinaryIO | None) -> None:
        self.written: dict[str, Checksum] = {}
        self._root = root
        self._single = single
        self._name: str | None = None
        self._stack = contextlib.ExitStack()
        self._file: BinaryIO | None = None
        self._last = b"\n"

    def write(self, name: str, data: bytes, codec: Codec | None) -> None:
        """Write to the end of a file; writing to another closes it."""
        if name != self._name:
            if self._single is not None and self._last != b"\n":
                cast("BinaryIO", self._file).write(b"\n")  # two files in one stream: keep their lines apart
            self.close()
            self._name = name
            if self._single is not None:
                raw = self._single
            else:
                if name.startswith(os.sep) or os.pardir in name.split(os.sep):
                    raise StoreError(f"{name} would leave the output directory")
                path = cast("pathlib.Path", self._root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                raw = self._stack.enter_context(path.open("wb"))
            self._file = compress_to(raw, codec)
            if self._file is not raw:
                self._stack.callback(self._file.close)
            self.written[name] = Checksum()
        self._last = data[-1:] or self._last
        self.written[name].add(data)
        cast("BinaryIO", self._file).write(data)

    def close(self) -> None:
        """Finish the file that is being written."""
        self._stack.close()
        self._name = None
