"""Files of tables in; their rows in chunks, and the same tables without what was cut, out."""

from __future__ import annotations

import abc
import contextlib
import copy
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, BinaryIO, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa

from dedup.errors import InputError, NotFound
from dedup.formats.base import Chunk, Cut, Edited, Parsed, Removed, printable, size_of, stamp_of
from dedup.formats.layout import filter_rows, row_bytes
from dedup.formats.sinks import Checked
from dedup.formats.tables import (
    as_strings,
    as_type,
    check_columns,
    documents_of,
    edits_of,
    encode,
    fate_of,
    field_names,
    mended,
    splice,
)
from dedup.ranges import opened as opened_url
from dedup.ranges import opened_at_random
from dedup.settings import Settings
from dedup.store import REMOVED
from dedup.urls import is_url, name_of


class Group(NamedTuple):
    """A row group of Parquet or a batch of Arrow, or some of its rows.

    Attributes:
        number: which of the file, from 0.
        rows: the rows.
        metadata: what the file tells of this group alone.
    """

    number: int
    rows: pa.RecordBatch
    metadata: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """What is left of some rows of a group; as long as the rows that stay.

    Attributes:
        group: number of the group.
        metadata: what the file tells of it.
        rows: how many rows there were.
        kept: those that stay, as they are to be.
        gone: those that are removed whole, as they were; None where there are none.
    """

    group: int
    metadata: Any
    rows: int
    kept: pa.Table
    gone: pa.Table | None = None

    def __len__(self) -> int:
        return int(self.kept.num_rows)


class TableWriter(Protocol):
    """Writes a file of tables."""

    def write(self, rows: pa.Table, metadata: Any) -> None:
        """Write a group, and what is to be told of it."""
        ...

    def close(self) -> None:
        """Write what ends the file."""
        ...

    def drop(self) -> None:
        """Give up."""
        ...


class Columnar(abc.ABC):
    """A file of tables that is read and written group by group.

    Attributes:
        path: what to call it in messages.
        name: name of its output.
        size: bytes as stored.
        schema: of its tables.
        chosen: names of the columns that are read; None for all.
        lent: what has to last as long as the reader, a temporary file say.
        one_dictionary: whether a column has one dictionary, whatever the group.
        suffixes: what names of such files end in; the first is what new ones get.
        kind: the format, in a word.
    """

    suffixes: tuple[str, ...]
    kind: str
    schema: pa.Schema
    lent: object = None
    one_dictionary = False

    def __init__(self, path: str, file: int) -> None:
        self.path = printable(path)
        self.name = name_of(path)
        self.size: int | None = size_of(path)
        self._path = path
        self._file = file
        self.chosen: list[str] | None = None

    def stamp(self) -> str | None:
        """Return what changes when the file does."""
        return stamp_of(self._path)

    @abc.abstractmethod
    def groups(self, size: int) -> Iterator[tuple[Group, int]]:
        """Read the groups, or parts of them that are at hand, of about ``size`` bytes or less if that can be.

        With each comes how many bytes of the file have been read.

        Raises:
            InputError: the file is damaged.
        """

    @abc.abstractmethod
    def writer(self, file: Checked, text: str) -> TableWriter:
        """Begin a file like this one, whose column of texts may change."""

    def narrowed(self, settings: Settings) -> Self:
        """Return a reader of those columns only that scanning needs.

        Raises:
            InputError: they are missing, or of a type that cannot be used.
        """
        check_columns(self.schema, self.path, settings)
        one = copy.copy(self)
        one.chosen = [name for name in self.schema.names if name in field_names(settings)]
        return one

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Take runs of rows, of groups or parts of them."""
        return runs(self.groups(size), size, self._file)

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the documents of rows."""
        return documents_of(
            table_of(chunk.data), chunk.line, self._file, self.path, f"{printable(self.name)}:", settings
        )

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of texts, and rows."""
        texts, kept, touched = pa.nulls(0, pa.large_string()), np.ones(chunk.records, np.bool_), np.empty(0, np.int64)
        removed: list[Removed] = []
        if any(cuts) or rejected:
            texts = as_strings(table_of(chunk.data)[settings.text])
            kept, touched, spans, removed = fate_of(chunk, self.name, cuts, rejected, texts, aside=True)
            texts = splice(texts, edits_of(touched, spans))
        pieces: list[tuple[str, Piece]] = []
        start = 0
        for number, parts in itertools.groupby(chunk.data, attrgetter("number")):
            first, *others = parts
            table = table_of([first, *others])
            stop = start + table.num_rows
            stay = kept[start:stop]
            left = filter_rows(valid_dictionary(table, settings.text), stay)
            if np.searchsorted(touched, start) < np.searchsorted(touched, stop):
                changed = texts.slice(start, stop - start).filter(pa.array(stay))
                left = with_texts(left, settings.text, changed, self.path)
            gone = None if stay.all() else filter_rows(table, ~stay)
            pieces.append((self.name, Piece(number, first.metadata, stop - start, left, gone)))
            start = stop
        return Edited(pieces, removed)

    def sink(self, file: BinaryIO, removed: BinaryIO | None, settings: Settings) -> TableSink:
        """Begin an output; ``removed`` takes the rows that are removed whole, None to let them go."""
        return TableSink(self, file, removed, settings.text)


def read_anywhere(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a file or URL to be read here and there."""
    return opened_at_random(path) if is_url(path) else open(path, "rb")


