"""JSON lines in, plain or compressed; a record is a line, and what is not cut stays byte for byte."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dedup.arrays import I64, U8, Bool
from dedup.errors import SchemaError
from dedup.formats.base import Chunk, Cut, Edited, Parsed, Removed, opened, printable, size_of
from dedup.formats.compression import Codec, open_stream
from dedup.formats.lines import PlainLines, chunks_of_lines
from dedup.kernels.lines import LF, find_bytes
from dedup.kernels.literals import MISSING, OTHER_TYPE, STRING, literal_offsets, unescape
from dedup.schema import Documents, Reject
from dedup.settings import Settings

BOM = b"\xef\xbb\xbf"
# Strings, and the numbers that JSON does not have but Python's json module writes.
NOT_JSON = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN')
FIELDS = ("text", "id", "source", "age")


@functools.lru_cache
def record_decoder(names: tuple[str, str, str, str]) -> msgspec.json.Decoder[Any]:
    """Return a decoder of records that leaves the four fields of these names as raw JSON and skips the rest."""
    unique = [name if name not in names[:k] else f"\ue000{k}" for k, name in enumerate(names)]
    fields = [(field, msgspec.Raw, msgspec.Raw()) for field in FIELDS]
    record = msgspec.defstruct("Record", fields, rename=dict(zip(FIELDS, unique, strict=True)), gc=False)
    return msgspec.json.Decoder(record)


def field_names(settings: Settings) -> tuple[str, str, str, str]:
    """Return the names of the fields that hold text, id, source and age."""
    return settings.text, settings.id, settings.source, settings.newest or "\ue000age"


def decode_record(line: bytes, decoder: msgspec.json.Decoder[Any]) -> tuple[Any, bytes]:
    """Decode one line, the numbers NaN and Infinity allowed.

    Returns:
        The record, and the bytes that its raw values are views of: the line, or a copy of equal length.

    Raises:
        ValueError: the line is no JSON object; the message says why.
    """
    try:
        line.decode()
        return decoder.decode(line), line
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except msgspec.DecodeError as error:
        if b"NaN" in line or b"Infinity" in line:
            # a value of the same length, so that offsets stay, that no field takes for a string or number
            plain = NOT_JSON.sub(lambda m: m[0] if m[0][:1] == b'"' else b"[" + b" " * (len(m[0]) - 2) + b"]", line)
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                return decoder.decode(plain), plain
        message = str(error).removeprefix("JSON is malformed: ")
        if not isinstance(error, msgspec.ValidationError):
            with contextlib.suppress(ValueError, RecursionError):
                json.loads(line.decode())
                message = "half of a surrogate pair is escaped"  # all that Python's module allows beyond
        raise ValueError(message) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start} of the record") from error


def is_utf8(data: bytes) -> bool:
    """Whether bytes are valid UTF-8."""
    bounds = pa.py_buffer(np.array([0, len(data)]))
    array = pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(data)])
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def decode_values(values: Sequence[msgspec.Raw]) -> tuple[U8, I64, U8]:
    """Decode raw JSON values: their UTF-8, int64[n + 1] where each begins, uint8[n] what they are."""
    raw = np.frombuffer(b"\n".join([*values, b""]), np.uint8)
    out = np.empty(raw.size, np.uint8)
    bounds = np.zeros(len(values) + 1, np.int64)
    status = np.empty(len(values), np.uint8)
    unescape(raw, out, bounds, status)
    out.flags.writeable = False  # as the texts of other formats are: kernels are compiled for each kind of array
    return out[: bounds[-1]], bounds, status


def string_column(data: U8, bounds: I64, present: Bool) -> pa.Array:
    """Make a string array, null where not present."""
    valid = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(pa.large_string(), len(present), [valid, pa.py_buffer(bounds), pa.py_buffer(data)])


class LineRecords:
    """Records of JSON lines, wherever the lines come from.

    Args:
        path: what to call them in messages.
        name: name of their output.
        file: number of the input.
    """

    codec: Codec | None = None

    def __init__(self, path: str, name: str, file: int) -> None:
        self.path = path
        self.name = name
        self._file = file

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the records of a chunk."""
        decoder = record_decoder(field_names(settings))
        if chunk.damage:
            damaged = [Reject(self._file, chunk.line, self.path, chunk.damage, chunk.data)] if chunk.records else []
            return self._documents([], np.empty(0, np.int64), damaged, [], chunk.line, settings)
        lines: Sequence[bytes | memoryview] = views_of_lines(chunk)
        rejects: list[Reject] = []
        numbers: I64 | None = None
        try:
            if not is_utf8(chunk.data):
                raise ValueError
            records = list(map(decoder.decode, lines))
        except (ValueError, RecursionError):
            lines = whole = split_lines(chunk)
            records, found = [], []
            for number, line in enumerate(whole, chunk.line):
                text = line[len(BOM) :] if number == 1 and line.startswith(BOM) else line
                if not text.strip():
                    continue
                try:
                    records.append(decode_record(text, decoder)[0])
                    found.append(number)
                except ValueError as error:
                    rejects.append(Reject(self._file, number, self.path, str(error), line))
            numbers = np.array(found, np.int64)
        if numbers is None:
            numbers = np.arange(chunk.line, chunk.line + len(records))
        return self._documents(records, numbers, rejects, lines, chunk.line, settings)

    def _documents(
        self,
        records: list[Any],
        numbers: I64,
        rejects: list[Reject],
        lines: Sequence[bytes | memoryview],
        first: int,
        settings: Settings,
    ) -> Parsed:
        """Decode the fields of records; set aside those whose fields are missing or of a wrong type."""
        texts, bounds, status = decode_values([record.text for record in records])
        ids, id_bounds, id_status = decode_values([record.id for record in records])
        number_id = np.zeros(len(records), np.bool_)
        for k in np.flatnonzero(id_status == OTHER_TYPE):
            number_id[k] = is_number(ids[id_bounds[k] : id_bounds[k + 1]])
        bad = (status != STRING) | ((id_status == OTHER_TYPE) & ~number_id)
        if bad.any():
            for k in np.flatnonzero(bad):
                line = bytes(lines[numbers[k] - first])
                error = self._complaint(line, status[k], settings)
                rejects.append(Reject(self._file, int(numbers[k]), self.path, error, line))
            rejects.sort(key=lambda reject: reject.line)
            good = np.flatnonzero(~bad)
            return self._documents([records[k] for k in good], numbers[good], rejects, lines, first, settings)
        id_column = string_column(ids, id_bounds, id_status != MISSING)
        if id_column.null_count:
            name = printable(self.name)
            names = pa.array([f"{name}:{number}" for number in numbers], pa.large_string())
            id_column = id_column.fill_null(names)
        optional = []
        for field in ("source", "age"):
            data, field_bounds, kind = decode_values([getattr(record, field) for record in records])
            present = kind == STRING
            for k in np.flatnonzero(kind == OTHER_TYPE):
                present[k] = is_number(data[field_bounds[k] : field_bounds[k + 1]])
            optional.append(string_column(data, field_bounds, present))
        return Parsed(Documents(id_column, texts, bounds, *optional), rejects)

    def _complaint(self, line: bytes, status: int, settings: Settings) -> str:
        """Say what is wrong with a record's fields."""
        if status == MISSING:
            try:
                record = json.loads(line.removeprefix(BOM))
            except (ValueError, RecursionError):  # it has limits of its own
                return f"field {settings.text!r} is missing or null"
            if settings.text not in record:
                return str(SchemaError(settings.text, list(record)))
            return f"field {settings.text!r} is null: a string is expected"
        if status == OTHER_TYPE:
            return f"field {settings.text!r} is no string"
        return f"field {settings.id!r} is neither a string nor a number"

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of the text literals, and lines."""
        if chunk.damage:
            return Edited([], [Removed(self.name, 0, chunk.data, -1, -1)])
        if not any(cuts) and not rejected:
            return Edited([(self.name, chunk.data)], [])
        decoder = record_decoder(field_names(settings))
        kept: list[bytes] = []
        removed: list[Removed] = []
        offset, doc = 0, 0
        lines = split_lines(chunk)
        for number, line in enumerate(lines, chunk.line):
            ending = b"\n" if number < chunk.line + len(lines) - 1 or chunk.data.endswith(b"\n") else b""
            text = line[len(BOM) :] if number == 1 and line.startswith(BOM) else line
            cut: Cut = None
            if number in rejected:
                removed.append(Removed(self.name, offset, line + ending, -1, -1))
                continue
            if text.strip():
                cut = cuts[doc]
                doc += 1
            if cut is True:
                removed.append(Removed(self.name, offset, line + ending, doc - 1, -1))
                continue
            if cut:
                record, buffer = decode_record(text, decoder)
                start = len(line) - len(text) + address(record.text) - address(buffer)
                spans = cut
                for k, piece in enumerate(cut_literal(line, start, len(memoryview(record.text)), spans)):
                    if k % 2:
                        removed.append(Removed(self.name, offset, piece, doc - 1, k // 2))
                    else:
                        kept.append(piece)
                        offset += len(piece)
                kept.append(ending)
                offset += len(ending)
                continue
            kept += (line, ending)
            offset += len(line) + len(ending)
        return Edited([(self.name, b"".join(kept))], removed)


class JsonLines(LineRecords):
    """A file of JSON lines, or standard input where ``path`` is ``-``."""

    def __init__(self, path: str, file: int) -> None:
        is_stdin = path == "-"
        super().__init__(
            "<stdin>" if is_stdin else printable(path), "stdin.jsonl" if is_stdin else os.path.basename(path), file
        )
        self.size = size_of(path)
        self._path = path

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole lines."""
        with opened(self._path) as file:
            stream, self.codec = open_stream(file)
            plain = self.codec is None and file.seekable()
            yield from chunks_of_lines(PlainLines(file) if plain else stream, self._file, size)


