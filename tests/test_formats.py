"""Readers: whatever the size of the pieces, the same documents, rejects and edits; every kind of table."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import math
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from endtoend import FERRY, jsonl, zstd
from hypothesis import given
from hypothesis import strategies as st

import dedup
from dedup import InputError, NotFound, SchemaError, Settings
from dedup.formats import Cut, File, Parsed, open_inputs
from dedup.formats.compression import Codec, Decompressed, compress_to
from dedup.formats.objects import decode_values
from dedup.formats.text import TextTree
from dedup.kernels.literals import STRING

LINES = st.sampled_from(
    [
        b'{"id": 1, "text": "one"}',
        b'{"text": "no id"}\r',
        b'{"id": "x", "text": "tw\\u00f6\\n\\nthree", "z": NaN}',
        b'{"id": true, "text": "x"}',
        b'{"text": null, "id": 3}',
        b"no JSON",
        b'{"text": "\xff"}',
        b"",
        b" \t",
        b'\xef\xbb\xbf{"text": "x"}',
        b"{" + b'"z": [' * 40 + b"]" * 40 + b', "text": "x"}',
    ]
)
FILES = st.tuples(st.lists(LINES, max_size=12).map(b"\n".join), st.sampled_from([b"", b"\n"])).map(b"".join)


def columns(parts: list[Parsed]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Lay the documents and rejects of all pieces out."""
    documents = []
    for part in parts:
        texts = part.documents
        data = texts.data.tobytes()
        spans = zip(texts.bounds[:-1].tolist(), texts.bounds[1:].tolist(), strict=True)
        names = (texts.ids.to_pylist(), texts.sources.to_pylist(), texts.ages.to_pylist())
        documents += list(zip(*names, [data[a:b] for a, b in spans], strict=True))
    return documents, [tuple(reject) for part in parts for reject in part.rejects]


def read(path: Path, size: int, settings: Settings) -> tuple[Any, bytes, bytes]:
    """Read a file in pieces: documents and rejects; its bytes when each second document is cut; what was cut."""
    source = cast("File", open_inputs(path)[0])
    parts, kept, removed, doc = [], b"", [], 0
    for chunk in source.chunks(size):
        parsed = source.parse(chunk, settings)
        cuts: list[Cut] = []
        for k in range(len(parsed.documents.ids)):
            length = int(parsed.documents.bounds[k + 1] - parsed.documents.bounds[k])
            cuts.append([None, True, [(0, 1)] if length > 1 else None][doc % 3])
            doc += 1
        edited = source.edit(chunk, cuts, frozenset(reject.line for reject in parsed.rejects), settings)
        removed += [(len(kept) + one.offset, one.raw or b"") for one in edited.removed]
        kept += b"".join(data for _, data in edited.pieces)
        parts.append(parsed)
    whole, position = b"", 0
    for offset, raw in removed:
        whole += kept[position:offset] + raw
        position = offset
    return columns(parts), kept, whole + kept[position:]


@given(
    st.lists(st.text(st.sampled_from('aaaaaaaa "\\\\\\n\\x00\\u00e9\\u6771\\U0001f600/'), max_size=300), max_size=5),
    st.booleans(),
)
def test_literals_are_decoded(values: list[str], ascii_only: bool) -> None:
    raw = [msgspec.Raw(json.dumps(value, ensure_ascii=ascii_only).encode()) for value in values]
    data, bounds, status = decode_values(raw)
    assert [bytes(data[a:b]).decode() for a, b in itertools.pairwise(bounds.tolist())] == values
    assert (status == STRING).all()


@given(FILES, st.integers(1, 200), st.sampled_from([bytes, gzip.compress, zstd]))
def test_pieces_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, size: int, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "in.jsonl"
    path.write_bytes(pack(data))
    settings = Settings(newest="id")
    results = [read(path, step, settings) for step in (size, 1 << 20)]
    assert results[0] == results[1]
    assert results[0][2] == data
    (documents, rejects), *_ = results[0]
    assert len(documents) + len(rejects) == sum(bool(line.strip()) for line in data.split(b"\n"))


