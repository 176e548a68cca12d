"""CSV and TSV: what Python's csv module reads is what is read; nothing else changes; undoing restores every byte."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from endtoend import FERRY, dedup, files, limited, rows, unpacked, zstd
from hypothesis import given
from hypothesis import strategies as st
from reading import Result, assert_nothing_is_lost, drawn, left_of, nothing, read

import dedup as library
from dedup import InputError, SchemaError, Settings
from dedup.formats import delimited, open_inputs
from dedup.formats.dialect import find_separator, names_fields
from dedup.formats.registry import recognise

ANY = Settings(newest="date")
VALUES = st.lists(
    st.sampled_from(
        ['"', '""', ",", "\t", ";", "|", "\n", "\r\n", "\r", " ", "a", "é", "東京", "😀", "word " * 20, "#"]
    )
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
    max_size=6,
).map("".join)
NAMES = st.permutations(["text", "id", "source", "date", "a b", 'say "so"', "line\r\nend", ""])
SEPARATORS = st.sampled_from(",\t;|")
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, str]:
    """Draw a file and the separator it was written with."""
    separator = draw(SEPARATORS)
    names = draw(NAMES)[: draw(st.integers(1, 8))]
    names += [] if "text" in names else ["text"]
    file = io.StringIO()
    quoting: Literal[0, 1, 2] = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=draw(LINE_ENDS))
    writer.writerow(names)
    for _ in range(draw(st.integers(0, 5))):
        width = len(names) + draw(st.sampled_from([0, 0, 0, 0, -1, 1, 3]))
        writer.writerow(draw(st.lists(VALUES, min_size=max(1, width), max_size=max(1, width))))
        if draw(st.integers(0, 9)) == 0:
            file.write(draw(LINE_ENDS))
    text = file.getvalue()
    if draw(st.booleans()):
        text = text.rstrip("\r\n") if not text.endswith('"') else text
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode(), separator


def oracle(data: bytes, separator: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a file as Python does: the names of the fields; the records that are no empty lines, and their lines."""
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=separator)
    found, line = [], 1
    for record in reader:
        if record:
            found.append((line, record))
        line = reader.line_num + 1
    return (found[0][1], found[1:]) if found else ([], [])


