"""Arrow columns of any type in; some of their rows, how long each is, and whether they are sound, out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.arrays import F64, I64, Bool

TypeMap = Callable[[pa.DataType], pa.DataType]


def map_type(kind: pa.DataType, leaf: TypeMap) -> pa.DataType:
    """Return a type with ``leaf`` applied to what it nests."""
    types = pa.types

    def mapped(field: pa.Field) -> pa.Field:
        return field.with_type(map_type(field.type, leaf))

    new = kind
    if types.is_struct(kind):
        new = pa.struct([mapped(kind.field(k)) for k in range(kind.num_fields)])
    elif types.is_map(kind):
        new = pa.map_(mapped(kind.key_field), mapped(kind.item_field), kind.keys_sorted)
    elif types.is_fixed_size_list(kind):
        new = pa.list_(mapped(kind.value_field), kind.list_size)
    elif types.is_list(kind):
        new = pa.list_(mapped(kind.value_field))
    elif types.is_large_list(kind):
        new = pa.large_list(mapped(kind.value_field))
    elif not isinstance(kind, pa.BaseExtensionType):
        new = leaf(kind)
    return new


def without_views(kind: pa.DataType) -> pa.DataType:
    """Return how strings or bytes are laid out in one piece, where they are laid out in views."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def as_bytes(kind: pa.DataType) -> pa.DataType:
    """Return the type of bytes laid out as a type of strings is."""
    if pa.types.is_string(kind):
        return pa.binary()
    if pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, as_bytes(kind.value_type), kind.ordered)
    return pa.binary_view() if pa.types.is_string_view(kind) else kind


def nests(kind: pa.DataType, what: Callable[[pa.DataType], bool]) -> bool:
    """Whether a type is of some kind, or a type that it nests is."""
    return what(kind) or any(nests(kind.field(k).type, what) for k in range(kind.num_fields))


def holds_dictionary(kind: pa.DataType) -> bool:
    """Whether a type is, or nests, a dictionary."""
    return nests(kind, pa.types.is_dictionary)


def check_sound(column: pa.Array) -> None:
    """Check that all that a column refers to is there; whether strings are UTF-8 is left open.

    Raises:
        ArrowInvalid: it is not.
    """
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    kind = map_type(column.type, as_bytes)
    if kind != column.type:
        column = column.view(kind)
    column.validate(full=True)


def filter_rows(table: pa.Table, kept: Bool) -> pa.Table:
    """Return the rows of a table that are to be kept; no buffer of the result holds what is not."""
    if kept.all():
        return table
    mask, rows = pa.array(kept), np.flatnonzero(kept)
    return choose(table, rows, lambda column: column.filter(mask))


def take_rows(table: pa.Table, order: I64) -> pa.Table:
    """Return rows of a table in some order."""
    if np.array_equal(order, np.arange(table.num_rows)):
        return table
    rows = pa.array(order)
    return choose(table, order, lambda column: column.take(rows))


def choose(table: pa.Table, rows: I64, how: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> pa.Table:
    """Return rows of a table, column by column by ``how``, or else run by run."""

    def chosen(column: pa.ChunkedArray) -> pa.ChunkedArray:
        dense = map_type(column.type, without_views)
        if dense != column.type:  # views keep all of the buffers they look into
            return how(column.cast(dense)).cast(column.type)
        try:
            return how(column)
        except (pa.ArrowNotImplementedError, pa.ArrowKeyError):  # run-end encoded ones, say, and unions
            runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
            pieces = [column.slice(run[0], run.size).chunks for run in runs if run.size]
            chunks = [chunk for piece in pieces for chunk in piece]
            return pa.chunked_array([pa.concat_arrays(chunks)] if chunks else [], column.type)

    return pa.Table.from_arrays([chosen(column) for column in table.columns], schema=table.schema)


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """Return a table as one batch, as it stands where it is one already."""
    return pa.RecordBatch.from_arrays([one_array(column) for column in table.columns], schema=table.schema)


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if not column.num_chunks:
        return pa.nulls(0, column.type)
    # a union of no values, as Arrow reads it, ends the process when it is written compressed; a copy does not
    if column.num_chunks == 1 and not nests(column.type, pa.types.is_union):
        return column.chunk(0)
    dense = map_type(column.type, without_views)
    if dense != column.type:  # the same views into the same buffers again and again
        return pa.concat_arrays(column.cast(dense).chunks).cast(column.type)
    return pa.concat_arrays(column.chunks)


def row_bytes(batch: pa.RecordBatch) -> F64:
    """Return float64[rows], how much each row takes: texts to the byte, the rest as it is in the mean."""
    total = np.full(batch.num_rows, 1.0)
    for column in batch.columns:
        sizes = lengths(column)
        total += column.get_total_buffer_size() / max(1, len(column)) if sizes is None else sizes
    return total


def lengths(column: pa.Array) -> I64 | None:
    """Return int64[n], the bytes of strings or binary values; None for other types."""
    types = pa.types
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    kind, buffers = column.type, column.buffers()
    if types.is_dictionary(kind):
        values = lengths(column.dictionary)
        if values is None:
            return None
        indices = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return values[indices] if values.size else np.zeros(len(column), np.int64)
    n = len(column)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        views = np.frombuffer(buffers[1], np.int32, 4 * n, 16 * column.offset) if n else np.empty(0, np.int32)
        return views[::4].astype(np.int64)
    if types.is_string(kind) or types.is_binary(kind):
        width: np.dtype[np.signedinteger[Any]] = np.dtype(np.int32)
    elif types.is_large_string(kind) or types.is_large_binary(kind):
        width = np.dtype(np.int64)
    else:
        return None
    if not n:
        return np.empty(0, np.int64)
    bounds = np.frombuffer(buffers[1], width, n + 1, width.itemsize * column.offset)
    return np.diff(bounds).astype(np.int64)