@pytest.mark.parametrize("text", [b'"x"', b"null"])
def test_nesting_is_judged_alike_with_and_without_a_bad_record_beside(tmp_path: Path, text: bytes) -> None:
    # not at the depth that the interpreter allows: that varies by one or two with how warm its code is
    nested = [b"[" * depth + b"]" * depth for depth in (1, 100, 900, 1100, 5000)]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(b'{"z": ' + value + b', "text": ' + text + b"}" for value in nested))
    alone = read(path, 1, Settings())
    assert read(path, 1 << 20, Settings()) == alone
    (documents, rejects), *_ = alone
    assert len(documents) == (3 if text == b'"x"' else 0)
    assert {row[3] for row in rejects[-2:]} == {"nested too deeply"}
    path.write_bytes(path.read_bytes() + b"\nno JSON")
    (_, more), *_ = read(path, 1 << 20, Settings())
    assert more[:-1] == rejects


@given(st.lists(st.binary(max_size=50).map(lambda data: data * 99), max_size=4), st.integers(1, 5000), st.data())
def test_gzip_members(parts: list[bytes], size: int, data: st.DataObject) -> None:
    packed = b"".join(gzip.compress(part) + bytes(data.draw(st.integers(0, 2))) for part in parts)
    end = data.draw(st.integers(0, len(packed)))
    stream = Decompressed(io.BytesIO(packed[:end]), "gzip")
    found = b"".join(pieces_of(stream, size))
    assert b"".join(parts).startswith(found)
    assert stream.damage in {None, "the gzip stream is truncated"}
    if end == len(packed):
        assert (found, stream.damage) == (b"".join(parts), None if parts else "the gzip stream is truncated")


def pieces_of(stream: Decompressed, size: int) -> Iterator[bytes]:
    """Read a stream; damage must not be told before all is read."""
    while piece := stream.read(size):
        yield piece
        if stream.damage is not None:
            assert stream.read(1) == b""


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_damage_keeps_what_stands_before_it(codec: Codec) -> None:
    random.seed(1)
    parts = [random.randbytes(150_000).hex().encode() for _ in range(3)]
    sink, ends = io.BytesIO(), []
    for part in parts:
        stream = compress_to(sink, codec)
        stream.write(part)
        stream.close()
        ends.append(sink.tell())
    packed, first = sink.getvalue(), ends[0]
    for harmed in (packed[: ends[1] - 9], packed[: first + 9] + bytes(99) + packed[first + 108 :], packed + b"rubbish"):
        torn = Decompressed(io.BytesIO(harmed), codec)
        found = b"".join(pieces_of(torn, 100_000))
        assert torn.damage is not None
        assert found[:300_000] == parts[0]
        assert b"".join(parts).startswith(found) or codec == "gzip"
    assert found == b"".join(parts)


@given(st.binary(max_size=3000), st.sampled_from(["gzip", "zstd"]))
def test_compression_comes_back_and_leaves_the_file_open(data: bytes, codec: Codec) -> None:
    sink = io.BytesIO()
    stream = compress_to(sink, codec)
    stream.write(data)
    stream.close()
    assert not sink.closed
    assert Decompressed(io.BytesIO(sink.getvalue()), codec).read(1 << 20) == data


