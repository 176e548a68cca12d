"""Files that may be compressed in, their bytes out; what they hold decides, not their name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

Codec = Literal["gzip", "zstd"]
MAGIC: dict[bytes, Codec] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
PIECE = 1 << 20


def detect_codec(head: bytes) -> Codec | None:
    """Return how a file that starts with these bytes is compressed."""
    return next((codec for magic, codec in MAGIC.items() if head.startswith(magic)), None)


class Decompressed:
    """A readable stream over compressed bytes that keeps what could be read when the rest is damaged.

    Attributes:
        damage: why the data end too early, None while they do not.
    """

    def __init__(self, file: BinaryIO, codec: Codec) -> None:
        self.damage: str | None = None
        self._file = file
        self._buffer = b""
        self._next: Callable[[], bytes] = self._gunzip if codec == "gzip" else self._unzstd
        self._gzip = zlib.decompressobj(wbits=31)
        self._begun = False
        self._zstd: Any = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") if codec == "zstd" else None

    def _gunzip(self) -> bytes:
        """Return the next bytes of a gzip stream of any number of members."""
        while True:
            data = self._gzip.unused_data or self._file.read(PIECE)
            if self._gzip.eof:
                data = data.lstrip(b"\0")  # padding between members is allowed
                if data:
                    self._gzip = zlib.decompressobj(wbits=31)
                    self._begun = False
            if not data:
                if self._begun and not self._gzip.eof:
                    self.damage = "the gzip stream is truncated"
                return b""
            self._begun = True
            try:
                out = self._gzip.decompress(data)
            except zlib.error as error:
                self.damage = f"the gzip stream is corrupt ({error})"
                return b""
            if out:
                return out

    def _unzstd(self) -> bytes:
        """Return the next bytes of a zstd stream."""
        try:
            return cast("bytes", self._zstd.read(PIECE))
        except (OSError, pa.ArrowException) as error:
            self.damage = f"the zstd stream is truncated or corrupt ({error})"
            return b""

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        parts = [self._buffer]
        length = len(self._buffer)
        while length < size and self.damage is None:
            part = self._next()
            if not part:
                break
            parts.append(part)
            length += len(part)
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    def readline(self) -> bytes:
        """Return the bytes up to and with the next LF."""
        parts = []
        while True:
            part = self.read(PIECE)
            end = part.find(b"\n") + 1
            if end:
                self._buffer = part[end:] + self._buffer
                part = part[:end]
            parts.append(part)
            if end or not part:
                return b"".join(parts)


def compress_to(file: BinaryIO, codec: Codec | None) -> BinaryIO:
    """Return a stream that writes to ``file`` compressed; close it before the file."""
    if codec == "gzip":
        return cast("BinaryIO", gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6))
    if codec == "zstd":
        return cast("BinaryIO", pa.CompressedOutputStream(pa.PythonFile(file, "w"), "zstd"))
    return file
