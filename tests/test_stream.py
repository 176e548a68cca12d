"""JSON lines through pipes: chunks of what is there, whatever the writer's pieces, and lines that are too long."""

from __future__ import annotations

import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from endtoend import jsonl
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import SchemaError
from dedup.feed import Feed, is_stream
from dedup.formats import stream
from dedup.formats.jsonl import JsonLines
from dedup.formats.stdin import standard_input
from dedup.settings import Settings

RECORDS = [{"id": k, "text": f"Text {k}.\n" * k} for k in range(5)]


class Pieces(io.RawIOBase):
    """A pipe into which bytes come in pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self._pieces = [piece for piece in pieces if piece]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if not self._pieces:
            return 0
        piece = self._pieces.pop(0)
        size = min(len(piece), len(buffer))
        buffer[:size] = piece[:size]
        if piece[size:]:
            self._pieces.insert(0, piece[size:])
        return size


class Stdin:
    """Standard input."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.buffer = io.BufferedReader(cast("Any", Pieces(pieces)))


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(bounds)]


def read(pieces: Sequence[bytes], monkeypatch: pytest.MonkeyPatch, size: int) -> Iterator[tuple[str | int, str]]:
    """Yield documents, and rejects by their lines."""
    monkeypatch.setattr(sys, "stdin", Stdin(pieces))
    one = stream.JsonStream("-", 0)
    for chunk in one.chunks(size):
        assert chunk.records == chunk.data.count(b"\n") + (chunk.data[-1:] != b"\n") or chunk.damage
        parsed = one.parse(chunk, Settings())
        yield from ((name, "") for name in parsed.documents.ids.to_pylist())
        yield from ((reject.line, reject.error) for reject in parsed.rejects)


@given(st.lists(st.integers(0, 1 << 16), max_size=20), st.integers(1, 300), st.booleans())
def test_pieces_of_any_size_are_read_alike(places: list[int], size: int, ends: bool) -> None:
    data = b"\xef\xbb\xbf" + jsonl(RECORDS) + b"\n{\n" + jsonl([{"id": "last", "text": "Last."}])
    data = data if ends else data[:-1]
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = list(read(cut(data, places), monkeypatch, size))
    assert sorted(name for name, error in found if not error) == ["0", "1", "2", "3", "4", "last"]
    assert [line for line, error in found if error] == [7]


@given(st.lists(st.integers(0, 1 << 16), max_size=20), st.integers(1, 300), st.booleans())
def test_lines_that_are_too_long(places: list[int], size: int, ends: bool) -> None:
    long = b'{"id": "long", "text": "' + b"x" * 2000 + b'"}\n'
    data = (
        jsonl(RECORDS[:2])
        + long
        + jsonl(RECORDS[2:3])
        + long
        + long
        + jsonl(RECORDS[3:4])
        + (b"" if ends else long[:-1])
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(stream, "LONGEST", 600)
        found = list(read(cut(data, places), monkeypatch, size))
    assert [name for name, error in found if not error] == ["0", "1", "2", "3"]
    assert [line for line, error in found if error] == ([3, 5, 6] if ends else [3, 5, 6, 8])


def test_what_lacks_the_field_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin([b'{"id": 1}\n', b'{"id": 2}\n']))
    feed = iter(Feed(["-"], Settings(), named=True))
    pieces = [next(feed), next(feed)]
    assert [[reject.line for reject in piece.rejects] for piece in pieces] == [[1], [2]]
    with pytest.raises(SchemaError, match="field 'text' is missing"):
        next(feed)


@pytest.mark.parametrize(
    ("pieces", "flows"),
    [
        ([b'{"text": "a"}\n'], True),
        ([b"\n\n", b' {"text"', b': "a"}', b"\n"], True),
        ([b'\xef\xbb\xbf{"text": "a"}'], True),
        ([b"{", b'"text": "' + b"a" * (1 << 17)], True),
        ([b"[", b'{"text": "a"}]\n'], False),
        ([b"{\n", b'"text": "a"}\n'], False),
        ([b"id,text\n", b"1,a\n"], False),
        ([b"\x1f\x8b" + bytes(100)], False),
        ([], False),
    ],
)
def test_what_flows(monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], flows: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(pieces))
    assert is_stream(Settings()) is flows
    assert is_stream(Settings(format="csv")) is False
    file = standard_input()
    assert b"".join(iter(lambda: file.read(1000), b"")) == b"".join(pieces)


def test_records_are_those_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin([jsonl(RECORDS)]))
    pages = [page for piece in Feed(["-"], Settings(), named=True) for page in piece.pages]
    assert [json.loads(page.record) for page in pages] == RECORDS
    assert [page.id for page in pages] == [str(record["id"]) for record in RECORDS]
    assert issubclass(stream.JsonStream, JsonLines)
