"""JSON lines in, plain or compressed; a record is a line, and what is not cut stays byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dedup.errors import InputError
from dedup.formats.base import Chunk, Cut, Edited, Parsed, opened, pack
from dedup.formats.bytefile import BOM, ByteFile
from dedup.formats.editing import Editor
from dedup.formats.lines import PlainLines, chunks_of_lines
from dedup.formats.objects import Origin, cut_text, decode_one_by_one, decode_together, decoder_for, documents_of
from dedup.kernels.lines import LF, find_bytes
from dedup.schema import Reject
from dedup.settings import Settings
from dedup.urls import is_url


def is_laid_out(head: bytes) -> bool:
    """Whether a file that begins with these bytes holds objects over several lines."""
    line, _, rest = head.removeprefix(BOM).lstrip().partition(b"\n")
    line, following = line.rstrip(), rest.lstrip()[:1]
    goes_on = line.endswith((b"{", b",")) and following in (b'"', b"}")
    if line.endswith(b"[") and following:  # a record of its own would not be indented
        goes_on = following != b"{" or rest.lstrip(b"\r\n").startswith((b" ", b"\t"))
    return line.startswith(b"{") and goes_on


def check_lines(head: bytes, path: str) -> None:
    """Check that a file that begins with these bytes does not hold objects over several lines.

    Raises:
        InputError: it does.
    """
    if is_laid_out(head):
        raise InputError(
            "an object goes on in the next line, JSON lines have one in each: convert the file (jq -c . FILE), or put "
            "the objects into an array",
            path,
            1,
        )


class LineRecords:
    """Records of JSON lines, wherever the lines come from.

    Attributes:
        path: what to call them in messages.
        name: name of their output.
    """

    path: str
    name: str
    _file: int

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the records of a chunk."""
        return self._parse(chunk, settings, Origin(self._file, self.path, self.name))

    def _parse(self, chunk: Chunk, settings: Settings, origin: Origin) -> Parsed:
        """Read the records of a chunk that come from somewhere."""
        if chunk.damage:
            damaged = [Reject(self._file, chunk.line, self.path, chunk.damage, chunk.data)] if chunk.records else []
            return Parsed(pack([], [], [], []), damaged)
        decoder = decoder_for(settings)
        lines: Sequence[bytes | memoryview] = views_of_lines(chunk)
        records = decode_together(chunk.data, lines, decoder)
        numbers = np.arange(chunk.line, chunk.line + len(lines))
        rejects: list[Reject] = []
        if records is None:
            lines = whole = split_lines(chunk)
            told = ((number, without_bom(line, number), line) for number, line in enumerate(whole, chunk.line))
            raws = (one for one in told if one[1].strip())
            records, numbers, rejects = decode_one_by_one(raws, decoder, origin)

        def raw_of(number: int) -> bytes:
            return bytes(lines[number - chunk.line])

        return documents_of(records, numbers, rejects, raw_of, origin, settings, first=chunk.line == 1)

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of the text literals, and lines."""
        editor = Editor(self.name, chunk.data)
        if chunk.damage:
            editor.remove(0, len(chunk.data), -1)
            return Edited([], editor.finish().removed)
        if not any(cuts) and not rejected:
            return Edited([(self.name, chunk.data)], [])
        doc, start = 0, 0
        for number, line in enumerate(split_lines(chunk), chunk.line):
            end = min(start + len(line) + 1, len(chunk.data))
            if number in rejected:
                editor.remove(start, end, -1)
            elif (text := without_bom(line, number)).strip():
                cut = cuts[doc]
                if cut is True:
                    editor.remove(start, end, doc)
                elif cut:
                    cut_text(editor, start + len(line) - len(text), text, cut, doc, settings)
                doc += 1
            start = end
        return editor.finish()

    def records(self, chunk: Chunk, rejected: frozenset[int]) -> list[tuple[int, bytes]]:
        """Return the JSON objects of a chunk that ``parse`` could use, each with its number.

        Args:
            chunk: the chunk.
            rejected: the numbers of the others.
        """
        if chunk.damage:
            return []
        lines = ((number, without_bom(line, number)) for number, line in enumerate(split_lines(chunk), chunk.line))
        return [(number, line) for number, line in lines if number not in rejected and line.strip()]


def without_bom(line: bytes, number: int) -> bytes:
    """Return a line without the mark that a file may begin with."""
    return line[len(BOM) :] if number == 1 and line.startswith(BOM) else line


class JsonLines(ByteFile, LineRecords):
    """A file of JSON lines, or standard input where ``path`` is ``-``."""

    stdin_name = "stdin.jsonl"

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole lines."""
        with opened(self._path) as file:
            stream = self._stream(file)
            plain = self.codec is None and file.seekable() and not is_url(self._path)
            yield from chunks_of_lines(PlainLines(file) if plain else stream, self._file, size)


def views_of_lines(chunk: Chunk) -> list[memoryview]:
    """Return the lines of a chunk without their LF, not copied."""
    data = memoryview(chunk.data)
    ends = find_bytes(np.frombuffer(data, np.uint8), LF, LF).tolist()
    if not data.nbytes or data[-1] != LF:
        ends.append(data.nbytes)
    return [data[start:end] for start, end in zip([0, *(end + 1 for end in ends[:-1])], ends, strict=True)]


def split_lines(chunk: Chunk) -> list[bytes]:
    """Return the lines of a chunk without their LF."""
    lines: list[bytes] = chunk.data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
