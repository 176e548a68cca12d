"""A file in; what goes into an output written to it, with a checksum, out."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

from dedup.formats.compression import Codec, Lent, compress_to

HELD = 1 << 20  # bytes of a list that are written together


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


class Listed:
    """A list of what was removed or rejected, JSON lines, as it is written or read: how many, their size and CRC-32.

    Args:
        file: where they are written, many at a time; None where they are read.
    """

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._file, self._held, self._size = file, list[bytes](), 0
        self._rows, self._checksum = 0, Checksum()

    def add(self, line: bytes) -> None:
        """Take the next line."""
        self._held.append(line)
        self._size += len(line)
        if self._size >= HELD:
            self._pass_on()

    def as_dict(self) -> dict[str, int]:
        """Return what ``undo`` compares, for JSON."""
        self._pass_on()
        return {"rows": self._rows, **self._checksum.as_dict()}

    def _pass_on(self) -> None:
        """Count the lines that are held, and write them."""
        data = b"".join(self._held)
        self._rows += len(self._held)
        self._checksum.add(data)
        if self._file is not None:
            self._file.write(data)
        self._held.clear()
        self._size = 0


class Checked(Lent):
    """A file for Arrow to write to; it stays open.

    Attributes:
        checksum: of all bytes written.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.checksum = Checksum()

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self.checksum.add(data)
        return super().write(data)


class ByteSink:
    """An output of bytes, perhaps compressed; the checksum is that of the bytes before compression."""

    def __init__(self, file: BinaryIO, codec: Codec | None) -> None:
        self._checksum = Checksum()
        self._lent = file
        self._file = compress_to(file, codec)

    def write(self, piece: bytes) -> None:
        """Write bytes."""
        self._checksum.add(piece)
        self._file.write(piece)

    def end_line(self) -> None:
        """Write a line end that is none of the output's own."""
        self._file.write(b"\n")

    def close(self) -> dict[str, Any]:
        """Finish compressing; return size and checksum."""
        if self._file is not self._lent:
            self._file.close()
        return self._checksum.as_dict()

    def drop(self) -> None:
        """Give up."""