class Producer:
    """What pandas, polars and others are to us: an object with one method."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self._table.__arrow_c_stream__(schema)


TEXTS = ["one", None, "zwölf\n\ndreizehn", ""]
STRING_TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]


@pytest.mark.parametrize("kind", STRING_TYPES, ids=str)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_columns_of_every_string_type(kind: pa.DataType, size: int) -> None:
    texts = pa.chunked_array([pa.array(TEXTS, pa.string()).cast(kind), pa.array(["x"], pa.string()).cast(kind)])
    names = pa.chunked_array(
        [pa.array([None, "b", "c"], pa.string()).cast(kind), pa.array(["d", "e"], pa.string()).cast(kind)]
    )
    table = pa.table({"id": names, "text": texts, "source": names, "date": names})
    for given_table, shift in (
        (table, 0),
        (Producer(table), 0),
        (table.slice(2), 2),
        (pa.concat_tables([table[3:], table[:3]]), -1),
    ):
        (source,) = open_inputs(given_table)
        documents, rejects = columns([source.parse(chunk, Settings(newest="date")) for chunk in source.chunks(size)])
        whole = [
            ("1", None, None, b"one"), None, ("c", "c", "c", "zwölf\n\ndreizehn".encode()),
            ("d", "d", "d", b""), ("e", "e", "e", b"x"),
        ]  # fmt: skip
        expected = whole[shift:] if shift >= 0 else [*whole[3:], ("3", None, None, b"one"), *whole[1:3]]
        assert documents == [row for row in expected if row is not None]
        assert [row[1] for row in rejects] == [k for k, row in enumerate(expected, 1) if row is None]


def test_columns_of_other_types() -> None:
    table = pa.table(
        {
            "text": ["a", "b", "c"],
            "id": pa.array([1.5, math.nan, None]),
            "source": pa.array([10**12, None, -1]),
            "date": pa.array(["2025-03-14", None, "2024-01-01"]).cast(pa.date32()),
        }
    )
    (source,) = open_inputs(table)
    (chunk,) = source.chunks(1 << 20)
    documents, _ = columns([source.parse(chunk, Settings(newest="date"))])
    assert documents == [
        ("1.5", "1000000000000", "2025-03-14", b"a"),
        ("2", None, None, b"b"),
        ("3", "-1", "2024-01-01", b"c"),
    ]


@pytest.mark.parametrize("values", [[1, 2], [True, False], [["a"], ["b"]], [b"a", b"b"]])
def test_a_text_column_of_a_wrong_type(values: list[Any]) -> None:
    with pytest.raises(InputError, match=r"column 'text' is .*, not a string"):
        dedup.scan(pa.table({"text": values}))


def test_tables_without_texts() -> None:
    with pytest.raises(SchemaError, match=r"field 'text' is missing \(fields there: body, id\)"):
        dedup.scan(pa.table({"body": ["x"], "id": [1]}))
    assert dedup.scan(pa.table({"text": pa.nulls(2)})).summary["rejects"] == 2
    assert dedup.scan(pa.table({"text": pa.array([], pa.string())})).summary["documents"] == 0
    assert dedup.scan([]).summary["documents"] == 0


def test_records() -> None:
    good = [
        ({"text": "a"}, ("1", None, None, b"a")),
        ({"text": "é", "id": 7, "source": 1.5, "date": None}, ("7", "1.5", None, "é".encode())),
        ({"text": "", "id": np.int64(8), "source": True, "date": 10**400}, ("8", None, str(10**400), b"")),
        ({"text": "x", "id": 0.5, "source": math.nan, "date": ["x"]}, ("0.5", None, None, b"x")),
    ]
    bad = [
        {}, {"text": 1}, {"text": None}, {"text": "\ud83d"}, {"text": b"x"}, {"text": "x", "id": True},
        {"text": "x", "id": [1]}, {"text": "x", "id": math.nan}, {"text": "x", "id": "\udc00"},
        {"text": "x", "source": "\udc00"}, "text", None, 5,
    ]  # fmt: skip
    (source,) = open_inputs([*(record for record, _ in good), *bad])
    documents, rejects = columns([source.parse(chunk, Settings(newest="date")) for chunk in source.chunks(1)])
    assert documents == [row for _, row in good]
    assert [row[1] for row in rejects] == list(range(len(good) + 1, len(good) + len(bad) + 1))
    assert [row[4].decode() for row in rejects[1:3]] == ["{'text': 1}", "{'text': None}"]
    cleaned = dedup.clean([*bad, *(record for record, _ in good)])
    assert cleaned.records == [*bad, *(record for record, _ in good)]


@pytest.mark.parametrize("given_input", [5, None, {"text": "x"}, object()])
def test_what_is_no_input(given_input: object) -> None:
    with pytest.raises(InputError, match="is no input: give paths, dicts, or an Arrow table"):
        dedup.scan(given_input)


def test_inputs_get_names_of_their_own(tmp_path: Path) -> None:
    paths = [
        tmp_path / name
        for name in ("a/x.txt", "b/x.txt", "c/x.jsonl.gz", "d/x.jsonl.gz", "d/x-2.jsonl.gz", "e/x.txt/y.md")
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FERRY)
    opened = open_inputs([*paths[:5], tmp_path / "e" / "x.txt"])
    assert [one.name for one in opened] == [
        "x.txt",
        "x-2.txt",
        "x.jsonl.gz",
        "x-2.jsonl.gz",
        "x-2-2.jsonl.gz",
        "x-3.txt",
    ]
    assert [one.size for one in opened] == [len(FERRY)] * 6
    cleaned = dedup.clean(paths[:2], tmp_path / "out", Settings(max_drop_share=1))
    assert cleaned.run.documents["doc"].to_pylist() == ["x.txt", "x-2.txt"]
    assert [path.name for path in sorted((tmp_path / "out").glob("*.txt"))] == ["x.txt"]
    assert (dedup.undo(tmp_path / "out", tmp_path / "back") / "x-2.txt").read_text() == FERRY


def test_names_that_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "removals.jsonl"
    path.write_bytes(jsonl([{"text": "x"}]))
    with pytest.raises(InputError, match="rename the input"):
        dedup.clean(path, tmp_path / "out")
    assert dedup.clean(path, tmp_path / "out.jsonl").path == tmp_path / "out.jsonl"


def test_trees_are_read_in_order_and_in_pieces(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.text", "a.markdown", "a/B.TXT"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    for size in (1, 1 << 20):
        source = TextTree(str(tmp_path), 0)
        documents, _ = columns([source.parse(chunk, Settings()) for chunk in source.chunks(size)])
        assert [row[0] for row in documents] == ["a.markdown", "a/B.TXT", "a/z.text", "b.md"]
        assert [row[3].decode() for row in documents] == [row[0] for row in documents]
    (tmp_path / "b.md").unlink()
    with pytest.raises(NotFound, match=r"cannot read .*b\.md: No such file"):
        list(source.chunks(1))


def test_files_whose_names_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.jsonl")
    path.write_bytes(jsonl([{"text": FERRY}, {"text": f"{FERRY}\n"}]) + b"bad")
    cleaned = dedup.clean(path, tmp_path / "out", Settings(max_drop_share=1))
    assert cleaned.run.documents["doc"].to_pylist() == ["\\udcff.jsonl:1", "\\udcff.jsonl:2"]
    back = dedup.undo(tmp_path / "out", tmp_path / "back")
    assert (back / path.name).read_bytes() == path.read_bytes()
    summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert summary["inputs"] == [str(tmp_path / "\\udcff.jsonl")]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_pipes_are_read_once(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    records = jsonl({"id": k, "text": f"{k}: {FERRY}"} for k in range(3))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for data, lines in (
        (pack(records), []),
        (pack(records) + b"rubbish" * (pack is not bytes), [4] * (pack is not bytes)),
    ):
        writer = threading.Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        if pack is zstd and lines:  # cannot be read again: what came with the damage is lost
            with contextlib.suppress(InputError):
                assert len(dedup.scan(pipe).rejects) == len(lines)
            writer.join()
            continue
        run = dedup.scan(pipe)
        writer.join()
        assert run.documents["doc"].to_pylist() == ["0", "1", "2"]
        assert [reject["line"] for reject in run.rejects] == lines
