"""A cleaned file of tables, the rows removed from it and the list of removals in; the tables as they were out."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from dedup.arrays import I64
from dedup.errors import Corrupt, InputError
from dedup.formats.columnar import Columnar, Group, Piece, TableSink, with_texts
from dedup.formats.layout import take_rows
from dedup.formats.parquet import agree
from dedup.formats.sinks import Checksum
from dedup.formats.sniff import open_columnar
from dedup.formats.tables import as_strings, encode, splice, utf8_of
from dedup.run import raw_bytes
from dedup.store import REMOVED

Insert = tuple[int, int, bytes]  # row, where in its text, and what
ROWS = 4096  # put together at a time
SIZE = 2 << 20  # bytes read at a time, of what can be read in parts


def rejoin(
    path: pathlib.Path,
    removed: pathlib.Path,
    written: dict[str, Any],
    removals: Iterable[dict[str, Any]],
    target: BinaryIO,
) -> None:
    """Write a file of tables again with what was removed from it: value for value, group by group.

    Args:
        path: the cleaned file.
        removed: the rows removed from it.
        written: what the summary tells of the file.
        removals: what was removed, in order.
        target: where the tables go.

    Raises:
        Corrupt: the files are not what was written together.
    """
    check(path, written)
    check(removed, written[REMOVED])
    kept, gone = opened(path), opened(removed)
    agree(kept, gone)
    lines = Lines(removals)
    # a file without rows does not tell how they would be compressed
    like = next((one for one in (kept, gone) if any(group.rows.num_rows for group, _ in one.groups(SIZE))), kept)
    text = written["text"]
    sink = TableSink(like, target, None, text)
    try:
        # the rows removed have the dictionary of old
        shared = next((Rows(iter([part])).dictionary(text) for part in gone.groups(SIZE)), None)
        shared = shared if kept.one_dictionary else None
        staying, going = Groups(kept), Groups(gone)
        before = 0
        for number, size in enumerate(size for size, times in written["groups"] for _ in range(times)):
            places, inserts = lines.of_group(before, size)
            count = size - places.size
            of_kept = staying.next() if count or not size else NO_ROWS
            of_gone = going.next() if places.size else NO_ROWS
            metadata = (of_kept if count or not size else of_gone).metadata
            dictionary = shared if shared is not None else of_gone.dictionary(text)
            for table in windows(of_kept, of_gone, size, places, inserts, text, dictionary, str(path)):
                sink.write(Piece(number, metadata, table.num_rows, table))
            before += count
        lines.check_end()
        sink.close()
    except (InputError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
        raise Corrupt(f"{path} and its removals do not belong together ({error}): clean again") from error
    finally:
        sink.drop()


def opened(path: pathlib.Path) -> Columnar:
    """Open a file of tables."""
    reader = open_columnar(os.fspath(path))
    if reader is None:
        raise Corrupt(f"{path} is no file of tables")
    return reader


def check(path: pathlib.Path, written: dict[str, Any]) -> None:
    """Check that a file is what was written.

    Raises:
        Corrupt: it is not.
    """
    checksum = Checksum()
    try:
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                checksum.add(data)
    except FileNotFoundError as error:
        raise Corrupt(f"{path} is missing: it was written with the others") from error
    if checksum.as_dict() != {name: written[name] for name in checksum.as_dict()}:
        raise Corrupt(f"{path} is not what was written with these removals: clean again")


class Lines:
    """The list of removals, taken group by group."""

    def __init__(self, removals: Iterable[dict[str, Any]]) -> None:
        self._removals = iter(removals)
        self._next = next(self._removals, None)

    def of_group(self, before: int, size: int) -> tuple[I64, list[Insert]]:
        """Return what was removed from the next group.

        Args:
            before: rows that were kept of the groups before it.
            size: rows it had.

        Returns:
            int64, which of its rows were removed whole; for cells, which row, at which byte what was cut.
        """
        places: list[int] = []
        inserts: list[Insert] = []
        while self._next is not None:
            place = self._next["row"] - before + len(places)
            if place >= size:
                break
            if "offset" in self._next:
                inserts.append((place, self._next["offset"], raw_bytes(self._next)))
            else:
                places.append(place)
            self._next = next(self._removals, None)
        return np.array(places, np.int64), inserts

    def check_end(self) -> None:
        """Check that every removal has been taken.

        Raises:
            ValueError: one belongs to no group.
        """
        if self._next is not None:
            raise ValueError(f"there is no row {self._next['row']}")


class Rows:
    """The rows of a group, taken in order.

    Attributes:
        metadata: what the file tells of the group.
    """

    def __init__(self, parts: Iterator[tuple[Group, int]]) -> None:
        self._parts = (group for group, _ in parts)
        self._first = next(self._parts, None)
        self._at = 0
        self.metadata = None if self._first is None else self._first.metadata

    def dictionary(self, name: str) -> pa.Array | None:
        """Return the dictionary of a column, None where it has none."""
        column = None if self._first is None else self._first.rows.column(name)
        return column.dictionary if isinstance(column, pa.DictionaryArray) else None

    def take(self, count: int) -> pa.Table:
        """Return the next rows.

        Raises:
            ValueError: there are not so many.
        """
        taken = []
        while self._first is not None:
            part = self._first.rows.slice(self._at, count)
            taken.append(part)
            count -= part.num_rows
            self._at += part.num_rows
            if not count:
                return pa.Table.from_batches(taken)
            self._first, self._at = next(self._parts, None), 0
        raise ValueError(f"rows are missing: {count}")


NO_ROWS = Rows(iter(()))


class Groups:
    """The groups of a file, taken in order."""

    def __init__(self, reader: Columnar) -> None:
        self._groups = itertools.groupby(reader.groups(SIZE), lambda pair: pair[0].number)

    def next(self) -> Rows:
        """Return the next group.

        Raises:
            ValueError: there is none.
        """
        for _, parts in self._groups:
            return Rows(parts)
        raise ValueError("a group of rows is missing")


def windows(
    kept: Rows,
    gone: Rows,
    size: int,
    places: I64,
    inserts: list[Insert],
    text: str,
    dictionary: pa.Array | None,
    path: str,
) -> Iterator[pa.Table]:
    """Put the rows of a group together, some at a time.

    Args:
        kept: the rows that were kept.
        gone: those that were removed.
        size: how many they are together.
        places: int64, where the removed ones stood.
        inserts: for cells of those kept: where their row stood, at which byte what was cut; in order.
        text: the column of these cells.
        dictionary: what its values are to be found in, None to let it be.
        path: what to call the file in messages.
    """
    used = 0
    for start in range(0, max(size, 1), ROWS):
        stays = np.ones(min(size - start, ROWS), np.bool_)
        stays[places[np.searchsorted(places, start) : np.searchsorted(places, start + ROWS)] - start] = False
        tables = []
        if stays.any() or not size:
            table = kept.take(int(stays.sum()))
            first = used
            while used < len(inserts) and inserts[used][0] < start + ROWS:
                used += 1
            if used > first:
                row_of = np.cumsum(stays) - 1
                edits = [(int(row_of[row - start]), at, at, raw) for row, at, raw in inserts[first:used]]
                texts = as_strings(table[text])
                check_edits(texts, edits)
                table = with_texts(table, text, splice(texts, edits), path)
            tables.append(table)
        if not stays.all():
            tables.append(gone.take(int((~stays).sum())))
        order = np.empty(stays.size, np.int64)
        order[np.concatenate([np.flatnonzero(stays), np.flatnonzero(~stays)])] = np.arange(stays.size)
        table = take_rows(pa.concat_tables(tables), order)
        if dictionary is not None:
            position = table.schema.get_field_index(text)
            field = table.schema.field(position)
            column = encode(as_strings(table.column(position)), dictionary, field.type, path)
            table = table.set_column(position, field, column)
        yield table


def check_edits(texts: pa.LargeStringArray, edits: list[tuple[int, int, int, bytes]]) -> None:
    """Check that what is put into texts has a place there.

    Raises:
        ValueError: it has none, or does not stand in order.
    """
    lengths = np.diff(utf8_of(texts)[1])
    if edits != sorted(edits, key=lambda edit: edit[:2]) or any(not 0 <= at <= lengths[row] for row, at, *_ in edits):
        raise ValueError("a cut stands outside of its text")