@contextlib.contextmanager
def arrow_file(path: str, *, ahead: bool = False) -> Iterator[pa.NativeFile]:
    """Open a file or URL for Arrow to read.

    Args:
        path: the file.
        ahead: whether it is read from its begin to its end, so that it pays to read ahead.
    """
    if not is_url(path):
        with pa.OSFile(os.fsencode(path)) as file:
            yield file
        return
    with opened_url(path) if ahead else opened_at_random(path) as remote, pa.PythonFile(remote, "r") as file:
        yield file


def runs(groups: Iterable[tuple[Group, int]], size: int, file: int) -> Iterator[Chunk]:
    """Gather groups, or parts of them, into chunks of about ``size`` bytes.

    Args:
        groups: each with how many bytes of the input have been read with it.
        size: bytes that the rows of a chunk take.
        file: number of the input.
    """
    line, rows, held, read = 1, 0, 0.0, 0
    parts: list[Group] = []
    for group, read in groups:
        ends = np.cumsum(row_bytes(group.rows))
        start, count = 0, group.rows.num_rows
        while True:
            before = float(ends[start - 1]) if start else 0.0
            stop = min(count, int(np.searchsorted(ends, before + size - held)) + 1)
            whole = stop - start == count
            parts.append(group if whole else group._replace(rows=group.rows.slice(start, stop - start)))
            held += float(ends[stop - 1]) - before if count else 1.0
            rows += stop - start
            if held >= size:
                yield Chunk(file, line, rows, parts, read)
                line, rows, held, parts = line + rows, 0, 0.0, []
            start = stop
            if start == count:
                break
    if parts:
        yield Chunk(file, line, rows, parts, read)


def table_of(parts: Sequence[Group]) -> pa.Table:
    """Put groups together."""
    return pa.Table.from_batches([part.rows for part in parts])


def valid_dictionary(table: pa.Table, name: str) -> pa.Table:
    """Return a table whose texts, if they are in a dictionary, have none there that is no UTF-8.

    Rows with such texts are set aside, but the dictionary would be passed on, and not be read again if it grew.
    """
    position = table.schema.get_field_index(name)
    field, column = table.schema.field(position), table.column(position)
    if not pa.types.is_dictionary(field.type):
        return table
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices, mended(chunk.dictionary), ordered=field.type.ordered)
        for chunk in column.chunks
    ]
    return table.set_column(position, field, pa.chunked_array(chunks, field.type))


