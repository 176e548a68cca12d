"""Arrow's own files and streams in, batch by batch; the same with the same batches, codec and dictionaries out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from dedup.errors import InputError
from dedup.formats.columnar import Columnar, Group, arrow_file, read_anywhere, readable, reading
from dedup.formats.layout import check_sound, one_batch
from dedup.formats.messages import check_file, check_stream, codec_of
from dedup.formats.sinks import Checked

FILE_MAGIC = b"ARROW1\0\0"
FILE_SUFFIXES = (".arrow", ".feather", ".ipc", ".arrows")
STREAM_SUFFIXES = (".arrows", ".arrow", ".ipc", ".feather")


class ArrowFile(Columnar):
    """A file in Arrow's format, which Feather is too, or a stream in a file."""

    suffixes = FILE_SUFFIXES
    kind = "Arrow"

    def __init__(self, path: str, file: int) -> None:
        super().__init__(path, file)
        with read_anywhere(path) as stream:
            self._streamed = stream.read(len(FILE_MAGIC)) != FILE_MAGIC
            stream.seek(0 if self._streamed else len(FILE_MAGIC))
            self._codec = codec_of(stream)
        self._check()
        self.one_dictionary = not self._streamed
        if self._streamed:
            self.suffixes = STREAM_SUFFIXES
        with self._open() as (reader, _):
            self.schema = readable(reader.schema)
            self._metadata = None if self._streamed else reader.metadata

    def _check(self) -> None:
        """Check what the file tells of its batches before Arrow makes room for them.

        Raises:
            InputError: they would take more memory than they may.
        """
        with read_anywhere(self._path) as stream:
            (check_stream if self._streamed else check_file)(stream, self.path)

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[Any, pa.NativeFile]]:
        """Open the file."""
        with reading(self.path, self.kind), arrow_file(self._path, ahead=self._streamed) as file:
            fields = [k for k, name in enumerate(self.schema.names) if name in self.chosen] if self.chosen else []
            options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
            yield (pa.ipc.open_stream if self._streamed else pa.ipc.open_file)(file, options=options), file

    def groups(self, size: int) -> Iterator[tuple[Group, int]]:
        """Read batches."""
        total = self.size or 0
        with self._open() as (reader, file):
            number = 0
            while True:
                if self._streamed:
                    try:
                        batch, metadata = reader.read_next_batch_with_custom_metadata()
                    except StopIteration:
                        break
                    read = file.tell()
                elif number == reader.num_record_batches:
                    break
                else:
                    batch, metadata = reader.get_batch_with_custom_metadata(number)
                    read = total * (number + 1) // reader.num_record_batches
                for column in batch.columns:
                    check_sound(column)
                yield Group(number, batch, metadata), read
                number += 1
            if self._streamed and file.read(1):
                raise InputError(f"more follows the end of the stream at byte {file.tell() - 1}: split it", self.path)

    def writer(self, file: Checked, text: str) -> ArrowWriter:
        """Begin a file with the same schema, metadata and codec."""
        return ArrowWriter(file, self.schema, self._codec, self._metadata, self.path, streamed=self._streamed)


class ArrowWriter:
    """Writes an Arrow file or stream, a batch at a time."""

    def __init__(
        self, file: Checked, schema: pa.Schema, codec: str | None, metadata: Any, path: str, *, streamed: bool
    ) -> None:
        options = pa.ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=True, use_threads=False)
        if streamed:
            self._writer = pa.ipc.new_stream(file, schema, options=options)
        else:
            self._writer = pa.ipc.new_file(file, schema, options=options, metadata=metadata)
        self._path = path
        self._grown: dict[int, pa.Array] | None = None if streamed else {}  # by column, its one dictionary in a file

    def write(self, rows: pa.Table, metadata: Any) -> None:
        """Write a batch."""
        batch = one_batch(rows)
        columns = [self._with_one_dictionary(k, column) for k, column in enumerate(batch.columns)]
        batch = pa.RecordBatch.from_arrays(columns, schema=batch.schema)
        self._writer.write_batch(batch, custom_metadata=metadata)

    def _with_one_dictionary(self, k: int, column: pa.Array) -> pa.Array:
        """Let a column refer to the file's one dictionary of it, to whose end comes what is new."""
        if self._grown is None or not pa.types.is_dictionary(column.type):
            return column
        mine, known = column.dictionary, self._grown.setdefault(k, column.dictionary)
        if not mine.equals(known):
            kind = column.type
            none = pa.DictionaryArray.from_arrays(pa.array([], kind.index_type), known, ordered=kind.ordered)
            try:
                column = pa.chunked_array([none, column]).unify_dictionaries().chunk(1)
            except pa.ArrowInvalid as error:
                raise InputError(f"there are too many different values for {kind} ({error})", self._path) from error
            self._grown[k] = column.dictionary
        return column

    def close(self) -> None:
        """Write what ends the file."""
        self._writer.close()

    def drop(self) -> None:
        """Give up."""
