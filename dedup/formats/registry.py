"""The formats: how each is told, and what reads it.

A new one is an entry in ``FORMATS``, and its name in ``dedup.settings.FormatName``.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Sequence

from dedup.formats.base import Input, opened, unreadable
from dedup.formats.compression import HEAD, SUFFIXES, open_stream, strip_suffix
from dedup.formats.html import Pages, begins_page
from dedup.formats.jsonl import BOM, JsonLines
from dedup.formats.text import SUFFIXES as TEXT_SUFFIXES
from dedup.formats.text import TextTree
from dedup.formats.warc import Warc
from dedup.settings import FormatName

# The first line, if it is seen whole, is an object: of JSON that is laid out for reading it would be a part of one.
OBJECT = re.compile(rb'\s*\{\s*(?:"[^\n]*\}\s*(?:\n|\Z)|"[^\n]*\Z|\}\s*(?:\n|\Z))')


@dataclasses.dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffixes: how names of its files end, lower case, without that of a compression.
        open: makes the reader of a path (``-`` is standard input), given the number of the input.
        magic: how its files begin, whatever their names; for formats of which nothing else begins so.
        looks: whether a file that begins so (decompressed, HEAD bytes at most) is likely of it, whatever its name.
        tree: makes one reader of many files, where those of a directory are one input: given the directory, the number
            of the input, and paths below the directory. Their names alone tell such files.
        extracted: whether it is cleaned as JSON lines of what was extracted, not as what it is.
    """

    suffixes: tuple[str, ...]
    open: Callable[[str, int], Input]
    magic: tuple[bytes, ...] = ()
    looks: Callable[[bytes], bool] | None = None
    tree: Callable[[str, int, Sequence[str]], Input] | None = None
    extracted: bool = False


def begins_object(head: bytes) -> bool:
    """Whether a file begins with a JSON object on a line of its own."""
    return OBJECT.match(head.removeprefix(BOM)) is not None


# Asked in this order.
FORMATS: dict[FormatName, Format] = {
    "jsonl": Format((".jsonl", ".ndjson", ".json"), JsonLines, looks=begins_object),
    "text": Format(TEXT_SUFFIXES, TextTree, tree=TextTree),
    "html": Format((".html", ".htm", ".xhtml"), Pages, looks=begins_page, tree=Pages, extracted=True),
    "warc": Format((".warc", ".wet"), Warc, magic=(b"WARC/",), extracted=True),
}
# How the names of files end that are written.
WRITTEN_SUFFIXES = (*(suffix for one in FORMATS.values() if not one.extracted for suffix in one.suffixes), *SUFFIXES)


def named(path: str) -> list[FormatName]:
    """Return the formats that the name of a file tells."""
    name = strip_suffix(os.path.basename(path)).lower()
    return [key for key, one in FORMATS.items() if name.endswith(one.suffixes)]


def recognise(path: str) -> FormatName | None:
    """Tell the format of a file by its content and name, None if neither tells.

    Raises:
        NotFound: it cannot be read.
    """
    keys = named(path)
    if keys and FORMATS[keys[0]].tree is not None:
        return keys[0]
    head = read_head(path) if os.path.isfile(path) else b""
    for key, one in FORMATS.items():
        if one.magic and head.startswith(one.magic):
            return key
    if len(keys) == 1:
        return keys[0]
    for key in keys or FORMATS:
        looks = FORMATS[key].looks
        if looks is not None and looks(head):
            return key
    return keys[0] if keys else None


def read_head(path: str) -> bytes:
    """Return the first bytes of what a file holds, decompressed.

    Raises:
        NotFound: it cannot be read.
    """
    with opened(path) as file:
        try:
            return open_stream(file)[0].read(HEAD)
        except OSError as error:
            raise unreadable(path, error) from error
