"""An output of ``clean`` in; what went into it out, byte for byte."""

from __future__ import annotations

import contextlib
import errno
import heapq
import io
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, BinaryIO, cast

import msgspec

from dedup.errors import Corrupt, NotFound
from dedup.formats.compression import Codec, Decompressed, compress_to, open_stream
from dedup.formats.sinks import Checksum
from dedup.publishing import fetched, published
from dedup.rejoining import rejoin
from dedup.run import REJECTS_FILE, REMOVALS_FILE, SUMMARY_FILE, beside, raw_bytes
from dedup.store import (
    REMOVED,
    atomic_directory,
    atomic_file,
    check_kind,
    check_replaceable,
    summary_in,
    told_when_full,
)
from dedup.urls import Url, is_url, local_path, name_of

# What the system answers to names that no file of an output has.
BAD_NAME = {errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}


def undo(cleaned: str | os.PathLike[str], out: str | os.PathLike[str]) -> pathlib.Path:
    """Restore what ``clean`` was given, byte for byte (compressed files: the bytes they hold; tables: their values).

    Args:
        cleaned: an output of ``clean``, file, directory or URL, not edited since.
        out: where the restored file or directory goes, a path or URL; a directory must be empty, if it is there.

    Returns:
        ``out``, as a path, or as the URL that it is.

    Raises:
        NotFound: there is no such output, or its removals are missing.
        Corrupt: the output is not what ``clean`` wrote.
        StoreError: ``out`` cannot be written.
    """
    if is_url(cleaned):
        besides = (REMOVALS_FILE, REJECTS_FILE, f"{REMOVED}{pathlib.PurePath(name_of(os.fspath(cleaned))).suffix}")
        with fetched(os.fspath(cleaned), besides) as copy_of:
            return undo(copy_of, out)
    source, target = (pathlib.Path(local_path(os.fspath(one))) for one in (cleaned, out))
    if is_url(out) and source.exists():
        with published(os.fspath(out), "restored", single=not source.is_dir()) as made:
            undo(source, made)
        return cast("pathlib.Path", Url(os.fspath(out)))
    if not source.exists():
        raise NotFound(f"{source} does not exist")
    with told_when_nonsense(source):
        return put_back(source, target)


@contextlib.contextmanager
def told_when_nonsense(source: pathlib.Path) -> Iterator[None]:
    """Say what an output is whose removals, rejects or summary hold what ``clean`` never writes.

    Raises:
        Corrupt: they do.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in BAD_NAME:
            raise
        told = f"{type(error).__name__}: {error}"
        raise Corrupt(f"{source} does not hold what was written with its removals ({told}): clean again") from error


def put_back(source: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """Write the output ``source`` with what was removed; see ``undo``."""
    if source.is_dir():
        written = read_written(source / SUMMARY_FILE)
        check_replaceable(target, "restored")
        with atomic_directory(target) as made:
            for name, rows in removals_by_file([source / REMOVALS_FILE, source / REJECTS_FILE], written):
                path = made / name
                if not path.resolve().is_relative_to(made.resolve()):
                    raise Corrupt(f"{source / REMOVALS_FILE}: {name} would leave the output directory")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    restore(source / name, source / REMOVED / name, written.get(name), rows, file)
        return target
    written = read_written(beside(source, SUMMARY_FILE))
    check_file(source, target)
    with told_when_full(target), atomic_file(target) as file:
        for name, rows in removals_by_file([beside(source, REMOVALS_FILE), beside(source, REJECTS_FILE)], written):
            restore(source, beside(source, f"{REMOVED}{source.suffix}"), written.get(name), rows, file)
    return target


def check_file(source: pathlib.Path, target: pathlib.Path) -> None:
    """Check that a restored file takes the place of no other that was cleaned, whose removals would be in vain.

    Raises:
        StoreError: it would.
    """
    try:
        summary = summary_in(beside(target, SUMMARY_FILE).read_bytes())
    except (OSError, ValueError):
        return
    if summary is not None and target.exists() and not target.samefile(source):
        check_kind(str(target), summary, "restored")


def read_written(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Read size and checksum of each file that ``clean`` wrote, from the summary beside them."""
    try:
        written: Any = json.loads(path.read_bytes())["outputs"]
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: without it nothing can be restored") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Corrupt(f"{path} is damaged, or not of a cleaned corpus") from error
    if not isinstance(written, dict) or not all(isinstance(one, dict) for one in written.values()):
        raise Corrupt(f"{path} is damaged, or not of a cleaned corpus")
    return cast("dict[str, dict[str, Any]]", written)


