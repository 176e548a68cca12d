"""Arrow tables in; their documents and rejects, and the rows that stay with what was cut out of their texts, out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.arrays import I64, U8, Bool
from dedup.errors import InputError, SchemaError
from dedup.formats.base import Chunk, Cut, Parsed, Removed
from dedup.formats.objects import string_column
from dedup.schema import Documents, Reject
from dedup.settings import Settings

UUID = "arrow.uuid"
UUID_PARTS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))  # digits between the hyphens


def field_names(settings: Settings) -> list[str]:
    """Return the columns that are read: text, id, source and age."""
    return [name for name in (settings.text, settings.id, settings.source, settings.newest) if name]


def check_columns(schema: pa.Schema, path: str, settings: Settings) -> None:
    """Check that the columns that are read can be.

    Raises:
        SchemaError: there is no column of texts.
        InputError: the texts are no strings, the ids neither strings nor numbers, or a column stands there twice.
    """
    if settings.text not in schema.names:
        raise SchemaError(settings.text, schema.names, path)
    for name in field_names(settings):
        if schema.names.count(name) > 1:
            raise InputError(f"column {name!r} stands there {schema.names.count(name)} times: rename the others", path)
    kind = schema.field(settings.text).type
    if not holds_strings(kind):
        raise InputError(
            f"column {settings.text!r} is {kind}, not a string: convert it, or name the column of texts with --text",
            path,
        )
    if settings.id in schema.names and not (holds_strings(kind := schema.field(settings.id).type) or holds_words(kind)):
        raise InputError(
            f"column {settings.id!r} is {kind}, neither strings nor numbers: name another column with --id", path
        )


def documents_of(table: pa.Table, line: int, file: int, path: str, prefix: str, settings: Settings) -> Parsed:
    """Read the documents of rows.

    Args:
        table: the rows; columns other than those of text, id, source and age do not matter.
        line: 1-based number of the first row.
        file: number of the input.
        path: what to call it in messages.
        prefix: what stands before the number of a row in the name of a document without an id.
        settings: which columns are read.

    Raises:
        SchemaError: there is no column of texts.
        InputError: a column is of a type that cannot be used.
    """
    check_columns(table.schema, path, settings)
    texts = cast("pa.LargeStringArray", strings_of(table, settings.text, path))
    rows = np.arange(line, line + table.num_rows)
    names, *others = (
        strings_of(table, name, path) if name is not None and name in table.column_names else None
        for name in (settings.id, settings.source, settings.newest)
    )
    errors: dict[int, tuple[str, bytes]] = {}
    if texts.null_count:
        null = (f"column {settings.text!r} is null", b"")
        errors = dict.fromkeys(np.flatnonzero(~is_valid(texts)).tolist(), null)
    for name, column in zip(field_names(settings), (texts, names, *others), strict=False):
        for row, position, cell in () if column is None else not_utf8(column, name, path):
            errors.setdefault(row, (f"column {name!r} is not UTF-8 at byte {position}", cell))
    if errors:
        good = np.ones(rows.size, np.bool_)
        good[list(errors)] = False
        mask = pa.array(good)
        rejects = [Reject(file, line + row, path, error, raw) for row, (error, raw) in sorted(errors.items())]
        texts, rows = texts.filter(mask), rows[good]
        names = None if names is None else names.filter(mask)
        others = [None if column is None else column.filter(mask) for column in others]
    if names is None or names.null_count:
        numbers = pa.array(rows).cast(pa.large_string())
        numbers = pc.binary_join_element_wise(
            pa.scalar(prefix, pa.large_string()), numbers, pa.scalar("", pa.large_string())
        )
        names = numbers if names is None else names.fill_null(numbers)
    nothing = pa.nulls(rows.size, pa.large_string())
    data, bounds = utf8_of(texts)
    filled = (nothing if column is None else column for column in others)
    return Parsed(Documents(names, data, bounds, *filled), rejects if errors else [])


def strings_of(table: pa.Table, name: str, path: str) -> pa.LargeStringArray | None:
    """Return a column of a table as strings, see ``as_strings``.

    Raises:
        InputError: Arrow cannot write its values, times of a zone that does not exist say.
    """
    try:
        return as_strings(table[name])
    except pa.ArrowException as error:
        told = " ".join(str(error).split())
        raise InputError(
            f"column {name!r} ({table.schema.field(name).type}) cannot be read as strings ({told}): convert it", path
        ) from error


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values: of what a dictionary or an extension type stores."""
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name != UUID:
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def holds_strings(kind: pa.DataType) -> bool:
    """Whether a column holds strings (or nothing but nulls)."""
    kind = value_type(kind)
    types = pa.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)
    )


