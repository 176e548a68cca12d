"""Outputs that appear whole or not at all, and what tells that they are ours."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal

import xxhash

from dedup.errors import Locked, StoreError
from dedup.temporary import Temporary

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUMMARY_FILE = "summary.json"  # stands in every directory that this package writes, and says so under ...
MADE_BY, MAKER = "made_by", "corpus-dedup"
FILES, UNFINISHED = "files", "unfinished"  # in a store it names the others, or says that they are not whole,
KIND = "kind"  # and of what kind they will be
Kind = Literal["run", "cleaned", "restored", "unknown"]
NAMES: dict[Kind, str] = {
    "run": "a run", "cleaned": "a cleaned corpus", "restored": "what was restored", "unknown": "other output of dedup",
}  # fmt: skip
# What stands beside it: in a run, and in a cleaned corpus.
VERDICTS_FILE, DOCUMENTS_FILE, TEMPLATES_FILE = "verdicts.parquet", "documents.parquet", "templates.parquet"
REJECTS_FILE, REMOVALS_FILE, ORDER_FILE = "rejects.jsonl", "removals.jsonl", "order.npy"
OWN_FILES = (SUMMARY_FILE, REJECTS_FILE, REMOVALS_FILE, VERDICTS_FILE, DOCUMENTS_FILE, TEMPLATES_FILE, ORDER_FILE)
SKETCHES, REMOVED = "sketches", "removed"  # and directories: what scans go on from; rows removed from tables
OWN_FOLDERS = (SKETCHES, REMOVED)
FULL = (errno.ENOSPC, errno.EDQUOT)
PIECE = 1 << 24  # bytes of a file that are read at a time


def temporary_directory(parent: str | os.PathLike[str] | None = None) -> Temporary:
    """Make a temporary directory, see ``Temporary``.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        return Temporary(parent)
    except OSError as error:
        raise StoreError(f"cannot make a working directory in {parent or tempfile.gettempdir()}: {error}") from error


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yield a new directory that takes the place of ``path`` when the block ends well, and vanishes when not.

    An existing directory is replaced only if it is empty or one of ours (its ``summary.json`` says so). What a killed
    process left of one goes.

    Raises:
        StoreError: the path is taken by something else, or cannot be written.
        Locked: another process is at it.
    """
    with unfinished_directory(path) as made:
        clear(made)
        yield made


def clear(folder: pathlib.Path, spared: pathlib.Path | None = None) -> None:
    """Delete what is in a directory, but for one path."""
    for path in folder.iterdir():
        if path == spared:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def check_replaceable(target: pathlib.Path, kind: Kind | None = None) -> None:
    """Check that nothing stands at a path that is not ours, or that is of another kind.

    Args:
        target: the path of a directory.
        kind: what is to take its place; None for whatever stands there.

    Raises:
        StoreError: something does.
    """
    check_name(str(target))
    if not target.exists():
        return
    if not is_ours(target):
        raise StoreError(f"{target} exists and was not written by dedup: name another output, or move it away")
    found = None if kind is None else summary_of(target)
    if found is not None:
        check_kind(str(target), found, kind)


def check_name(path: str) -> None:
    """Check that there can be such a path.

    Raises:
        StoreError: there cannot.
    """
    if not path or "\0" in path:
        raise StoreError(f"{path!r} can be no output: name a path")


def check_kind(place: str, summary: Mapping[str, Any], kind: Kind | None) -> None:
    """Check that an output may take the place of one that has a certain summary.

    Raises:
        StoreError: it is of another kind.
    """
    found = kind_of(summary)
    if kind is not None and found != kind and not (found == "unknown" and summary.get(UNFINISHED)):
        raise StoreError(f"{place} holds {NAMES[found]}, which would be lost: name another output, or move it away")


def put_in_place(made: pathlib.Path, target: pathlib.Path) -> None:
    """Let a directory take the place of another, which vanishes."""
    if target.exists():
        _exchange(made, target)
        # under its name somebody might take it for what a killed process left, and go on in what is being deleted
        with contextlib.closing(temporary_directory(target.parent)) as away:
            made.rename(away.path / target.name)
    else:
        made.rename(target)


def is_ours(target: pathlib.Path) -> bool:
    """Whether a path may be replaced: an empty directory, or one with a summary this package wrote."""
    return target.is_dir() and (summary_of(target) is not None or not any(target.iterdir()))


def summary_of(folder: pathlib.Path) -> dict[str, Any] | None:
    """Return the summary in a directory, None where there is none that this package wrote."""
    try:
        return summary_in((folder / SUMMARY_FILE).read_bytes())
    except (OSError, ValueError):
        return None


def summary_in(data: bytes) -> dict[str, Any] | None:
    """Read a summary, None where this package did not write it."""
    try:
        summary = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return summary if isinstance(summary, dict) and str(summary.get(MADE_BY)).startswith(MAKER) else None


def is_summary(data: bytes) -> bool:
    """Whether the content of a file is a summary that this package wrote."""
    return summary_in(data) is not None


def kind_of(summary: Mapping[str, Any]) -> Kind:
    """Tell whose summary it is, by what it holds: what is not whole in a store says so itself."""
    if KIND in summary:
        return summary[KIND] if summary[KIND] in NAMES else "unknown"
    return "run" if "texts" in summary else "cleaned" if "outputs" in summary else "unknown"


def _exchange(new: pathlib.Path, old: pathlib.Path) -> None:
    """Let two directories change places; in one step where the system can (Linux renameat2)."""
    at_cwd, exchange = -100, 2
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(at_cwd, os.fsencode(new), at_cwd, os.fsencode(old), exchange) == 0:
            return
    except (OSError, AttributeError):
        pass
    aside = _aside(old)
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def _aside(target: pathlib.Path) -> pathlib.Path:
    """Return where a directory is for the moment in which another one takes its place."""
    return target.parent / f".{target.name}.replaced"


@contextlib.contextmanager
def unfinished_directory(path: str | os.PathLike[str], valued: str | None = None) -> Iterator[pathlib.Path]:
    """Yield a directory that takes the place of ``path`` when the block ends well.

    It is the same one, beside ``path``, until then: what a killed process left in it is there for the next. It is for
    one process at a time. On errors it vanishes, unless it has a file of value by then, and the disk is not full.

    Args:
        path: the directory.
        valued: that file, a path in it; None where there is no such.

    Raises:
        StoreError: the path is taken by something else, or cannot be written.
        Locked: another process is at it.
    """
    target = pathlib.Path(path)
    check_replaceable(target)
    made = unfinished(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write beside {target}: {error}") from error
    with told_when_full(target), locked_directory(made, target):
        if is_ours(_aside(target)):  # a process was killed while it replaced one directory by another in three steps
            _aside(target).rename(target if not target.exists() else made / "replaced")
        try:
            yield made
            put_in_place(made, target)
        except BaseException as error:
            full = isinstance(error, OSError) and error.errno in FULL
            if full or valued is None or not (made / valued).exists():
                shutil.rmtree(made, ignore_errors=True)
            else:
                error.add_note(f"what was done so far is kept in {made}: the same command goes on from there")
            raise


def unfinished(path: str | os.PathLike[str]) -> pathlib.Path:
    """Return where what will be at a path is while it is made."""
    target = pathlib.Path(path)
    return target.parent / f".{target.name}.unfinished"


@contextlib.contextmanager
def locked_directory(made: pathlib.Path, target: pathlib.Path) -> Iterator[None]:
    """Make a directory, if it is not there, and keep others out of it; the lock goes with the process.

    Raises:
        StoreError: it cannot be made.
        Locked: another process is at it.
    """
    lock = None
    while lock is None:
        lock = try_to_lock(made, target)
    try:
        yield
    finally:
        os.close(lock)


def try_to_lock(made: pathlib.Path, target: pathlib.Path) -> int | None:
    """Return a descriptor with which a directory is locked; None where it was put in its place meanwhile."""
    try:
        made.mkdir(exist_ok=True)
        lock = os.open(made, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error}") from error
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == made.stat().st_ino:
            return lock
    except BlockingIOError as error:
        os.close(lock)
        raise Locked(f"another process is writing {target}: wait for it, or name another output") from error
    except FileNotFoundError:
        pass
    os.close(lock)
    return None


@contextlib.contextmanager
def told_when_full(target: str | os.PathLike[str]) -> Iterator[None]:
    """Say what was written when the disk was full.

    Raises:
        StoreError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        message = f"the disk is full, or the quota used up, while {os.fspath(target)} was written"
        raise StoreError(f"{message}: make room, or name another output") from error


