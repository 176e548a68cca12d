"""JSON arrays: read as Python's json module reads them; what is left is an array; undoing restores every byte."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from endtoend import FERRY, dedup, files, jsonl, limited, rows, unpacked, zstd
from hypothesis import given
from hypothesis import strategies as st
from reading import Result, Rule, assert_nothing_is_lost, drawn, left_of, nothing, read

import dedup as library
from dedup import InputError, SchemaError, Settings
from dedup.formats import array, open_inputs
from dedup.formats.array import is_array

ANY = Settings(newest="date")
GOOD = b'{"id": "good", "text": "one"}'
STRINGS = st.lists(
    st.sampled_from(['"', "\\", "\n", "[", "]", "{", "}", ",", "\\u", "é", "😀", "\0", "x" * 60, "text", "a"])
    | st.text(st.characters(codec="utf-8"), max_size=4),
    max_size=6,
).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.fixed_dictionaries(
    {"text": STRINGS}, optional={"id": STRINGS | st.integers(), "source": VALUES, "date": VALUES, "more": VALUES}
)
ELEMENTS = RECORDS | RECORDS | RECORDS | st.fixed_dictionaries({}, optional={"text": VALUES, "id": VALUES}) | VALUES


@st.composite
def arrays(draw: st.DrawFn, elements: st.SearchStrategy[Any] = ELEMENTS) -> bytes:
    """Draw an array, the first element of which tells that texts are there, and one of the many ways to write it."""
    text = json.dumps(
        draw(st.just([]) | st.tuples(RECORDS, st.lists(elements, max_size=5)).map(lambda drawn: [drawn[0], *drawn[1]])),
        indent=draw(st.sampled_from([None, 0, 1, 2, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  "), ("\n,\r\n", ":")])),
        ensure_ascii=draw(st.booleans()),
    )
    blanks = st.sampled_from(["", "", " ", "\n", "\r\n\t "])
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + f"{draw(blanks)}{text}{draw(blanks)}".encode()


def is_word(value: object) -> bool:
    """Whether a value names a record: a string or a number that is one in JSON."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int) and not isinstance(value, bool)


def expected(data: bytes) -> list[str | None]:
    """Return the texts of an array's elements, None for those that are no records."""
    return [
        one["text"]
        if isinstance(one, dict) and isinstance(one.get("text"), str) and (one.get("id") is None or is_word(one["id"]))
        else None
        for one in json.loads(data.decode("utf-8-sig"))
    ]


def in_pieces(path: Path, data: bytes, size: int, rule: Rule) -> Result:
    """Read a file in pieces of several sizes, which must not matter."""
    path.write_bytes(data)
    results = [read(path, step, rule, ANY) for step in (size, 1 << 20)]
    assert results[0] == results[1]
    assert results[0].restored == data
    return results[0]


