"""One JSON array of objects in; a record is an element, and what is not cut stays byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import I64
from dedup.errors import InputError
from dedup.formats.base import BETWEEN, LONGEST, Chunk, Cut, Edited, Parsed, opened, pack
from dedup.formats.bytefile import BOM, HEAD, ByteFile
from dedup.formats.compression import Decompressed
from dedup.formats.editing import Editor
from dedup.formats.objects import Origin, cut_text, decode_one_by_one, decode_together, decoder_for, documents_of
from dedup.kernels.elements import DEPTH, IN_STRING, STATES, find_commas
from dedup.kernels.lines import LF, count_byte
from dedup.schema import Reject
from dedup.settings import Settings

BLANKS = b" \t\r\n"
OPEN_BRACKET = ord("[")
STEP = 64  # bytes that are looked at together for blanks


def is_array(head: bytes) -> bool:
    """Whether a file that begins with these bytes holds one array, and not an array a line."""
    text = head.removeprefix(BOM).lstrip(BLANKS)
    if not text.startswith(b"["):
        return False
    line, _, rest = text.partition(b"\n")
    try:
        return not (isinstance(json.loads(line), list) and rest.strip(BLANKS))
    except (ValueError, RecursionError):
        return True


class Elements(NamedTuple):
    """Elements of an array, each with what parts it from the one before.

    Attributes:
        data: bytes of the file; they begin where the element before ends.
        marks: int64[n], places of the bracket or comma before each.
        end: where the last one ends; what follows stays.
        line: 1-based line of the file in which ``data`` begins.
        closed: whether the array ends in or before ``data``.
    """

    data: bytes
    marks: I64
    end: int
    line: int
    closed: bool

    def opens(self) -> bool:
        """Whether the first element is the first of the array."""
        return bool(self.marks.size) and self.data[self.marks[0]] == OPEN_BRACKET

    def span(self, k: int) -> tuple[int, int]:
        """Return where an element stands, blanks around it left out."""
        start = int(self.marks[k]) + 1
        raw = self.data[start : self.marks[k + 1] if k + 1 < self.marks.size else self.end]
        content = raw.strip(BLANKS)
        start += len(raw) - len(raw.lstrip(BLANKS)) if content else 0
        return start, start + len(content)

    def line_of(self, place: int) -> int:
        """Return the line of the file in which a byte of ``data`` stands."""
        return self.line + self.data.count(b"\n", 0, place)

    def views(self) -> list[memoryview]:
        """Return the elements, not copied."""
        data, starts = memoryview(self.data), (self.marks + 1).tolist()
        ends = [*self.marks[1:].tolist(), self.end][: len(starts)]
        return [data[start:end] for start, end in zip(starts, ends, strict=True)]


class JsonArray(ByteFile):
    """A file that holds one JSON array of objects; its records are numbered, for many may stand in one line."""

    stdin_name = "stdin.json"

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole elements.

        Raises:
            InputError: the file holds no array, or an element has no end.
        """
        with opened(self._path) as file:
            stream = self._stream(file)
            reader, number = ElementReader(stream, self.path), 1
            while piece := stream.read(size):
                found = reader.feed(piece)
                if found is not None:
                    yield Chunk(self._file, number, found.marks.size, found, stream.consumed)
                    number += found.marks.size
            for found, damage in reader.finish():
                yield Chunk(self._file, number, found.marks.size, found, stream.consumed, damage)
                number += found.marks.size

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the elements of a chunk."""
        origin = Origin(self._file, self.path, self.name)
        elements: Elements = chunk.data

        def raw_of(number: int) -> bytes:
            start, end = elements.span(number - chunk.line)
            return elements.data[start:end]

        if chunk.damage:
            raw = raw_of(chunk.line) if elements.marks.size else elements.data.strip(BLANKS)
            damaged = Reject(self._file, chunk.line, self.path, chunk.damage, raw)
            return Parsed(pack([], [], [], []), [damaged])
        decoder = decoder_for(settings)
        records = decode_together(elements.data, elements.views(), decoder)
        numbers = np.arange(chunk.line, chunk.line + elements.marks.size)
        rejects: list[Reject] = []
        if records is None:
            raws = ((number, raw_of(number)) for number in numbers.tolist())
            records, numbers, rejects = decode_one_by_one(((n, raw, raw) for n, raw in raws), decoder, origin)
        spread = b"\n" in elements.data
        first = chunk.line == 1
        parsed = documents_of(records, numbers, rejects, raw_of, origin, settings, first=first, spread=spread)
        return parsed._replace(rejects=list(placed(parsed.rejects, elements, chunk.line)))

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of the text literals, and elements with a comma each."""
        elements: Elements = chunk.data
        data, marks, opens = elements.data, elements.marks, elements.opens()
        editor = Editor(self.name, data)
        if chunk.damage:
            start = int(marks[0]) + 1 if opens else 0
            editor.replace(start, len(data), b"" if elements.closed else b"]", -1, 0)
            return editor.finish()
        behind = chunk.kept > 0  # whether an element is kept before
        if not any(cuts) and not rejected and (behind or opens or not marks.size):
            return Edited([(self.name, data)], [])
        doc = 0
        for k in range(marks.size):
            bad, first = chunk.line + k in rejected, opens and k == 0
            cut = None if bad else cuts[doc]
            if bad or cut or not (behind or first):
                start, end = elements.span(k)
                before = elements.span(k - 1)[1] if k else 0
                if bad or cut is True:
                    editor.remove(start if first else before, end, -1 if bad else doc)
                elif not (behind or first):
                    editor.remove(before, start, BETWEEN)
                if cut and not isinstance(cut, bool):
                    cut_text(editor, start, data[start:end], cut, doc, settings)
            behind = behind or not (bad or cut is True)
            doc += not bad
        return editor.finish()

    def records(self, chunk: Chunk, rejected: frozenset[int]) -> list[tuple[int, bytes]]:
        """Return the JSON objects of a chunk that ``parse`` could use, each with its number.

        Args:
            chunk: the chunk.
            rejected: the numbers of the others.
        """
        if chunk.damage:
            return []
        elements: Elements = chunk.data
        numbers = [number for k in range(elements.marks.size) if (number := chunk.line + k) not in rejected]
        return [(number, elements.data[slice(*elements.span(number - chunk.line))]) for number in numbers]