@contextlib.contextmanager
def told_when_unwritable(target: str | os.PathLike[str]) -> Iterator[None]:
    """Say what was written when the system refused.

    Raises:
        StoreError: it did.
    """
    try:
        yield
    except OSError as error:
        message = f"cannot write {os.fspath(target)}: {error.strerror}"
        raise StoreError(f"{message}: see that its disk is writable and not full") from error


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the place of ``path`` when the block ends well, and vanishes when not.

    Until then it stands beside it, under a name that is always the same: what a killed process left there goes.

    Args:
        path: the file.
        durable: whether it is to be on the disk by then, also if the power fails.

    Raises:
        StoreError: the file cannot be written.
        Locked: another process is writing it.
    """
    target = pathlib.Path(path)
    made = unfinished(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = open_locked(made, target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error}") from error
    with file:
        try:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames no open file; where there is a lock, it holds until the name is free
            made.replace(target)
        except BaseException:
            made.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def atomic_files(path: str | os.PathLike[str], others: Iterable[str]) -> Iterator[Mapping[str, BinaryIO]]:
    """Yield binary files, by name, that take their places together when the block ends well, and vanish when not.

    They are made in a directory, which gets another name when all are on the disk: from then on they are finished, and
    whoever finds it puts them in their places, see ``settle``, should this process be killed meanwhile.

    Args:
        path: the first of the files, after which the directory is named.
        others: names of those beside it.

    Raises:
        StoreError: they cannot be written.
        Locked: another process is writing them.
    """
    target = pathlib.Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error}") from error
    made = unfinished(f"{target}.files")
    with told_when_full(target), locked_directory(made, target):
        try:
            settle(target)
            clear(made)
            with contextlib.ExitStack() as stack:
                files = {name: stack.enter_context((made / name).open("wb")) for name in (target.name, *others)}
                yield files
                for file in files.values():
                    file.flush()
                    os.fsync(file.fileno())
            made.rename(_finished(target))
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        settle(target)


def settle(path: str | os.PathLike[str]) -> None:
    """Put files in their places that were finished by a process that was killed before it did; any number may do so.

    Args:
        path: the first of them, which comes last.
    """
    target = pathlib.Path(path)
    finished = _finished(target)
    if finished.is_symlink():
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # there are none, or others have done it
        ours = [one for one in finished.iterdir() if one.name.startswith(target.name)]
        for one in sorted(ours, key=lambda one: (one.name == target.name, one.name)):
            one.replace(target.with_name(one.name))
        finished.rmdir()


def _finished(target: pathlib.Path) -> pathlib.Path:
    """Return where files are for the moment in which they take their places."""
    return target.parent / f".{target.name}.finished"


def open_locked(made: pathlib.Path, target: pathlib.Path) -> BinaryIO:
    """Open a file for writing, empty it, and keep others out of it while it is open.

    Raises:
        OSError: it cannot be opened.
        Locked: another process has it.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        file = os.fdopen(os.open(made, flags, 0o666), "wb")
        try:
            if fcntl is not None:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), made.stat()):  # else it was put in its place meanwhile
                file.truncate()
                return file
        except BlockingIOError as error:
            file.close()
            raise Locked(f"another process is writing {target}: wait for it, or name another output") from error
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()


def checksums(path: pathlib.Path, sizes: Sequence[int], start: int = 0) -> Iterator[int]:
    """Yield the checksums of parts of a file that stand one behind the other.

    Raises:
        OSError: the file is not there, or too short.
    """
    with path.open("rb") as file:
        file.seek(start)
        for size in sizes:
            checksum, left = xxhash.xxh3_64(), size
            while left:
                data = file.read(min(left, PIECE))
                if not data:
                    raise OSError(f"{path} is too short")
                checksum.update(data)
                left -= len(data)
            yield checksum.intdigest()


def checksum_of_file(path: pathlib.Path) -> int:
    """Return the checksum of a whole file."""
    return next(checksums(path, [path.stat().st_size]))
