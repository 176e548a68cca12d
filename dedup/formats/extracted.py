"""Pages and records that hold text among other things in; documents out, cleaned as JSON lines of the extraction."""

from __future__ import annotations

import collections
import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from dedup.formats.base import Chunk, Cut, Edited, Parsed, Removed
from dedup.formats.jsonl import LineRecords
from dedup.formats.objects import Origin
from dedup.schema import Reject
from dedup.settings import Settings

EFFORT = 8  # a byte that is extracted from costs as much as so many that are read


class Extract(NamedTuple):
    """What was extracted from a record: a line of the output."""

    id: str
    text: str
    source: str | None
    date: str | None
    title: str | None


class Lines(NamedTuple):
    """What was extracted from a chunk.

    Attributes:
        data: JSON lines.
        numbers: the record of each.
        rejects: records from which nothing could be.
    """

    data: bytes
    numbers: list[int]
    rejects: list[Reject]


class Raw:
    """Records of a chunk as they were read, and once it was made, what was extracted from them: the work is done once.

    Attributes:
        records: the number of each, and what it is.
        lines: what was extracted; None while it was not.
    """

    def __init__(self) -> None:
        self.records: list[tuple[int, Any]] = []
        self.lines: Lines | None = None


class Extracted(LineRecords):
    """An input from whose records documents are extracted; what one loses is cut from JSON lines of the extraction.

    Args:
        path: what to call it in messages.
        name: name of its output.
        file: number of the input.
        extract: makes what was extracted of a record, or None where a record is to be skipped; raises ValueError.
        told: returns what a record that was rejected is shown by: the file it is in, and some bytes.
    """

    def __init__(
        self,
        path: str,
        name: str,
        file: int,
        extract: Callable[[int, Any], Extract | None],
        told: Callable[[Any], tuple[str, bytes]],
    ) -> None:
        self.path = path
        self.name = name
        self._file = file
        self._extract = extract
        self._told = told

    def _lines(self, chunk: Chunk) -> Lines:
        """Extract from the records of a chunk, or take what was."""
        raw: Raw = chunk.data
        if raw.lines is None:
            parts: list[bytes] = []
            numbers: list[int] = []
            rejects: list[Reject] = []
            for number, record in raw.records:
                try:
                    extract = self._extract(number, record)
                    if extract is not None:
                        parts += (msgspec.json.encode(extract._asdict()), b"\n")
                        numbers.append(number)
                except ValueError as error:
                    path, shown = self._told(record)
                    rejects.append(Reject(self._file, number, path, str(error), shown))
            raw.lines = Lines(b"".join(parts), numbers, rejects)
        return raw.lines

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Extract the documents of a chunk."""
        if chunk.damage:
            return super().parse(chunk, settings)
        lines = self._lines(chunk)
        origin = Origin(self._file, self.path, self.name, np.array(lines.numbers, np.int64))
        parsed = self._parse(self._as_lines(lines), with_own_fields(settings), origin)
        rejects = [reject._replace(line=lines.numbers[reject.line - 1]) for reject in parsed.rejects]
        return Parsed(parsed.documents, sorted(lines.rejects + rejects, key=lambda reject: reject.line))

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans and lines out of the extraction; a record without one leaves nothing to put back."""
        if chunk.damage:
            return Edited([], [Removed(self.name, 0, b"", -1, -1)])
        lines = self._lines(chunk)
        without = [line for line, number in enumerate(lines.numbers, 1) if number in rejected]
        edited = super().edit(self._as_lines(lines), cuts, frozenset(without), with_own_fields(settings))
        return Edited(edited.pieces, self._in_order(lines, edited.removed, without))

    def records(self, chunk: Chunk, rejected: frozenset[int]) -> list[tuple[int, bytes]]:
        """Return the lines of the extraction that ``parse`` could use, each with the number of its record."""
        if chunk.damage:
            return []
        lines = self._lines(chunk)
        without = frozenset(line for line, number in enumerate(lines.numbers, 1) if number in rejected)
        return [(lines.numbers[line - 1], raw) for line, raw in super().records(self._as_lines(lines), without)]

    def _in_order(self, lines: Lines, removed: list[Removed], without: list[int]) -> list[Removed]:
        """Put what was rejected in the order of the records: those without an extraction among the lines removed."""
        unread = collections.deque(reject.line for reject in lines.rejects)
        numbers = iter(lines.numbers[line - 1] for line in without)
        found: list[Removed] = []
        for one in removed:
            number = next(numbers) if one.doc < 0 else -1
            while unread and unread[0] < number:
                unread.popleft()
                found.append(Removed(self.name, one.offset, b"", -1, -1))
            found.append(one)
        end = found[-1].offset if found else 0
        return found + [Removed(self.name, end, b"", -1, -1) for _ in unread]

    def _as_lines(self, lines: Lines) -> Chunk:
        return Chunk(self._file, 1, len(lines.numbers), lines.data, 0)


def with_own_fields(settings: Settings) -> Settings:
    """Return settings by the names that the fields of an extraction have, whatever they are called in other inputs."""
    return dataclasses.replace(settings, text="text", id="id", source="source")


def stay_quiet(name: str) -> None:
    """Keep a library's warnings from standard error; whoever sets up logging gets them."""
    logger = logging.getLogger(name)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
