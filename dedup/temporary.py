"""A place in; a directory that goes with what uses it out, or, where that was killed, with the next one there."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import platform
import shutil
import tempfile
import weakref

import xxhash

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = ".dedup-"


class Temporary:
    """A directory that is deleted when it is closed, or with this object, or at the end of the process.

    It is locked while it is in use, and the lock goes with the process, however that ends. Whoever makes another one in
    the same place deletes those that nobody has a lock on.

    Args:
        parent: where to make it; None for the system's place for temporary files.

    Attributes:
        path: the directory.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        room = pathlib.Path(tempfile.gettempdir() if parent is None else parent)
        sweep(room)
        self.path, lock = make_locked(room)
        self._drop = weakref.finalize(self, drop, self.path, lock)

    def close(self) -> None:
        """Delete it."""
        self._drop()


def make_locked(room: pathlib.Path) -> tuple[pathlib.Path, int | None]:
    """Make a directory and lock it; return it, and the lock, None where there are no locks."""
    while True:
        path = pathlib.Path(tempfile.mkdtemp(prefix=mark(), dir=room))
        try:
            lock = lock_of(path)
        except (BlockingIOError, FileNotFoundError):  # it was taken for one that nobody uses
            continue
        except OSError:
            path.rmdir()
            return pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=room)), None  # without a mark it is let alone
        except KeyboardInterrupt:
            path.rmdir()
            raise
        if path.exists():
            return path, lock
        os.close(lock)


def lock_of(path: str | os.PathLike[str]) -> int:
    """Return a descriptor of a directory with which it is locked.

    Raises:
        BlockingIOError: another one has a lock on it.
        OSError: it cannot be locked.
    """
    if fcntl is None:
        raise OSError("there are no locks of this kind")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@functools.cache
def mark() -> str:
    """Return how the names begin of those whose locks tell here: of this user, made since this system started.

    What another machine has locked in a file system that both use need not be seen here.
    """
    try:
        system = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except (OSError, ValueError):
        system = platform.node()
    return f"{PREFIX}{xxhash.xxh3_64_hexdigest(f'{system} {user()}'.encode())[:8]}-"


def user() -> int:
    """Return the number of the user, where there are such."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def sweep(room: pathlib.Path) -> None:
    """Delete the directories of ours that nobody uses any more: processes were killed that did."""
    with contextlib.suppress(OSError), os.scandir(room) as entries:
        for entry in entries:
            if entry.name.startswith(mark()):
                with contextlib.suppress(OSError):
                    drop(pathlib.Path(entry.path), lock_of(entry.path))


def drop(path: pathlib.Path, lock: int | None) -> None:
    """Delete a directory, then let its lock go."""
    try:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        if lock is not None:
            os.close(lock)
