"""What a command does with its process: nothing that can fail, nothing where the C library is another."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import subprocess
import sys
from typing import Any

import pytest

from dedup import process


class Library:
    """A C library that counts what is allocated and freed, and has no more than so many pieces to give."""

    def __init__(self, most: int) -> None:
        self.buffers = [ctypes.create_string_buffer(b"\xff" * process.PIECE) for _ in range(most)]
        self.given: list[int] = []
        self.taken_back: list[int] = []

        # functions, since ctypes' have attributes that can be set
        def free(address: int) -> None:
            self.taken_back.append(address)

        self.malloc: Any = lambda _: self._give()
        self.free: Any = free

    def _give(self) -> int | None:
        if len(self.given) == len(self.buffers):
            return None
        self.given.append(ctypes.addressof(self.buffers[len(self.given)]))
        return self.given[-1]


@pytest.mark.parametrize("most", [0, 1, 2])
def test_what_is_taken_is_written_to_and_freed(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(process, "PIECE", 1 << 12)
    library = Library(most)
    process.touch(library, 2)
    assert sorted(library.taken_back) == sorted(library.given)
    assert len(library.given) == most
    assert all(not any(buffer.raw[: process.PIECE]) for buffer in library.buffers)


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert process.glibc() is None
    process.keep_freed_memory()
    process.take_ahead(1 << 40)


def test_small_work_takes_nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "touch", lambda *_: pytest.fail("memory was taken"))
    process.take_ahead(process.PIECE - 1)


@pytest.mark.skipif(process.glibc() is None, reason="the C library is not glibc")
def test_freed_memory_is_kept_and_taken_ahead() -> None:
    code = (
        "import threading; from dedup.process import *; keep_freed_memory(); take_ahead(3 * PIECE);"
        "[one.join() for one in threading.enumerate() if one is not threading.main_thread()];"
        "print(next(line for line in open('/proc/self/status') if line.startswith('RssAnon')).split()[1])"
    )
    held = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(held) * 1024 > 3 * process.PIECE


def test_arrow_is_not_let_near_pandas() -> None:
    code = (
        "import sys; from dedup.process import spare_pandas; spare_pandas(); import pyarrow as pa;"
        "pa.array([1]); pa.table({'a': ['b']}).to_pylist(); assert 'pandas' not in sys.modules; import pandas"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_interrupt_that_was_lost_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.Interrupts, "seen", False)
    process.Interrupts.check()
    before = signal.signal(signal.SIGINT, process.Interrupts.interrupt)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(KeyboardInterrupt):
        process.Interrupts.check()
