"""What a command does with its process's memory: nothing that can fail, and nothing where the C library is another."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

import pytest

from dedup import memory


class Library:
    """A C library that counts what is allocated and freed, and has no more than so many pieces to give."""

    def __init__(self, most: int) -> None:
        self.buffers = [ctypes.create_string_buffer(b"\xff" * memory.PIECE) for _ in range(most)]
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
    monkeypatch.setattr(memory, "PIECE", 1 << 12)
    library = Library(most)
    memory.touch(library, 2)
    assert sorted(library.taken_back) == sorted(library.given)
    assert len(library.given) == most
    assert all(not any(buffer.raw[: memory.PIECE]) for buffer in library.buffers)


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert memory.glibc() is None
    memory.keep_freed_memory()
    memory.take_ahead(1 << 40)


def test_small_work_takes_nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "touch", lambda *_: pytest.fail("memory was taken"))
    memory.take_ahead(memory.PIECE - 1)


@pytest.mark.skipif(memory.glibc() is None, reason="the C library is not glibc")
def test_freed_memory_is_kept_and_taken_ahead() -> None:
    code = (
        "import threading; from dedup.memory import *; keep_freed_memory(); take_ahead(3 * PIECE);"
        "[one.join() for one in threading.enumerate() if one is not threading.main_thread()];"
        "print(next(line for line in open('/proc/self/status') if line.startswith('RssAnon')).split()[1])"
    )
    held = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(held) * 1024 > 3 * memory.PIECE
