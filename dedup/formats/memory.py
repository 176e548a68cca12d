"""Tables in memory in: iterables of dicts, and anything with ``__arrow_c_stream__``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa

from dedup.arrays import I64, U8
from dedup.errors import InputError, SchemaError
from dedup.formats.base import Chunk, Cut, Edited, Parsed, pack
from dedup.schema import Documents, Reject
from dedup.settings import Settings

ROWS = 4096  # dicts a chunk; the bytes they hold are not known before they are read


class Records:
    """An iterable of dicts; read once, and kept if it is to be cleaned."""

    path = "<records>"
    name = ""
    size: int | None = None

    def __init__(self, records: Iterable[Mapping[str, Any]], file: int) -> None:
        self._records = records
        self._file = file

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Take runs of records."""
        iterator = iter(self._records)
        first = 1
        while batch := list(itertools.islice(iterator, ROWS)):
            yield Chunk(self._file, first, len(batch), batch, 0)
            first += len(batch)

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the fields of records."""
        texts: list[bytes] = []
        fields: tuple[list[str | None], ...] = ([], [], [])
        rejects: list[Reject] = []
        for number, record in enumerate(chunk.data, chunk.line):
            try:
                text, others = read_record(record, number, settings)
            except ValueError as error:
                rejects.append(Reject(self._file, number, self.path, str(error), repr(record).encode(errors="replace")))
                continue
            texts.append(text)
            for column, value in zip(fields, others, strict=True):
                column.append(value)
        return Parsed(pack(texts, *fields), rejects)

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Not used: ``cut_record`` edits records one by one."""
        raise NotImplementedError


def read_record(record: Mapping[str, Any], number: int, settings: Settings) -> tuple[bytes, tuple[str | None, ...]]:
    """Return a record's text and its id, source and age.

    Raises:
        ValueError: a field is missing or of a wrong type; the message says which.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"a dict is expected, not {type(record).__name__}")
    if settings.text not in record:
        raise SchemaError(settings.text, [str(key) for key in record])
    text = record[settings.text]
    if not isinstance(text, str):
        raise ValueError(f"field {settings.text!r} is no string")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"field {settings.text!r} holds a lone surrogate at character {error.start}") from error
    name = record.get(settings.id)
    if name is not None and (isinstance(name, bool) or not isinstance(name, str | int | float)):
        raise ValueError(f"field {settings.id!r} is neither a string nor a number")
    others = [record.get(settings.source), record.get(settings.newest) if settings.newest else None]
    return data, (str(number) if name is None else str(name), *(None if v is None else str(v) for v in others))


class ArrowTable:
    """Anything that speaks the Arrow PyCapsule interface: pyarrow, pandas, polars, DuckDB and others."""

    path = "<table>"
    name = ""
    size: int | None = None

    def __init__(self, table: Any, file: int) -> None:
        self.table = pa.table(table) if not isinstance(table, pa.Table) else table
        self._file = file

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Take runs of rows."""
        rows = max(1, self.table.num_rows)
        step = max(1, size * rows // max(1, self.table.nbytes))
        for first in range(0, self.table.num_rows, step):
            part = self.table.slice(first, step)
            yield Chunk(self._file, first + 1, part.num_rows, part, 0)

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the columns of rows."""
        part: pa.Table = chunk.data
        if settings.text not in part.column_names:
            raise SchemaError(settings.text, part.column_names, self.path)
        texts = as_strings(part[settings.text])
        if texts is None:
            raise InputError(f"column {settings.text!r} is {part[settings.text].type}, not a string", self.path)
        names = as_strings(part[settings.id]) if settings.id in part.column_names else None
        others = [
            as_strings(part[name]) if name in part.column_names else None for name in (settings.source, settings.newest)
        ]
        numbers = np.arange(chunk.line, chunk.line + part.num_rows)
        rejects: list[Reject] = []
        if texts.null_count:
            valid = texts.is_valid().to_numpy(zero_copy_only=False)
            message = f"column {settings.text!r} is null"
            rejects += [Reject(self._file, int(n), self.path, message, b"") for n in numbers[~valid]]
            mask = pa.array(valid)
            texts, numbers = texts.filter(mask), numbers[valid]
            names = None if names is None else names.filter(mask)
            others = [None if column is None else column.filter(mask) for column in others]
        rows = pa.array(numbers).cast(pa.large_string())
        names = rows if names is None else pa.compute.coalesce(names, rows)
        nothing = pa.nulls(len(rows), pa.large_string())
        data, bounds = utf8_of(texts)
        filled = (nothing if column is None else column for column in others)
        return Parsed(Documents(names, data, bounds, *filled), rejects)

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Not used: ``clean`` edits tables as a whole."""
        raise NotImplementedError


def as_strings(column: pa.ChunkedArray) -> pa.LargeStringArray | None:
    """Return a column as one array of strings, None if it holds neither strings nor numbers."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    types = pa.types
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_temporal(kind) or types.is_null(kind)):
            return None
        column = column.cast(pa.string())
    return cast(
        "pa.LargeStringArray",
        pa.concat_arrays([c.cast(pa.large_string()) for c in column.chunks] or [pa.nulls(0, pa.large_string())]),
    )


def utf8_of(array: pa.LargeStringArray) -> tuple[U8, I64]:
    """Return an array's UTF-8 and int64[n + 1], where each string begins in it."""
    if len(array) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]]
    return data, bounds - bounds[0]


def cut_text(data: bytes, cut: Cut) -> str:
    """Cut spans out of a text given in UTF-8."""
    kept, end = [], 0
    for start, stop in cast("Sequence[tuple[int, int]]", cut or ()):
        kept.append(data[end:start])
        end = stop
    return b"".join([*kept, data[end:]]).decode()