def holds_words(kind: pa.DataType) -> bool:
    """Whether a column holds what can be written as a word: numbers, times, UUIDs."""
    kind = value_type(kind)
    types = pa.types
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_temporal(kind) or types.is_decimal(kind)
    return bool((plain and not types.is_interval(kind)) or getattr(kind, "extension_name", "") == UUID)


def as_strings(column: pa.ChunkedArray) -> pa.LargeStringArray | None:
    """Return a column as one array of strings, not known to be UTF-8; None if it holds neither strings nor words."""
    if isinstance(column.type, pa.BaseExtensionType):
        if column.type.extension_name == UUID:
            parts = [uuid_strings(chunk.storage) for chunk in column.chunks]
            return pa.concat_arrays(parts or [pa.nulls(0, pa.large_string())])
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    kind = value_type(column.type)
    if holds_words(kind):
        column = column.cast(kind)
        if pa.types.is_floating(kind):
            column = pc.if_else(pc.is_nan(column), None, column)
        column = column.cast(pa.string())
    elif not holds_strings(kind):
        return None
    chunks = [decoded(chunk) for chunk in column.chunks]
    return cast("pa.LargeStringArray", pa.concat_arrays(chunks or [pa.nulls(0, pa.large_string())]))


def decoded(array: pa.Array) -> pa.LargeStringArray:
    """Return strings of any layout as those of one."""
    if isinstance(array, pa.DictionaryArray):  # from one of views Arrow cannot take
        array = pa.DictionaryArray.from_arrays(array.indices, array.dictionary.cast(pa.large_string()))
    return array.cast(pa.large_string())


def uuid_strings(storage: pa.FixedSizeBinaryArray) -> pa.LargeStringArray:
    """Write UUIDs as usual: 32 hexadecimal digits, four hyphens between."""
    n = len(storage)
    raw = np.frombuffer(storage.buffers()[1] or b"", np.uint8)[16 * storage.offset : 16 * (storage.offset + n)]
    digits = np.frombuffer(raw.tobytes().hex().encode(), np.uint8).reshape(n, 32)
    out = np.full((n, 36), ord("-"), np.uint8)
    for hyphens, (start, end) in enumerate(UUID_PARTS):
        out[:, start + hyphens : end + hyphens] = digits[:, start:end]
    return string_column(out.reshape(-1), np.arange(0, 36 * n + 1, 36), is_valid(storage))


def utf8_of(array: pa.LargeStringArray) -> tuple[U8, I64]:
    """Return an array's UTF-8 and int64[n + 1], where each string begins in it."""
    if len(array) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(array.buffers()[1], np.int64, len(array) + 1, 8 * array.offset)
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]]
    return data, bounds - bounds[0]


def is_valid(array: pa.Array) -> Bool:
    """Return bool[n], which values are not null."""
    valid: Bool = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


def not_utf8(column: pa.LargeStringArray, name: str, path: str | None) -> list[tuple[int, int, bytes]]:
    """Return the cells that are no UTF-8: their rows, the byte where it ends to be that, and what stands there.

    Raises:
        InputError: the column's offsets are nonsense.
    """
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        found = []
        valid = is_valid(column)
        data, bounds = utf8_of(column)
        for row in np.flatnonzero(valid).tolist():
            cell = data[bounds[row] : bounds[row + 1]].tobytes()
            try:
                cell.decode()
            except UnicodeDecodeError as wrong:
                found.append((row, wrong.start, cell))
        if not found:
            raise InputError(f"column {name!r} is damaged ({error}): write the table anew", path) from error
        return found
    return []


def mended(dictionary: pa.Array) -> pa.Array:
    """Return strings of a dictionary, those that are no UTF-8 as UTF-8 that says so and is none of the others."""
    cells = dictionary.cast(pa.large_string())
    wrong = not_utf8(cells, "of a dictionary", None)
    if not wrong:
        return dictionary
    raw = cells.cast(pa.large_binary()).to_pylist()
    taken = set(raw)
    for row, _, cell in wrong:
        text = cell.decode(errors="replace").encode()
        while text in taken:
            text += "\ufffd".encode()
        raw[row] = text
        taken.add(text)
    return pa.array(raw, pa.large_binary()).cast(pa.large_string()).cast(dictionary.type)


