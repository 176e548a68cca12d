"""A path, and which format of tables is there, in; a reader of it out."""

from __future__ import annotations

import os
import shutil

from dedup.errors import InputError
from dedup.formats.base import opened, printable, told
from dedup.formats.columnar import Columnar
from dedup.formats.compression import detect_codec
from dedup.formats.ipc import ArrowFile
from dedup.formats.parquet import ParquetFile
from dedup.formats.stdin import standard_input
from dedup.store import temporary_directory

PARQUET = (b"PAR1", b"PARE")  # the latter is encrypted, footer and all
FEATHER = b"FEA1"  # of the first version
ARROW = (b"ARROW1", b"\xff\xff\xff\xff", FEATHER)  # a stream begins with the mark before its first message's length
MARK = 8  # bytes that are looked at


def open_parquet(path: str, file: int) -> Columnar:
    """Return a reader of Parquet; ``-`` is standard input.

    Raises:
        InputError: it cannot be read.
    """
    return open_table(ParquetFile, path, file)


def open_arrow(path: str, file: int) -> Columnar:
    """Return a reader of Arrow's own format, see ``open_parquet``."""
    return open_table(ArrowFile, path, file)


def open_table(kind: type[Columnar], path: str, file: int) -> Columnar:
    """Return a reader of some kind; standard input is copied to a temporary file, for a table is read from its end."""
    if path != "-":
        check_readable(path, printable(path))
        return kind(path, file)
    kept = temporary_directory()  # it goes with the reader
    copy = os.path.join(kept.path, "stdin")
    with open(copy, "wb") as target:
        shutil.copyfileobj(standard_input(), target, 1 << 20)
    check_readable(copy, told(path))
    reader = kind(copy, file)
    reader.path, reader.name, reader.lent = told(path), f"stdin{reader.suffixes[0]}", kept
    return reader


def check_readable(path: str, called: str) -> None:
    """Check that a file is not packed in a way that tables are not read in.

    Raises:
        InputError: it is.
    """
    with opened(path) as stream:
        head = stream.read(MARK)
    if head.startswith(FEATHER):
        raise InputError("Feather of the first version is not read: write it anew as Arrow or Parquet", called)
    codec = detect_codec(head)
    if codec is not None:
        raise InputError(f"tables are not read out of a {codec} stream: decompress the file", called)


def open_columnar(path: str) -> Columnar | None:
    """Return a reader of a file of tables, told by its first bytes; None where it is none.

    Raises:
        InputError: it is one, but cannot be read.
    """
    with opened(path) as stream:
        head = stream.read(MARK)
    if head.startswith(PARQUET):
        return open_parquet(path, 0)
    return open_arrow(path, 0) if head.startswith(ARROW) else None
