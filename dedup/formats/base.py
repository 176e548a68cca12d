"""The protocol every format follows, and what passes through it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import numpy as np
import pyarrow as pa
import xxhash

from dedup.arrays import I64
from dedup.errors import NotFound
from dedup.formats.stdin import standard_input
from dedup.ranges import opened as opened_url
from dedup.remote import size_of as size_of_url
from dedup.remote import stamp_of as stamp_of_url
from dedup.remote import stamps_of
from dedup.schema import Documents, Reject
from dedup.settings import Settings
from dedup.urls import hide, is_url

LONGEST = 1 << 27  # bytes of the longest record that is read; a hostile file can hold any number in a few
# What to cut from a document: nothing, all of it, or spans of its UTF-8 (start, end), ascending and apart.
Cut = None | bool | Sequence[tuple[int, int]]


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole records of one input, as they stand there.

    Attributes:
        file: number of the input.
        line: 1-based number of the first record.
        records: how many there are at most (blank lines included).
        data: the records; what they are is the format's business.
        read: bytes of the input consumed so far, as stored.
        damage: why ``data``, perhaps empty, are one record that cannot be read (the input ends in it too early, or it
            cannot be held), or None. Of a record that cannot be held they may be a part: ``records`` is 0 for all parts
            but the first.
        kept: records of the input that stay before it; known where it is edited.
    """

    file: int
    line: int
    records: int
    data: Any
    read: int
    damage: str | None = None
    kept: int = 0


class Parsed(NamedTuple):
    """The documents of a chunk and the records that are none."""

    documents: Documents
    rejects: list[Reject]


BETWEEN = -2  # no document: what parts two records


class Removed(NamedTuple):
    """What editing took out.

    Attributes:
        name: the output it belongs to.
        offset: where it would have to be inserted, in bytes: in that piece of the output, or in a cell of it.
        raw: the bytes; none for whole rows of a table, which rest in a file of their own.
        doc: which document of the chunk, -1 for a rejected record, BETWEEN for what parts records.
        span: which of its spans; -1 for the whole record.
        row: in tables, the row of the piece whose cell was cut, or before which the removed row stood; else None.
        added: bytes of the output, from ``offset`` on, that stand there in their place.
    """

    name: str
    offset: int
    raw: bytes
    doc: int
    span: int
    row: int | None = None
    added: int = 0


class Edited(NamedTuple):
    """A chunk without what was cut, and what is gone.

    Attributes:
        pieces: for each output what its sink writes: bytes, or rows of a table. As long as the bytes or rows it adds.
        removed: what is gone, in the order of the output.
    """

    pieces: list[tuple[str, Any]]
    removed: list[Removed]


class Input(Protocol):
    """One input: a file, a tree, standard input or a table in memory.

    Attributes:
        path: what to call it in messages.
        size: bytes as stored, None if unknown.
        name: name of its output, or of the directory of its outputs.
    """

    path: str
    size: int | None
    name: str

    def stamp(self) -> str | None:
        """Return what changes when the input does; None where it cannot be read again."""
        ...

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole records of about ``size`` bytes."""
        ...

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the documents of a chunk; pure, called from several threads."""
        ...


class Tree(Input, Protocol):
    """An input that is many files of a directory, each of them a record.

    Attributes:
        files: their paths below the directory, sorted.
    """

    files: Sequence[str]

    def only(self, files: Sequence[str]) -> Input:
        """Return an input of the same name that is some of these files."""
        ...


