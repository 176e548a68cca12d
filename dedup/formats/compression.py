"""Files that may be compressed in, their bytes out; what they hold decides, not their name."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

from dedup.formats.decoders import PIECE, Damage, Source, Unread, read_pieces

Codec = Literal["gzip", "zstd", "bzip2", "xz", "lz4"]
MAGIC: dict[bytes, Codec] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ\0": "xz",
    # as three letters might begin a text, the first block or the end of the stream must follow
    **{b"BZh%d" % level + mark: "bzip2" for level in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90")},
}
SKIPPED = b"\x50\x2a\x4d\x18"  # frames of zstd and lz4 that are to be skipped begin so, but for four bits
OF_SUFFIX: dict[str, Codec] = {
    ".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bzip2", ".xz": "xz", ".lz4": "lz4",
}  # fmt: skip
SUFFIXES = tuple(OF_SUFFIX)
START = 1 << 12  # bytes that are looked at to know how a file is compressed


def detect_codec(head: bytes) -> Codec | None:
    """Return how a file that starts with these bytes is compressed."""
    start = head
    while start[1:4] == SKIPPED[1:] and start[0] & 0xF0 == SKIPPED[0]:
        start = start[8 + int.from_bytes(start[4:8], "little") :]
    if start is not head and not start:
        return "zstd"
    return next((codec for magic, codec in MAGIC.items() if start.startswith(magic)), None)


def strip_suffix(name: str) -> str:
    """Return the name of a file without the suffix of a compression."""
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


class Decompressed:
    """A readable stream over bytes, compressed or not, that keeps all that could be read when the rest is damaged.

    What was read can be given back.

    Args:
        file: a file opened for reading; from where it stands.
        codec: how it is compressed.
        head: what was read of it already, if it cannot be read again.
    """

    def __init__(self, file: BinaryIO, codec: Codec | None, head: bytes = b"") -> None:
        self._source = Source(file, head)
        self._pieces = read_pieces(self._source, codec) if codec else iter(lambda: self._source.read(PIECE), b"")
        self._piece = b""
        self._at = 0  # bytes of the piece that were given
        self._damage: str | None = None
        self._consumed = 0

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far; those that are read again near damage count once."""
        self._consumed = max(self._consumed, self._source.given)
        return self._consumed

    @property
    def damage(self) -> str | None:
        """Why the data end too early; None while they do not, or while there is more to read."""
        return None if self._at < len(self._piece) else self._damage

    def _fill(self) -> bool:
        """Have bytes at hand; return whether there are any.

        Raises:
            OSError: the system could not read the file.
        """
        while self._at == len(self._piece):
            try:
                self._piece, self._at = next(self._pieces), 0
            except StopIteration:
                return False
            except Damage as damage:
                self._damage = str(damage)
                return False
            except Unread as failed:
                raise failed.error from None
        return True

    def _take(self, end: int) -> bytes:
        """Return the bytes of the piece up to there."""
        whole = self._at == 0 and end >= len(self._piece)
        data = self._piece if whole else self._piece[self._at : end]
        self._at = min(end, len(self._piece))
        return data

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        return b"".join(self._parts(size))

    def give_back(self, data: bytes) -> None:
        """Have bytes that were read read once more."""
        self._piece, self._at = data + self._piece[self._at :], 0

    def peek(self, size: int) -> bytes:
        """Return the next bytes, ``size`` of them where there are, and leave them to be read."""
        head = self.read(size)
        self.give_back(head)
        return head

    def readline(self, limit: int | None = None) -> bytes:
        """Return the bytes up to and with the next LF, or ``limit`` of them."""
        return b"".join(self._line_parts(limit))

    def lines(self, size: int, longest: int) -> bytes:
        """Return ``size`` bytes and what their last line takes; of one longer than ``longest`` perhaps a part."""
        parts = list(self._parts(size))
        if parts and not parts[-1].endswith(b"\n"):
            parts += self._line_parts(longest + 1)
        return b"".join(parts)

    def _parts(self, size: int) -> Iterator[bytes]:
        while size > 0 and self._fill():
            data = self._take(self._at + size)
            size -= len(data)
            yield data

    def _line_parts(self, limit: int | None) -> Iterator[bytes]:
        left = limit
        while (left is None or left > 0) and self._fill():
            stop = None if left is None else self._at + left
            end = self._piece.find(b"\n", self._at, stop) + 1
            data = self._take(end or (len(self._piece) if stop is None else stop))
            yield data
            if end:
                return
            left = None if left is None else left - len(data)


def open_stream(file: BinaryIO) -> tuple[Decompressed, Codec | None]:
    """Return a stream over what a file holds, and how that is compressed."""
    head = file.read(START)
    codec = detect_codec(head)
    if file.seekable():
        file.seek(-len(head), 1)
        head = b""
    return Decompressed(file, codec, head), codec


class Lent:
    """A file for Arrow to write to, which closes what it is given: this one stays open."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        """Write bytes."""
        return self._file.write(data)

    def writable(self) -> bool:
        """Whether it can be written: what pyarrow asks."""
        return True

    def flush(self) -> None:
        """Leave it to the owner."""

    def close(self) -> None:
        """Leave it to the owner."""


def compress_to(file: BinaryIO, codec: Codec | None) -> BinaryIO:
    """Return a stream that writes to ``file`` compressed, equal data to equal bytes; close it before the file."""
    stream: Any = file
    if codec == "gzip":
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6)
    elif codec == "bzip2":
        import bz2

        stream = bz2.BZ2File(file, "wb")
    elif codec == "xz":
        import lzma

        stream = lzma.LZMAFile(file, "wb")  # noqa: SIM115 - the caller closes it
    elif codec is not None:
        stream = pa.CompressedOutputStream(pa.PythonFile(Lent(file), "w"), codec)
    return cast("BinaryIO", stream)
