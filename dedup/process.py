"""A command's process: how it takes memory, what it does not import, what Ctrl-C does. Libraries leave theirs alone."""

from __future__ import annotations

import ctypes
import io
import os
import pathlib
import select
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # M_... of glibc's malloc.h
LARGEST_KEPT, LARGEST_FROM_HEAP = 1 << 30, 32 << 20
PIECE = 16 << 20
MOST_AHEAD = 128 << 20  # more is seldom held at a time, however large the input


def keep_freed_memory() -> None:
    """Let glibc hand freed memory out again, to any thread and to Arrow too, instead of giving it back to the system.

    Each batch needs the same tens of megabytes as the one before it; for the system to take and clear them anew took a
    tenth of the processor time of a 200 MB scan.
    """
    libc = glibc()
    if libc is not None:
        # what Arrow allocates by itself it keeps to itself; this is read when it is imported
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        for option, value in ((MMAP_THRESHOLD, LARGEST_FROM_HEAP), (TRIM_THRESHOLD, LARGEST_KEPT), (ARENA_MAX, 1)):
            libc.mallopt(option, value)


def take_ahead(size: int) -> None:
    """Let a thread take memory from the system for work on ``size`` bytes, while this one imports what the work needs.

    New pages are dear: the system clears them, and the host of a virtual machine may have to find them first. A scan of
    200 MB took a tenth less time. The thread only waits for the system, so the interpreter is left to the other one.
    """
    libc = glibc()
    if libc is not None and size >= PIECE:
        pieces = min(size, MOST_AHEAD) // PIECE
        threading.Thread(target=touch, args=(libc, pieces), daemon=True).start()


def touch(libc: Any, pieces: int) -> None:
    """Take pieces of memory, write to all of them, and free them."""
    allocate, release = libc.malloc, libc.free
    allocate.restype, allocate.argtypes, release.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    taken = [address for address in (allocate(PIECE) for _ in range(pieces)) if address]
    for address in taken:
        ctypes.memset(address, 0, PIECE)
    for address in taken:
        release(address)


def glibc() -> Any:
    """Return the C library, None where it is another one."""
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def get_ready(inputs: Sequence[str]) -> None:
    """Make the process hold on to its memory, and take some while imports go on."""
    keep_freed_memory()
    take_ahead(sum(path.stat().st_size for path in map(pathlib.Path, inputs) if path.is_file()))
    spare_pandas()


class NoPandas:
    """A finder of modules that finds no pandas."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Say that it is not there."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def spare_pandas() -> None:
    """Let Arrow believe that there is no pandas.

    It asks once, of the first list it is given, and imports it for that: a quarter of a second, in which an interrupt
    is lost. Commands have no frames; a library leaves its host alone.
    """
    import pyarrow as pa

    sys.meta_path.insert(0, NoPandas)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(NoPandas)


class Interrupts:
    """What Ctrl-C does: it interrupts, and is remembered, for modules in C may lose the exception.

    Attributes:
        seen: whether it was pressed.
    """

    seen = False

    @classmethod
    def listen(cls) -> None:
        """Be interrupted, unless whoever started this process wants no interrupts; while waiting for a pipe too."""
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        signal.signal(signal.SIGINT, cls.interrupt)
        if os.name == "posix" and sys.stdin is not None and not sys.stdin.seekable():
            raw = cast("io.FileIO", cast("io.BufferedReader", sys.stdin.buffer).raw)
            sys.stdin = io.TextIOWrapper(io.BufferedReader(Awaited(raw)), sys.stdin.encoding, sys.stdin.errors)

    @classmethod
    def interrupt(cls, *_: object) -> None:
        """Interrupt."""
        cls.seen = True
        raise KeyboardInterrupt

    @classmethod
    def check(cls) -> None:
        """Interrupt, if that was lost."""
        if cls.seen:
            raise KeyboardInterrupt


class Awaited(io.RawIOBase):
    """A pipe or terminal that is read where there is something to read, or its end.

    A signal that comes after the interpreter's last look for one and before the system is asked to read is not seen
    until there is something to read, which may be never. The signal's number in a pipe ends the wait for either
    (D. J. Bernstein's self-pipe trick).

    Args:
        raw: the pipe or terminal, unbuffered.
    """

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self._raw = raw
        self._signals, told = os.pipe()
        for end in (self._signals, told):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw.isatty()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._raw.fileno()

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Fill a buffer with what is there; wait only where there is nothing."""
        pipe = self.fileno()
        while True:
            Interrupts.check()
            if pipe in select.select([pipe, self._signals], [], [])[0]:
                return self._raw.readinto(buffer)
            os.read(self._signals, select.PIPE_BUF)