class File(Input, Protocol):
    """An input that is written again without what was cut; tables in memory are cleaned as they are."""

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans and records; ``rejected`` are the numbers of records that ``parse`` could not use."""
        ...


class Inputs(list[Input]):
    """Inputs, in order.

    Attributes:
        ignored: how many files of directories and patterns are of no format that is read, by their suffixes.
    """

    def __init__(self, inputs: Iterable[Input] = (), ignored: dict[str, int] | None = None) -> None:
        super().__init__(inputs)
        self.ignored = ignored or {}
        self._stamps: dict[int, tuple[Input, str | None]] = {}

    def stamp(self, one: Input) -> str | None:
        """Return the stamp of an input, or of a part of one, as it was when it was asked for first.

        Of an object in a store that takes a request.
        """
        if id(one) not in self._stamps:
            self._stamps[id(one)] = one, one.stamp()
        return self._stamps[id(one)][1]


def chunks_of(inputs: Iterable[Input], size: int) -> Iterator[tuple[int, Chunk]]:
    """Read inputs one behind the other, numbered; ``read`` of their chunks counts through all of them."""
    before = 0
    for number, source in enumerate(inputs):
        read = 0
        for chunk in source.chunks(size):
            read = chunk.read
            yield number, dataclasses.replace(chunk, read=before + read)
        before += read if source.size is None else source.size


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file or URL for reading, and nothing else; ``-`` is standard input.

    Raises:
        NotFound: it cannot be opened or, later on, read.
    """
    if is_url(path):
        with opened_url(path) as remote:
            yield remote
        return
    try:
        file = standard_input() if path == "-" else open(path, "rb")  # noqa: SIM115 - standard input stays open
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    with contextlib.nullcontext(file) if path == "-" else file:
        try:
            yield file
        except OSError as error:
            raise unreadable(path, error) from error


def size_of(path: str) -> int | None:
    """Return the bytes of a file as stored, None for standard input.

    Raises:
        NotFound: it is not there.
    """
    if is_url(path):
        return size_of_url(path)
    try:
        return None if path == "-" else os.stat(path).st_size
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: Exception) -> NotFound:
    """Say that a file, directory or standard input (``-``) cannot be read."""
    return NotFound(f"cannot read {told(path)}: {getattr(error, 'strerror', None) or error}")


def stamp_of(path: str | os.PathLike[str]) -> str | None:
    """Return what changes when a file does; None for standard input (``-``), pipes and the like.

    Raises:
        NotFound: it is not there.
    """
    if path == "-":
        return None
    if is_url(path):
        return stamp_of_url(os.fspath(path))
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise unreadable(os.fspath(path), error) from error
    return f"{status.st_size}-{status.st_mtime_ns}" if stat.S_ISREG(status.st_mode) else None


def stamp_of_all(folder: str, names: Iterable[str]) -> str:
    """Return what changes when one of the files of a directory does."""
    names = list(names)
    of_all = stamps_of(folder, names) if is_url(folder) else (stamp_of(os.path.join(folder, name)) for name in names)
    stamps = ((name, str(stamp)) for name, stamp in zip(names, of_all, strict=True))
    return str(xxhash.xxh3_128_hexdigest("\0".join(map("\0".join, stamps)).encode(errors="surrogateescape")))


class Sink(Protocol):
    """One output that is being written, piece by piece."""

    def write(self, piece: Any) -> None:
        """Take the next piece of what ``edit`` returned."""
        ...

    def close(self) -> dict[str, Any]:
        """Finish the output, but leave its file open; return what ``undo`` must know of it, for JSON."""
        ...

    def drop(self) -> None:
        """Give the output up: nothing is to be written any more."""
        ...


def narrow(source: Input, settings: Settings) -> Input:
    """Return an input to be scanned: of tables only the columns that are needed are read."""
    narrowed = getattr(source, "narrowed", None)
    return source if narrowed is None else cast("Input", narrowed(settings))


def printable(name: str) -> str:
    """Return the name of a file as text, also where it is no UTF-8, or that of a URL without passwords."""
    if is_url(name):
        name = hide(name)
    return name.encode(errors="backslashreplace").decode()


def told(path: str) -> str:
    """Return what to call a path in messages: ``-`` is standard input."""
    return "<stdin>" if path == "-" else printable(path)


def pack(
    texts: Sequence[bytes], ids: Sequence[str | None], sources: Sequence[str | None], ages: Sequence[str | None]
) -> Documents:
    """Put documents given one by one into columns."""
    bounds: I64 = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=bounds[1:])
    return Documents(
        pa.array(ids, pa.large_string()),
        np.frombuffer(b"".join(texts), np.uint8),
        bounds,
        pa.array(sources, pa.large_string()),
        pa.array(ages, pa.large_string()),
    )
