"""A URL in; the bytes of the object there, read range by range and ahead, out."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, cast

from dedup.errors import NotFound
from dedup.remote import connect, known, told
from dedup.urls import WEB, hide

BLOCK = 1 << 22  # bytes of a range that is read,
AHEAD = 3  # and how many of them are under way or at hand
FIRST = 1 << 17  # bytes of the first range of all,
LEAST = 1 << 16  # and of any that is read where only some are
one_at_a_time = threading.Lock()  # connections of file systems that do not wait for many answers at once


@contextlib.contextmanager
def opened(url: str) -> Iterator[BinaryIO]:
    """Open an object to be read from its begin, a range at a time, the next ones ahead.

    Raises:
        NotFound: it cannot be read.
    """
    info = known.get(url)
    if info.kind == "directory":
        raise NotFound(f"{hide(url)} is a directory")
    file: RemoteFile | Streamed = RemoteFile(url, info.size or 0) if info.ranges else Streamed(url)
    if isinstance(file, RemoteFile) and url.startswith(WEB) and not file.gives_ranges():
        file = Streamed(url)
    try:
        yield cast("BinaryIO", file)
    finally:
        file.close()


@contextlib.contextmanager
def opened_at_random(url: str) -> Iterator[BinaryIO]:
    """Open an object of which only some ranges are read.

    Raises:
        NotFound: its server gives no ranges.
    """
    with opened(url) as file:
        if not isinstance(file, RemoteFile):
            raise NotFound(f"{hide(url)}: its server gives no parts of files, which tables need: download it")
        file.ahead = 0
        yield cast("BinaryIO", file)


@functools.cache
def readers() -> ThreadPoolExecutor:
    """Return the threads that ranges are read in."""
    return ThreadPoolExecutor(2 * AHEAD, thread_name_prefix="dedup-remote")


class RemoteFile(io.RawIOBase):
    """An object that is read in ranges.

    Args:
        url: the object.
        size: its bytes.

    Attributes:
        ahead: how many ranges are read before they are asked for.
    """

    def __init__(self, url: str, size: int) -> None:
        super().__init__()
        self.ahead = AHEAD
        self._fs, self._path = connect(url)
        self._url, self._size = url, size
        self._at = 0
        self._begin, self._block = 0, b""  # what is at hand
        self._coming: deque[tuple[int, int, Future[bytes]]] = deque()  # begin and end of ranges, one behind the other

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read again."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere."""
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, fewer at the end only."""
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        parts = []
        while self._at < end:
            if not self._begin <= self._at < self._begin + len(self._block):
                self._begin, self._block = self._take(end)
            start = self._at - self._begin
            parts.append(self._block[start : start + end - self._at])
            self._at += len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Read no more."""
        self._forget(0)
        super().close()

    def _take(self, end: int) -> tuple[int, bytes]:
        """Return where a range begins that holds the next byte, and the range; have those behind it on their way.

        Args:
            end: how far is asked for.
        """
        at = self._at
        while self._coming and not self._coming[0][0] <= at < self._coming[0][1]:
            self._forget(len(self._coming) - 1)
        if not self.ahead:
            return at, self._fetch(at, min(self._size, max(end, at + LEAST)))
        if self._coming:
            self._order(self.ahead + 1)
            start, _, coming = self._coming.popleft()
            return start, coming.result()
        if not at:  # often only the head of a file is looked at; who goes on gets larger ranges, and ahead
            return 0, self._fetch(0, min(self._size, FIRST))
        stop = min(self._size, at + BLOCK)
        self._order(self.ahead, stop)
        return at, self._fetch(at, stop)

    def _order(self, count: int, begin: int = 0) -> None:
        """Have so many ranges on their way, the first at ``begin`` where there is none yet."""
        begin = self._coming[-1][1] if self._coming else begin
        while len(self._coming) < count and begin < self._size:
            stop = min(self._size, begin + BLOCK)
            self._coming.append((begin, stop, readers().submit(self._fetch, begin, stop)))
            begin = stop

    def _forget(self, left: int) -> None:
        """Leave only so many ranges on their way, the last ones."""
        while len(self._coming) > left:
            self._coming.popleft()[2].cancel()

    def _fetch(self, start: int, end: int) -> bytes:
        """Read a range.

        Raises:
            NotFound: it cannot be read, or is another by now.
        """
        with told(self._url):
            data = self._get(start, end)
        if len(data) != end - start:
            raise NotFound(f"{hide(self._url)} changed while it was read: try again when nothing writes to it")
        return data

    def _get(self, start: int, end: int) -> bytes:
        """Read a range; what the file system raises is left as it is."""
        fs, path = self._fs, self._path
        if self._url.startswith(WEB):  # a server may send more than it is asked for; this takes no more than that
            with fs.open(path, "rb", size=self._size, block_size=BLOCK, cache_type="none") as file:
                file.seek(start)
                return cast("bytes", file.read(end - start))
        if fs.async_impl:
            return cast("bytes", fs.cat_file(path, start=start, end=end))
        with one_at_a_time:
            return cast("bytes", fs.cat_file(path, start=start, end=end, cache_type="none"))

    def gives_ranges(self) -> bool:
        """Whether a server does what it is asked for: some give all, from the begin, for whatever range."""
        with told(self._url):
            try:
                return not self._size or len(self._get(self._size - 1, self._size)) == 1
            except ValueError:
                return False


class Streamed(io.RawIOBase):
    """An object that can be read once, from its begin: its server gives no ranges."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        fs, path = connect(url)
        with told(url):
            self._file = fs.open(path, "rb", block_size=0)

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer at the end only."""
        parts = []
        with told(self._url):
            while size and (part := self._file.read(size)):
                parts.append(part)
                size -= len(part) if size > 0 else 0
        return b"".join(parts)

    def close(self) -> None:
        """Read no more."""
        if not self.closed:
            with contextlib.suppress(Exception):
                self._file.close()
        super().close()
