"""A file that is read as bytes in, plain or compressed; its bytes in pieces out."""

from __future__ import annotations

import io
import os
import pathlib
import sys
from typing import BinaryIO

from dedup.errors import NotFound
from dedup.formats.base import printable, stamp_of
from dedup.formats.compression import Codec, Decompressed, detect_codec

BOM = b"\xef\xbb\xbf"
HEAD = 1 << 16  # bytes of a file that tell what it holds


class ByteFile:
    """A file, or standard input where ``path`` is ``-``.

    Attributes:
        path: what to call it in messages.
        name: name of its output.
        size: bytes as stored, None if unknown.
        codec: how it is compressed, once it was read.
    """

    stdin_name = "stdin"

    def __init__(self, path: str, file: int) -> None:
        self.path = "<stdin>" if path == "-" else printable(path)
        self.name = self.stdin_name if path == "-" else os.path.basename(path)
        self.size = None if path == "-" else os.stat(path).st_size
        self.codec: Codec | None = None
        self._path = path
        self._file = file

    def stamp(self) -> str | None:
        """Return what changes when the file does."""
        return None if self._path == "-" else stamp_of(self._path)

    def _open(self) -> BinaryIO:
        if self._path == "-":
            return sys.stdin.buffer
        try:
            return open(self._path, "rb")
        except OSError as error:
            raise NotFound(f"cannot read {self.path}: {error.strerror}") from error

    def _pieces(self, file: BinaryIO) -> Pieces:
        """Return the bytes of an open file, decompressed."""
        pieces = Pieces(file)
        self.codec = pieces.codec
        return pieces


class Pieces:
    """The bytes of an open file, decompressed; what was taken can be given back."""

    def __init__(self, file: BinaryIO) -> None:
        self.codec: Codec | None = detect_codec(file.peek(HEAD)) if isinstance(file, io.BufferedReader) else None
        self._packed = Decompressed(file, self.codec) if self.codec else None
        self._plain = file
        self._read = 0
        self._back = b""
        self._position = 0  # in what was given back

    @property
    def read(self) -> int:
        """Bytes of the file read so far, as stored."""
        return self._packed.consumed if self._packed else self._read

    @property
    def damage(self) -> str | None:
        """Why the data end too early; None while they do not, or while there is more to take."""
        return self._packed.damage if self._packed and not self._back else None

    def take(self, size: int) -> bytes:
        """Return the next bytes, ``size`` at most; none at the end only."""
        if self._back:
            data = self._back[self._position : self._position + size]
            self._position += len(data)
            if self._position == len(self._back):
                self._back, self._position = b"", 0
            return data
        data = self._packed.read(size) if self._packed else self._plain.read(size)
        self._read += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        """Have bytes that were taken taken once more."""
        self._back, self._position = data + self._back[self._position :], 0

    def peek(self, size: int) -> bytes:
        """Return the next bytes, ``size`` of them where there are, and leave them to be taken."""
        parts: list[bytes] = []
        while size > 0 and (part := self.take(size)):
            parts.append(part)
            size -= len(part)
        head = b"".join(parts)
        self.give_back(head)
        return head


def head_of(path: str) -> bytes:
    """Return the first bytes that a file holds, decompressed, HEAD at most; none of what can be read once only.

    Raises:
        NotFound: the file cannot be read.
    """
    if not pathlib.Path(path).is_file():
        return b""
    try:
        with open(path, "rb") as file:
            return Pieces(file).peek(HEAD)
    except OSError as error:
        raise NotFound(f"cannot read {printable(path)}: {error.strerror}") from error