def removals_by_file(
    paths: list[pathlib.Path], written: Iterable[str]
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Read removals and rejects in the order in which they were made, output file by output file."""
    seen = set()
    rows = heapq.merge(*map(read_rows, paths), key=itemgetter("seq"))
    for name, of_file in itertools.groupby(rows, itemgetter("file")):
        seen.add(name)
        yield name, of_file
    for name in written:
        if name not in seen:
            yield name, iter(())


def read_rows(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Read JSON lines that ``clean`` wrote.

    Raises:
        NotFound: there is no such file.
        Corrupt: a line is no JSON.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield msgspec.json.decode(line)
                except msgspec.DecodeError:  # the name of a file need not be UTF-8
                    yield json.loads(line)
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: without it nothing can be restored") from error
    except ValueError as error:
        raise Corrupt(f"{path} is damaged: {error}") from error


def restore(
    path: pathlib.Path,
    removed: pathlib.Path,
    written: dict[str, Any] | None,
    rows: Iterable[dict[str, Any]],
    target: BinaryIO,
) -> None:
    """Write a file with what was removed from it, where it was: a table (told by its ``groups``) or bytes.

    Args:
        path: the file.
        removed: where the rows removed from a table stand.
        written: what the summary tells of it; None where there was none to write.
        rows: what was removed from it.
        target: where the file goes.

    Raises:
        Corrupt: the file does not hold what was written.
    """
    if written is not None and "groups" in written:
        rejoin(path, removed, written, rows, target)
    else:
        restore_bytes(path, written, rows, target)


def restore_bytes(
    path: pathlib.Path, written: dict[str, Any] | None, rows: Iterable[dict[str, Any]], target: BinaryIO
) -> None:
    """Copy a file, putting the removed bytes back where they were.

    Args:
        path: the file.
        written: size and checksum of what it held when it was written; None where there was none to write.
        rows: what was removed from it.
        target: where the copy goes.

    Raises:
        Corrupt: the file does not hold what was written.
    """
    with contextlib.ExitStack() as stack:
        source: BinaryIO | Decompressed = io.BytesIO()
        codec: Codec | None = None
        if written is not None:
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError as error:
                raise Corrupt(f"{path} is missing: it was written with the others") from error
            source, codec = open_stream(file)
        sink = compress_to(target, codec)
        position = 0
        checksum = Checksum()
        for row in rows:
            if "offset" not in row:
                raise Corrupt(f"{path} is not what was written with these removals: clean again")
            position += copy(source, sink, row["offset"] - position, checksum)
            sink.write(raw_bytes(row))
            position += copy(source, None, row.get("added", 0), checksum)
        copy(source, sink, None, checksum)
        if checksum.as_dict() != (written or Checksum().as_dict()):
            raise Corrupt(f"{path} is not what was written with these removals: clean again")
        if sink is not target:
            sink.close()


def copy(source: BinaryIO | Decompressed, target: BinaryIO | None, count: int | None, checksum: Checksum) -> int:
    """Copy ``count`` bytes, or all, or pass over them where there is no target; return how many there were."""
    done = 0
    while count is None or done < count:
        data = source.read(1 << 20 if count is None else min(1 << 20, count - done))
        if not data:
            break
        if target is not None:
            target.write(data)
        checksum.add(data)
        done += len(data)
    return done
