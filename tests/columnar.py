"""Tables of all types for tests, and what a file tells of itself beside its rows."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from hypothesis import strategies as st

from dedup.formats.ipc import FILE_MAGIC
from dedup.formats.layout import as_bytes
from dedup.formats.messages import codec_of

Format = Literal["parquet", "arrow", "arrows"]
FORMATS: tuple[Format, ...] = ("parquet", "arrow", "arrows")
PARQUET_CODECS = ("NONE", "SNAPPY", "ZSTD", "GZIP", "BROTLI", "LZ4")
ARROW_CODECS = (None, "lz4", "zstd")
TEXT_TYPES = (
    pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.large_string()), pa.dictionary(pa.uint32(), pa.string_view()),
)  # fmt: skip
words = st.text(max_size=20)
small = st.integers(-100, 100)
DAY = dt.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=dt.UTC)
moments = st.integers(-(10**9), 10**9).map(lambda seconds: DAY + dt.timedelta(seconds=seconds))
# Types that every format here keeps, and values of each.
TYPES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    (pa.int8(), small),
    (pa.uint64(), st.integers(0, (1 << 64) - 1)),
    (pa.float16(), st.sampled_from([0.5, -2.0, float("nan"), float("inf")])),
    (pa.float64(), st.floats()),
    (pa.string(), words),
    (pa.string_view(), words),
    (pa.large_binary(), st.binary(max_size=20)),
    (pa.binary_view(), st.binary(max_size=20)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.dictionary(pa.int32(), pa.string()), words),
    (pa.decimal128(7, 2), small.map(lambda n: decimal.Decimal(n) / 4)),
    (pa.decimal256(50, 2), small.map(lambda n: decimal.Decimal(n) / 4)),
    (pa.date32(), moments.map(dt.datetime.date)),
    (pa.time64("us"), moments.map(lambda moment: moment.time())),
    (pa.timestamp("us", "Europe/Berlin"), moments),
    (pa.timestamp("ms"), moments.map(lambda moment: moment.replace(microsecond=0, tzinfo=None))),
    (pa.duration("us"), small.map(lambda n: dt.timedelta(seconds=n))),
    (pa.uuid(), st.binary(min_size=16, max_size=16)),
    (pa.list_(pa.string()), st.lists(st.none() | words, max_size=3)),
    (pa.list_(pa.string_view()), st.lists(words, max_size=3)),
    (pa.large_list(pa.list_(pa.int8())), st.lists(st.none() | st.lists(small, max_size=2), max_size=2)),
    (pa.list_(pa.int8(), 2), st.lists(small, min_size=2, max_size=2)),
    (pa.map_(pa.string(), pa.int8()), st.dictionaries(words, small, max_size=2).map(lambda one: list(one.items()))),
    (
        pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string())), ("c", pa.struct([("d", pa.string())]))]),
        st.fixed_dictionaries(
            {"a": small, "b": st.none() | st.lists(words, max_size=2), "c": st.none() | st.just({"d": "x"})}
        ),
    ),
]  # fmt: skip


@st.composite
def columns(draw: st.DrawFn, rows: int, form: Format) -> dict[str, pa.Array]:
    """Draw columns of any types with nulls among their values."""
    drawn = {}
    for k, (kind, values) in enumerate(draw(st.lists(st.sampled_from(TYPES), max_size=4))):
        if form != "parquet" or not pa.types.is_fixed_size_list(kind):  # which Arrow 25 does not write
            values = st.none() | values  # noqa: PLW2901
        cells = draw(st.lists(values, min_size=rows, max_size=rows))
        stored = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
        column = pa.array(cells, stored)
        drawn[f"c{k}"] = column if stored == kind else pa.ExtensionArray.from_storage(kind, column)
    if form != "parquet":
        drawn |= draw(st.fixed_dictionaries({}, optional={name: st.just(one) for name, one in odd(rows).items()}))
    return drawn


def odd(rows: int) -> dict[str, pa.Array]:
    """Return columns of types that Parquet does not have."""
    numbers = pa.array([k if k % 3 else None for k in range(rows)], pa.int64())
    names = pa.array([f"name {k}" for k in range(rows)])
    kinds = pa.array([k % 2 for k in range(rows)], pa.int8())
    places = pa.array(list(range(rows)), pa.int32())
    return {
        "runs": pc.run_end_encode(pa.array([k // 3 for k in range(rows)])),
        "dense": pa.UnionArray.from_dense(kinds, places, [numbers, names]),
        "sparse": pa.UnionArray.from_sparse(kinds, [numbers, names]),
        "interval": pa.array([pa.MonthDayNano((k, 1, 2)) for k in range(rows)], pa.month_day_nano_interval()),
        "views": pa.array([[k] * (k % 3) for k in range(rows)], pa.list_view(pa.int16())),
        "empty": pa.array([{} if k % 2 else None for k in range(rows)], pa.struct([])),
        "seconds": pa.array(list(range(rows)), pa.timestamp("s")),
        "coded": pa.DictionaryArray.from_arrays(
            pa.array([k % 2 for k in range(rows)], pa.int8()), pa.array([10, 20])
        ),
    }  # fmt: skip


def strings(texts: Sequence[str | bytes | None], kind: pa.DataType) -> pa.Array:
    """Return a column of texts of some type; bytes stand there even if they are no UTF-8."""
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    if pa.types.is_dictionary(kind):
        coded = pa.array(raw, pa.binary()).dictionary_encode()
        values = coded.dictionary.view(pa.string()).cast(kind.value_type)
        return pa.DictionaryArray.from_arrays(coded.indices.cast(kind.index_type), values)
    if kind == pa.string_view():
        return pa.array(raw, pa.binary_view()).view(kind)
    return pa.array(raw, pa.large_binary() if kind == pa.large_string() else pa.binary()).view(kind)


def write(path: Path, table: pa.Table, groups: Sequence[int], codecs: Sequence[Any] = (None,), **options: Any) -> None:
    """Write a table, in groups of so many rows, as what its path ends in; codecs are dealt to columns by turns."""
    starts = [0, *itertools.accumulate(groups)]
    parts = [table.slice(start, rows) for start, rows in zip(starts, groups, strict=False)]
    if path.suffix == ".parquet":
        empty = pa.BufferOutputStream()
        pq.write_table(table.schema.empty_table(), empty)
        leaves = pq.ParquetFile(pa.BufferReader(empty.getvalue())).schema
        named = zip(range(len(leaves)), itertools.cycle(codecs))
        compression = {leaves.column(k).path: codec or "NONE" for k, codec in named}
        with pq.ParquetWriter(path, table.schema, compression=compression, **options) as writer:
            for part in parts:
                writer.write_table(part, max(1, part.num_rows))
        return
    chosen = pa.ipc.IpcWriteOptions(compression=codecs[0])
    with (pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream)(
        path, table.schema, options=chosen
    ) as sink:
        for k, part in enumerate(parts):
            arrays = [pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)]) for column in part.columns]
            sink.write_batch(pa.RecordBatch.from_arrays(arrays, schema=table.schema), custom_metadata={"batch": str(k)})


def read(path: Path) -> pa.Table:
    """Read a whole file."""
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).read()
    with pa.OSFile(str(path)) as file:
        return (pa.ipc.open_file if is_file(path) else pa.ipc.open_stream)(file).read_all()


def is_file(path: Path) -> bool:
    """Whether a file of Arrow's is no stream."""
    with path.open("rb") as file:
        return file.read(8) == FILE_MAGIC


