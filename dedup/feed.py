"""Inputs in; their pages out, as soon as they are there, each with the record it came in."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from dedup.errors import SchemaError
from dedup.formats import open_inputs
from dedup.formats.base import Chunk, Input, Inputs, Parsed, narrow, printable
from dedup.formats.bytefile import HEAD
from dedup.formats.compression import detect_codec
from dedup.formats.extracted import Extracted, with_own_fields
from dedup.formats.registry import begins_object
from dedup.formats.stdin import looked_at
from dedup.formats.stream import JsonStream
from dedup.formats.text import TextTree
from dedup.schema import Reject
from dedup.settings import Settings

STDIN = "-"


class Page(NamedTuple):
    """A page, and where it came from.

    Attributes:
        text: its text.
        id: what it is called.
        source: where it comes from, None where that is not known.
        record: the JSON object it came in, or one that was made of it; ``field``, which of its fields holds the text.
        field: see ``record``.
    """

    text: str
    id: str
    source: str | None
    record: bytes
    field: str

    def with_text(self, text: str) -> bytes:
        """Return the record as one line of JSON with another text; what else it holds stays as it is written."""
        if text == self.text:
            return in_a_line(self.record)
        try:
            fields = msgspec.json.decode(self.record, type=dict[str, msgspec.Raw])
            fields[self.field] = msgspec.Raw(msgspec.json.encode(text))
            return in_a_line(msgspec.json.encode(fields))
        except (msgspec.DecodeError, RecursionError):  # numbers that JSON does not have
            return json.dumps({**json.loads(self.record), self.field: text}, ensure_ascii=False).encode()


class Piece(NamedTuple):
    """What was at hand of an input.

    Attributes:
        pages: its pages.
        rejects: records that are none.
        read: bytes that were read so far, of all inputs.
    """

    pages: list[Page]
    rejects: list[Reject]
    read: int


class Feed:
    """Pages of inputs, in their order. Standard input that holds JSON lines is not waited for longer than a line takes.

    Args:
        inputs: what ``scan`` takes as paths; ``-`` is standard input.
        settings: name the fields and the format.
        named: whether pages must have ids of their own: those that are told by their place in an input alone would be
            taken for others of another input, and are set aside.

    Attributes:
        inputs: what is read.
        size: bytes to be read, None if unknown.
    """

    def __init__(self, inputs: Sequence[str], settings: Settings, *, named: bool) -> None:
        self._settings, self._named = settings, named
        self.inputs = open_all(inputs, settings)
        sizes = [one.size for one in self.inputs]
        self.size = None if None in sizes else sum(size for size in sizes if size is not None)

    def __iter__(self) -> Iterator[Piece]:
        """Read.

        Raises:
            InputError: an input cannot be read, or no record has the fields.
        """
        before, count = 0, 0
        missing: SchemaError | None = None
        for source in self.inputs:
            one, read = narrow(source, self._settings), 0
            names = Names(one)
            for chunk in one.chunks(self._settings.batch_bytes):
                read = chunk.read
                piece = self._piece(one, chunk, names, before + read)
                count += len(piece.pages)
                yield piece
            before += read if source.size is None else source.size
            missing = missing or (one.missing if isinstance(one, JsonStream) else None)
        if missing is not None and not count:
            raise missing

    def _piece(self, one: Input, chunk: Chunk, names: Names, read: int) -> Piece:
        """Read the pages of a chunk."""
        parsed = one.parse(chunk, self._settings)
        documents = parsed.documents
        settings = with_own_fields(self._settings) if isinstance(one, Extracted) else self._settings
        data, bounds = documents.data.tobytes(), documents.bounds.tolist()
        ids, sources = documents.ids.to_pylist(), documents.sources.to_pylist()
        records = records_of(one, chunk, parsed)
        pages, rejects = [], list(parsed.rejects)
        for k, (name, source, (number, raw)) in enumerate(zip(ids, sources, records, strict=True)):
            own, is_own = names.tell(name)
            if self._named and not (own and is_own):
                told = f"has no {settings.id!r}, by which an index knows pages: name the field with --id"
                rejects.append(Reject(chunk.file, number, one.path, told, b""))
                continue
            text = data[bounds[k] : bounds[k + 1]].decode()
            record = made_record(text, own, source, settings) if raw is None else raw
            pages.append(Page(text, own, source, record, settings.text))
        return Piece(pages, sorted(rejects, key=lambda reject: reject.line), read)


class Names:
    """Tells the ids that records had from those that they were given by their number.

    Args:
        one: the input; while it is read it is called by what no id begins with.
    """

    def __init__(self, one: Input) -> None:
        self._name = printable(one.name)
        self._by_file = isinstance(one, TextTree | Extracted)  # which have names of their own
        self._mark = f"{secrets.token_hex(16)}:"
        self._alone = one.path == "<stdin>"
        if not self._by_file:
            one.name = self._mark[:-1]

    def tell(self, name: str) -> tuple[str, bool]:
        """Return what a page is called, and whether it is so of its own."""
        if self._by_file:
            return name, not (self._alone and name == self._name.removesuffix(".jsonl"))
        if not name.startswith(self._mark):
            return name, True
        return f"{self._name}:{name[len(self._mark) :]}", False


def open_all(inputs: Sequence[str], settings: Settings) -> Inputs:
    """Open inputs."""
    if list(inputs).count(STDIN) != 1 or not is_stream(settings):
        return open_inputs(list(inputs), settings.format)
    place = list(inputs).index(STDIN)
    sides = [open_inputs(list(some), settings.format) for some in (inputs[:place], inputs[place + 1 :]) if some]
    before = sides.pop(0) if place else Inputs()
    ignored: dict[str, int] = {}
    for side in (before, *sides):
        for kind, count in side.ignored.items():
            ignored[kind] = ignored.get(kind, 0) + count
    return Inputs([*before, JsonStream(STDIN, place), *(one for side in sides for one in side)], ignored)


def is_stream(settings: Settings) -> bool:
    """Whether standard input holds JSON lines; more than the first line is not waited for."""
    if settings.format not in {None, "jsonl"}:
        return False
    head = b""
    with looked_at() as file:
        while len(head) < HEAD and b"\n" not in head.lstrip():
            data = cast("Any", file).read1(HEAD - len(head))
            if not data:
                break
            head += data
    return detect_codec(head) is None and (settings.format == "jsonl" or begins_object(head))


def records_of(one: Input, chunk: Chunk, parsed: Parsed) -> list[tuple[int, bytes | None]]:
    """Return numbers of the documents of a chunk, and the JSON objects they came in; None where that was another."""
    rejected = frozenset(reject.line for reject in parsed.rejects)
    records = getattr(one, "records", None)
    if records is not None:
        return cast("list[tuple[int, bytes | None]]", records(chunk, rejected))
    numbers = (number for number in itertools.count(chunk.line) if number not in rejected)
    return [(number, None) for number in itertools.islice(numbers, len(parsed.documents.ids))]


def made_record(text: str, name: str, source: str | None, settings: Settings) -> bytes:
    """Make a record of a page that came in none."""
    fields = {settings.id: name, settings.source: source, settings.text: text}
    if source is None:
        del fields[settings.source]
    return msgspec.json.encode({**fields, settings.text: text})


def in_a_line(record: bytes) -> bytes:
    """Return a JSON object in one line."""
    record = record.strip()
    if b"\n" not in record and b"\r" not in record:
        return record
    try:
        return msgspec.json.format(record, indent=-1)
    except (msgspec.DecodeError, RecursionError):  # numbers that JSON does not have
        return json.dumps(json.loads(record), ensure_ascii=False).encode()