def views_of_lines(chunk: Chunk) -> list[memoryview]:
    """Return the lines of a chunk without their LF, not copied."""
    data = memoryview(chunk.data)
    ends = find_bytes(np.frombuffer(data, np.uint8), LF, LF).tolist()
    if not data.nbytes or data[-1] != LF:
        ends.append(data.nbytes)
    return [data[start:end] for start, end in zip([0, *(end + 1 for end in ends[:-1])], ends, strict=True)]


def split_lines(chunk: Chunk) -> list[bytes]:
    """Return the lines of a chunk without their LF."""
    lines: list[bytes] = chunk.data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def is_number(data: U8) -> bool:
    """Whether a raw JSON value that is no string is a number."""
    return bool(data.size) and (data[0] == ord("-") or ord("0") <= data[0] <= ord("9"))


def address(buffer: bytes | msgspec.Raw) -> int:
    """Return where in memory a buffer begins."""
    return int(np.frombuffer(memoryview(buffer), np.uint8).__array_interface__["data"][0])


def cut_literal(line: bytes, start: int, length: int, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    """Split a line into pieces, by turns kept and cut.

    Args:
        line: a record.
        start: where in it the text's literal begins.
        length: bytes of the literal.
        spans: what to cut, in bytes of the decoded text.
    """
    found = np.empty(2 * len(spans), np.int64)
    literal = np.frombuffer(line, np.uint8)[start : start + length]
    literal_offsets(literal, np.array(spans, np.int64).reshape(-1), found)
    edges = [0, *(int(edge) + start for edge in found), len(line)]
    return [line[a:b] for a, b in itertools.pairwise(edges)]