def placed(rejects: Iterable[Reject], elements: Elements, first: int) -> Iterator[Reject]:
    """Say where rejected elements stand, the first of the chunk being of that number."""
    place, line = 0, elements.line
    for reject in rejects:
        start, _ = elements.span(reject.line - first)
        line += elements.data.count(b"\n", place, start)
        place = start
        error = reject.error if reject.raw else "an element is missing between two commas, or a comma and a bracket"
        yield reject._replace(error=f"{error} (element {reject.line}, line {line})")


class ElementReader:
    """Takes the bytes of a file, piece by piece; gives the elements of its array.

    Args:
        stream: of the file.
        path: what to call it in messages.

    Raises:
        InputError: it does not begin with a bracket.
    """

    def __init__(self, stream: Decompressed, path: str) -> None:
        self._stream = stream
        self._path = path
        self._line = 1
        self._held: list[bytes] = []  # the next element, as far as it was read, and what stands before it
        self._size = 0
        self._state = np.zeros(STATES, np.int64)
        self._state[DEPTH] = 1
        self._closed = False
        head = stream.peek(HEAD)
        text = head.removeprefix(BOM).lstrip(BLANKS)
        if not text.startswith(b"["):
            raise InputError("a JSON array is expected, the file does not begin with '['", path, 1)
        self._mark = len(head) - len(text)  # where in what is held the bracket or comma stands
        self._hold(stream.read(self._mark + 1))

    def _hold(self, data: bytes) -> None:
        """Keep bytes for later.

        Raises:
            InputError: they are too many.
        """
        self._held.append(data)
        self._size += len(data)
        if self._size > LONGEST:
            rest = self._release(b"".join(self._held), np.array([self._mark]), self._size)
            place = rest.line if self._closed else rest.line_of(rest.span(0)[0])
            what = "the end of the array is followed by more" if self._closed else "an element does not end"
            raise InputError(
                f"{what} within {LONGEST >> 20} MB: mend the file, or make it JSON lines", self._path, place
            )

    def _release(self, data: bytes, marks: I64, end: int) -> Elements:
        """Return bytes as elements the last of which ends at ``end``; nothing is held any more."""
        found = Elements(data, marks, end, self._line, self._closed)
        self._line += int(count_byte(np.frombuffer(data, np.uint8), LF))
        self._held, self._size = [], 0
        return found

    def feed(self, piece: bytes) -> Elements | None:
        """Take the next piece; return what is complete by it."""
        if self._closed:
            return self._pass(piece)
        commas, close = find_commas(np.frombuffer(piece, np.uint8), self._state)
        if not commas.size and close < 0:
            self._hold(piece)
            return None
        marks = np.concatenate([[self._mark], commas + self._size])
        last = self._size + close if close >= 0 else int(marks[-1])
        data = b"".join([*self._held, piece])
        end = end_of_content(data, last)
        if close < 0:
            found = self._release(data[:end], marks[:-1], end)
            self._mark = last - end
            self._hold(data[end:])
            return found
        self._closed = True
        if marks.size == 1 and data[marks[0]] == OPEN_BRACKET and end == marks[0] + 1:  # an array of nothing
            marks = marks[1:]
        rest = data[last + 1 :].lstrip(BLANKS)
        found = self._release(data[: len(data) - len(rest)], marks, end)
        self._hold(rest)
        return found

    def _pass(self, piece: bytes) -> Elements | None:
        """Take a piece behind the end of the array, where nothing but blanks should stand."""
        rest = piece if self._size else piece.lstrip(BLANKS)
        blanks = piece[: len(piece) - len(rest)]
        found = self._release(blanks, np.empty(0, np.int64), 0) if blanks else None
        self._hold(rest)
        return found

    def finish(self) -> Iterator[tuple[Elements, str | None]]:
        """Return what is left at the end of the file, and what is wrong with it."""
        nothing = np.empty(0, np.int64)
        data, damage = b"".join(self._held), self._stream.damage
        if self._closed:
            if data or damage:
                message = f"more follows the end of the array in line {self._line}: a file is to hold one array"
                yield self._release(data, nothing, 0), damage or message
            return
        left = self._release(data, np.array([self._mark]), end_of_content(data, len(data)))
        start, end = left.span(0)
        line = left.line_of(start)
        if not damage and start < end and self._state[DEPTH] == 1 and not self._state[IN_STRING]:
            self._line = left.line
            yield self._release(data[:end], left.marks, end), None
            yield self._release(data[end:], nothing, 0), f"the file ends in line {line} before the array does"
        else:
            yield left, damage or f"the file ends within an element, or before one, that begins in line {line}"


def end_of_content(data: bytes, end: int) -> int:
    """Return where the blanks begin that stand before ``end``."""
    while end:
        start = max(0, end - STEP)
        part = data[start:end].rstrip(BLANKS)
        end = start + len(part)
        if part:
            break
    return end