@given(arrays(), st.integers(1, 60), st.integers(0, 1000))
def test_what_python_writes_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, size: int, seed: int
) -> None:
    path = tmp_path_factory.mktemp("array") / "in.json"
    texts = expected(data)
    whole = in_pieces(path, data, size, nothing)
    assert [row[-1].decode() for row in whole.documents] == [text for text in texts if text is not None]
    assert [line for line, *_ in whole.rejects] == [k for k, text in enumerate(texts, 1) if text is None]
    loaded = json.loads(data.decode("utf-8-sig"))
    ids = [one.get("id") for one, text in zip(loaded, texts, strict=True) if text is not None]
    for (name, *_), number, given_id in zip(
        whole.documents, [k for k, text in enumerate(texts, 1) if text is not None], ids, strict=True
    ):
        assert name == (f"in.json:{number}" if given_id is None else given_id if isinstance(given_id, str) else name)
    for number, error, raw in whole.rejects:
        assert same(json.loads(raw), loaded[number - 1])
        assert (
            error.endswith(f"(element {number}, line {data[: data.index(raw)].count(10) + 1})") or data.count(raw) > 1
        )
    if None not in texts:
        assert whole.output == data
    # what is left is an array without what is cut
    rule = drawn(seed)
    cut = in_pieces(path, data, size, rule)
    left, number = [], 0
    for one, text in zip(loaded, texts, strict=True):
        if text is not None:
            rest = left_of(text.encode(), rule(number, text.encode()))
            number += 1
            left += [] if rest is None else [{**one, "text": rest.decode()}]
    assert same(json.loads(cut.output.decode("utf-8-sig")), left)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, in the order of their fields; NaN equals itself."""
    return json.dumps(one) == json.dumps(other)


HARM = [b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"\n", b"x", b"\xff", b"\0", b"", b"NaN", b"\\ud800"]


@given(arrays(RECORDS), st.integers(1, 60), st.data())
def test_harmed_arrays_leave_an_array_of_what_is_whole(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, size: int, draw: st.DataObject
) -> None:
    first = data.index(b"[") + 1
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.integers(first, len(data)))
        data = data[:place] + draw.draw(st.sampled_from(HARM)) + data[place + draw.draw(st.integers(0, 2)) :]
    if draw.draw(st.integers(0, 3)) == 0:
        data = data[: draw.draw(st.integers(first, max(first, len(data))))]
    if not is_array(data):  # an array a line
        return
    try:
        result = in_pieces(tmp_path_factory.mktemp("array") / "in.json", data, size, nothing)
    except SchemaError:  # no element of what is read first has the field any more
        return
    assert [text.encode() for text in expected(result.output) if text is not None] == [
        row[-1] for row in result.documents
    ]
    assert None not in expected(result.output)


BAD = {
    "a number": (b"5", "Expected `object`, got `int`"),
    "null": (b"null", "Expected `object`, got `null`"),
    "a list": (b'["text", "x"]', "Expected `object`, got `array`"),
    "no text": (b'{"id": "a",\n "body": "x"}', "field 'text' is missing (fields there: id, body)"),
    "text a list over lines": (b'{"text": [\n1\n]}', "field 'text' is no string"),
    "text an object over lines": (b'{"text": {\n"a": 1}}', "field 'text' is no string"),
    "id a list over lines": (b'{"text": "x", "id": [\n]}', "field 'id' is neither a string nor a number"),
    "garbage behind": (b'{"text": "x"} garbage', "trailing characters"),
    "garbage before": (b'garbage {"text": "x"}', "invalid character"),
    "two objects": (b'{"text": "x"} {"text": "y"}', "trailing characters"),
    "a brace too many": (b'{"text": "x"}}', "trailing characters"),
    "nothing": (b"", "an element is missing between two commas, or a comma and a bracket"),
    "blanks": (b" \n ", "an element is missing between two commas, or a comma and a bracket"),
    "UTF-8 broken": (b'{"text": "caf\xe9"}', "not UTF-8 at byte 13 of the record"),
    "half a pair": (rb'{"text": "\ud83d"}', "half of a surrogate pair"),
    "NUL": (b'{"text": "x\0y"}', "invalid character"),
    "deep": (b'{"text": "x", "z": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    "a line end in the text": (b'{"text": "x\ny"}', "invalid character"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_bad_elements(tmp_path: Path, name: str, place: int) -> None:
    raw, complaint = BAD[name]
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    parts = [GOOD, GOOD.replace(b"good", b"also")]
    parts.insert(place, raw)
    path.write_bytes(b"[\n  " + b",\n  ".join(parts) + b"\n]\n")
    for size in (1 << 20,) if (name, place) == ("no text", 0) else (13, 1 << 20):
        result = read(path, size, nothing, ANY)
        assert [row[0] for row in result.documents] == ["good", "also"]
        ((number, error, told),) = result.rejects
        assert (number, told) == (place + 1, raw.strip())
        assert complaint in error
        assert f"(element {place + 1}, line {place + 2})" in error or not raw.strip()
        assert result.restored == path.read_bytes()
        assert [one["id"] for one in json.loads(result.output)] == ["good", "also"]
    with pytest.raises(InputError, match=r"in\.json:\d: .*element"):
        library.scan(path, Settings(strict=True))
    library.clean(path, out, Settings(allow=True, drop=frozenset()))
    assert out.read_bytes() == result.output
    assert library.undo(out, tmp_path / "back.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"id": "i", "text": "x", "z": [NaN, -Infinity]}', "x"),
        (b'{"id": "i", "text": "a [ b ] c } \\" , {", "z": {"a": [[], {}]}}', 'a [ b ] c } " , {'),
        (b'{\n\n"id"\n:\n"i"\n,\n"text"\n:\n"x"\n}', "x"),
        (b'{"id": "i", "text": "x", "source": [\n1\n], "date": {\n}}', "x"),
        (b'{"id": "i", "text": "\\\\"}', "\\"),
        (b'{"id": "i", "text": 5, "text": "second"}', "second"),
    ],
)
def test_odd_elements(tmp_path: Path, raw: bytes, text: str) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(b"[" + GOOD + b"," + raw + b" ,\n" + GOOD + b"]")
    for size in (1, 1 << 20):
        result = read(path, size, nothing, ANY)
        assert result.documents[1][0] == "i"
        assert result.documents[1][-1].decode() == text
        assert (result.rejects, result.output) == ([], path.read_bytes())


@pytest.mark.parametrize(
    ("kept", "left"),
    [
        ("abc", "[\n  a,\n  b ,\n\n  c\n]\n"),
        ("ab", "[\n  a,\n  b\n]\n"),
        ("ac", "[\n  a ,\n\n  c\n]\n"),
        ("bc", "[\n  b ,\n\n  c\n]\n"),
        ("a", "[\n  a\n]\n"),
        ("b", "[\n  b\n]\n"),
        ("c", "[\n  c\n]\n"),
        ("", "[\n  \n]\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 30, 1 << 20])
def test_commas(tmp_path: Path, kept: str, left: str, size: int) -> None:
    def written(text: str) -> bytes:
        for name in "abc":
            text = text.replace(name, json.dumps({"text": name.upper()}))
        return text.encode()

    path = tmp_path / "in.json"
    path.write_bytes(written("[\n  a,\n  b ,\n\n  c\n]\n"))
    result = read(path, size, lambda _, text: None if text.decode().lower() in kept else True, ANY)
    assert result.output == written(left)
    assert result.restored == path.read_bytes()


@pytest.mark.parametrize(
    ("data", "documents"),
    [
        (b"[]", 0),
        (b" [ \n ] \n", 0),
        (b"\xef\xbb\xbf[\n" + GOOD + b"\n]", 1),
        (b"[" + GOOD + b"," + GOOD.replace(b"one", b"two") + b"]\r\n", 2),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_whole_files(tmp_path: Path, data: bytes, documents: int, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(pack(data))
    assert_nothing_is_lost(path, data, documents, ANY)


@pytest.mark.parametrize(
    ("end", "raw", "complaint", "left"),
    [
        (b"", b"", "the file ends in line 2 before the array does", b"]"),
        (b"\n ", b"", "the file ends in line 2 before the array does", b"]"),
        (b",\n ", b"", "the file ends within an element, or before one, that begins in line", b"]"),
        (b',\n {"text', b'{"text', "the file ends within an element, or before one, that begins in line 3", b"]"),
        (b',{"text": "]', b'{"text": "]', "the file ends within an element", b"]"),
        (b', {"a": [1, {}]', b'{"a": [1, {}]', "the file ends within an element", b"]"),
        (b"\n]\n[1]", b"[1]", "more follows the end of the array in line 4: a file is to hold one array", b"\n]\n"),
        (b"]]", b"]", "more follows the end of the array in line 2", b"]"),
        (b'],\n{"text": "x"}', b',\n{"text": "x"}', "more follows the end of the array in line 2", b"]"),
    ],
)
def test_ends_that_are_none(tmp_path: Path, end: bytes, raw: bytes, complaint: str, left: bytes) -> None:
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    path.write_bytes(b"[\n" + GOOD + end)
    for size in (1, 40, 1 << 20):
        result = read(path, size, nothing, ANY)
        assert [row[0] for row in result.documents] == ["good"]
        ((number, error, told),) = result.rejects
        assert (number, told) == (2, raw)
        assert complaint in error
        assert result.output == b"[\n" + GOOD + left
        assert result.restored == path.read_bytes()
        gone = read(path, size, lambda *_: True, ANY)
        assert json.loads(gone.output) == []
        assert gone.restored == path.read_bytes()
    library.clean(path, out, Settings(allow=True, drop=frozenset()))
    assert out.read_bytes() == result.output
    assert library.undo(out, tmp_path / "back.json").read_bytes() == path.read_bytes()


def test_elements_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array, "LONGEST", 1000)
    path = tmp_path / "in.json"
    path.write_bytes(b"[" + GOOD + b',\n\n{"text": ["x"},\n' + (GOOD + b",\n") * 90 + b"{}]")
    with pytest.raises(InputError, match=r"in\.json:3: an element does not end within .*: mend the file"):
        library.scan(path, Settings(batch_bytes=100))
    path.write_bytes(b"[\n" + GOOD + b"]\n\n" + (GOOD + b",\n") * 90)
    with pytest.raises(InputError, match=r"in\.json:4: the end of the array is followed by more within"):
        library.scan(path, Settings(batch_bytes=100))


def test_a_file_that_changed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(b"[" + GOOD + b"]")
    (source,) = open_inputs(path)
    path.write_bytes(GOOD)
    with pytest.raises(InputError, match=r"in\.json:1: a JSON array is expected"):
        list(source.chunks(10))


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_damaged_archives(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    random.seed(2)
    records = [{"id": str(k), "text": random.randbytes(30).hex()} for k in range(6000)]
    path, out = tmp_path / "in.json.z", tmp_path / "out.json"
    path.write_bytes(pack(json.dumps(records, indent=1).encode())[:-1000])
    results = [read(path, size, nothing, ANY) for size in (5000, 1 << 20)]
    assert results[0] == results[1]
    ((number, error, raw),) = results[0].rejects
    assert "stream is truncated" in error
    assert number == len(results[0].documents) + 1 > 4000
    assert json.loads(results[0].output) == records[: number - 1]
    library.clean(path, out, Settings(allow=True, drop=frozenset()))
    assert unpacked(out) == results[0].output
    assert unpacked(library.undo(out, tmp_path / "back")).rstrip().endswith(raw)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"[", True),
        (b"\xef\xbb\xbf \n[]", True),
        (b'[{"text": "x"}]\n \n', True),
        (b'[{"text": "x"},\n{"text": "x"}]', True),
        (b'["an", "array"]\n["a", "line"]\n', False),
        (b'{"text": "x"}', False),
        (b"", False),
    ],
)
def test_what_is_an_array(head: bytes, found: bool) -> None:
    assert is_array(head) == found


@pytest.mark.parametrize("indent", [0, 2, "\t"])
@pytest.mark.parametrize("value", [{"text": "x", "n": 1}, {"n": [{"text": "x"}]}, {"a": {}, "text": "x"}])
def test_an_object_over_several_lines(tmp_path: Path, value: dict[str, Any], indent: int | str) -> None:
    path = tmp_path / "in.json"
    for text in (json.dumps(value, indent=indent), "\n".join([json.dumps(value, indent=indent)] * 3)):
        path.write_bytes(text.encode())
        with pytest.raises(InputError, match=r"in\.json:1: an object goes on in the next line.*jq -c"):
            library.scan(path)
    for first in (b"{", b'{"text": "x",', b'{"text": [', b'{"text": "x'):  # a broken record is one
        path.write_bytes(first + b"\n" + jsonl([{"id": "a", "text": "x"}]))
        run = library.scan(path)
        assert (run.documents["doc"].to_pylist(), [row["line"] for row in run.rejects]) == (["a"], [1])


@pytest.mark.parametrize("indent", [None, 2])
def test_the_command_line(tmp_path: Path, indent: int | None) -> None:
    second = "In winter the boat stays in the yard, where its planks are caulked anew."
    records: list[dict[str, Any]] = [
        {"id": "x", "text": FERRY, "n": 1.50},
        {"id": "a", "text": f"{second}\n\n{FERRY}", "z": [1, {"y": None}]},
        {"id": "b", "text": f"{FERRY}  "},
    ]
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    data = json.dumps(records, indent=indent).encode()
    path.write_bytes(data)
    told = dedup("clean", path, "-o", out, "--allow", "--json")
    assert json.loads(told.stdout)["documents_by_reason"] == {"exact_duplicate_document": 1}
    assert out.read_bytes() == json.dumps([records[0], {**records[1], "text": second}], indent=indent).encode()
    dedup("clean", "--undo", out, "-o", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    dedup("clean", path, "-o", out, "--allow", "--survivor", "longest")  # the first goes, and its comma
    assert out.read_bytes() == json.dumps([records[1], {**records[2], "text": "  "}], indent=indent).encode()
    removals = rows(tmp_path / "out.json.removals.jsonl")
    assert [(row["doc"], row["reason"]) for row in removals] == [
        ("x", "exact_duplicate_document"), (None, "separator"), ("b", "exact_duplicate"),
    ]  # fmt: skip
    assert library.undo(out, tmp_path / "back").read_bytes() == data
    packed = tmp_path / "in.json.gz"
    packed.write_bytes(gzip.compress(data))
    library.clean([packed, path], tmp_path / "both", Settings(allow=True, batch_bytes=50))
    library.undo(tmp_path / "both", tmp_path / "restored")
    assert files(tmp_path / "restored") == {"in.json.gz": data, "in.json": data}


def test_memory_for_an_array_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    with path.open("wb") as file:
        file.write(b"[")
        for k in range(600_000):
            file.write(b'{"id": %d, "text": "The ferry number %d leaves at nine."}, ' % (k, k * k))
        file.write(GOOD + b"]")
    (source,) = open_inputs(path)
    chunks = [(chunk.records, len(chunk.data.data)) for chunk in source.chunks(1 << 18)]
    assert sum(records for records, _ in chunks) == 600_001
    assert max(size for _, size in chunks) < (1 << 18) + 100
    limited("scan", path, "-o", tmp_path / "run", "--allow", megabytes=700)
