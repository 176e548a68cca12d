"""A path in; a reader of tables out, if a table is what begins there."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile

from dedup.errors import InputError
from dedup.formats.base import printable
from dedup.formats.columnar import Columnar
from dedup.formats.ipc import ArrowFile
from dedup.formats.parquet import ParquetFile

MAGICS: dict[bytes, type[Columnar] | None] = {
    b"PAR1": ParquetFile,
    b"PARE": ParquetFile,  # encrypted, footer and all
    b"ARROW1": ArrowFile,
    b"\xff\xff\xff\xff": ArrowFile,  # a stream: the mark before the length of its first message
    b"FEA1": None,
}
LONGEST = max(map(len, MAGICS))


def open_columnar(path: str, file: int) -> Columnar | None:
    """Return a reader of a file of tables, told by its first bytes; None where it is none.

    Standard input (``-``) is copied to a temporary file, for what ends a table tells how to read it.

    Raises:
        InputError: it is one, but cannot be read.
    """
    if path != "-":
        if not os.path.isfile(path):  # a pipe would lose what is read here
            return None
        try:
            with open(path, "rb") as stream:
                kind = kind_of(stream.read(LONGEST), printable(path))
        except OSError:  # for the other readers to report
            return None
        return None if kind is None else kind(path, file)
    stdin = sys.stdin.buffer if sys.stdin is not None else None
    if not isinstance(stdin, io.BufferedReader):
        return None
    kind = kind_of(stdin.peek(LONGEST)[:LONGEST], "<stdin>")
    if kind is None:
        return None
    kept = tempfile.NamedTemporaryFile(prefix="dedup-")  # noqa: SIM115 - it goes with the reader
    shutil.copyfileobj(stdin, kept, 1 << 20)
    kept.flush()
    opened = kind(kept.name, file)
    opened.path, opened.name, opened.lent = "<stdin>", f"stdin{opened.suffixes[0]}", kept
    return opened


def kind_of(head: bytes, path: str) -> type[Columnar] | None:
    """Return the reader of files that begin so."""
    for magic, kind in MAGICS.items():
        if head.startswith(magic):
            if kind is None:
                raise InputError("Feather of the first version is not read: write it anew as Arrow or Parquet", path)
            return kind
    return None
