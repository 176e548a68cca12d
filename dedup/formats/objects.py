"""JSON objects in; documents, and where spans of their texts stand in the objects' bytes, out."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from dedup.arrays import I64, U8, Bool
from dedup.errors import SchemaError
from dedup.formats.base import Parsed, printable
from dedup.formats.bytefile import BOM
from dedup.formats.editing import Editor
from dedup.kernels.lines import LF, count_byte
from dedup.kernels.literals import MISSING, OTHER_TYPE, STRING, literal_offsets, unescape
from dedup.schema import Documents, Reject
from dedup.settings import Settings

# Strings, and the numbers that JSON does not have but Python's json module writes.
NOT_JSON = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN')
FIELDS = ("text", "id", "source", "age")
Raw = bytes | memoryview


class Origin(NamedTuple):
    """Where records come from.

    Attributes:
        file: number of the input.
        path: what to call it in messages.
        name: what its records are called by that have no id.
        numbers: int64, what number each line stands for in such a name; None where that is the line's own.
    """

    file: int
    path: str
    name: str
    numbers: I64 | None = None


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


def decoder_for(settings: Settings) -> msgspec.json.Decoder[Any]:
    """Return the decoder of records whose fields have the names of the settings."""
    return record_decoder(field_names(settings))


def decode_record(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> tuple[Any, bytes]:
    """Decode one record, the numbers NaN and Infinity allowed.

    Returns:
        The record, and the bytes that its raw values are views of: those given, or a copy of equal length.

    Raises:
        ValueError: it is no JSON object; the message says why.
    """
    try:
        raw.decode()
        return decoder.decode(raw), raw
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except msgspec.DecodeError as error:
        if b"NaN" in raw or b"Infinity" in raw:
            # a value of the same length, so that offsets stay, that no field takes for a string or number
            plain = NOT_JSON.sub(lambda m: m[0] if m[0][:1] == b'"' else b"[" + b" " * (len(m[0]) - 2) + b"]", raw)
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                return decoder.decode(plain), plain
        message = str(error).removeprefix("JSON is malformed: ")
        if not isinstance(error, msgspec.ValidationError):
            with contextlib.suppress(ValueError, RecursionError):
                json.loads(raw.decode())
                message = "half of a surrogate pair is escaped"  # all that Python's module allows beyond
        raise ValueError(message) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start} of the record") from error


def decode_together(data: bytes, raws: Iterable[Raw], decoder: msgspec.json.Decoder[Any]) -> list[Any] | None:
    """Decode records of a chunk, the fast way.

    Args:
        data: the chunk.
        raws: its records.
        decoder: see ``record_decoder``.

    Returns:
        The records, or None where one of them cannot be used: decode them one by one.
    """
    if not is_utf8(data):
        return None
    try:
        return list(map(decoder.decode, raws))
    except (ValueError, RecursionError):
        return None


def decode_one_by_one(
    raws: Iterable[tuple[int, bytes, bytes]], decoder: msgspec.json.Decoder[Any], origin: Origin
) -> tuple[list[Any], I64, list[Reject]]:
    """Decode records, and set aside those that are no JSON objects.

    Args:
        raws: for each record its number, its bytes, and those by which it is told where it is set aside.
        decoder: see ``record_decoder``.
        origin: where they come from.

    Returns:
        The records; int64, their numbers; the others.
    """
    records, numbers, rejects = [], [], []
    for number, raw, told in raws:
        try:
            records.append(decode_record(raw, decoder)[0])
            numbers.append(number)
        except ValueError as error:
            rejects.append(Reject(origin.file, number, origin.path, str(error), told))
    return records, np.array(numbers, np.int64), rejects


def is_utf8(data: bytes) -> bool:
    """Whether bytes are valid UTF-8."""
    bounds = pa.py_buffer(np.array([0, len(data)]))
    array = pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(data)])
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def decode_values(values: Sequence[msgspec.Raw], *, spread: bool = False) -> tuple[U8, I64, U8]:
    """Decode raw JSON values.

    Args:
        values: any.
        spread: whether line ends may stand in them.

    Returns:
        Their UTF-8; int64[n + 1], where each begins; uint8[n], what they are.
    """
    joined = b"\n".join([*values, b""])
    if spread and count_byte(np.frombuffer(joined, np.uint8), LF) > len(values):
        # in lists and objects, of which nothing counts but that they are
        joined = b"\n".join([*(b"[]" if b"\n" in bytes(value) else value for value in values), b""])
    raw = np.frombuffer(joined, np.uint8)
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


def with_names(ids: pa.Array, numbers: I64, origin: Origin) -> pa.Array:
    """Name documents that have no id by their file and number."""
    if not ids.null_count:
        return ids
    name = printable(origin.name)
    numbers = numbers if origin.numbers is None else origin.numbers[numbers - 1]
    return ids.fill_null(pa.array([f"{name}:{number}" for number in numbers], pa.large_string()))


def documents_of(
    records: Sequence[Any],
    numbers: I64,
    rejects: list[Reject],
    raw_of: Callable[[int], bytes],
    origin: Origin,
    settings: Settings,
    *,
    first: bool,
    spread: bool = False,
) -> Parsed:
    """Decode the fields of records; set aside those whose fields are missing or of a wrong type.

    Args:
        records: see ``record_decoder``.
        numbers: int64, their numbers.
        rejects: what was set aside before.
        raw_of: returns the bytes of the record of a number.
        origin: where they come from.
        settings: name the fields.
        first: whether they are the first ones of a file, which should tell that the field of texts is there.
        spread: whether a record may go over several lines.

    Raises:
        SchemaError: the first records all lack the field of texts.
    """
    if first and records and not any(len(memoryview(record.text)) for record in records):
        raise SchemaError(settings.text, names_in(raw_of(int(numbers[0]))) or [], origin.path)
    texts, bounds, status = decode_values([record.text for record in records], spread=spread)
    ids, id_bounds, id_status = decode_values([record.id for record in records], spread=spread)
    number_id = np.zeros(len(records), np.bool_)
    for k in np.flatnonzero(id_status == OTHER_TYPE):
        number_id[k] = is_number(ids[id_bounds[k] : id_bounds[k + 1]])
    bad = (status != STRING) | ((id_status == OTHER_TYPE) & ~number_id)
    if bad.any():
        for k in np.flatnonzero(bad):
            raw = raw_of(int(numbers[k]))
            rejects.append(Reject(origin.file, int(numbers[k]), origin.path, complaint(raw, status[k], settings), raw))
        rejects.sort(key=lambda reject: reject.line)
        good = np.flatnonzero(~bad)
        left = [records[k] for k in good.tolist()]
        return documents_of(left, numbers[good], rejects, raw_of, origin, settings, first=False, spread=spread)
    id_column = with_names(string_column(ids, id_bounds, id_status != MISSING), numbers, origin)
    optional = []
    for field in ("source", "age"):
        data, field_bounds, kind = decode_values([getattr(record, field) for record in records], spread=spread)
        present = kind == STRING
        for k in np.flatnonzero(kind == OTHER_TYPE):
            present[k] = is_number(data[field_bounds[k] : field_bounds[k + 1]])
        optional.append(string_column(data, field_bounds, present))
    return Parsed(Documents(id_column, texts, bounds, *optional), rejects)


def complaint(raw: bytes, status: int, settings: Settings) -> str:
    """Say what is wrong with a record's fields."""
    if status == MISSING:
        names = names_in(raw)
        if names is None:
            return f"field {settings.text!r} is missing or null"
        if settings.text not in names:
            return str(SchemaError(settings.text, names))
        return f"field {settings.text!r} is null: a string is expected"
    if status == OTHER_TYPE:
        return f"field {settings.text!r} is no string"
    return f"field {settings.id!r} is neither a string nor a number"


