"""Parquet in, row group by row group; Parquet with the same schema, codecs and encodings out."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup.errors import InputError
from dedup.formats.columnar import Columnar, Group, read_anywhere, readable, reading
from dedup.formats.layout import check_sound, holds_dictionary
from dedup.formats.pages import GuardedFile, find_columns
from dedup.formats.sinks import Checked
from dedup.urls import is_url

# Rows read at a time: what a page takes says little about how much text it stands for.
LEAST_ROWS, BATCH_ROWS = 16, 1024
CODED_ROWS = 4096  # the same where columns stay dictionaries: each batch brings its own
BUFFER = 1 << 18  # bytes of a column that are read ahead,
REMOTE_BUFFER, REMOTE_BUFFERS = 1 << 22, 1 << 25  # of one in an object; of all of its columns
COARSE = {"coerce_int96_timestamp_unit": "us"}
SCHEMA_KEY = b"ARROW:schema"
DICTIONARIES = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
ENCODINGS = {"BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"}
CODECS = {"UNCOMPRESSED": "NONE", "LZO": "SNAPPY", "UNKNOWN": "SNAPPY"}  # where other words, or codecs, are needed


class ParquetFile(Columnar):
    """A Parquet file."""

    suffixes = (".parquet", ".pq")
    kind = "Parquet"

    def __init__(self, path: str, file: int) -> None:
        super().__init__(path, file)
        self._metadata: pq.FileMetaData = None
        self._columns: frozenset[int] | None = None
        with reading(self.path, self.kind), self._open() as opened:
            self._metadata = opened.metadata
            self.schema = readable(opened.schema_arrow)

    @contextlib.contextmanager
    def _open(self, **options: Any) -> Iterator[pq.ParquetFile]:
        """Open the file."""
        options |= {"arrow_extensions_enabled": True, "pre_buffer": False, "buffer_size": BUFFER}
        if is_url(self._path):  # each read takes a request there
            columns = len(self.chosen or ()) or (1 if self._metadata is None else self._metadata.num_columns)
            options["buffer_size"] = max(BUFFER, min(REMOTE_BUFFER, REMOTE_BUFFERS // max(1, columns)))
            options["metadata"] = self._metadata
        with read_anywhere(self._path) as file:
            guarded = GuardedFile(file, self.path)
            options["thrift_container_size_limit"] = guarded.most_elements()
            opened = pq.ParquetFile(pa.PythonFile(guarded, "r"), **options)
            if self._columns is None:
                self._columns = find_columns(guarded.footer())
            guarded.columns = self._columns
            yield opened

    def groups(self, size: int) -> Iterator[tuple[Group, int]]:
        """Read row groups, a batch at a time.

        Raises:
            InputError: the file is damaged.
        """
        total, done = max(1, self._metadata.num_rows), 0
        options = self.times if self.chosen is None else {}
        with reading(self.path, self.kind), self._open(**options) as opened:
            schema = opened.schema_arrow
            for number in range(opened.num_row_groups):
                left = self._metadata.row_group(number).num_rows
                for batch in opened.iter_batches(
                    self._rows_at_a_time(number, size), [number], self.chosen, use_threads=False
                ):
                    for column in batch.columns:
                        if holds_dictionary(column.type):  # Arrow does not look whether its indices are in it
                            check_sound(column)
                    done, left = done + batch.num_rows, left - batch.num_rows
                    yield Group(number, batch), (self.size or 0) * min(done, total) // total
                if left:  # Arrow says nothing where a column ends too early
                    raise InputError(f"row group {number} does not hold as many rows as it tells", self.path)
                if not self._metadata.row_group(number).num_rows and self.chosen is None:
                    empty = [pa.nulls(0, field.type) for field in schema]
                    batch = pa.RecordBatch.from_arrays(empty, schema=schema)
                    yield Group(number, batch), (self.size or 0) * min(done, total) // total

    def _rows_at_a_time(self, number: int, size: int) -> int:
        """Return how many rows of a row group to read at a time.

        The metadata of columns would tell better, but where they are damaged Arrow ends the process.
        """
        if any(map(holds_dictionary, self.schema.types)):
            return CODED_ROWS
        group = self._metadata.row_group(number)
        return int(min(BATCH_ROWS, max(LEAST_ROWS, group.num_rows * size // (8 * max(1, group.total_byte_size)))))

    @functools.cached_property
    def times(self) -> dict[str, str]:
        """How to read times of 96 bits: in nanoseconds, or in microseconds where some would overflow."""
        leaves = [self._metadata.schema.column(k) for k in range(self._metadata.num_columns)]
        names = [leaf.path for leaf in leaves if leaf.physical_type == "INT96" and leaf.path in self.schema.names]
        if not names:
            return {}
        with reading(self.path, self.kind), self._open() as one, self._open(**COARSE) as other:
            batches = (file.iter_batches(columns=names, use_threads=False) for file in (one, other))
            for left, right in zip(*batches, strict=True):
                for name in names:
                    times = left[name].cast(right[name].type, safe=False).cast(pa.int64())
                    away = pc.max(pc.abs(pc.subtract(times, right[name].cast(pa.int64())))).as_py()
                    if away is not None and away > 1:  # rounding apart
                        return COARSE
        return {}

    def writer(self, file: Checked, text: str) -> ParquetWriter:
        """Begin a file with the same schema, metadata, codecs and encodings."""
        with reading(self.path, self.kind), self._open(**self.times) as opened:
            schema = opened.schema_arrow
        return ParquetWriter(file, schema, self._metadata, text)


def agree(one: Columnar, other: Columnar) -> None:
    """Let two files of the same tables be read with times of the same unit."""
    if isinstance(one, ParquetFile) and isinstance(other, ParquetFile):
        one.times = other.times = COARSE if COARSE in (one.times, other.times) else one.times


class ParquetWriter:
    """Writes a Parquet file like another, a row group at a time."""

    def __init__(self, file: Checked, schema: pa.Schema, like: pq.FileMetaData, text: str) -> None:
        groups = map(like.row_group, range(like.num_row_groups))
        group = next((one for one in groups if one.num_rows), None)
        options = file_options(like, group, text)
        if group is not None:
            options |= column_options(schema, group, options)
        self._writer = pq.ParquetWriter(file, schema, **options)
        if not options["store_schema"] and schema.metadata:
            self._writer.add_key_value_metadata(schema.metadata)
        self._coded = any(map(holds_dictionary, schema.types))

    def write(self, rows: pa.Table, metadata: Any) -> None:
        """Write a row group."""
        if self._coded:  # a column whose dictionary changes is written without
            rows = rows.unify_dictionaries()
        self._writer.write_table(rows, max(1, rows.num_rows))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    def drop(self) -> None:
        """Give up: what closes the writer when it is forgotten shall not."""
        self._writer.is_open = False


def file_options(like: pq.FileMetaData, group: pq.RowGroupMetaData | None, text: str) -> dict[str, Any]:
    """Return the options of a writer that hold for a whole file like another, whose texts may change."""
    leaves = [like.schema.column(k) for k in range(like.num_columns)]
    lists = [leaf.path for leaf in leaves if ".list." in leaf.path]
    decimals = [leaf.physical_type for leaf in leaves if leaf.logical_type.type == "DECIMAL"]
    order = () if group is None else group.sorting_columns
    others = {k for k, leaf in enumerate(leaves) if leaf.path != text}
    order = tuple(itertools.takewhile(lambda one: one.column_index in others, order))
    return {
        "store_schema": SCHEMA_KEY in (like.metadata or {}),
        "use_compliant_nested_type": not lists or any(".list.element" in path for path in lists),
        "use_deprecated_int96_timestamps": any(leaf.physical_type == "INT96" for leaf in leaves),
        "store_decimal_as_integer": any(kind in {"INT32", "INT64"} for kind in decimals),
        "sorting_columns": order or None,
    }


def column_options(schema: pa.Schema, group: pq.RowGroupMetaData, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a writer that hold for a column each: codecs and encodings."""
    paths = leaf_paths(schema, options)
    if len(paths) != group.num_columns:
        return {}
    chunks = {path: group.column(k) for k, path in enumerate(paths)}
    coded = [path for path, chunk in chunks.items() if DICTIONARIES.intersection(chunk.encodings)]
    encoded = {path: ENCODINGS.intersection(chunk.encodings) for path, chunk in chunks.items() if path not in coded}
    return {
        "compression": {path: CODECS.get(chunk.compression, chunk.compression) for path, chunk in chunks.items()},
        "use_dictionary": coded,
        "column_encoding": {path: names.pop() for path, names in encoded.items() if len(names) == 1} or None,
        "write_page_index": any(chunk.has_offset_index for chunk in chunks.values()),
    }


def leaf_paths(schema: pa.Schema, options: dict[str, Any]) -> list[str]:
    """Return the names of a file's columns as a writer would give them."""
    empty = io.BytesIO()
    with pq.ParquetWriter(empty, schema, **options):
        pass
    written = pq.ParquetFile(empty).schema
    return [written.column(k).path for k in range(len(written))]