def splice(texts: pa.LargeStringArray, edits: Sequence[tuple[int, int, int, bytes]]) -> pa.LargeStringArray:
    """Replace spans of strings.

    Args:
        texts: the strings.
        edits: row, first byte, the byte after the last, and what comes there instead; ascending and apart.
    """
    data, bounds = utf8_of(texts)
    view = data.data
    growth = np.zeros(len(texts), np.int64)
    parts: list[Any] = []
    end = 0
    for row, start, stop, new in edits:
        first = int(bounds[row])
        parts += (view[end : first + start], new)
        end = first + stop
        growth[row] += len(new) - (stop - start)
    parts.append(view[end:])
    spliced = np.frombuffer(b"".join(parts), np.uint8)
    return string_column(spliced, bounds + np.concatenate([[0], np.cumsum(growth)]), is_valid(texts))


class Fate(NamedTuple):
    """What becomes of the rows of a chunk.

    Attributes:
        kept: bool[rows], which stay.
        touched: int64[k], rows that stay without some spans, ascending; ``spans``, those spans.
        spans: see ``touched``.
        removed: what goes.
    """

    kept: Bool
    touched: I64
    spans: list[Sequence[tuple[int, int]]]
    removed: list[Removed]


def edits_of(rows: I64, spans: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int, int, bytes]]:
    """Return what ``splice`` cuts spans with."""
    pairs = zip(rows.tolist(), spans, strict=True)
    return [(row, start, end, b"") for row, of_row in pairs for start, end in of_row]


def fate_of(
    chunk: Chunk, name: str, cuts: Sequence[Cut], rejected: frozenset[int], texts: pa.LargeStringArray, *, aside: bool
) -> Fate:
    """Say what becomes of rows.

    Args:
        chunk: the rows.
        name: the output.
        cuts: what to cut from each document.
        rejected: numbers of rows that are no documents.
        texts: the texts of all rows.
        aside: whether rows that are no documents go.
    """
    documents = np.ones(chunk.records, np.bool_)
    documents[[number - chunk.line for number in rejected]] = False
    rows = np.flatnonzero(documents)
    kept = np.full(chunk.records, not aside) | documents
    kept[rows[[k for k, cut in enumerate(cuts) if cut is True]]] = False
    place: I64 = np.cumsum(kept) - kept
    doc_of = np.cumsum(documents) - 1
    data, bounds = utf8_of(texts)
    changed = ~kept
    changed[rows[[k for k, cut in enumerate(cuts) if cut]]] = True
    touched: list[int] = []
    spans: list[Sequence[tuple[int, int]]] = []
    removed: list[Removed] = []
    for row in np.flatnonzero(changed).tolist():
        doc = int(doc_of[row]) if documents[row] else -1
        cut = cuts[doc] if doc >= 0 else True
        if isinstance(cut, bool | None):
            removed.append(Removed(name, 0, b"", doc, -1, int(place[row])))
            continue
        touched.append(row)
        spans.append(cut)
        gone, first = 0, int(bounds[row])
        for k, (start, end) in enumerate(cut):
            raw = data[first + start : first + end].tobytes()
            removed.append(Removed(name, start - gone, raw, doc, k, int(place[row])))
            gone += end - start
    return Fate(kept, np.array(touched, np.int64), spans, removed)


def as_type(texts: pa.LargeStringArray, kind: pa.DataType) -> pa.Array:
    """Return strings as an array of a type that holds strings; of a dictionary, its values, not encoded."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, texts.cast(kind.storage_type))
    return texts.cast(value_type(kind))


def encode(texts: pa.LargeStringArray, dictionary: pa.Array, kind: pa.DictionaryType, path: str) -> pa.DictionaryArray:
    """Return strings as indices into a dictionary that begins with a given one; what is not in it comes at its end.

    Raises:
        InputError: the type of the indices has not room for so many.
    """
    values = dictionary.cast(pa.large_string())
    indices = pc.index_in(texts, value_set=values, skip_nulls=True)
    missing = texts.filter(pc.and_(indices.is_null(), texts.is_valid())).unique()
    if len(missing):
        values = pa.concat_arrays([values, missing])
        dictionary = values.cast(kind.value_type)
        indices = pc.index_in(texts, value_set=values, skip_nulls=True)
    try:
        indices = indices.cast(kind.index_type)
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{len(values):,} different texts are too many for {kind}: give the column wider indices", path
        ) from error
    return pa.DictionaryArray.from_arrays(indices, dictionary, ordered=kind.ordered)