def facts(path: Path) -> dict[str, Any]:
    """Return what a file tells beside its rows: groups, codecs, encodings, metadata."""
    if path.suffix == ".parquet":
        metadata = pq.ParquetFile(path).metadata
        groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
        chunks = [[group.column(k) for k in range(group.num_columns)] for group in groups if group.num_rows]
        return {
            "groups": [group.num_rows for group in groups],
            "codecs": {tuple(chunk.compression for chunk in group) for group in chunks},
            "paths": [metadata.schema.column(k).path for k in range(metadata.num_columns)],
            "kinds": [metadata.schema.column(k).physical_type for k in range(metadata.num_columns)],
            "coded": {tuple("RLE_DICTIONARY" in chunk.encodings for chunk in group) for group in chunks},
            "metadata": {name: value for name, value in (metadata.metadata or {}).items() if name != b"ARROW:schema"},
            "stored": b"ARROW:schema" in (metadata.metadata or {}),
        }
    with path.open("rb") as raw:
        raw.seek(8 if is_file(path) else 0)
        codec = codec_of(raw)
    batches = []
    with pa.OSFile(str(path)) as file:
        if is_file(path):
            reader = pa.ipc.open_file(file)
            batches = [reader.get_batch_with_custom_metadata(k) for k in range(reader.num_record_batches)]
        else:
            batches = list(pa.ipc.open_stream(file).iter_batches_with_custom_metadata())
        return {
            "groups": [batch.num_rows for batch, _ in batches],
            "codecs": codec,
            "streamed": not is_file(path),
            "metadata": [None if own is None else dict(own) for _, own in batches],
            "dictionaries": [
                [values_of(column.dictionary) for column in batch.columns if pa.types.is_dictionary(column.type)]
                for batch, _ in batches
            ],
        }


def assert_same(one: pa.Table, other: pa.Table) -> None:
    """Check that tables are equal, value for value and in all their metadata; NaN equals itself."""
    assert one.schema.equals(other.schema, check_metadata=True)
    assert one.num_rows == other.num_rows
    for name, left, right in zip(one.column_names, one.columns, other.columns, strict=True):
        assert left.equals(right) or repr(left.to_pylist()) == repr(right.to_pylist()), name


def values_of(array: pa.Array) -> list[Any]:
    """Return values; of strings, which need not be UTF-8, the bytes."""
    kind = as_bytes(array.type)
    values: list[Any] = (array if kind == array.type else array.view(kind)).to_pylist()
    return values