def expected(data: bytes, separator: str) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Say which documents a file holds, and the lines of its rejects."""
    names, records = oracle(data, separator)
    places = [names.index(name) if name in names else len(names) + 99 for name in ("id", "source", "date")]
    place = names.index("text")
    documents, rejects = [], []
    for line, record in records:
        if place >= len(record):
            rejects.append(line)
            continue
        name, source, age = ((record[k] if k < len(record) else "") or None for k in places)
        documents.append((name or f"in.csv:{line}", source, age, record[place].encode()))
    return documents, rejects


def in_pieces(path: Path, data: bytes, size: int, rule: Any, settings: Settings = ANY) -> Result:
    """Read a file in pieces of several sizes, which must not matter."""
    path.write_bytes(data)
    results = [read(path, step, rule, settings) for step in (size, 1 << 20)]
    assert results[0] == results[1]
    return results[0]


@given(tables(), st.integers(1, 60), st.integers(0, 1000))
def test_what_python_writes_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[bytes, str], size: int, seed: int
) -> None:
    data, separator = table
    path = tmp_path_factory.mktemp("csv") / "in.csv"
    whole = in_pieces(path, data, size, nothing)
    assert find_separator(data, whole=True) == separator or len(oracle(data, ",")[0]) == 1
    separator = find_separator(data, whole=True)
    documents, rejects = expected(data, separator)
    assert whole.documents == documents
    assert [line for line, *_ in whole.rejects] == rejects
    assert all("field 'text' is missing: the record ends before field" in error for _, error, _ in whole.rejects)
    assert whole.restored == data
    if not rejects:
        assert whole.output == data
    # what is left is what Python reads without what is cut
    rule = drawn(seed)
    cut = in_pieces(path, data, size, rule)
    assert cut.restored == data
    names, records = oracle(data, separator)
    place, left, number = names.index("text"), [], 0
    for _, record in records:
        if place < len(record):
            text = left_of(record[place].encode(), rule(number, record[place].encode()))
            number += 1
            if text is not None:
                left.append([*record[:place], text.decode(), *record[place + 1 :]])
    after_names, after = oracle(cut.output, separator)
    assert (after_names, [record for _, record in after]) == (names, left)


SOUP = st.lists(
    st.sampled_from(['"', '"', '""', ",", ",", "\n", "\n", "\r", "\r\n", "a", "b c", "é", "x" * 70]), max_size=40
).map("".join)


@given(SOUP, st.integers(1, 30), st.integers(0, 1000), st.sampled_from(["text", "text,id", "id,text", "a,text,b"]))
def test_any_text_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, soup: str, size: int, seed: int, names: str
) -> None:
    data = f"{names}\n{soup}".encode()
    path = tmp_path_factory.mktemp("csv") / "in.csv"
    rule = drawn(seed)
    result = in_pieces(path, data, size, rule)
    assert result.restored == data
    if any("is not closed before the file ends" in error for _, error, _ in result.rejects):
        return
    documents, rejects = expected(data, ",")
    assert result.documents == documents
    assert [line for line, *_ in result.rejects] == rejects
    cuts = [left_of(row[-1], rule(k, row[-1])) for k, row in enumerate(documents)]
    after, bad = expected(result.output, ",")
    assert [row[-1] for row in after] == [text for text in cuts if text is not None]
    assert bad == []


BAD = {
    "too few fields": (b"7", "field 'text' is missing: the record ends before field 2"),
    "UTF-8 broken in the text": (b'7,"caf\xe9"', "not UTF-8 at byte 6 of the record"),
    "UTF-8 broken elsewhere": (b"\xff,x", "not UTF-8 at byte 0 of the record"),
    "NUL": (b"7,a\0b", "a NUL byte stands at byte 3 of the record"),
    "NUL behind": (b"7,a,\0", "a NUL byte stands at byte 4 of the record"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_bad_records(tmp_path: Path, name: str, ending: bytes, size: int) -> None:
    raw, complaint = BAD[name]
    path = tmp_path / "in.csv"
    lines = [b"id,text", b"good,one", raw, b'"al""so","two' + ending + b'lines"', raw]
    path.write_bytes(ending.join(lines))
    result = read(path, size, nothing, ANY)
    assert [row[0] for row in result.documents] == ["good", 'al"so']
    assert [(line, told) for line, _, told in result.rejects] == [(3, raw), (6, raw)]
    assert all(complaint in error for _, error, _ in result.rejects)
    assert result.output == ending.join(lines).removesuffix(raw).replace(ending + raw + ending, ending)
    with pytest.raises(InputError) as caught:
        library.scan(path, Settings(strict=True))
    assert (caught.value.path, caught.value.line) == (str(path), 3)


ODD = {
    "more fields": (b"7,x,and,more", "7", "x"),
    "no id": (b",x", "in.csv:3", "x"),
    "empty text": (b"7,", "7", ""),
    "empty and quoted": (b'7,""', "7", ""),
    "a mark within": (b'7,6" nails', "7", '6" nails'),
    "text after the mark": (b'7,"so" he said', "7", "so he said"),
    "blanks": (b' 7 , "x" ', " 7 ", ' "x" '),
    "marks alone": (b'7,""""""', "7", '""'),
    "separators": (b'"7,8","a,b"', "7,8", "a,b"),
    "line ends": (b'7,"a\r\nb\nc\rd"', "7", "a\r\nb\nc\rd"),
    "a BOM": ("7,\ufeffx".encode(), "7", "\ufeffx"),
    "brackets": (b"[7],{x}", "[7]", "{x}"),
    "JSON": (b'7,"{""text"": ""x""}"', "7", '{"text": "x"}'),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_records(tmp_path: Path, name: str) -> None:
    raw, called, text = ODD[name]
    path = tmp_path / "in.csv"
    path.write_bytes(b"id,text\ngood,one\n" + raw + b"\n\nlast,three")
    for size in (1, 1 << 20):
        result = read(path, size, nothing, ANY)
        assert result.documents[1] == (called, None, None, text.encode())
        assert (result.rejects, result.output) == ([], path.read_bytes())


@pytest.mark.parametrize(
    ("raw", "cut", "left", "added"),
    [
        (b'ab"c"', [(0, 2)], b'"""c"""', True),  # it would begin with a quotation mark
        (b'ab"c"', [(0, 1)], b'b"c"', False),
        (b'a"b', [(0, 1), (2, 3)], b'""""', True),
        (b"abc", [(0, 3)], b"", False),
        (b'"abc"', [(0, 3)], b'""', False),
        (b'"a""b""c"', [(1, 3)], b'"a""c"', False),
        (b'"a""b""c"', [(0, 1), (3, 5)], b'"""b"', False),
        (b'"ab"cd', [(1, 3)], b'"ad"', True),  # not a span of bytes
        (b'"ab"c"d', [(0, 2)], b'"c""d"', True),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_what_is_left_of_a_field(
    tmp_path: Path, raw: bytes, cut: list[tuple[int, int]], left: bytes, added: bool, alone: bool
) -> None:
    path = tmp_path / "in.csv"
    data = b"text\n%b\nnext\n" % raw if alone else b"text,id\n%b,1\nnext,2\n" % raw
    if alone and not left:
        left, added = b'""', True  # it would be an empty line
    path.write_bytes(data)
    result = read(path, 1 << 20, lambda number, _: cut if number == 0 else None, ANY)
    assert result.output == data.replace(raw, left, 1)
    assert result.restored == data
    (source,) = open_inputs(path)
    (chunk,) = source.chunks(1 << 20)
    edited = source.edit(chunk, [cut, None], frozenset(), ANY)  # type: ignore[attr-defined]
    assert [one.span for one in edited.removed] == list(range(len(cut)))
    assert [one.added for one in edited.removed] == [len(left) * added] + [0] * (len(cut) - 1)