def with_texts(table: pa.Table, name: str, texts: pa.LargeStringArray, path: str) -> pa.Table:
    """Put other texts into a table, as strings of the type that the column has."""
    position = table.schema.get_field_index(name)
    field = table.schema.field(position)
    if pa.types.is_dictionary(field.type):
        column = encode(texts, table.column(position).chunk(0).dictionary, field.type, path)
    else:
        column = as_type(texts, field.type)
    return table.set_column(position, field, column)


class TableSink:
    """An output of tables, and the file that takes the rows that were removed whole.

    A group that loses all its rows is left out, but counted among those there were.
    """

    def __init__(self, source: Columnar, file: BinaryIO, removed: BinaryIO | None, text: str) -> None:
        self._source = source
        self._text = text
        self._files = [Checked(one) for one in (file, removed) if one is not None]
        with self._writing():
            self._writers = [source.writer(one, text) for one in self._files]
        self._pieces: list[Piece] = []
        self._groups: list[list[int]] = []  # rows, and how many groups of so many rows stand one behind the other

    def write(self, piece: Piece) -> None:
        """Take some rows; groups come one behind the other."""
        if self._pieces and piece.group != self._pieces[0].group:
            self._flush()
        self._pieces.append(piece)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what Arrow says of a table that it cannot write into an error that names the file.

        Raises:
            InputError: it cannot.
        """
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # the system's own
                raise
            told = f"its tables cannot be written as {self._source.kind} again ({error}): leave out what is named"
            raise InputError(told, self._source.path) from error

    def _flush(self) -> None:
        """Write the group whose rows have come."""
        pieces, self._pieces = self._pieces, []
        rows, metadata = sum(piece.rows for piece in pieces), pieces[0].metadata
        kept = [piece.kept for piece in pieces if len(piece)] or [pieces[0].kept]
        gone = [piece.gone for piece in pieces if piece.gone is not None]
        with self._writing():
            if kept[0].num_rows or not rows:
                self._writers[0].write(pa.concat_tables(kept), metadata)
            if gone and len(self._writers) > 1:
                self._writers[1].write(pa.concat_tables(gone), metadata)
        if not self._groups or self._groups[-1][0] != rows:
            self._groups.append([rows, 0])
        self._groups[-1][1] += 1

    def close(self) -> dict[str, Any]:
        """Write the last group and what ends the files; return sizes and checksums, and the groups there were."""
        if self._pieces:
            self._flush()
        for writer in self._writers:
            writer.close()
        sums = [file.checksum.as_dict() for file in self._files]
        told = {"format": self._source.kind, "text": self._text, "groups": self._groups}
        return {**sums[0], **told, **({REMOVED: sums[1]} if len(sums) > 1 else {})}

    def drop(self) -> None:
        """Give up."""
        for writer in self._writers:
            writer.drop()


def readable(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose names are UTF-8.

    Raises:
        ValueError: one is not.
    """
    nested = list(schema)
    while nested:
        field = nested.pop()
        str.encode(field.name)  # names are decoded when they are asked for
        nested += (field.type.field(k) for k in range(field.type.num_fields))
    return schema


@contextlib.contextmanager
def reading(path: str, kind: str) -> Iterator[None]:
    """Turn what Arrow says of a file that it cannot read into an error that names the file.

    Raises:
        NotFound: the file cannot be opened.
        InputError: it is damaged, or of a kind that Arrow does not read.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        if isinstance(error, OSError) and error.errno:
            raise NotFound(f"cannot read {path}: {error.strerror}") from error
        told = " ".join(str(error).split()) or type(error).__name__
        if "crypt" in told:
            raise InputError(f"this {kind} file is encrypted: decrypt it first ({told})", path) from error
        if "UTF8" in told:
            raise InputError(
                f"strings in this {kind} file are not UTF-8 ({told}): write their column anew", path
            ) from error
        raise InputError(
            f"this {kind} file is cut off, damaged, or of a kind that is not read ({told}): write it anew", path
        ) from error
