"""Tables in memory in, iterables of dicts and what speaks to Arrow; their documents, and what is left of them, out."""

from __future__ import annotations

import copy
import itertools
import math
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup.arrays import I64, Bool
from dedup.errors import SchemaError
from dedup.formats.base import Chunk, Cut, Edited, Parsed, Removed, pack
from dedup.formats.columnar import Group, runs, table_of
from dedup.formats.kinds import PATH, kind_of
from dedup.formats.tables import as_strings, documents_of, edits_of, fate_of, field_names, splice
from dedup.schema import Reject
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
        """Read the fields of records.

        Raises:
            SchemaError: the first ones all lack the field of texts.
        """
        texts: list[bytes] = []
        fields: tuple[list[str | None], ...] = ([], [], [])
        rejects: list[Reject] = []
        lacking: list[SchemaError] = []
        for number, record in enumerate(chunk.data, chunk.line):
            try:
                text, others = read_record(record, number, settings)
            except ValueError as error:
                if chunk.line == 1 and isinstance(error, SchemaError):
                    lacking.append(error)
                rejects.append(Reject(self._file, number, self.path, str(error), repr(record).encode(errors="replace")))
                continue
            texts.append(text)
            for column, value in zip(fields, others, strict=True):
                column.append(value)
        if len(lacking) == chunk.records:
            raise SchemaError(settings.text, lacking[0].existing, self.path)
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


class Left(NamedTuple):
    """What is left of some rows of a table.

    Attributes:
        kept: bool[n], which stay.
        rows: int64[k], those whose texts change, counted from the first of the table.
        texts: string[k], what they change to.
    """

    kept: Bool
    rows: I64
    texts: pa.LargeStringArray


class ArrowTable:
    """Anything that speaks the Arrow PyCapsule interface: pyarrow, pandas, polars, DuckDB and others."""

    path = PATH
    name = ""
    size: int | None = None

    def stamp(self) -> None:
        """Tables in memory are not read again by another process."""

    def __init__(self, table: Any, file: int) -> None:
        self.table = kind_of(table)
        self._file = file
        self.chosen = self.table.names

    def narrowed(self, settings: Settings) -> ArrowTable:
        """Return a reader of those columns only that scanning needs.

        Raises:
            SchemaError: there is no column of texts.
        """
        if settings.text not in self.chosen:
            raise SchemaError(settings.text, self.chosen, self.path)
        one = copy.copy(self)
        one.chosen = field_names(settings)
        return one

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Take runs of rows."""
        batches = self.table.columns(self.chosen).to_batches()
        return runs(((Group(0, batch), 0) for batch in batches), size, self._file)

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the columns of rows."""
        return documents_of(table_of(chunk.data), chunk.line, self._file, self.path, "", settings)

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of texts, and rows; those that are no documents stay."""
        kept, rows, texts = np.ones(chunk.records, np.bool_), np.empty(0, np.int64), pa.nulls(0, pa.large_string())
        removed: list[Removed] = []
        if any(cuts):
            texts = as_strings(table_of(chunk.data)[settings.text])
            kept, rows, spans, removed = fate_of(chunk, self.name, cuts, rejected, texts, aside=False)
            texts = splice(texts, edits_of(rows, spans)).take(pa.array(rows))
        return Edited([(self.name, Left(kept, rows + (chunk.line - 1), texts))], removed)

    def cleaned(self, left: Sequence[Left], text: str) -> Any:
        """Return a table like the one that was given of what is left of it, all of its rows one behind the other."""
        if not left:
            return self.table.cleaned(
                np.empty(0, np.bool_), text, np.empty(0, np.int64), pa.nulls(0, pa.large_string())
            )
        kept, rows = (np.concatenate([getattr(one, name) for one in left]) for name in ("kept", "rows"))
        return self.table.cleaned(kept, text, rows, pa.concat_arrays([one.texts for one in left]))
