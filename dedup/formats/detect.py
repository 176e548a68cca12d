"""Whatever a caller names as input in; the readers for it out."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from dedup.errors import InputError, NotFound
from dedup.formats.array import JsonArray, is_array
from dedup.formats.base import Input, printable
from dedup.formats.bytefile import HEAD, ByteFile, head_of
from dedup.formats.columnar import Columnar
from dedup.formats.delimited import Delimited
from dedup.formats.dialect import is_delimited
from dedup.formats.jsonl import JsonLines, check_lines
from dedup.formats.kinds import is_table
from dedup.formats.memory import ArrowTable, Records
from dedup.formats.sniff import open_columnar
from dedup.formats.text import SUFFIXES, TextTree

READERS = (ByteFile, TextTree, Records, ArrowTable, Columnar)


def open_inputs(inputs: Any) -> list[Input]:
    """Choose readers.

    Args:
        inputs: a path or several (JSON lines, a JSON array, CSV or TSV, plain or compressed, Parquet, Arrow, a text
            file, a directory of text files, ``-`` for standard input), an iterable of dicts, an object with
            ``__arrow_c_stream__``, or readers.

    Raises:
        NotFound: a path does not exist.
        InputError: the inputs are of a kind that is not read.
    """
    if isinstance(inputs, list) and inputs and isinstance(inputs[0], READERS):
        return inputs
    if is_table(inputs):
        return [ArrowTable(inputs, 0)]
    if isinstance(inputs, str | os.PathLike):
        inputs = [inputs]
    if isinstance(inputs, Mapping) or not isinstance(inputs, Iterable):
        raise InputError(f"{type(inputs).__name__} is no input: give paths, dicts, or an Arrow table")
    if isinstance(inputs, list | tuple) and inputs and all(isinstance(one, str | os.PathLike) for one in inputs):
        opened = [open_path(os.fspath(path), file) for file, path in enumerate(inputs)]
        name_apart(opened)
        return opened
    return [Records(inputs, 0)]


def name_apart(opened: list[Input]) -> None:
    """Give every input a name of its own: a second ``a.jsonl`` becomes ``a-2.jsonl``."""
    taken: set[str] = set()
    for one in opened:
        stem, dot, rest = one.name.partition(".")
        number = 1
        while one.name in taken:
            number += 1
            one.name = f"{stem}-{number}{dot}{rest}"
        taken.add(one.name)


def open_path(path: str, file: int) -> Input:
    """Choose the reader of one path."""
    if path == "-":
        return open_columnar(path, file) or JsonLines(path, file)
    if not pathlib.Path(path).exists():
        raise NotFound(f"{path} does not exist")
    if pathlib.Path(path).is_dir() or path.lower().endswith(SUFFIXES):
        return TextTree(path, file)
    columnar = open_columnar(path, file)
    if columnar is not None:
        return columnar
    head = head_of(path)
    if is_delimited(os.path.basename(path), head, whole=len(head) < HEAD):
        return Delimited(path, file)
    if is_array(head):
        return JsonArray(path, file)
    check_lines(head, printable(path))
    return JsonLines(path, file)
