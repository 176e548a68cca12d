"""Standard input in; a file that can be looked at before it is read, though it be a pipe, out."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from dedup.errors import NotFound


class Pipe(io.RawIOBase):
    """What can be read once, but for its first bytes while these are looked at."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._looked_at: list[bytes] | None = None  # what was read while it is looked at
        self._ahead = b""  # what is to be read once more

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer at the end, and where what was looked at ends."""
        return self._taken(size, self._file.read)

    def read1(self, size: int = -1) -> bytes:
        """Return the bytes that are there, ``size`` at most; wait only where there are none."""
        return self._taken(size, cast("io.BufferedReader", self._file).read1)

    def _taken(self, size: int, read: Callable[[int], bytes]) -> bytes:
        """Return bytes that were looked at, or else what is read now."""
        if self._ahead:
            size = len(self._ahead) if size < 0 else size
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = read(size)
        if self._looked_at is not None:
            self._looked_at.append(data)
        return data

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """Have what is read meanwhile read once more."""
        self._looked_at = []
        try:
            yield
        finally:
            self._ahead, self._looked_at = b"".join([*self._looked_at, self._ahead]), None


pipe_of = functools.lru_cache(maxsize=1)(Pipe)


def standard_input() -> BinaryIO:
    """Return standard input, the same object each time.

    Raises:
        NotFound: it is closed.
    """
    file: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if file is None or file.closed:
        raise NotFound("cannot read <stdin>: it is closed")
    return file if file.seekable() else cast("BinaryIO", pipe_of(file))


@contextlib.contextmanager
def looked_at() -> Iterator[BinaryIO]:
    """Yield standard input to be looked at; afterwards it stands where it stood."""
    file = standard_input()
    if isinstance(file, Pipe):
        with file.looked_at():
            yield cast("BinaryIO", file)
        return
    place = file.tell()
    try:
        yield file
    finally:
        file.seek(place)
