"""Messages of Arrow's format in; how they are compressed, and whether they take more memory than they may, out.

Numbers of fields are those of Message.fbs and File.fbs of Arrow.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from dedup.errors import InputError
from dedup.formats.base import LONGEST

CONTINUATION = -1  # what a message begins with, before the length of its header
DICTIONARY_BATCH, RECORD_BATCH = 2, 3  # kinds of messages
CODECS = ("lz4", "zstd")
LARGEST_HEADER = 1 << 28
FOLD = 64  # bytes that a byte of a batch may unfold to, where they are more than LONGEST
FOOTER_END = 10  # bytes behind the footer: its length, and the mark of a file
BLOCK = struct.Struct("<qi4xq")  # of a footer: where a message begins, how long its header is, and what follows
BUFFER = struct.Struct("<qq")  # of a batch: where in what follows its header it stands, and how long it is
ODD = (struct.error, IndexError, OverflowError, ValueError)  # what nonsense ends in here


class FlatTable:
    """A table of a flatbuffer: where its fields stand."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """Return the table that a buffer is about."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def read(self, field: int, kind: str) -> int | None:
        """Return a number (its kind as for ``struct``), None where there is none."""
        position = self._find(field)
        return None if position is None else int(struct.unpack_from(f"<{kind}", self._data, position)[0])

    def table(self, field: int) -> FlatTable | None:
        """Return a table, None where there is none."""
        position = self._find(field)
        if position is None:
            return None
        return FlatTable(self._data, position + struct.unpack_from("<I", self._data, position)[0])

    def vector(self, field: int, kind: struct.Struct) -> Iterator[tuple[int, ...]]:
        """Yield what a vector of structs holds, nothing where there is none."""
        position = self._find(field)
        if position is not None:
            begin = position + struct.unpack_from("<I", self._data, position)[0]
            count = struct.unpack_from("<I", self._data, begin)[0]
            if count * kind.size > len(self._data):
                raise ValueError("a vector is longer than all")
            yield from kind.iter_unpack(self._data[begin + 4 : begin + 4 + count * kind.size])

    def _find(self, field: int) -> int | None:
        vtable = self._position - struct.unpack_from("<i", self._data, self._position)[0]
        size = struct.unpack_from("<H", self._data, vtable)[0]
        place = 4 + 2 * field
        offset = struct.unpack_from("<H", self._data, vtable + place)[0] if place < size else 0
        return self._position + offset if offset else None


def read_message(stream: BinaryIO) -> tuple[FlatTable, FlatTable | None, int] | None:
    """Read the header of a message; None at the end, or where there is none.

    Returns:
        The message; the batch that it tells of, None where it tells of none; how many bytes follow.

    Raises:
        struct.error, IndexError, OverflowError, ValueError: it is nonsense.
    """
    begin, size = struct.unpack("<iI", stream.read(8))
    if begin != CONTINUATION or not 0 < size <= LARGEST_HEADER:
        return None
    message = FlatTable.root(stream.read(size))
    kind, batch = message.read(1, "B"), message.table(2)
    if kind == DICTIONARY_BATCH and batch is not None:
        batch = batch.table(1)
    return message, batch if kind in {DICTIONARY_BATCH, RECORD_BATCH} else None, max(0, message.read(3, "q") or 0)


def codec_of(stream: BinaryIO) -> str | None:
    """Return how the first batch of a stream is compressed, which Arrow does not tell: ``lz4``, ``zstd`` or None."""
    try:
        while (found := read_message(stream)) is not None:
            _, batch, length = found
            if batch is not None:
                compression = batch.table(3)
                return None if compression is None else CODECS[compression.read(0, "b") or 0]
            stream.seek(length, os.SEEK_CUR)
    except (*ODD, OSError):  # whoever reads the stream in earnest will complain
        pass
    return None


def check_stream(stream: BinaryIO, path: str) -> None:
    """Check the batches of a stream.

    Args:
        stream: from where the first message begins.
        path: what to call it in messages.

    Raises:
        InputError: a batch unfolds to more than it may.
    """
    try:
        while (found := read_message(stream)) is not None:
            _, batch, length = found
            begin = stream.tell()
            check_batch(stream, batch, length, path)
            stream.seek(begin + length)
    except (*ODD, OSError) as error:  # whoever reads the stream in earnest will complain
        if isinstance(error, InputError):
            raise


def check_file(file: BinaryIO, path: str) -> None:
    """Check the batches that the footer of a file names; see ``check_stream``."""
    try:
        end = file.seek(-FOOTER_END, os.SEEK_END)
        size = struct.unpack("<i", file.read(4))[0]
        if not 0 < size <= end:
            return
        file.seek(end - size)
        footer = FlatTable.root(file.read(size))
        for field in (2, 3):
            for place, *_ in footer.vector(field, BLOCK):
                file.seek(place)
                found = read_message(file)
                if found is not None:
                    check_batch(file, found[1], found[2], path)
    except (*ODD, OSError) as error:  # likewise
        if isinstance(error, InputError):
            raise


def check_batch(file: BinaryIO, batch: FlatTable | None, length: int, path: str) -> None:
    """Check that what a batch unfolds to, which each of its buffers tells first, is not too much.

    Args:
        file: it stands where the buffers begin.
        batch: None where the message is of no batch.
        length: of its buffers.
        path: what to call the file in messages.
    """
    if batch is None or batch.table(3) is None:
        return
    begin, total = file.tell(), 0
    for offset, size in batch.vector(2, BUFFER):
        if size >= 8 and offset >= 0:  # noqa: PLR2004 - bytes of the length
            file.seek(begin + offset)
            told = file.read(8)
            total += max(0, struct.unpack("<q", told)[0]) if len(told) == 8 else 0  # noqa: PLR2004
    if total > max(LONGEST, FOLD * length):
        raise InputError(
            f"a batch of the Arrow file, before byte {begin + length}, unfolds from {length:,} bytes to {total:,}, "
            "more than is taken: write it anew with smaller batches",
            path,
        )
