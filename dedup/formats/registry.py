"""The formats: how each is told, and what reads it.

A new one is an entry in ``FORMATS``, and its name in ``dedup.settings.FormatName``.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Sequence

from dedup.formats.array import JsonArray, is_array
from dedup.formats.base import Input, printable
from dedup.formats.bytefile import BOM, HEAD, head_of, head_of_stdin
from dedup.formats.columnar import Columnar
from dedup.formats.compression import SUFFIXES, strip_suffix
from dedup.formats.delimited import Delimited, Tabbed
from dedup.formats.dialect import names_fields
from dedup.formats.html import Pages, begins_page
from dedup.formats.ipc import ArrowFile
from dedup.formats.jsonl import JsonLines, check_lines, is_laid_out
from dedup.formats.parquet import ParquetFile
from dedup.formats.sniff import ARROW, PARQUET, open_arrow, open_parquet
from dedup.formats.text import SUFFIXES as TEXT_SUFFIXES
from dedup.formats.text import TextTree
from dedup.formats.warc import Warc
from dedup.settings import FormatName
from dedup.urls import name_of

# The first line, if it is seen whole, is an object: of JSON that is laid out for reading it would be a part of one.
OBJECT = re.compile(rb'\s*\{\s*(?:"[^\n]*\}\s*(?:\n|\Z)|"[^\n]*\Z|\}\s*(?:\n|\Z))')
ARRAY = re.compile(rb"\s*\[\s*\{")
STDIN = "<stdin>"
JSON = ".json"  # may be lines, one array, or an object that is no data at all


@dataclasses.dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffixes: how names of its files end, lower case, without that of a compression; the first is what new ones get.
        open: makes the reader of a path (``-`` is standard input), given the number of the input.
        magic: how its files begin, whatever their names; for formats of which nothing else begins so.
        looks: whether a file that begins so (decompressed, HEAD bytes at most) is likely of it, whatever its name.
        guess: the same, where files of other kinds may look so, too: asked of files whose names tell several formats,
            or that were named by themselves.
        tree: makes one reader of many files, where those of a directory are one input: given the directory, the number
            of the input, and paths below the directory. Their names alone tell such files.
        extracted: whether it is cleaned as JSON lines of what was extracted, not as what it is.
        tables: whether it is cleaned as a file of tables, with a second file for the rows removed.
    """

    suffixes: tuple[str, ...]
    open: Callable[[str, int], Input]
    magic: tuple[bytes, ...] = ()
    looks: Callable[[bytes], bool] | None = None
    guess: Callable[[bytes], bool] | None = None
    tree: Callable[[str, int, Sequence[str]], Input] | None = None
    extracted: bool = False
    tables: bool = False


def begins_object(head: bytes) -> bool:
    """Whether a file begins with a JSON object on a line of its own."""
    return OBJECT.match(head.removeprefix(BOM)) is not None and not is_laid_out(head)


def begins_array(head: bytes) -> bool:
    """Whether a file begins with an array of JSON objects."""
    return ARRAY.match(head.removeprefix(BOM)) is not None and is_array(head)


def begins_records(head: bytes) -> bool:
    """Whether a file begins with a line that names fields, and records that have as many."""
    return names_fields(head, whole=len(head) < HEAD)


# Asked in this order. Names of JSON do not tell lines from arrays.
FORMATS: dict[FormatName, Format] = {
    "jsonl": Format((".jsonl", ".ndjson", JSON), JsonLines, looks=begins_object),
    "json": Format((JSON, ".jsonl", ".ndjson"), JsonArray, looks=begins_array, guess=is_array),
    "csv": Format((".csv",), Delimited, guess=begins_records),
    "tsv": Format((".tsv", ".tab"), Tabbed),
    "parquet": Format(ParquetFile.suffixes, open_parquet, magic=PARQUET, tables=True),
    "arrow": Format(ArrowFile.suffixes, open_arrow, magic=ARROW, tables=True),
    "text": Format(TEXT_SUFFIXES, TextTree, tree=TextTree),
    "html": Format((".html", ".htm", ".xhtml"), Pages, looks=begins_page, tree=Pages, extracted=True),
    "warc": Format((".warc", ".wet"), Warc, magic=(b"WARC/",), extracted=True),
}
# How the names of files end that are written.
TABLE_SUFFIXES = tuple(suffix for one in FORMATS.values() if one.tables for suffix in one.suffixes)
FILE_SUFFIXES = (*(suffix for one in FORMATS.values() if not one.extracted for suffix in one.suffixes), *SUFFIXES)


def suffixes_for(source: Input) -> tuple[str, ...]:
    """Return what the name of a file may end in, without that of a compression, that is written as an input is."""
    if isinstance(source, Columnar):
        return source.suffixes
    kind: FormatName = next((key for key, one in FORMATS.items() if one.open is type(source)), "jsonl")
    if FORMATS[kind].extracted:
        return FORMATS["jsonl"].suffixes
    own = os.path.splitext(strip_suffix(source.name))[1].lower()
    of_kind = (JSON,) if kind == "json" else FORMATS[kind].suffixes
    if kind == "csv" and (own not in of_kind or source.path == STDIN):  # what parts its fields is not told by a name
        of_kind += FORMATS["tsv"].suffixes
    return of_kind if own not in FORMATS[kind].suffixes else tuple(dict.fromkeys([*of_kind, own]))


def named(path: str) -> list[FormatName]:
    """Return the formats that the name of a file tells."""
    name = strip_suffix(name_of(path)).lower()
    return [key for key, one in FORMATS.items() if name.endswith(one.suffixes)]


def recognise(path: str, *, alone: bool = False) -> FormatName | None:
    """Tell the format of a file by its content and name, None if neither tells.

    Args:
        path: the file.
        alone: whether it was named by itself, and so is to be read: what nothing tells is taken for JSON lines.

    Raises:
        NotFound: it cannot be read.
        InputError: it is of no format, but so like one that it should be.
    """
    keys = named(path)
    if keys and FORMATS[keys[0]].tree is not None:
        return keys[0]
    return tell(
        keys, head_of(path), printable(path), alone=alone, data=not strip_suffix(name_of(path)).lower().endswith(JSON)
    )


def recognise_stdin() -> FormatName:
    """Tell the format of standard input by what comes first.

    Raises:
        NotFound: it cannot be read.
        InputError: it is of no format, but so like one that it should be.
    """
    return tell([], head_of_stdin(), STDIN, alone=True) or "jsonl"


def tell(keys: list[FormatName], head: bytes, path: str, *, alone: bool, data: bool = True) -> FormatName | None:
    """Tell the format of a file, None if nothing does; see ``recognise``.

    Args:
        keys: what its name tells.
        head: its first bytes, decompressed.
        path: what to call it in messages.
        alone: whether it was named by itself.
        data: whether its name tells that it should be data, whatever it holds.
    """
    for key, one in FORMATS.items():
        if head.startswith(one.magic):
            return key
    if len(keys) == 1:
        return keys[0]
    candidates = keys or list(FORMATS)
    told = (key for key in candidates if (looks := FORMATS[key].looks) is not None and looks(head))
    guessed = (key for key in candidates if (guess := FORMATS[key].guess) is not None and guess(head))
    found = next(told, None)
    if found is not None or not (keys or alone):
        return found
    if is_laid_out(head):
        if not alone and not data:
            return None
        check_lines(head, path)
    return next(guessed, candidates[0])
