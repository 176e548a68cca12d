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
from dedup.formats.outputs import CODEC, WRITTEN
from dedup.formats.sinks import Checksum, Listed
from dedup.publishing import fetched, published
from dedup.rejoining import rejoin
from dedup.run import LISTS, OUTPUTS, REJECTS_FILE, REMOVALS_FILE, SUMMARY_FILE, beside, raw_bytes
from dedup.store import (
    REMOVED,
    atomic_directory,
    atomic_file,
    check_kind,
    check_name,
    check_replaceable,
    settle,
    summary_in,
    told_when_full,
)
from dedup.urls import Url, is_url, local_path, name_of

KEPT = (REMOVALS_FILE, REJECTS_FILE)
# What the system answers to names that no file of an output has.
BAD_NAME = {errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}


def undo(cleaned: str | os.PathLike[str], out: str | os.PathLike[str]) -> pathlib.Path:
    """Restore what ``clean`` was given, byte for byte (tables: their values).

    A compressed file is compressed as it was, but by this package: it holds the same bytes, and may be of another size.

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
    settle(source)
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
        written, lists = read_written(source / SUMMARY_FILE)
        check_replaceable(target, "restored")
        with atomic_directory(target) as made:
            for name, rows in removals_by_file({name: source / name for name in KEPT}, written, lists):
                path = made / name
                if not path.resolve().is_relative_to(made.resolve()):
                    raise Corrupt(f"{source / REMOVALS_FILE}: {name} would leave the output directory")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    restore(source / name, source / REMOVED / name, written.get(name), rows, file)
        return target
    written, lists = read_written(beside(source, SUMMARY_FILE))
    check_file(source, target)
    with told_when_full(target), atomic_file(target) as file:
        for name, rows in removals_by_file({name: beside(source, name) for name in KEPT}, written, lists):
            restore(source, beside(source, f"{REMOVED}{source.suffix}"), written.get(name), rows, file)
    return target


def check_file(source: pathlib.Path, target: pathlib.Path) -> None:
    """Check that a restored file takes the place of no other that was cleaned, whose removals would be in vain.

    Raises:
        StoreError: it would.
    """
    check_name(str(target))
    try:
        summary = summary_in(beside(target, SUMMARY_FILE).read_bytes())
    except (OSError, ValueError):
        return
    if summary is not None and target.exists() and not target.samefile(source):
        check_kind(str(target), summary, "restored")


def read_written(path: pathlib.Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Read size and checksum of each file that ``clean`` wrote, and of the lists of removals, from the summary."""
    try:
        summary = json.loads(path.read_bytes())
        written: Any = summary[OUTPUTS]
        lists: Any = summary.get(LISTS, {})  # those of older versions do not tell
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: without it nothing can be restored") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Corrupt(f"{path} is damaged, or not of a cleaned corpus") from error
    whole = isinstance(written, dict) and isinstance(lists, dict)
    if not whole or not all(isinstance(one, dict) for one in written.values()):
        raise Corrupt(f"{path} is damaged, or not of a cleaned corpus")
    return cast("dict[str, dict[str, Any]]", written), lists


def removals_by_file(
    paths: dict[str, pathlib.Path], written: Iterable[str], lists: dict[str, Any]
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Read removals and rejects in the order in which they were made, output file by output file.

    Args:
        paths: of the lists, by name.
        written: names of the output files.
        lists: what the summary tells of the lists.
    """
    seen = set()
    each = (read_rows(path, lists.get(name)) for name, path in paths.items())
    rows = heapq.merge(*each, key=itemgetter("seq"))
    for name, of_file in itertools.groupby(rows, itemgetter("file")):
        seen.add(name)
        yield name, of_file
    for name in written:
        if name not in seen:
            yield name, iter(())


def read_rows(path: pathlib.Path, told: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Read JSON lines that ``clean`` wrote.

    Args:
        path: the file.
        told: what the summary tells of it; None where it does not.

    Raises:
        NotFound: there is no such file.
        Corrupt: a line is no JSON, or, at the end, they are not those that were written.
    """
    listed = Listed()
    try:
        with path.open("rb") as file:
            for line in file:
                listed.add(line)
                try:
                    yield msgspec.json.decode(line)
                except msgspec.DecodeError:  # the name of a file need not be UTF-8
                    yield json.loads(line)
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: without it nothing can be restored") from error
    except ValueError as error:
        raise Corrupt(f"{path} is damaged: {error}") from error
    if told is not None and told != listed.as_dict():
        raise Corrupt(f"{path} is not what was written: it was changed, or lines are missing")


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
    other = Corrupt(f"{path} is not what was written with these removals: clean again")
    is_there = written is not None and written.get(WRITTEN, True)
    expected = {name: (written or {}).get(name) for name in Checksum().as_dict()} if is_there else Checksum().as_dict()
    with contextlib.ExitStack() as stack:
        source: BinaryIO | Decompressed = io.BytesIO()
        codec: Codec | None = None
        if is_there:
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError as error:
                raise Corrupt(f"{path} is missing: it was written with the others") from error
            source, codec = open_stream(file)
        if written is not None and CODEC in written:
            codec = written[CODEC]
        sink = compress_to(target, codec)
        position = 0
        checksum = Checksum()
        for row in rows:
            if "offset" not in row:
                raise other
            position += copy(source, sink, row["offset"] - position, checksum)
            if position != row["offset"]:
                raise other
            sink.write(raw_bytes(row))
            position += copy(source, None, row.get("added", 0), checksum)
        copy(source, sink, None, checksum)
        if checksum.as_dict() != expected:
            raise other
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
