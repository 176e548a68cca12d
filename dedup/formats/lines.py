"""A file of lines in, plain or compressed; runs of whole lines out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from dedup.formats.base import LONGEST, Chunk
from dedup.formats.compression import Decompressed
from dedup.kernels.lines import LF, count_byte


class PlainLines:
    """Lines of a plain file that can be read anywhere, from where it stands; copied once.

    Attributes:
        consumed: bytes read so far.
    """

    damage: str | None = None

    def __init__(self, file: BinaryIO) -> None:
        self.consumed = 0
        self._begin = file.tell()
        self._number = file.fileno()

    def lines(self, size: int, longest: int) -> bytes:
        """See ``Decompressed.lines``."""
        return self._read(size + self._line_length(longest + 1, size))

    def readline(self, limit: int) -> bytes:
        """See ``Decompressed.readline``."""
        return self._read(self._line_length(limit, 0))

    def _line_length(self, limit: int, ahead: int) -> int:
        """Return how many bytes it takes to the next LF and with it, at most ``limit``."""
        length, step = 0, 1 << 16
        while length < limit and (
            part := os.pread(self._number, min(step, limit - length), self._begin + self.consumed + ahead + length)
        ):
            end = part.find(b"\n") + 1
            if end:
                return length + end
            length += len(part)
            step = min(2 * step, 1 << 24)
        return length

    def _read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(self._number, size, self._begin + self.consumed)):
            parts.append(part)
            self.consumed += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def chunks_of_lines(stream: PlainLines | Decompressed, file: int, size: int) -> Iterator[Chunk]:
    """Yield runs of whole lines; damage, and lines longer than LONGEST, come in chunks of their own.

    Args:
        stream: the lines.
        file: number of the input.
        size: bytes of a chunk, about.
    """
    size = min(size, LONGEST)
    line, tail = 1, b""
    while data := stream.lines(size, LONGEST):
        start = data.rfind(b"\n", 0, len(data) - 1) + 1  # of the last line
        torn = b""
        if len(data) - start - data.endswith(b"\n") > LONGEST:
            data, torn = data[:start], data[start:]
        elif stream.damage:
            end = data.rfind(b"\n") + 1
            data, tail = data[:end], data[end:]
        if data:
            records = count_byte(np.frombuffer(data, np.uint8), LF) + (data[-1] != LF)
            yield Chunk(file, line, records, data, stream.consumed)
            line += records
        if torn:
            yield from parts_of_line(stream, file, line, torn, size)
            line += 1
    if stream.damage:
        yield Chunk(file, line, 1, tail, stream.consumed, stream.damage)


def parts_of_line(stream: PlainLines | Decompressed, file: int, line: int, torn: bytes, size: int) -> Iterator[Chunk]:
    """Yield the parts of a line that is too long to be held."""
    reason = f"the line is longer than {LONGEST >> 20} MB"
    for at in range(0, len(torn), size):
        yield Chunk(file, line, int(at == 0), torn[at : at + size], stream.consumed, reason)
    while not torn.endswith(b"\n") and (torn := stream.readline(size)):
        yield Chunk(file, line, 0, torn, stream.consumed, reason)
