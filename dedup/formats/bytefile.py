"""A file that is read as bytes in, plain or compressed; its bytes in pieces out."""

from __future__ import annotations

import os
from typing import BinaryIO

from dedup.formats.base import opened, size_of, stamp_of, told, unreadable
from dedup.formats.compression import Codec, Decompressed, detect_codec, open_stream
from dedup.formats.stdin import looked_at
from dedup.ranges import RemoteFile
from dedup.urls import is_url, name_of

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
    codec: Codec | None = None

    def __init__(self, path: str, file: int) -> None:
        self.path = told(path)
        self.name = self.stdin_name if path == "-" else name_of(path)
        self.size = size_of(path)
        self._path = path
        self._file = file

    def stamp(self) -> str | None:
        """Return what changes when the file does."""
        return stamp_of(self._path)

    def _stream(self, file: BinaryIO) -> Decompressed:
        """Return the bytes of an open file, decompressed."""
        stream, self.codec = open_stream(file)
        return stream


def head_of(path: str) -> bytes:
    """Return the first bytes that a file holds, decompressed, HEAD at most; none of what can be read once only.

    Raises:
        NotFound: the file cannot be read.
    """
    if not is_url(path) and not os.path.isfile(path):
        return b""
    with opened(path) as file:
        if is_url(path):
            return head_of_object(file)
        return open_stream(file)[0].read(HEAD)


def head_of_stdin() -> bytes:
    """Return what ``head_of`` does of standard input; that can be read all the same.

    Raises:
        NotFound: it cannot be read.
    """
    with looked_at() as file:
        try:
            return open_stream(file)[0].read(HEAD)
        except OSError as error:
            raise unreadable("-", error) from error


def head_of_object(file: BinaryIO) -> bytes:
    """Return what ``head_of`` does of an open object, and read no more of it than that takes."""
    if isinstance(file, RemoteFile):
        file.ahead = 0
    start = file.read(HEAD)
    codec = detect_codec(start)
    return start if codec is None else Decompressed(file, codec, start).read(HEAD)
