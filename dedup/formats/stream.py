"""JSON lines that come through a pipe in; chunks of as many whole lines as are there out, so none waits for more."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from dedup.errors import SchemaError
from dedup.formats.base import LONGEST, Chunk, Parsed, opened
from dedup.formats.jsonl import JsonLines, without_bom
from dedup.settings import Settings


class JsonStream(JsonLines):
    """Standard input that holds JSON lines, read as they come.

    Attributes:
        missing: what the first records lacked, where they all lacked the field of texts.
    """

    missing: SchemaError | None = None

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole lines."""
        line, held, length, read, too_long = 1, list[bytes](), 0, 0, False
        with opened(self._path) as file:
            while data := cast("Any", file).read1(size):
                read += len(data)
                end = data.rfind(b"\n") + 1
                if too_long:
                    start = data.find(b"\n") + 1
                    data, end, too_long = data[start:], max(0, end - start), not start
                    if too_long:
                        continue
                if end:
                    whole = b"".join([*held, data[:end]])
                    held, length, data = [], 0, data[end:]
                    records = whole.count(b"\n")
                    yield Chunk(self._file, line, records, whole, read)
                    line += records
                held.append(data)
                length += len(data)
                if length > LONGEST:
                    told = f"the line is longer than {LONGEST >> 20} MB"
                    yield Chunk(self._file, line, 1, held[0], read, told)
                    line, held, length, too_long = line + 1, [], 0, True
        if length:
            yield Chunk(self._file, line, 1, b"".join(held), read)

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the records of a chunk. That the first ones lack the field of texts may be no more than chance here."""
        try:
            return super().parse(chunk, settings)
        except SchemaError as error:
            self.missing = error
            later = dataclasses.replace(chunk, line=chunk.line + 1, data=without_bom(chunk.data, chunk.line))
            parsed = super().parse(later, settings)
            return parsed._replace(rejects=[reject._replace(line=reject.line - 1) for reject in parsed.rejects])
