"""A caller's table of any kind in; its columns as Arrow, and the same kind of table without what was cut, out."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from dedup.arrays import I64, Bool
from dedup.errors import InputError
from dedup.formats.layout import filter_rows
from dedup.formats.tables import as_strings, as_type, encode

WINDOW = 1 << 16  # rows of a column that are written anew where one of them changes
PATH = "<table>"  # what to call a table in messages


class Kind(Protocol):
    """A table of one library.

    Attributes:
        names: of all of its columns.
    """

    names: list[str]

    def columns(self, names: list[str]) -> pa.Table:
        """Return some columns as Arrow.

        Raises:
            InputError: what they hold is nothing for Arrow.
        """
        ...

    def cleaned(self, kept: Bool, name: str, rows: I64, texts: pa.LargeStringArray) -> Any:
        """Return the table without some rows, with other texts in some that stay.

        Args:
            kept: bool[n], the rows that stay.
            name: the column of texts.
            rows: int64[k], rows whose texts change, ascending, counted in the whole table.
            texts: string[k], what they change to.
        """
        ...


def is_table(given: object) -> bool:
    """Whether a caller gave a table: anything with ``__arrow_c_stream__``, or a dataset of Hugging Face's."""
    return hasattr(given, "__arrow_c_stream__") or is_of(given, "datasets", "Dataset")


def is_of(given: object, module: str, name: str) -> bool:
    """Whether an object is of a class of a library that the caller has loaded."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(given, kind)


def kind_of(given: Any) -> Kind:
    """Choose how to read a table, and to give it back.

    Raises:
        InputError: it is none.
    """
    if is_of(given, "pandas", "DataFrame"):
        return PandasTable(given)
    if is_of(given, "polars", "DataFrame"):
        return PolarsTable(given)
    if is_of(given, "datasets", "Dataset"):
        return HubTable(given)
    try:
        return ArrowKind(pa.table(given))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{type(given).__name__} is no table ({error}): give one with a column of texts") from error


class ArrowKind:
    """A table of Arrow's, or of any library that hands one out; it comes back as Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.names: list[str] = table.column_names

    def columns(self, names: list[str]) -> pa.Table:
        """Return some columns."""
        return self._table.select([k for k, name in enumerate(self.names) if name in names])

    def cleaned(self, kept: Bool, name: str, rows: I64, texts: pa.LargeStringArray) -> pa.Table:
        """Return the table without some rows; schema and metadata stay."""
        table = self._table
        if rows.size:
            position = self.names.index(name)
            column = with_changes(table.column(position), rows, texts)
            table = table.set_column(position, table.schema.field(position), column)
        return filter_rows(table, kept)


class PandasTable:
    """A data frame of pandas'; index, dtypes and columns that Arrow does not know stay as they are."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.names = [str(name) for name in frame.columns]

    def columns(self, names: list[str]) -> pa.Table:
        """Convert some columns."""
        chosen = {k: name for k, name in enumerate(self._frame.columns) if isinstance(name, str) and name in names}
        columns = []
        for k, name in chosen.items():
            try:
                columns.append(pa.array(self._frame.iloc[:, k], from_pandas=True))
            except (pa.ArrowException, UnicodeError) as error:
                raise InputError(
                    f"column {name!r} holds what is neither all strings nor all numbers ({error}): convert it", PATH
                ) from error
        return pa.table(columns, list(chosen.values()))

    def cleaned(self, kept: Bool, name: str, rows: I64, texts: pa.LargeStringArray) -> Any:
        """Return a data frame of the rows that stay; they keep their labels."""
        frame = self._frame.iloc[np.flatnonzero(kept)].copy()
        if rows.size:
            position = list(frame.columns).index(name)
            column = frame.iloc[:, position].copy()
            values = texts.to_pylist()
            if hasattr(column, "cat"):
                column = column.cat.add_categories(sorted(set(values).difference(column.cat.categories)))
            column.iloc[np.cumsum(kept)[rows] - 1] = values
            frame.isetitem(position, column)
        return frame


class PolarsTable:
    """A data frame of polars'."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.names: list[str] = frame.columns

    def columns(self, names: list[str]) -> pa.Table:
        """Hand out some columns."""
        return pa.table(self._frame.select([name for name in self.names if name in names]))

    def cleaned(self, kept: Bool, name: str, rows: I64, texts: pa.LargeStringArray) -> Any:
        """Return a data frame of the rows that stay."""
        polars = sys.modules["polars"]
        frame = self._frame.filter(polars.Series(kept))
        if rows.size:
            column = frame[name]
            places = polars.Series(np.cumsum(kept)[rows] - 1)
            changed = column.cast(polars.String).scatter(places, polars.Series(texts))
            try:
                changed = changed.cast(column.dtype)
            except polars.exceptions.PolarsError as error:
                raise InputError(
                    f"column {name!r} is {column.dtype}, which has no room for other texts", PATH
                ) from error
            frame = frame.with_columns(changed)
        return frame


class HubTable:
    """A dataset of Hugging Face's."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.names: list[str] = dataset.column_names

    def columns(self, names: list[str]) -> pa.Table:
        """Hand out some columns."""
        return self._dataset.select_columns([name for name in self.names if name in names]).with_format("arrow")[:]

    def cleaned(self, kept: Bool, name: str, rows: I64, texts: pa.LargeStringArray) -> Any:
        """Return a dataset of the rows that stay, in memory, with the same features and format."""
        table = ArrowKind(self._dataset.with_format("arrow")[:]).cleaned(kept, name, rows, texts)
        dataset = type(self._dataset)(table, info=self._dataset.info, split=self._dataset.split)
        return dataset.with_format(**self._dataset.format)


def with_changes(column: pa.ChunkedArray, rows: I64, texts: pa.LargeStringArray) -> pa.ChunkedArray:
    """Put other texts into some rows of a column, ascending; what no change is near is not copied."""
    chunks = []
    start = used = 0
    windows = (chunk.slice(first, WINDOW) for chunk in column.chunks for first in range(0, len(chunk), WINDOW))
    for window in windows:
        stop = start + len(window)
        end = int(np.searchsorted(rows, stop))
        if end > used:
            old = as_strings(pa.chunked_array([window]))
            order = np.arange(len(window))
            order[rows[used:end] - start] = len(window) + np.arange(end - used)
            changed = pa.concat_arrays([old, texts.slice(used, end - used)]).take(pa.array(order))
            if pa.types.is_dictionary(window.type):
                chunks.append(encode(changed, window.dictionary, window.type, PATH))
            else:
                chunks.append(as_type(changed, window.type))
        else:
            chunks.append(window)
        start, used = stop, end
    return pa.chunked_array(chunks, column.type)