def names_in(raw: bytes) -> list[str] | None:
    """Return what the fields of a record are called; None where Python cannot say, whose module has limits."""
    try:
        return list(json.loads(raw.removeprefix(BOM)))
    except (ValueError, RecursionError):
        return None


def is_number(data: U8) -> bool:
    """Whether a raw JSON value that is no string is a number."""
    return bool(data.size) and (data[0] == ord("-") or ord("0") <= data[0] <= ord("9"))


def address(buffer: bytes | msgspec.Raw) -> int:
    """Return where in memory a buffer begins."""
    return int(np.frombuffer(memoryview(buffer), np.uint8).__array_interface__["data"][0])


def cut_text(
    editor: Editor, start: int, raw: bytes, cut: Sequence[tuple[int, int]], doc: int, settings: Settings
) -> None:
    """Cut spans out of the literal of a record's text.

    Args:
        editor: of the chunk.
        start: where the record stands in the chunk.
        raw: the record.
        cut: what to cut, in bytes of the decoded text.
        doc: number of the document.
        settings: name the fields.
    """
    record, buffer = decode_record(raw, decoder_for(settings))
    place = address(record.text) - address(buffer)
    literal = np.frombuffer(raw, np.uint8)[place : place + len(memoryview(record.text))]
    found = np.empty(2 * len(cut), np.int64)
    literal_offsets(literal, np.array(cut, np.int64).reshape(-1), found)
    editor.cut(start + place, list(zip(found[::2].tolist(), found[1::2].tolist(), strict=True)), doc)
