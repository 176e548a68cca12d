"""Tables in memory in: iterables of dicts, and anything with ``__arrow_c_stream__``."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import pyarrow as pa

from dedup.arrays import I64, U8
from dedup.errors import InputError, SchemaError
from dedup.formats.base import Chunk, Parsed, pack
from dedup.schema import Documents, Reject
from dedup.settings import Settings

ROWS = 4096  # dicts a chunk; the bytes they hold are not known before they are read


class Records:
    """An iterable of dicts; read once, and kept if it is to be cleaned."""

    path = "<records>"
    name = ""
    size: int | None = None

    def stamp(self) -> None:
        """Tables in memory are not read again by another process."""

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
    if name is not None and not is_word(name):
        raise ValueError(f"field {settings.id!r} is neither a string nor a number")
    others = [record.get(settings.source), record.get(settings.newest) if settings.newest else None]
    words = (str(number) if name is None else str(name), *(str(v) if is_word(v) else None for v in others))
    for word in filter(None, words):
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"a field holds a lone surrogate at character {error.start}") from error
    return data, words


def is_word(value: object) -> bool:
    """Whether a value is a string or a number, and not NaN or infinite."""
    if isinstance(value, str | int):
        return not isinstance(value, bool)
    return isinstance(value, numbers.Integral) or (isinstance(value, numbers.Real) and math.isfinite(value))


class ArrowTable:
    """Anything that speaks the Arrow PyCapsule interface: pyarrow, pandas, polars, DuckDB and others."""

    path = "<table>"
    name = ""
    size: int | None = None

    def stamp(self) -> None:
        """Tables in memory are not read again by another process."""

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
        texts = None if holds_numbers(part[settings.text].type) else as_strings(part[settings.text])
        if texts is None:
            raise InputError(f"column {settings.text!r} is {part[settings.text].type}, not a string", self.path)
        names = as_strings(part[settings.id]) if settings.id in part.column_names else None
        others = [
            as_strings(part[name]) if name in part.column_names else None for name in (settings.source, settings.newest)
        ]
        rows = np.arange(chunk.line, chunk.line + part.num_rows)
        rejects: list[Reject] = []
        if texts.null_count:
            valid = texts.is_valid().to_numpy(zero_copy_only=False)
            message = f"column {settings.text!r} is null"
            rejects += [Reject(self._file, int(n), self.path, message, b"") for n in rows[~valid]]
            mask = pa.array(valid)
            texts, rows = texts.filter(mask), rows[valid]
            names = None if names is None else names.filter(mask)
            others = [None if column is None else column.filter(mask) for column in others]
        row_names = pa.array(rows).cast(pa.large_string())
        names = row_names if names is None else names.fill_null(row_names)
        nothing = pa.nulls(len(rows), pa.large_string())
        data, bounds = utf8_of(texts)
        filled = (nothing if column is None else column for column in others)
        return Parsed(Documents(names, data, bounds, *filled), rejects)


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether a column holds numbers or times."""
    kind = value_type(kind)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind))


def as_strings(column: pa.ChunkedArray) -> pa.LargeStringArray | None:
    """Return a column as one array of strings, None if it holds neither strings nor numbers."""
    kind = value_type(column.type)
    types = pa.types
    if holds_numbers(kind) or types.is_null(kind):
        column = column.cast(kind)
        if types.is_floating(kind):
            import pyarrow.compute as pc

            column = pc.if_else(pc.is_nan(column), None, column)
        column = column.cast(pa.string())
    elif not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        return None
    chunks = [chunk.cast(pa.large_string()) for chunk in column.chunks]
    return cast("pa.LargeStringArray", pa.concat_arrays(chunks or [pa.nulls(0, pa.large_string())]))


def utf8_of(array: pa.LargeStringArray) -> tuple[U8, I64]:
    """Return an array's UTF-8 and int64[n + 1], where each string begins in it."""
    if len(array) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]]
    return data, bounds - bounds[0]