@pytest.mark.parametrize(
    ("data", "documents"),
    [
        (b"", 0),
        (b"\xef\xbb\xbf", 0),
        (b"\n\r\n", 0),
        (b"text", 0),
        (b"text,id\n", 0),
        (b"\n\r\n\rtext\n\nx\n", 1),
        (b'\xef\xbb\xbf"text",id\r\n"x",1\r\n', 1),
        (b"text\r\rx\ry", 2),
        (b"text\n\n\n\nx", 1),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_whole_files(tmp_path: Path, data: bytes, documents: int, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(pack(data))
    assert_nothing_is_lost(path, data, documents, ANY)


@pytest.mark.parametrize(
    ("data", "error", "line"),
    [
        (b"\xff\xfet\0e\0x\0t\0", "the names of the fields: not UTF-8 at byte 0", 1),
        ("\ntext,größe\n1,2".encode("latin-1"), "not UTF-8 at byte 7 of the record: convert the file to UTF-8", 2),
        (b"text\0,id\nx,1", "a NUL byte stands at byte 4", 1),
        (b'text,"id\nx,1', "the quotation mark that opens a field in line 1 is not closed before the file ends", 1),
        (b"id;text;text\nx;1;2", "field 'text' stands twice", None),
        (b"id,text,id\nx,1,2", "field 'id' stands twice", None),
        (b"id,body\nx,1", r"field 'text' is missing \(fields there: id, body\)", None),
        (b"id,body", r"field 'text' is missing \(fields there: id, body\)", None),
        (b"%b\nx" % (b"n" * 200_000), "the names of the fields cannot be read", 1),
    ],
)
def test_first_lines_that_cannot_be_used(tmp_path: Path, data: bytes, error: str, line: int | None) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=error) as caught:
        library.scan(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_names_tell_before_content(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    for name in ("[id]", "{id}"):
        path.write_bytes(f"{name},text\n1,x\n".encode())
        assert library.scan(path, Settings(id=name)).documents["doc"].to_pylist() == ["1"]


def test_the_missing_field_is_a_schema_error(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"id,body\n1,x\n")
    with pytest.raises(SchemaError) as caught:
        library.scan(path)
    assert caught.value.existing == ("id", "body")
    failed = dedup("scan", path, "-o", tmp_path / "run", code=1)
    assert failed.stderr == f"dedup: {path}: field 'text' is missing (fields there: id, body)\n".encode()
    assert library.scan(path, Settings(text="body", id="body")).documents["doc"].to_pylist() == ["x"]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_quotation_mark_that_is_never_closed(tmp_path: Path, size: int) -> None:
    path = tmp_path / "in.csv"
    stray = b'id,text\n1,one\n2,"two\n3,"" three\nthis is no record\n4,four\n5,five'
    path.write_bytes(stray)
    result = read(path, size, nothing, ANY)
    message = "the quotation mark that opens a field in line 3 is not closed before the file ends"
    assert result.rejects[0][:2] == (3, message)
    assert [row[0] for row in result.documents] == ["1", "3", "4", "5"]
    assert [line for line, *_ in result.rejects] == [3, 5]
    assert result.restored == stray
    # the end of a file that was cut off is one record
    torn = b'id,text\n1,one\n2,"two\n\nlines\n\nand more'
    path.write_bytes(torn)
    result = read(path, size, nothing, ANY)
    assert [row[0] for row in result.documents] == ["1"]
    assert [(line, raw) for line, _, raw in result.rejects] == [(3, torn[torn.index(b"2,") :])]
    # the line told is that of the mark, the record's its first
    path.write_bytes(b'id,text,more\n1,"one\ntwo","three\n')
    result = read(path, size, nothing, ANY)
    assert result.rejects[0][:2] == (2, message)


def test_many_quotation_marks_that_are_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    line = b'x","\n'  # in and out of quotation marks it leaves one open
    path.write_bytes(b"text,id\n" + line * 200_000)
    result = read(path, 1 << 20, nothing, ANY)
    assert len(result.rejects) <= delimited.MOST_OPEN + 1
    assert result.restored == path.read_bytes()


def test_records_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "LONGEST", 1000)
    path = tmp_path / "in.csv"
    rest = b"".join(b"%d,text %d\n" % (k, k) for k in range(500))
    path.write_bytes(b'id,text\nx,"y\n' + rest)
    for size in (10, 300, 1 << 20):
        result = read(path, size, nothing, ANY)
        assert [row[0] for row in result.documents] == [str(k) for k in range(500)]
        assert result.rejects[0][0] == 2
        assert "the quotation mark that opens a field in line 2 is not closed" in result.rejects[0][1]
        assert result.restored == path.read_bytes()
    path.write_bytes(b'text\nx\n"y\n' + rest)
    with pytest.raises(
        InputError, match=r"in\.csv:3: the quotation mark that opens a field in line 3 is not closed wi"
    ):
        library.scan(path, Settings(batch_bytes=100))
    path.write_bytes(b"text\nx\n" + rest.replace(b"\n", b" "))
    with pytest.raises(InputError, match=r"in\.csv:3: a record does not end within"):
        library.scan(path, Settings(batch_bytes=100))


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_damaged_archives(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    data = b"id,text\n" + b"".join(b'%d,"text\nof %d"\n' % (k, k * k) for k in range(30_000))
    path, out = tmp_path / "in.csv.z", tmp_path / "out.csv"
    path.write_bytes(pack(data)[:-1000])
    results = [read(path, size, nothing, ANY) for size in (5000, 1 << 20)]
    assert results[0] == results[1]
    ((line, error, raw),) = results[0].rejects
    assert "stream is truncated" in error
    assert line == 2 * len(results[0].documents) + 2
    assert data.startswith(results[0].restored)
    library.clean(path, out, Settings(allow=True, drop=frozenset()))
    assert unpacked(out) == results[0].output
    assert unpacked(library.undo(out, tmp_path / "back")).endswith(raw)
    path.write_bytes(pack(data)[:30])
    with contextlib.suppress(InputError):  # there may be none
        assert library.scan(path, Settings(allow=True)).summary["documents"] < 100


class Counted(io.BytesIO):
    """A stream that is read in pieces, as a pipe is."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and 0 < size <= 1 << 20
        return super().read(size)


def test_records_longer_than_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "word, " * 500_000
    data = f'id,text\n1,"{long}"\n2,x\n3,"{long}"'.encode()
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    (source,) = open_inputs(path)
    monkeypatch.setattr("dedup.formats.delimited.opened", lambda _: contextlib.nullcontext(Counted(data)))
    chunks = list(source.chunks(1000))
    assert [chunk.records for chunk in chunks] == [0, 2, 1]
    assert b"".join(chunk.data.data for chunk in chunks) == data
    texts = [source.parse(chunk, ANY).documents for chunk in chunks]
    assert [one.bounds.tolist() for one in texts] == [[0], [0, len(long), len(long) + 1], [0, len(long)]]


@pytest.mark.parametrize(
    ("head", "separator"),
    [
        (b"id,text\n1,a;b", ","),
        (b"id;text\n1;a,b,c\n2;d,e", ";"),
        (b"id\ttext, or body\n1\tx", "\t"),
        (b'id|"a,b"|text\n1|2|3', "|"),
        (b"id,when;then,text\n1,2,3\n4,5,6", ","),
        (b"text", ","),
        (b"", ","),
    ],
)
def test_separators(head: bytes, separator: str) -> None:
    assert find_separator(head, whole=True) == separator
    tabs = find_separator(head, whole=True, tabs=True)
    assert tabs == (separator if head.count(separator.encode()) and b"\t" not in head else "\t")


@pytest.mark.parametrize(
    ("name", "head", "found"),
    [
        ("a.csv", b"", "csv"),
        ("a.csv", b'{"text": "x"}', "csv"),
        ("a.TSV.gz", b"text", "tsv"),
        ("a.csv.jsonl", b"id,text\n", "jsonl"),
        ("a.json", b"id,text\n", "jsonl"),
        ("a", b"id,text\n1,x\n", "csv"),
        ("a.gz", b"\xef\xbb\xbfid\ttext\r\n1\tx\r\n", "csv"),
        ("a", b"id,text\n1,x,y\n", "jsonl"),
        ("a", b"id,id\n1,x\n", "jsonl"),
        ("a", b'{"id": 1, "text": 2}\n', "jsonl"),
        ("a", b'["id", "text"]\n', "json"),
        ("a", b"no JSON\n", "jsonl"),
        ("a", b"no JSON, this\n{}\n", "jsonl"),
        ("a", b"", "jsonl"),
    ],
)
def test_what_is_delimited(name: str, head: bytes, found: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(head)
    assert recognise(str(tmp_path / name), alone=True) == found
    if "." not in name and found == "csv":  # among others, what merely looks so is left alone
        assert recognise(str(tmp_path / name)) is None


def test_a_file_that_is_seen_in_part() -> None:
    data = b"id;text\n" + b"".join(b'%d;"a, b\n%d"\n' % (k, k) for k in range(40))
    for end in range(8, len(data)):
        assert names_fields(data[:end], whole=False)
        assert find_separator(data[:end], whole=False) == ";"


def write(path: Path, records: Sequence[Sequence[str]], separator: str) -> bytes:
    """Write a file; return its bytes."""
    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows(records)
    path.write_bytes(file.getvalue().encode())
    return path.read_bytes()


@pytest.mark.parametrize(("name", "separator"), [("in.csv", ","), ("in.tsv", "\t"), ("in", ";")])
def test_the_command_line(tmp_path: Path, name: str, separator: str) -> None:
    path, out = tmp_path / name, tmp_path / f"out.{name.partition('.')[2] or 'csv'}"
    second = 'In winter the "boat" stays in the yard,\nwhere its planks are caulked anew.'
    data = write(
        path, [("id", "n", "text"), ("a", "1", FERRY), ("b", "2", f"{FERRY}\n\n{second}"), ("c", "3", FERRY)], separator
    )
    told = dedup("clean", path, "-o", out, "--allow", "--json")
    assert json.loads(told.stdout)["documents_by_reason"] == {"exact_duplicate_document": 1}
    assert out.read_bytes() == write(
        tmp_path / "x", [("id", "n", "text"), ("a", "1", FERRY), ("b", "2", second)], separator
    )
    removals = rows(tmp_path / f"{out.name}.removals.jsonl")
    assert [(row["doc"], row["text"].strip()) for row in removals] == [("b", FERRY), ("c", FERRY)]
    dedup("clean", "--undo", out, "-o", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(data))
    library.clean([packed, path], tmp_path / "both", Settings(allow=True, drop=frozenset()))
    assert unpacked(tmp_path / "both" / packed.name) == data
    library.undo(tmp_path / "both", tmp_path / "restored")
    assert files(tmp_path / "restored") == {packed.name: data, name: data}


def test_fields_that_are_written_anew_come_back_on_the_command_line(tmp_path: Path) -> None:
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    said = '"Mind the gap between the old quay and the boat" he said aloud.'
    data = f"text\nx\f{said}\n{FERRY}\f{said}\nz\f{FERRY}\f{said}\n".encode()
    path.write_bytes(data)
    library.clean(path, out, Settings(drop=frozenset({"exact_duplicate"})))
    left = [record for (record,) in csv.reader(io.StringIO(out.read_text(), newline=""))]
    assert left == ["text", f"x\f{said}", FERRY, "z"]
    assert library.undo(out, tmp_path / "back").read_bytes() == data
    data = f"text\n{FERRY}\f{said}\nz\f{said}\n{FERRY}\n{said}\n{FERRY}\f{said}\f{'new ' * 9}".encode()
    path.write_bytes(data)
    library.clean(path, out, Settings(drop=frozenset({"exact_duplicate"})))
    left = [record for (record,) in csv.reader(io.StringIO(out.read_text(), newline=""))]
    assert left == ["text", f"{FERRY}\f{said}", "z", "", "", "new " * 9]
    assert [row.get("added") for row in rows(tmp_path / "out.csv.removals.jsonl")][1:3] == [2, 2]
    assert library.undo(out, tmp_path / "back").read_bytes() == data


def test_memory_for_a_stray_quotation_mark(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    with path.open("wb") as file:
        file.write(b'id,text\n0,"\n')
        for k in itertools.count():
            file.write(b"%d,The ferry number %d leaves at nine.\n" % (k, k) * 100)
            if file.tell() > 30 << 20:
                break
    limited("scan", path, "-o", tmp_path / "run", "--allow", megabytes=700)
    rejects = library.Run.open(tmp_path / "run").rejects
    assert [(row["line"], row["raw"]) for row in rejects] == [(2, '0,"\n')]
