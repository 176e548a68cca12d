"""Files that may be compressed in, their bytes out; what they hold decides, not their name."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

Codec = Literal["gzip", "zstd"]
MAGIC: dict[bytes, Codec] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
PIECE = 1 << 20
ARROW_READS = 1 << 16  # bytes that Arrow reads at a time, and so may hold back


def detect_codec(head: bytes) -> Codec | None:
    """Return how a file that starts with these bytes is compressed."""
    return next((codec for magic, codec in MAGIC.items() if head.startswith(magic)), None)


class Decompressed:
    """A readable stream over compressed bytes that keeps all that could be read when the rest is damaged."""

    def __init__(self, file: BinaryIO, codec: Codec) -> None:
        self._file = Lent(file)
        self._buffer = b""
        self._damage: str | None = None
        self._next: Callable[[], bytes] = self._gunzip if codec == "gzip" else self._unzstd
        self._gzip = zlib.decompressobj(wbits=31)
        self._gzip_rest = b""
        self._again = file if file.seekable() else None
        self._begin = file.tell() if self._again else 0
        self._zstd: Any = zstd_reader(self._file) if codec == "zstd" else None
        self._zstd_given = 0

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far."""
        return self._file.given

    @property
    def damage(self) -> str | None:
        """Why the data end too early; None while they do not, or while there is more to read."""
        return None if self._buffer else self._damage

    def _gunzip(self) -> bytes:
        """Return the next bytes of a gzip stream of any number of members."""
        while True:
            data = self._gzip_rest or self._file.read(PIECE)
            self._gzip_rest = b""
            if not data:
                if self._gzip.eof:
                    return b""
                self._damage = "the gzip stream is truncated"
                return self._gzip.flush()
            if self._gzip.eof:
                data = data.lstrip(b"\0")  # padding between members is allowed
                if not data:
                    continue
                self._gzip = zlib.decompressobj(wbits=31)
            before = self._gzip.copy()
            try:
                out = self._gzip.decompress(data, PIECE)
            except zlib.error as error:
                self._damage = f"the gzip stream is corrupt ({error})"
                return salvage_gzip(before, data)
            self._gzip_rest = self._gzip.unconsumed_tail or self._gzip.unused_data
            if out:
                return out

    def _unzstd(self) -> bytes:
        """Return the next bytes of a zstd stream."""
        before = self._file.given
        try:
            data: bytes = self._zstd.read(PIECE)
        except (OSError, pa.ArrowException) as error:
            self._damage = f"the zstd stream is truncated or corrupt ({error})"
            if self._again is None:
                return b""
            self._again.seek(self._begin)
            return salvage_zstd(Lent(self._again, before - ARROW_READS), self._zstd_given)
        self._zstd_given += len(data)
        return data

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        parts = [self._buffer]
        length = len(self._buffer)
        while length < size and self._damage is None:
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


def salvage_gzip(stream: Any, data: bytes) -> bytes:
    """Return what a gzip stream yields before the byte that breaks it; a call that fails keeps its output to itself."""
    out = []
    with contextlib.suppress(zlib.error):
        for k in range(len(data)):
            out.append(stream.decompress(data[k : k + 1]))  # noqa: PERF401 - what was made before the error counts
    return b"".join(out)


def salvage_zstd(file: Lent, given: int) -> bytes:
    """Return what a zstd stream yields, after its first ``given`` bytes, before the byte that breaks it.

    Near the damage the file should come byte by byte: a call that fails keeps its output to itself.
    """
    out = []
    with contextlib.suppress(OSError, pa.ArrowException):
        stream = zstd_reader(file)
        while given:
            given -= len(stream.read(min(PIECE, given)))
        while data := stream.read(1):
            out.append(data)
    return b"".join(out)


class Lent:
    """A file for Arrow, which closes what it is given: this one stays open.

    Attributes:
        given: bytes read from it.
    """

    closed = False

    def __init__(self, file: BinaryIO, careful: int | None = None) -> None:
        self.given = 0
        self._file = file
        self._careful = careful

    def read(self, size: int) -> bytes:
        """Return the next bytes; one at a time after the first ``careful``."""
        if self._careful is not None:
            size = max(1, min(size, self._careful - self.given))
        data = self._file.read(size)
        self.given += len(data)
        return data

    def write(self, data: bytes) -> int:
        """Write bytes."""
        return self._file.write(data)

    def readable(self) -> bool:
        """Whether it can be read: what pyarrow asks."""
        return True

    def writable(self) -> bool:
        """Whether it can be written: what pyarrow asks."""
        return True

    def flush(self) -> None:
        """Leave it to the owner."""

    def close(self) -> None:
        """Leave it to the owner."""


def zstd_reader(file: Lent) -> Any:
    """Return Arrow's stream over zstd frames."""
    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")


def compress_to(file: BinaryIO, codec: Codec | None) -> BinaryIO:
    """Return a stream that writes to ``file`` compressed; close it before the file."""
    if codec == "gzip":
        return cast("BinaryIO", gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6))
    if codec == "zstd":
        return cast("BinaryIO", pa.CompressedOutputStream(pa.PythonFile(Lent(file), "w"), "zstd"))
    return file
