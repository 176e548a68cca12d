"""The first bytes of delimited text in; whether it is any, what parts its fields, and what they are called, out."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
from typing import NamedTuple

import numpy as np

from dedup.arrays import I64
from dedup.errors import InputError, SchemaError
from dedup.formats.bytefile import BOM
from dedup.settings import Settings

SEPARATORS = ",\t;|"
SAMPLE = 50  # records that are looked at for the separator
LONGEST_NAME = 100  # of a field of a file whose name does not tell what it is


class Header(NamedTuple):
    """The first record.

    Attributes:
        names: what fields are called.
        separator: the byte between them.
    """

    names: tuple[str, ...]
    separator: int


def names_fields(head: bytes, *, whole: bool) -> bool:
    """Whether a first line names fields, with as many of them as the records after it have.

    Args:
        head: how a file begins.
        whole: whether that is all of it.
    """
    if head.removeprefix(BOM).lstrip()[:1] in {b"", b"{", b"["} or b"\0" in head:
        return False
    names, *records = sample(head, find_separator(head, whole=whole), whole=whole)
    fit = len(names) > 1 and all(names) and len(set(names)) == len(names) and max(map(len, names)) <= LONGEST_NAME
    return fit and all(len(record) == len(names) for record in records)


def sample(head: bytes, separator: str, *, whole: bool) -> list[list[str]]:
    """Return the first records of a file that begins so, one without fields if there are none; none that is cut off."""
    records: list[list[str]] = []
    lines = io.StringIO(head.removeprefix(BOM).decode(errors="replace"), newline="")
    with contextlib.suppress(csv.Error):
        for record in itertools.islice(csv.reader(lines, delimiter=separator), SAMPLE):
            records += [record] * bool(record)
    cut_off = not whole and 1 < len(records) < SAMPLE
    return (records[:-1] if cut_off else records) or [[]]


def find_separator(head: bytes, *, whole: bool, tabs: bool = False) -> str:
    """Return the character that parts the fields of a file.

    It is the one by which most records have as many fields as the first line names, and more than one; among equals
    the one by which these are most.

    Args:
        head: how the file begins.
        whole: whether that is all of it.
        tabs: whether it is a tab wherever there is one in the first line.
    """
    best, found = (False, 0.0, 1), "\t" if tabs else SEPARATORS[0]
    for separator in SEPARATORS:
        names, *records = sample(head, separator, whole=whole)
        alike = sum(len(record) == len(names) for record in records) / max(1, len(records))
        fit = (tabs and separator == "\t", alike, len(names))
        if len(names) > 1 and fit > best:
            best, found = fit, separator
    return found


def read_names(raw: bytes, separator: int, path: str, line: int) -> tuple[str, ...]:
    """Return the names of the fields.

    Raises:
        InputError: they cannot be read.
    """
    error = complaint_of_bytes(raw)
    if error:
        raise InputError(f"the names of the fields: {error}: convert the file to UTF-8", path, line)
    try:
        return tuple(next(csv.reader([raw.decode()], delimiter=chr(separator))))
    except csv.Error as wrong:
        raise InputError(f"the names of the fields cannot be read: {wrong}", path, line) from wrong


def find_columns(header: Header, settings: Settings, path: str) -> I64:
    """Return int64[4], which fields hold text, id, source and age, -1 for none.

    Raises:
        SchemaError: there is no text.
        InputError: one of them stands there twice.
    """
    names = header.names
    if settings.text not in names:
        raise SchemaError(settings.text, names, path)
    wanted = (settings.text, settings.id, settings.source, settings.newest)
    for name in wanted:
        if names.count(name or "") > 1 and name:
            raise InputError(f"field {name!r} stands twice in the first line: rename one, or name another field", path)
    return np.array([names.index(name) if name and name in names else -1 for name in wanted], np.int64)


def complaint_of_bytes(raw: bytes) -> str | None:
    """Say what makes bytes no text, None if nothing does."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start} of the record"
    place = raw.find(b"\0")
    return None if place < 0 else f"a NUL byte stands at byte {place} of the record"
